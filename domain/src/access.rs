//! Who may do what. [`can`] is the one answer, for the button on the page and for the server behind it.

use crate::name::{PersonRef, ServiceName, TeamSlug};
use serde::{Deserialize, Serialize};
use std::fmt;

/// What membership of a team gives. Roles do not include each other: what each may do is listed in [`can`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    Viewer,
    Deployer,
    Approver,
    Auditor,
    Admin,
}

impl Role {
    pub const ALL: [Self; 5] = [Self::Viewer, Self::Deployer, Self::Approver, Self::Auditor, Self::Admin];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Deployer => "deployer",
            Self::Approver => "approver",
            Self::Auditor => "auditor",
            Self::Admin => "admin",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Who acts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Actor {
    /// Someone signed in with GitHub.
    Person {
        person: PersonRef,
        roles: Vec<Role>,
        teams: Vec<TeamSlug>,
    },
    /// A workflow run that proved itself by its OIDC token.
    Ci {
        service: ServiceName,
        repository: String,
        run_id: i64,
        actor: PersonRef,
    },
    /// Tidegate itself: the worker, a webhook, a timer.
    System { part: String },
}

impl Actor {
    pub fn system(part: impl Into<String>) -> Self {
        Self::System { part: part.into() }
    }

    pub const fn person(&self) -> Option<&PersonRef> {
        match self {
            Self::Person { person, .. } => Some(person),
            Self::Ci { .. } | Self::System { .. } => None,
        }
    }

    /// The human behind it, if one is known: for CI, who set the workflow off.
    pub const fn human(&self) -> Option<&PersonRef> {
        match self {
            Self::Person { person, .. } | Self::Ci { actor: person, .. } => Some(person),
            Self::System { .. } => None,
        }
    }

    /// How the actor is shown: a login, `CI of acme/rag`, `Tidegate`.
    pub fn label(&self) -> String {
        match self {
            Self::Person { person, .. } => person.login.clone(),
            Self::Ci { repository, .. } => format!("CI of {repository}"),
            Self::System { .. } => "Tidegate".to_owned(),
        }
    }

    fn has(&self, role: Role) -> bool {
        matches!(self, Self::Person { roles, .. } if roles.contains(&role))
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// See services, releases, deployments.
    View,
    /// See the audit log.
    ViewAudit,
    ReportRelease,
    ReportGate,
    RequestDeployment,
    Approve,
    Reject,
    Cancel,
    RollBack,
    /// Let a held deployment go on.
    Continue,
    /// Say of a deployment that is over whether it was an incident.
    Mark,
    /// Let one deployment through a freeze; the freeze names the roles.
    OverrideFreeze,
    /// Skip named checks in an incident; the configuration names the roles.
    BreakGlass,
    ReviewBreakGlass,
    /// See and end other people's sessions.
    ManageSessions,
}

impl Action {
    pub const ALL: [Self; 15] = [
        Self::View,
        Self::ViewAudit,
        Self::ReportRelease,
        Self::ReportGate,
        Self::RequestDeployment,
        Self::Approve,
        Self::Reject,
        Self::Cancel,
        Self::RollBack,
        Self::Continue,
        Self::Mark,
        Self::OverrideFreeze,
        Self::BreakGlass,
        Self::ReviewBreakGlass,
        Self::ManageSessions,
    ];

    pub const fn words(self) -> &'static str {
        match self {
            Self::View => "see deployments",
            Self::ViewAudit => "see the audit log",
            Self::ReportRelease => "report a release",
            Self::ReportGate => "report a gate",
            Self::RequestDeployment => "request a deployment",
            Self::Approve => "approve a deployment",
            Self::Reject => "reject a deployment",
            Self::Cancel => "cancel a deployment",
            Self::RollBack => "roll back a deployment",
            Self::Continue => "let a held deployment go on",
            Self::Mark => "mark a deployment",
            Self::OverrideFreeze => "override a freeze",
            Self::BreakGlass => "break the glass",
            Self::ReviewBreakGlass => "review a break-glass",
            Self::ManageSessions => "manage sessions",
        }
    }

    /// Roles of a person that allow it.
    const fn roles(self) -> &'static [Role] {
        use Role::{Admin, Approver, Auditor, Deployer, Viewer};
        match self {
            Self::View => &[Viewer, Deployer, Approver, Auditor, Admin],
            Self::ViewAudit => &[Auditor, Admin, Approver, Deployer],
            Self::ReportRelease | Self::ReportGate => &[],
            Self::RequestDeployment => &[Deployer, Admin],
            Self::Approve | Self::Reject => &[Approver],
            Self::Cancel | Self::RollBack | Self::Continue | Self::Mark => &[Deployer, Approver, Admin],
            Self::OverrideFreeze | Self::ManageSessions => &[Admin],
            Self::BreakGlass => &[Deployer, Admin],
            Self::ReviewBreakGlass => &[Approver, Auditor, Admin],
        }
    }
}

/// Why something is not allowed, in a sentence for the person who tried.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{0}")]
pub struct Denial(pub String);

/// Whether `actor` may do `action` to `service` (`None`: to no service in particular). Rules of one deployment, such as
/// who wrote it, come on top of this in [`crate::approval`].
///
/// # Errors
/// A sentence that says what is missing.
pub fn can(actor: &Actor, action: Action, service: Option<&ServiceName>) -> Result<(), Denial> {
    can_by(actor, action, service, action.roles())
}

/// [`can`], where the configuration says which roles allow it.
///
/// # Errors
/// A sentence that says what is missing.
pub fn can_by(actor: &Actor, action: Action, service: Option<&ServiceName>, roles: &[Role]) -> Result<(), Denial> {
    match actor {
        Actor::System { .. } => match action {
            Action::Approve
            | Action::Reject
            | Action::OverrideFreeze
            | Action::BreakGlass
            | Action::ReviewBreakGlass => Err(Denial(format!("only a person may {}", action.words()))),
            _ => Ok(()),
        },
        Actor::Ci {
            service: own,
            repository,
            ..
        } => match action {
            Action::View | Action::ReportRelease | Action::ReportGate | Action::RequestDeployment => {
                if service.is_none_or(|service| service == own) {
                    Ok(())
                } else {
                    Err(Denial(format!(
                        "a run of {repository} may {} for {own} only",
                        action.words()
                    )))
                }
            }
            _ => Err(Denial(format!("only a person may {}", action.words()))),
        },
        Actor::Person { .. } => {
            if roles.iter().any(|role| actor.has(*role)) {
                Ok(())
            } else if roles.is_empty() {
                Err(Denial(format!(
                    "only CI may {}: use the workflow's OIDC token",
                    action.words()
                )))
            } else {
                let names: Vec<&str> = roles.iter().map(|role| role.name()).collect();
                Err(Denial(format!(
                    "to {} you need the role {}; roles come from your GitHub teams",
                    action.words(),
                    names.join(" or ")
                )))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn person(roles: &[Role]) -> Actor {
        Actor::Person {
            person: PersonRef::new(1, "ada"),
            roles: roles.to_vec(),
            teams: Vec::new(),
        }
    }

    fn ci(service: &str) -> Actor {
        Actor::Ci {
            service: ServiceName::new(service).unwrap(),
            repository: format!("acme/{service}"),
            run_id: 1,
            actor: PersonRef::new(1, "ada"),
        }
    }

    #[test]
    fn someone_without_a_role_may_do_nothing() {
        for action in Action::ALL {
            assert!(can(&person(&[]), action, None).is_err(), "{action:?}");
        }
    }

    #[test]
    fn r01_neither_ci_nor_the_system_may_approve() {
        for actor in [ci("rag"), Actor::system("worker")] {
            assert!(can(&actor, Action::Approve, None).is_err());
        }
        assert!(
            can(&person(&[Role::Admin]), Action::Approve, None).is_err(),
            "an admin is no approver by that alone"
        );
    }

    #[test]
    fn ci_may_act_for_its_own_service_only() {
        let rag = ServiceName::new("rag").unwrap();
        assert!(can(&ci("rag"), Action::ReportRelease, Some(&rag)).is_ok());
        let denial = can(&ci("guardrails"), Action::ReportRelease, Some(&rag)).unwrap_err();
        assert_eq!(
            denial.0,
            "a run of acme/guardrails may report a release for guardrails only"
        );
    }

    #[test]
    fn a_denial_names_the_role_that_would_do() {
        let denial = can(&person(&[Role::Viewer]), Action::RequestDeployment, None).unwrap_err();
        assert!(denial.0.contains("deployer or admin"), "{denial}");
    }
}
