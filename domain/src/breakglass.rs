//! Break-glass (R7): in an incident one person names the checks that one deployment may skip, and answers for it afterwards.
//!
//! Bound to one deployment, used once, for an hour at most. It skips what it names and nothing else. Somebody else reviews
//! it within a day; while a review is overdue nobody breaks the glass again.

use crate::{
    access::{Action, Actor, Denial, Role},
    id::{BreakGlassId, DeploymentId},
    name::{EnvironmentName, GateName, PersonRef, ServiceName},
    time::{DAY, HOUR, Timestamp, span_words},
};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use std::{fmt, str::FromStr};

/// It ends an hour after it was opened, used or not.
pub const VALID_MILLIS: i64 = HOUR;
/// Its review is due a day after it was opened, used or not.
pub const REVIEW_MILLIS: i64 = DAY;
/// Longest link to an incident, in bytes.
pub const LINK_MAX: usize = 2_000;

/// One check that can be skipped, by name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Check {
    /// One gate, failed or missing.
    Gate(GateName),
    /// The approvals that the policy asks for.
    Quorum,
    /// That the digest has succeeded in the environment before.
    PromotionOrder,
    /// Every freeze.
    Freeze,
    /// The order of a migration's phases and the calendar of its contract.
    Migration,
    /// That what comes back knows the schema that is there.
    SchemaGone,
}

impl Check {
    /// In a few words: `gate lint`, `the approvals`.
    pub fn words(&self) -> String {
        match self {
            Self::Gate(gate) => format!("gate {gate}"),
            Self::Quorum => "the approvals".to_owned(),
            Self::PromotionOrder => "promotion order".to_owned(),
            Self::Freeze => "freezes".to_owned(),
            Self::Migration => "the rules of the migration".to_owned(),
            Self::SchemaGone => "the way back past a contract".to_owned(),
        }
    }
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gate(gate) => write!(f, "gate:{gate}"),
            Self::Quorum => f.write_str("quorum"),
            Self::PromotionOrder => f.write_str("promotion-order"),
            Self::Freeze => f.write_str("freeze"),
            Self::Migration => f.write_str("migration"),
            Self::SchemaGone => f.write_str("schema-gone"),
        }
    }
}

/// Text that names no check.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no check: use gate:NAME, quorum, promotion-order, freeze, migration or schema-gone")]
pub struct UnknownCheck(String);

impl FromStr for Check {
    type Err = UnknownCheck;

    fn from_str(text: &str) -> Result<Self, UnknownCheck> {
        let unknown = || UnknownCheck(text.chars().take(80).collect());
        Ok(match text {
            "quorum" => Self::Quorum,
            "promotion-order" => Self::PromotionOrder,
            "freeze" => Self::Freeze,
            "migration" => Self::Migration,
            "schema-gone" => Self::SchemaGone,
            other => {
                let gate = other.strip_prefix("gate:").ok_or_else(unknown)?;
                Self::Gate(GateName::new(gate).map_err(|_| unknown())?)
            }
        })
    }
}

impl Serialize for Check {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Check {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

/// What one person took upon themselves, as the deployment carries it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BreakGlass {
    pub id: BreakGlassId,
    pub by: PersonRef,
    pub reason: String,
    /// Where the incident is described.
    pub incident: String,
    /// Everything that it skips, and nothing else.
    pub skips: Vec<Check>,
    pub opened_at: Timestamp,
    /// From then on it skips nothing.
    pub expires_at: Timestamp,
    pub used: Option<Used>,
}

/// The deployment went by it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Used {
    pub at: Timestamp,
    /// Those of the checks that did stand in the way.
    pub skipped: Vec<Check>,
}

impl BreakGlass {
    /// Whether this check is skipped at that moment.
    pub fn skips(&self, check: &Check, now: Timestamp) -> bool {
        now < self.expires_at && self.skips.contains(check)
    }

    pub fn review_due(&self) -> Timestamp {
        self.opened_at.plus_millis(REVIEW_MILLIS)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Judgement {
    Justified,
    NotJustified,
}

impl Judgement {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Justified => "justified",
            Self::NotJustified => "not_justified",
        }
    }

    pub const fn words(self) -> &'static str {
        match self {
            Self::Justified => "justified",
            Self::NotJustified => "not justified",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        [Self::Justified, Self::NotJustified]
            .into_iter()
            .find(|one| one.name() == text)
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Review {
    pub by: PersonRef,
    pub judgement: Judgement,
    pub text: String,
    pub at: Timestamp,
}

/// One line of the register.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    pub glass: BreakGlass,
    pub deployment: DeploymentId,
    pub service: ServiceName,
    pub environment: EnvironmentName,
    /// What was to be deployed, as people call it.
    pub label: String,
    pub review: Option<Review>,
}

impl Entry {
    pub fn overdue(&self, now: Timestamp) -> bool {
        self.review.is_none() && now >= self.glass.review_due()
    }
}

/// Whether `actor` may break the glass, by role and by the reviews that are overdue.
///
/// # Errors
/// A sentence that says what is missing.
pub fn may_open(actor: &Actor, roles: &[Role], unreviewed: &[Entry], now: Timestamp) -> Result<(), Denial> {
    crate::access::can_by(actor, Action::BreakGlass, None, roles)?;
    let Some(overdue) = unreviewed.iter().find(|entry| entry.overdue(now)) else {
        return Ok(());
    };
    Err(Denial(format!(
        "the review of the break-glass that {} opened for {} in {} is overdue by {}: until someone else has reviewed it \
         nobody can break the glass",
        overdue.glass.by,
        overdue.service,
        overdue.environment,
        span_words(now.since(overdue.glass.review_due()))
    )))
}

/// Whether `actor` may review this one.
///
/// # Errors
/// A sentence that says why not.
pub fn may_review(actor: &Actor, entry: &Entry) -> Result<(), Denial> {
    crate::access::can(actor, Action::ReviewBreakGlass, Some(&entry.service))?;
    if let Some(review) = &entry.review {
        return Err(Denial(format!("{} has reviewed it already", review.by)));
    }
    if actor.person() == Some(&entry.glass.by) {
        return Err(Denial("nobody reviews what they opened themselves".to_owned()));
    }
    Ok(())
}

/// Whether this can be followed: a web address without anything that is not part of one.
pub fn is_link(text: &str) -> bool {
    let host = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    text.len() <= LINK_MAX
        && text.bytes().all(|b| b.is_ascii_graphic() && !b"<>\"'\\`".contains(&b))
        && host.is_some_and(|host| host.bytes().next().is_some_and(|first| first.is_ascii_alphanumeric()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::{MINUTE, SECOND};
    use rstest::rstest;
    use uuid::Uuid;

    const OPENED: Timestamp = Timestamp::from_millis(1_790_000_000_000);

    fn person(id: i64, roles: &[Role]) -> Actor {
        Actor::Person {
            person: PersonRef::new(id, format!("p{id}")),
            roles: roles.to_vec(),
            teams: Vec::new(),
        }
    }

    fn entry() -> Entry {
        Entry {
            glass: BreakGlass {
                id: BreakGlassId::from_uuid(Uuid::nil()),
                by: PersonRef::new(1, "ada"),
                reason: "checkout is down".to_owned(),
                incident: "https://incidents.example/7".to_owned(),
                skips: vec![Check::Quorum, Check::Gate(GateName::new("lint").unwrap())],
                opened_at: OPENED,
                expires_at: OPENED.plus_millis(VALID_MILLIS),
                used: None,
            },
            deployment: DeploymentId::from_uuid(Uuid::nil()),
            service: ServiceName::new("rag").unwrap(),
            environment: EnvironmentName::new("production").unwrap(),
            label: "sha-1234567".to_owned(),
            review: None,
        }
    }

    #[test]
    fn r07_it_skips_the_named_checks_for_an_hour_and_nothing_else() {
        let glass = entry().glass;
        let last = OPENED.plus_millis(60 * MINUTE - 1);
        assert!(glass.skips(&Check::Quorum, OPENED) && glass.skips(&Check::Quorum, last));
        assert!(!glass.skips(&Check::Quorum, OPENED.plus_millis(60 * MINUTE)));
        assert!(glass.skips(&Check::Gate(GateName::new("lint").unwrap()), last));
        for other in [
            Check::Gate(GateName::new("build").unwrap()),
            Check::PromotionOrder,
            Check::Freeze,
            Check::Migration,
            Check::SchemaGone,
        ] {
            assert!(!glass.skips(&other, OPENED), "{other}");
        }
    }

    #[test]
    fn r07_an_overdue_review_blocks_the_next_break_glass() {
        let admin = person(2, &[Role::Admin]);
        let roles = [Role::Admin];
        let due = OPENED.plus_millis(24 * HOUR);
        assert_eq!(may_open(&admin, &roles, &[entry()], due.plus_millis(-SECOND)), Ok(()));
        let denial = may_open(&admin, &roles, &[entry()], due.plus_millis(2 * HOUR)).unwrap_err();
        assert_eq!(
            denial.0,
            "the review of the break-glass that ada opened for rag in production is overdue by 2 h: until someone else \
             has reviewed it nobody can break the glass"
        );
        let reviewed = Entry {
            review: Some(Review {
                by: PersonRef::new(3, "cleo"),
                judgement: Judgement::NotJustified,
                text: "the gate was right".to_owned(),
                at: due,
            }),
            ..entry()
        };
        assert_eq!(may_open(&admin, &roles, &[reviewed], due.plus_millis(2 * HOUR)), Ok(()));
    }

    #[test]
    fn r07_only_the_configured_roles_break_the_glass() {
        let roles = [Role::Admin];
        let denial = may_open(&person(2, &[Role::Deployer]), &roles, &[], OPENED).unwrap_err();
        assert!(denial.0.contains("you need the role admin"), "{denial}");
        assert!(may_open(&Actor::system("worker"), &roles, &[], OPENED).is_err());
    }

    #[test]
    fn r07_nobody_reviews_their_own() {
        let approver = &[Role::Approver];
        assert_eq!(
            may_review(&person(1, approver), &entry()).unwrap_err().0,
            "nobody reviews what they opened themselves"
        );
        assert_eq!(may_review(&person(2, approver), &entry()), Ok(()));
        assert!(may_review(&person(2, &[Role::Viewer]), &entry()).is_err());
    }

    #[rstest]
    #[case("https://incidents.example/7", true)]
    #[case("http://10.0.0.1/7", true)]
    #[case("incidents.example/7", false)]
    #[case("https://", false)]
    #[case("javascript:alert(1)", false)]
    #[case("https://a b", false)]
    fn an_incident_is_a_web_address(#[case] text: &str, #[case] good: bool) {
        assert_eq!(is_link(text), good);
    }

    #[test]
    fn a_check_reads_back_from_its_name() {
        for name in [
            "gate:lint",
            "quorum",
            "promotion-order",
            "freeze",
            "migration",
            "schema-gone",
        ] {
            assert_eq!(name.parse::<Check>().unwrap().to_string(), name);
        }
        assert!("gate:".parse::<Check>().is_err() && "everything".parse::<Check>().is_err());
    }
}
