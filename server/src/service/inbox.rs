//! What waits for whom.

use super::{
    Services, errors,
    lineage::{Lineage, lineage_of},
    summary::summary,
};
use std::collections::HashMap;
use tidegate_app::{
    model::{Inbox, InboxItem},
    portal::PortalError,
};
use tidegate_domain::{
    Action, Actor, Catalog, Deployment, Policy, QuorumStatus, Release, ReleaseId, State, StateName, TeamSlug, access,
    approval::{self, Ineligible},
    plan,
};
use tidegate_store::StoreError;

const UNFINISHED: [StateName; 6] = [
    StateName::Requested,
    StateName::AwaitingApproval,
    StateName::Queued,
    StateName::Starting,
    StateName::Deploying,
    StateName::RollingBack,
];

impl Services {
    pub(crate) async fn inbox_page(&self, actor: &Actor) -> Result<Inbox, PortalError> {
        self.allow(actor, Action::View, None).await?;
        let catalog = self.catalog();
        let unfinished = self.db().in_state(&UNFINISHED).await.map_err(errors::portal)?;
        let unfinished: Vec<Deployment> = unfinished.into_iter().map(|found| found.value).collect();
        let mut inbox = Inbox {
            waiting_on_me: Vec::new(),
            mine: Vec::new(),
            others: Vec::new(),
            reviews: self.reviews_due(actor).await?,
            now: self.db().now().await.map_err(errors::portal)?,
        };
        for (deployment, lineage) in self.awaiting(&unfinished).await.map_err(errors::portal)? {
            let item = item(&catalog, deployment, &lineage);
            if may_approve(&catalog, actor, deployment, &lineage).is_ok() {
                inbox.waiting_on_me.push(item);
            } else {
                inbox.others.push(item);
            }
        }
        for items in [&mut inbox.waiting_on_me, &mut inbox.others] {
            items.sort_by_key(|item| item.expires_at);
        }
        inbox.mine = unfinished
            .iter()
            .filter(|deployment| is_of(deployment, actor))
            .map(|deployment| summary(deployment, &catalog))
            .collect();
        Ok(inbox)
    }

    pub(crate) async fn count_waiting_on(&self, actor: &Actor) -> Result<usize, PortalError> {
        let reviews = self.reviews_due(actor).await?.len();
        if access::can(actor, Action::Approve, None).is_err() {
            return Ok(reviews);
        }
        let catalog = self.catalog();
        let waiting = self
            .db()
            .in_state(&[StateName::AwaitingApproval])
            .await
            .map_err(errors::portal)?;
        // Those that a team of theirs has no say in need no further look.
        let waiting: Vec<Deployment> = waiting
            .into_iter()
            .map(|found| found.value)
            .filter(|deployment| has_a_say(&catalog, actor, deployment))
            .collect();
        let count = self
            .awaiting(&waiting)
            .await
            .map_err(errors::portal)?
            .into_iter()
            .filter(|(deployment, lineage)| may_approve(&catalog, actor, deployment, lineage).is_ok())
            .count();
        Ok(count + reviews)
    }

    /// Those that await approval, each with what it brings.
    async fn awaiting<'a>(&self, deployments: &'a [Deployment]) -> Result<Vec<(&'a Deployment, Lineage)>, StoreError> {
        let waiting: Vec<&Deployment> = deployments
            .iter()
            .filter(|deployment| deployment.state.name() == StateName::AwaitingApproval)
            .collect();
        let ids: Vec<ReleaseId> = waiting.iter().map(|deployment| deployment.release).collect();
        let releases: HashMap<ReleaseId, Release> = self
            .db()
            .releases(&ids)
            .await?
            .into_iter()
            .map(|release| (release.id, release))
            .collect();
        let mut awaiting = Vec::new();
        for deployment in waiting {
            if let Some(release) = releases.get(&deployment.release) {
                awaiting.push((deployment, lineage_of(self.db(), deployment, release.clone()).await?));
            }
        }
        Ok(awaiting)
    }
}

fn item(catalog: &Catalog, deployment: &Deployment, lineage: &Lineage) -> InboxItem {
    let policy = policy(catalog, deployment);
    InboxItem {
        deployment: summary(deployment, catalog),
        expires_at: match &deployment.state {
            State::AwaitingApproval { expires_at, .. } => Some(*expires_at),
            _ => None,
        },
        quorum: plan::quorum_now(deployment, &policy, &lineage.involved).unwrap_or(QuorumStatus { rules: Vec::new() }),
        commits: lineage.commits.len(),
    }
}

pub(crate) fn policy(catalog: &Catalog, deployment: &Deployment) -> Policy {
    catalog
        .target(&deployment.service, &deployment.environment)
        .map(|target| target.policy.clone())
        .unwrap_or_default()
}

/// Whether this person's approval would count now, by the teams they had when they were last asked for. What a button
/// says; approving itself asks for the teams anew.
pub(crate) fn may_approve(
    catalog: &Catalog,
    actor: &Actor,
    deployment: &Deployment,
    lineage: &Lineage,
) -> Result<(), String> {
    access::can(actor, Action::Approve, Some(&deployment.service)).map_err(|denial| denial.0)?;
    let Actor::Person { person, teams, .. } = actor else {
        return Err("only a person approves".to_owned());
    };
    let State::AwaitingApproval { revision, .. } = &deployment.state else {
        return Err(format!("it is {}", deployment.state.name().words().to_lowercase()));
    };
    approval::eligible(
        &policy(catalog, deployment),
        &lineage.involved,
        person.id,
        teams,
        &deployment.approvals,
        &revision.hash(),
    )
    .map_err(|why| match why {
        Ineligible::NotInTeam => format!("{why}: {}", asked_for(&policy(catalog, deployment)).join(", ")),
        why => why.to_string(),
    })
}

fn asked_for(policy: &Policy) -> Vec<&str> {
    let mut teams: Vec<&str> = policy
        .approvals
        .iter()
        .flat_map(|rule| &rule.teams)
        .map(TeamSlug::as_str)
        .collect();
    teams.sort_unstable();
    teams.dedup();
    teams
}

fn has_a_say(catalog: &Catalog, actor: &Actor, deployment: &Deployment) -> bool {
    let Actor::Person { teams, .. } = actor else {
        return false;
    };
    let policy = policy(catalog, deployment);
    policy
        .approvals
        .iter()
        .flat_map(|rule| &rule.teams)
        .any(|team| teams.contains(team))
}

fn is_of(deployment: &Deployment, actor: &Actor) -> bool {
    match (actor.person(), deployment.requested_by.human()) {
        (Some(me), Some(requester)) => me.id == requester.id,
        _ => false,
    }
}
