//! Gates of time and shape for people: what a page shows of freezes, migrations and break-glass.

use super::{Services, clearance::clearance, errors, service_page::permission};
use tidegate_app::{
    model::Permission,
    portal::PortalError,
    shape::{CheckRow, DeploymentFreeze, EnvironmentFreezes, FreezeRow, Register, RegisterRow, Shape},
};
use tidegate_domain::{
    Action, Actor, Catalog, Deployment, Freeze, GateResult, GateStatus, Service, State, StateName, Timestamp, access,
    breakglass::{self, Check, Entry},
    budget::Budget,
    freeze::moment_words,
    plan,
};

/// Rows of the register, at most.
const REGISTER: usize = 200;

impl Services {
    #[expect(
        clippy::too_many_arguments,
        reason = "what the page has read already is not read again"
    )]
    pub(crate) async fn shape(
        &self,
        actor: &Actor,
        catalog: &Catalog,
        deployment: &Deployment,
        release: &tidegate_domain::Release,
        gates: &[GateStatus],
        reported: &[GateResult],
        now: Timestamp,
    ) -> Result<Shape, PortalError> {
        let clearance = clearance(self.db(), catalog, deployment, release)
            .await
            .map_err(errors::portal)?;
        let waits = waits(deployment);
        let closures = match waits {
            true => plan::closed(deployment, &clearance, now),
            false => Vec::new(),
        };
        let opens = clearance.opens(&deployment.waivers, now);
        let no_way_back = self.no_way_back(deployment).await?;
        let mut checks = Vec::new();
        if waits {
            let standing: Vec<Check> = clearance
                .closures(&deployment.waivers, now)
                .into_iter()
                .map(|closure| closure.check)
                .chain(clearance.blockers().into_iter().map(|(check, _)| check))
                .collect();
            checks = checks_of(catalog, deployment, gates, &standing);
        } else if no_way_back.is_some() {
            checks.push(CheckRow {
                check: Check::SchemaGone,
                stands: true,
            });
        }
        let unreviewed = self.db().unreviewed_break_glass().await.map_err(errors::portal)?;
        let may_break_glass = breakglass::may_open(actor, &catalog.break_glass, &unreviewed, now);
        let glass = match &deployment.waivers.glass {
            Some(glass) => self.db().break_glass(glass.id).await.map_err(errors::portal)?,
            None => None,
        };
        Ok(Shape {
            freezes: match waits && !deployment.is_rollback() {
                true => freezes(actor, &clearance.freezes, deployment, now),
                false => Vec::new(),
            },
            opens: (!closures.is_empty()).then_some(opens),
            closed: closures.into_iter().map(|closure| closure.words).collect(),
            no_way_back,
            may_break_glass: permission(may_break_glass.map_err(|denial| denial.0)),
            checks,
            glass,
            budget: Budget::of(deployment, reported, now),
        })
    }

    pub(crate) async fn register_page(&self, actor: &Actor) -> Result<Register, PortalError> {
        self.allow(actor, Action::View, None).await?;
        let now = self.db().now().await.map_err(errors::portal)?;
        let entries = self.db().break_glass_register(REGISTER).await.map_err(errors::portal)?;
        let mut rows: Vec<RegisterRow> = entries.into_iter().map(|entry| row(actor, entry)).collect();
        rows.sort_by_key(|row| row.entry.review.is_some());
        Ok(Register { rows, now })
    }

    /// Those that this person may review, the one that is due first first.
    pub(crate) async fn reviews_due(&self, actor: &Actor) -> Result<Vec<Entry>, PortalError> {
        let unreviewed = self.db().unreviewed_break_glass().await.map_err(errors::portal)?;
        Ok(unreviewed
            .into_iter()
            .filter(|entry| breakglass::may_review(actor, entry).is_ok())
            .collect())
    }
}

fn row(actor: &Actor, entry: Entry) -> RegisterRow {
    RegisterRow {
        may_review: permission(breakglass::may_review(actor, &entry).map_err(|denial| denial.0)),
        entry,
    }
}

pub(crate) fn waits(deployment: &Deployment) -> bool {
    let name = deployment.state.name();
    !name.is_terminal() && !name.is_in_flight()
}

/// Everything that can be skipped for a waiting deployment, what stands in the way first.
fn checks_of(catalog: &Catalog, deployment: &Deployment, gates: &[GateStatus], standing: &[Check]) -> Vec<CheckRow> {
    let mut rows = Vec::new();
    let mut add = |check: Check, stands: bool| rows.push(CheckRow { check, stands });
    let target = catalog.target(&deployment.service, &deployment.environment);
    if deployment.is_rollback() {
        if standing.contains(&Check::SchemaGone) {
            add(Check::SchemaGone, true);
        }
        return rows;
    }
    for status in gates.iter().filter(|status| !status.passed()) {
        add(Check::Gate(status.gate.clone()), true);
    }
    if let Some(policy) = target.map(|target| &target.policy) {
        if !policy.is_automatic() {
            add(Check::Quorum, deployment.state.name() != StateName::Queued);
        }
        if policy.promote_from.is_some() {
            let blocked = matches!(&deployment.state, State::Requested { blocked } if blocked
                .iter()
                .any(|blocker| blocker.kind == tidegate_domain::deployment::BlockerKind::PromotionOrder));
            add(Check::PromotionOrder, blocked);
        }
    }
    for check in [Check::Freeze, Check::Migration, Check::SchemaGone] {
        if standing.contains(&check) {
            add(check, true);
        }
    }
    rows.sort_by_key(|row| !row.stands);
    rows
}

fn freezes(actor: &Actor, freezes: &[Freeze], deployment: &Deployment, now: Timestamp) -> Vec<DeploymentFreeze> {
    holding_or_next(freezes, now)
        .into_iter()
        .map(|(freeze, row)| {
            let overridden = deployment
                .waivers
                .freezes
                .iter()
                .find(|given| given.freeze == freeze.name && given.occurrence == row.occurrence);
            let may = access::can_by(
                actor,
                Action::OverrideFreeze,
                Some(&deployment.service),
                &freeze.override_by,
            );
            DeploymentFreeze {
                overridden: overridden.cloned(),
                may_override: match row.active {
                    true => permission(may.map_err(|denial| denial.0)),
                    false => Permission::No("it does not hold yet".to_owned()),
                },
                freeze: row,
            }
        })
        .collect()
}

/// Those that hold, or the next one where none does.
fn holding_or_next(freezes: &[Freeze], now: Timestamp) -> Vec<(&Freeze, FreezeRow)> {
    let holding: Vec<_> = freezes
        .iter()
        .filter_map(|freeze| Some((freeze, active(freeze, now)?)))
        .collect();
    if holding.is_empty() {
        return next(freezes, now).into_iter().collect();
    }
    holding
}

fn active(freeze: &Freeze, now: Timestamp) -> Option<FreezeRow> {
    let one = freeze.at(now)?;
    Some(FreezeRow {
        name: freeze.name.clone(),
        label: freeze.label(),
        occurrence: one,
        active: true,
        moment: moment_words(one.until, &freeze.time_zone, now),
    })
}

fn next(freezes: &[Freeze], now: Timestamp) -> Option<(&Freeze, FreezeRow)> {
    let (freeze, one) = freezes
        .iter()
        .filter_map(|freeze| Some((freeze, freeze.after(now)?)))
        .min_by_key(|(_, one)| one.from)?;
    let row = FreezeRow {
        name: freeze.name.clone(),
        label: freeze.label(),
        occurrence: one,
        active: false,
        moment: moment_words(one.from, &freeze.time_zone, now),
    };
    Some((freeze, row))
}

/// For each environment of a service the freezes that hold, and the next one.
pub(crate) fn calendar(catalog: &Catalog, service: &Service, now: Timestamp) -> Vec<EnvironmentFreezes> {
    service
        .targets
        .iter()
        .map(|target| {
            let freezes = catalog.freezes_of(&service.name, &target.environment);
            let mut rows: Vec<FreezeRow> = freezes.iter().filter_map(|freeze| active(freeze, now)).collect();
            rows.extend(next(&freezes, now).map(|(_, row)| row));
            EnvironmentFreezes {
                environment: target.environment.clone(),
                freezes: rows,
            }
        })
        .collect()
}
