//! Who asks, who approves, and who signed in when.

use super::{Act, Cast, PRODUCTION, Result, Scene, StoryError, Teller};
use crate::{ids, seed::Seed};
use tidegate_domain::{
    Actor, AuditEvent, Catalog, EnvironmentName, EventKind, PersonRef, Subject, Timestamp,
    time::{DAY, MINUTE},
};

const APPROVERS: [&str; 4] = ["ada-acme", "ben-acme", "cleo-acme", "fay-acme"];
const SECURITY: [&str; 2] = ["eli-acme", "hana-acme"];
/// Who asks for production, where CI does not.
const REQUESTERS: [&str; 3] = ["dara-acme", "hana-acme", "ben-acme"];

impl Teller<'_> {
    /// CI, or a person; not one of those of whom two are needed.
    pub(super) fn requester(&self, cast: &Cast) -> Result<Actor> {
        let choice = usize::from(ids::bytes(&cast.commit.sha)[1]) % (REQUESTERS.len() + 2);
        let needed = self.two_rules()?;
        match REQUESTERS.get(choice) {
            Some(login) if *login != cast.commit.author && !(needed && SECURITY.contains(login)) => self.someone(login),
            _ => Ok(cast.ci.clone()),
        }
    }

    pub(super) fn two_rules(&self) -> Result<bool> {
        let production = self.service.target(&EnvironmentName::new(PRODUCTION)?);
        Ok(production.is_some_and(|target| target.policy.places() > 1))
    }

    pub(super) fn someone(&self, login: &str) -> Result<Actor> {
        let teams = self.seed.teams_of(login);
        Ok(Actor::Person {
            person: self.seed.person(login)?,
            roles: self.catalog.roles_of(&teams),
            teams,
        })
    }

    /// People who had no part in what the deployment brings: one from release-approvers, and one from security where
    /// the policy asks for two.
    pub(super) fn approvers(&self, cast: &Cast, requester: &Actor) -> Result<(&'static str, Option<&'static str>)> {
        let first = self.in_production.as_ref().map_or(0, |(index, _)| index + 1);
        let brings = &self.repository.commits[first..=cast.index];
        let part = |login: &str| {
            brings.iter().any(|commit| commit.author == login)
                || requester
                    .human()
                    .is_some_and(|person: &PersonRef| person.login == login)
        };
        let turn = usize::from(ids::bytes(&cast.commit.sha)[2]);
        let pick = |from: &[&'static str]| {
            (0..from.len())
                .map(|n| from[(n + turn) % from.len()])
                .find(|login| !part(login))
        };
        let nobody = || StoryError::NobodyLeft(cast.commit.sha.clone());
        let approver = pick(&APPROVERS).ok_or_else(nobody)?;
        let security = if self.two_rules()? {
            Some(pick(&SECURITY).ok_or_else(nobody)?)
        } else {
            None
        };
        Ok((approver, security))
    }
}

/// People come and go.
pub(super) fn sign_ins(seed: &Seed, catalog: &Catalog, now: Timestamp, acts: &mut Vec<Act>) -> Result<()> {
    let everyone = APPROVERS.iter().chain(&SECURITY).chain(&["dara-acme", "gus-acme"]);
    for (place, login) in (0..).zip(everyone) {
        for day in 0..15_i64 {
            let minute = ids::between(&format!("{login} day {day}"), 0, 11 * 60);
            if (day + place) % 3 == 0 || (day == 0 && minute < 40) {
                continue;
            }
            let teams = seed.teams_of(login);
            let roles = catalog.roles_of(&teams);
            let at = now.plus_millis(-day * DAY - minute * MINUTE);
            let actor = Actor::Person {
                person: seed.person(login)?,
                roles: roles.clone(),
                teams: teams.clone(),
            };
            let data = serde_json::json!({ "roles": roles, "teams": teams, "why": null });
            let what = Scene::Note(AuditEvent {
                kind: EventKind::SessionStarted,
                actor,
                subject: Subject::default(),
                data,
                text: None,
            });
            acts.push(Act { at, what });
        }
    }
    Ok(())
}
