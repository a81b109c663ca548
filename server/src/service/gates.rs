//! Overriding a freeze, breaking the glass, and reviewing that.

use super::{
    Services,
    decide::{reason_given, subject},
    errors::{self, invalid, no_deployment},
    fresh_id, person,
    request::already_on_its_way,
    transaction::{Stopped, again},
};
use serde_json::json;
use tidegate_app::{
    portal::PortalError,
    shape::{NewBreakGlass, NewReview},
};
use tidegate_domain::{
    Action, Actor, AuditEvent, BreakGlassId, Deployment, DeploymentId, EventKind, State, StateName, Subject, Timestamp,
    access,
    breakglass::{self, BreakGlass, Check, Entry, Review, VALID_MILLIS},
    deployment::{Exemption, Kind, Transition, Waivers},
    freeze::FreezeOverride,
    name::PersonRef,
};

/// Checks that one break-glass names, at most.
const SKIPS_MAX: usize = 40;

impl Services {
    /// Lets this deployment through the freeze of that name, as long as it holds this time.
    pub(crate) async fn override_the_freeze(
        &self,
        actor: &Actor,
        id: DeploymentId,
        freeze: &str,
        reason: &str,
    ) -> Result<(), PortalError> {
        let deployment = self.load(id).await?;
        let about = subject(&deployment);
        self.allow_about(actor, Action::View, about.clone()).await?;
        let catalog = self.catalog();
        let freezes = catalog.freezes_of(&deployment.service, &deployment.environment);
        let freeze = freezes.iter().find(|known| known.name == freeze).ok_or_else(|| {
            let known: Vec<&str> = freezes.iter().map(|freeze| freeze.name.as_str()).collect();
            let known = if known.is_empty() {
                "none".to_owned()
            } else {
                known.join(", ")
            };
            invalid("freeze", format!("no such freeze covers it; those that do: {known}"))
        })?;
        let may = access::can_by(
            actor,
            Action::OverrideFreeze,
            Some(&deployment.service),
            &freeze.override_by,
        );
        if let Err(denial) = may {
            self.denied_about(actor, Action::OverrideFreeze.words(), &denial.0, about)
                .await;
            return Err(PortalError::Forbidden(denial.0));
        }
        let by = person(actor, Action::OverrideFreeze)?.clone();
        let reason = reason_given(reason)?;
        self.change(&deployment, |_, now| {
            let occurrence = freeze.at(now).ok_or_else(|| {
                PortalError::Conflict(format!(
                    "the {} does not hold now: there is nothing to override",
                    freeze.label()
                ))
            })?;
            Ok(Transition::Exempt(Exemption::OverrideFreeze {
                actor: actor.clone(),
                given: FreezeOverride {
                    freeze: freeze.name.clone(),
                    occurrence,
                    by: by.clone(),
                    reason: reason.clone(),
                    at: now,
                },
            }))
        })
        .await?;
        Ok(())
    }

    /// Breaks the glass for a waiting deployment; for one that succeeded, to go back past a contract, by a new deployment
    /// whose id is returned.
    pub(crate) async fn open_break_glass(
        &self,
        actor: &Actor,
        id: DeploymentId,
        new: NewBreakGlass,
    ) -> Result<DeploymentId, PortalError> {
        let deployment = self.load(id).await?;
        let about = subject(&deployment);
        self.allow_about(actor, Action::View, about.clone()).await?;
        let now = self.db().now().await.map_err(errors::portal)?;
        let unreviewed = self.db().unreviewed_break_glass().await.map_err(errors::portal)?;
        if let Err(denial) = breakglass::may_open(actor, &self.catalog().break_glass, &unreviewed, now) {
            self.denied_about(actor, Action::BreakGlass.words(), &denial.0, about)
                .await;
            return Err(PortalError::Forbidden(denial.0));
        }
        let wish = Wish::of(person(actor, Action::BreakGlass)?.clone(), new)?;
        if deployment.state.name() == StateName::Succeeded {
            return self.go_back_by_glass(actor, &deployment, &wish).await;
        }
        again(|| self.break_once(actor, &deployment, &wish)).await?;
        Ok(id)
    }

    async fn break_once(&self, actor: &Actor, known: &Deployment, wish: &Wish) -> Result<(), Stopped> {
        let mut tx = self.db().begin().await?;
        tx.wake_lane(&known.service, &known.environment).await?;
        let found = tx.deployment(known.id).await?.ok_or_else(no_deployment)?;
        let now = tx.now();
        let glass = wish.glass(now);
        let entry = entry(&found.value, glass.clone());
        let transition = opening(actor, glass);
        let (next, events) = found.value.apply(transition, now).map_err(Stopped::Refused)?;
        tx.save_deployment(&next, found.version).await?;
        tx.enter_break_glass(&entry).await?;
        self.finish(tx, events, &next.id).await
    }

    async fn go_back_by_glass(
        &self,
        actor: &Actor,
        deployment: &Deployment,
        wish: &Wish,
    ) -> Result<DeploymentId, PortalError> {
        if wish.skips != [Check::SchemaGone] {
            return Err(invalid(
                "skips",
                format!(
                    "it has come to rest: to go back past a contract, skip {} and nothing else",
                    Check::SchemaGone
                ),
            ));
        }
        let before = self.release_before(deployment).await??;
        if self.no_way_back(deployment).await?.is_none() {
            return Err(PortalError::Conflict(
                "no contract stands in the way: roll it back without breaking the glass".to_owned(),
            ));
        }
        let make = |now| Deployment {
            id: DeploymentId::from_uuid(fresh_id(now)),
            service: deployment.service.clone(),
            environment: deployment.environment.clone(),
            release: before.release,
            digest: before.digest.clone(),
            label: before.label.clone(),
            title: before.title.clone(),
            kind: Kind::Rollback {
                of: deployment.id,
                by: wish.by.clone(),
                reason: wish.reason.clone(),
            },
            requested_by: actor.clone(),
            requested_at: now,
            reason: Some(wish.reason.clone()),
            approvals: Vec::new(),
            preparation: None,
            waivers: Waivers::default(),
            state: State::Requested { blocked: Vec::new() },
        };
        Ok(again(|| self.go_back_once(actor, wish, &make)).await?)
    }

    /// In the order of `open_once`: the events come first, and what is new after them.
    async fn go_back_once(
        &self,
        actor: &Actor,
        wish: &Wish,
        make: &(impl Fn(Timestamp) -> Deployment + Send + Sync),
    ) -> Result<DeploymentId, Stopped> {
        let mut tx = self.db().begin().await?;
        let now = tx.now();
        let requested = make(now);
        let glass = wish.glass(now);
        let entry = entry(&requested, glass.clone());
        let (next, mut events) = requested.apply(opening(actor, glass), now).map_err(Stopped::Refused)?;
        events.insert(0, requested.requested_event());
        tx.wake_lane(&next.service, &next.environment).await?;
        self.note_result(&mut tx, &next.id).await?;
        self.append(&mut tx, events).await?;
        let unfinished = tx.unfinished_in(&next.service, &next.environment).await?;
        already_on_its_way(&unfinished, &next)?;
        tx.insert_deployment(&next).await?;
        tx.enter_break_glass(&entry).await?;
        tx.commit().await?;
        Ok(next.id)
    }

    /// Why what ran before this finished deployment cannot simply come back.
    pub(crate) async fn no_way_back(&self, deployment: &Deployment) -> Result<Option<String>, PortalError> {
        if deployment.state.name() != StateName::Succeeded {
            return Ok(None);
        }
        let (service, environment) = (&deployment.service, &deployment.environment);
        let record = self
            .db()
            .schema_record(service, environment)
            .await
            .map_err(errors::portal)?;
        if record.done.is_empty() {
            return Ok(None);
        }
        let Ok(before) = self.release_before(deployment).await? else {
            return Ok(None);
        };
        Ok(before
            .finished_at()
            .and_then(|at| record.unsafe_past(before.release, at)))
    }

    pub(crate) async fn review(&self, actor: &Actor, id: BreakGlassId, new: NewReview) -> Result<(), PortalError> {
        let entry = self
            .db()
            .break_glass(id)
            .await
            .map_err(errors::portal)?
            .ok_or_else(|| {
                PortalError::NotFound("there is no such break-glass: look it up in the register".to_owned())
            })?;
        let about = Subject {
            service: Some(entry.service.clone()),
            environment: Some(entry.environment.clone()),
            release: None,
            deployment: Some(entry.deployment),
        };
        self.allow_about(actor, Action::View, about.clone()).await?;
        if let Some(review) = &entry.review {
            return Err(reviewed_by(&review.by));
        }
        if let Err(denial) = breakglass::may_review(actor, &entry) {
            self.denied_about(actor, Action::ReviewBreakGlass.words(), &denial.0, about)
                .await;
            return Err(PortalError::Forbidden(denial.0));
        }
        let by = person(actor, Action::ReviewBreakGlass)?.clone();
        let text = reason_given(&new.text).map_err(|error| match error {
            PortalError::Invalid { message, .. } => invalid("text", message),
            other => other,
        })?;
        let review = |at| Review {
            by: by.clone(),
            judgement: new.judgement,
            text: text.clone(),
            at,
        };
        Ok(again(|| self.review_once(actor, &entry, &about, &review)).await?)
    }

    async fn review_once(
        &self,
        actor: &Actor,
        entry: &Entry,
        about: &Subject,
        review: &(impl Fn(Timestamp) -> Review + Send + Sync),
    ) -> Result<(), Stopped> {
        let mut tx = self.db().begin().await?;
        let now = tx.now();
        let review = review(now);
        let event = AuditEvent {
            kind: EventKind::BreakGlassReviewed,
            actor: actor.clone(),
            subject: about.clone(),
            data: json!({
                "break_glass": entry.glass.id, "opened_by": entry.glass.by, "judgement": review.judgement,
                "late": entry.overdue(now),
            }),
            text: Some(review.text.clone()),
        };
        let reviewed = Entry {
            review: Some(review),
            ..entry.clone()
        };
        if !tx.review_break_glass(&reviewed).await? {
            return Err(Stopped::Portal(PortalError::Conflict(
                "someone else has just reviewed it".to_owned(),
            )));
        }
        self.finish(tx, vec![event], &entry.glass.id).await
    }
}

fn reviewed_by(by: &PersonRef) -> PortalError {
    PortalError::Conflict(format!("{by} has reviewed it already"))
}

/// What was asked for, found well-formed.
struct Wish {
    by: PersonRef,
    reason: String,
    incident: String,
    skips: Vec<Check>,
}

impl Wish {
    fn of(by: PersonRef, new: NewBreakGlass) -> Result<Self, PortalError> {
        let incident = new.incident.trim().to_owned();
        if !breakglass::is_link(&incident) {
            return Err(invalid(
                "incident",
                "link to the incident, with an address that begins with https://",
            ));
        }
        let mut skips = new.skips;
        skips.sort_unstable();
        skips.dedup();
        if skips.is_empty() || skips.len() > SKIPS_MAX {
            return Err(invalid(
                "skips",
                "name what it skips, one check at least: it skips nothing else",
            ));
        }
        Ok(Self {
            by,
            reason: reason_given(&new.reason)?,
            incident,
            skips,
        })
    }

    fn glass(&self, now: Timestamp) -> BreakGlass {
        BreakGlass {
            id: BreakGlassId::from_uuid(fresh_id(now)),
            by: self.by.clone(),
            reason: self.reason.clone(),
            incident: self.incident.clone(),
            skips: self.skips.clone(),
            opened_at: now,
            expires_at: now.plus_millis(VALID_MILLIS),
            used: None,
        }
    }
}

fn opening(actor: &Actor, glass: BreakGlass) -> Transition {
    Transition::Exempt(Exemption::BreakGlass {
        actor: actor.clone(),
        glass: Box::new(glass),
    })
}

fn entry(deployment: &Deployment, glass: BreakGlass) -> Entry {
    Entry {
        glass,
        deployment: deployment.id,
        service: deployment.service.clone(),
        environment: deployment.environment.clone(),
        label: deployment.label.clone(),
        review: None,
    }
}
