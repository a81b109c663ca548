//! Freezes, migrations and break-glass, as the API tells of them.

use super::Person;
use serde::{Deserialize, Serialize};
use tidegate_app::{
    model::Permission,
    portal::PortalError,
    shape::{DeploymentFreeze, NewBreakGlass, NewReview, RegisterRow, Shape},
};
use tidegate_domain::{
    breakglass::{Check, Judgement},
    budget::Budget,
};
use utoipa::ToSchema;

/// Lets one deployment through a freeze that holds now.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct FreezeOverrideGiven {
    /// Name of the freeze.
    #[schema(min_length = 1, max_length = 200, example = "weekend")]
    pub(crate) freeze: String,
    /// For those who read the history.
    #[schema(min_length = 1, max_length = 1000)]
    pub(crate) reason: String,
}

/// Skips the named checks for one deployment, once, for an hour. Someone else reviews it within a day.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct BreakGlassRequest {
    #[schema(min_length = 1, max_length = 1000)]
    reason: String,
    /// Where the incident is described.
    #[schema(format = "uri", pattern = "^https?://[A-Za-z0-9]", max_length = 2000)]
    incident: String,
    /// `gate:NAME`, `quorum`, `promotion-order`, `freeze`, `migration` or `schema-gone`; nothing else is skipped.
    #[schema(min_items = 1, max_items = 40, example = json!(["gate:lint", "quorum"]))]
    skips: Vec<String>,
}

impl BreakGlassRequest {
    pub(crate) fn read(self) -> Result<NewBreakGlass, PortalError> {
        let skips = self.skips.iter().map(|name| {
            name.parse::<Check>().map_err(|error| PortalError::Invalid {
                field: "skips".to_owned(),
                message: error.to_string(),
            })
        });
        Ok(NewBreakGlass {
            skips: skips.collect::<Result<_, _>>()?,
            reason: self.reason,
            incident: self.incident,
        })
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum JudgementShape {
    Justified,
    NotJustified,
}

impl From<JudgementShape> for Judgement {
    fn from(judgement: JudgementShape) -> Self {
        match judgement {
            JudgementShape::Justified => Self::Justified,
            JudgementShape::NotJustified => Self::NotJustified,
        }
    }
}

impl From<Judgement> for JudgementShape {
    fn from(judgement: Judgement) -> Self {
        match judgement {
            Judgement::Justified => Self::Justified,
            Judgement::NotJustified => Self::NotJustified,
        }
    }
}

/// What someone else found of it.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ReviewGiven {
    judgement: JudgementShape,
    #[schema(min_length = 1, max_length = 1000)]
    text: String,
}

impl From<ReviewGiven> for NewReview {
    fn from(given: ReviewGiven) -> Self {
        Self {
            judgement: given.judgement.into(),
            text: given.text,
        }
    }
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ReviewShape {
    by: Person,
    judgement: JudgementShape,
    text: String,
    #[schema(format = "date-time")]
    at: String,
}

/// One line of the register.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct BreakGlassShape {
    #[schema(format = "uuid")]
    id: String,
    #[schema(format = "uuid")]
    deployment: String,
    service: String,
    environment: String,
    label: String,
    by: Person,
    reason: String,
    incident: String,
    /// Everything that it skips.
    skips: Vec<String>,
    #[schema(format = "date-time")]
    opened_at: String,
    #[schema(format = "date-time")]
    expires_at: String,
    /// When the deployment went by it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = "date-time")]
    used_at: Option<String>,
    /// Those of the checks that did stand in the way.
    skipped: Vec<String>,
    #[schema(format = "date-time")]
    review_due: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    review: Option<ReviewShape>,
    may_review: bool,
}

fn names(checks: &[Check]) -> Vec<String> {
    checks.iter().map(ToString::to_string).collect()
}

impl From<&RegisterRow> for BreakGlassShape {
    fn from(row: &RegisterRow) -> Self {
        let entry = &row.entry;
        let glass = &entry.glass;
        Self {
            id: glass.id.to_string(),
            deployment: entry.deployment.to_string(),
            service: entry.service.to_string(),
            environment: entry.environment.to_string(),
            label: entry.label.clone(),
            by: (&glass.by).into(),
            reason: glass.reason.clone(),
            incident: glass.incident.clone(),
            skips: names(&glass.skips),
            opened_at: glass.opened_at.to_string(),
            expires_at: glass.expires_at.to_string(),
            used_at: glass.used.as_ref().map(|used| used.at.to_string()),
            skipped: glass.used.as_ref().map(|used| names(&used.skipped)).unwrap_or_default(),
            review_due: glass.review_due().to_string(),
            review: entry.review.as_ref().map(|review| ReviewShape {
                by: (&review.by).into(),
                judgement: review.judgement.into(),
                text: review.text.clone(),
                at: review.at.to_string(),
            }),
            may_review: row.may_review.is_yes(),
        }
    }
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct BreakGlassList {
    /// Those without a review first.
    pub(crate) items: Vec<BreakGlassShape>,
}

/// A freeze that holds now, or the next one to come.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct FreezeShape {
    name: String,
    active: bool,
    #[schema(format = "date-time")]
    from: String,
    #[schema(format = "date-time")]
    until: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    overridden_by: Option<Person>,
    may_override: bool,
}

impl From<&DeploymentFreeze> for FreezeShape {
    fn from(it: &DeploymentFreeze) -> Self {
        Self {
            name: it.freeze.name.clone(),
            active: it.freeze.active,
            from: it.freeze.occurrence.from.to_string(),
            until: it.freeze.occurrence.until.to_string(),
            overridden_by: it.overridden.as_ref().map(|given| (&given.by).into()),
            may_override: matches!(it.may_override, Permission::Yes),
        }
    }
}

/// The time from commit to traffic that is known, against 15 minutes.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct BudgetShape {
    seconds: i64,
    limit_seconds: i64,
    phases: Vec<PhaseShape>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PhaseShape {
    #[schema(example = "build and scan")]
    phase: &'static str,
    limit_seconds: i64,
    /// Left out: nothing was reported.
    #[serde(skip_serializing_if = "Option::is_none")]
    seconds: Option<i64>,
    /// A part of it was not reported, or goes on.
    partly: bool,
}

impl From<&Budget> for BudgetShape {
    fn from(budget: &Budget) -> Self {
        Self {
            seconds: budget.total() / 1000,
            limit_seconds: tidegate_domain::budget::LIMIT_MILLIS / 1000,
            phases: budget
                .phases
                .iter()
                .map(|spent| PhaseShape {
                    phase: spent.phase.words(),
                    limit_seconds: spent.phase.limit() / 1000,
                    seconds: spent.millis.map(|millis| millis / 1000),
                    partly: spent.partly,
                })
                .collect(),
        }
    }
}

/// What time and shape say of a deployment.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ShapeShape {
    freezes: Vec<FreezeShape>,
    /// What keeps it from starting now and goes by itself.
    closed: Vec<String>,
    /// When none of that holds any more.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = "date-time")]
    opens: Option<String>,
    /// Why what ran before cannot simply come back.
    #[serde(skip_serializing_if = "Option::is_none")]
    no_way_back: Option<String>,
    /// Checks that breaking the glass could skip.
    checks: Vec<String>,
    may_break_glass: bool,
    /// Id in the register of the glass that was broken for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = "uuid")]
    break_glass: Option<String>,
    budget: BudgetShape,
}

impl From<&Shape> for ShapeShape {
    fn from(shape: &Shape) -> Self {
        Self {
            freezes: shape.freezes.iter().map(FreezeShape::from).collect(),
            closed: shape.closed.clone(),
            opens: shape.opens.map(|at| at.to_string()),
            no_way_back: shape.no_way_back.clone(),
            checks: shape.checks.iter().map(|row| row.check.to_string()).collect(),
            may_break_glass: shape.may_break_glass.is_yes(),
            break_glass: shape.glass.as_ref().map(|entry| entry.glass.id.to_string()),
            budget: (&shape.budget).into(),
        }
    }
}
