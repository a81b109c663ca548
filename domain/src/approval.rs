//! Approvals: who may give one, and whether enough were given.
//!
//! One person fills one place of one rule, so `security AND platform` always needs two people. The invariant: nobody
//! who requested, wrote, pushed or set off the release ever fills a place, unless the policy says `solo` (R3).

use crate::{
    id::ApprovalId,
    name::{PersonRef, TeamSlug},
    policy::Policy,
    release::Release,
    revision::RevisionHash,
    time::Timestamp,
};
use serde::{Deserialize, Serialize};

/// One person's yes to one revision.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Approval {
    pub id: ApprovalId,
    pub person: PersonRef,
    /// Teams the person was a member of when approving, as GitHub said.
    pub teams: Vec<TeamSlug>,
    pub revision: RevisionHash,
    pub at: Timestamp,
    pub comment: Option<String>,
    /// Given under solo mode by someone who would otherwise not count.
    pub solo: bool,
    pub voided: Option<Voided>,
}

/// Why an approval no longer counts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Voided {
    pub at: Timestamp,
    pub why: String,
}

/// Why a person's approval would not count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
pub enum Ineligible {
    #[error("you requested this deployment")]
    Requester,
    #[error("you wrote a commit that it brings")]
    Author,
    #[error("you pushed the commits that it brings")]
    Pusher,
    #[error("you set off the workflow that built it")]
    WorkflowActor,
    #[error("you are not in a team whose approval is asked for")]
    NotInTeam,
    #[error("you have already approved it")]
    AlreadyApproved,
}

impl Ineligible {
    /// What the person did or is, said of them: "they …".
    pub const fn deed(self) -> &'static str {
        match self {
            Self::Requester => "requested this deployment",
            Self::Author => "wrote a commit that it brings",
            Self::Pusher => "pushed the commits that it brings",
            Self::WorkflowActor => "set off the workflow that built it",
            Self::NotInTeam => "are not in a team whose approval is asked for",
            Self::AlreadyApproved => "have already approved it",
        }
    }
}

/// The people who never count for this deployment.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Involved {
    pub requester: Option<PersonRef>,
    pub authors: Vec<PersonRef>,
    pub pusher: Option<PersonRef>,
    pub workflow_actor: Option<PersonRef>,
    /// Who set the workflow off again.
    pub reruns: Vec<PersonRef>,
}

impl Involved {
    pub fn of(release: &Release, requester: Option<PersonRef>) -> Self {
        let mut authors = release.authors.clone();
        authors.extend(release.commits.iter().map(|commit| commit.author.clone()));
        Self {
            requester,
            authors,
            pusher: release.pusher.clone(),
            workflow_actor: release.actor.clone(),
            reruns: release.reruns.clone(),
        }
    }

    /// Why this person never counts, by numeric id; `None` when they do.
    pub fn excludes(&self, person: i64) -> Option<Ineligible> {
        let is = |other: &Option<PersonRef>| other.as_ref().is_some_and(|other| other.id == person);
        if is(&self.requester) {
            Some(Ineligible::Requester)
        } else if self.authors.iter().any(|author| author.id == person) {
            Some(Ineligible::Author)
        } else if is(&self.pusher) {
            Some(Ineligible::Pusher)
        } else if is(&self.workflow_actor) || self.reruns.iter().any(|actor| actor.id == person) {
            Some(Ineligible::WorkflowActor)
        } else {
            None
        }
    }
}

/// Whether `person`, a member of `teams` now, may approve.
///
/// # Errors
/// The reason why their approval would not count.
pub fn eligible(
    policy: &Policy,
    involved: &Involved,
    person: i64,
    teams: &[TeamSlug],
    given: &[Approval],
    revision: &RevisionHash,
) -> Result<(), Ineligible> {
    if !policy.solo
        && let Some(reason) = involved.excludes(person)
    {
        return Err(reason);
    }
    if !policy
        .approvals
        .iter()
        .any(|rule| rule.teams.iter().any(|team| teams.contains(team)))
    {
        return Err(Ineligible::NotInTeam);
    }
    if given
        .iter()
        .any(|approval| approval.person.id == person && counts(approval, revision))
    {
        return Err(Ineligible::AlreadyApproved);
    }
    Ok(())
}

/// Whether an approval is of this revision and still stands.
pub fn counts(approval: &Approval, revision: &RevisionHash) -> bool {
    approval.voided.is_none() && approval.revision == *revision
}

/// One rule of the quorum and who fills it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuleStatus {
    pub teams: Vec<TeamSlug>,
    pub count: u8,
    pub filled_by: Vec<PersonRef>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct QuorumStatus {
    pub rules: Vec<RuleStatus>,
}

impl QuorumStatus {
    pub fn reached(&self) -> bool {
        self.rules
            .iter()
            .all(|rule| rule.filled_by.len() >= usize::from(rule.count))
    }

    /// People still needed, over all rules.
    pub fn missing(&self) -> usize {
        self.rules
            .iter()
            .map(|rule| usize::from(rule.count).saturating_sub(rule.filled_by.len()))
            .sum()
    }
}

/// A person's membership, as GitHub said it at `checked_at`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Membership {
    pub person: i64,
    pub teams: Vec<TeamSlug>,
    pub checked_at: Timestamp,
}

/// Places the approvals of `revision` on the policy's rules, as many as possible (a bipartite matching). `teams_of`
/// gives a person's teams as they count now: those recorded with the approval, or fresh ones at dispatch (R5).
pub fn quorum<'a>(
    policy: &Policy,
    involved: &Involved,
    approvals: &'a [Approval],
    revision: &RevisionHash,
    teams_of: impl Fn(&'a Approval) -> Vec<TeamSlug>,
) -> QuorumStatus {
    let mut voters: Vec<(&PersonRef, Vec<TeamSlug>)> = Vec::new();
    for approval in approvals.iter().filter(|approval| counts(approval, revision)) {
        let excluded = !policy.solo && involved.excludes(approval.person.id).is_some();
        if !excluded && voters.iter().all(|(person, _)| person.id != approval.person.id) {
            voters.push((&approval.person, teams_of(approval)));
        }
    }
    let places: Vec<usize> = policy
        .approvals
        .iter()
        .enumerate()
        .flat_map(|(rule, r)| (0..r.count).map(move |_| rule))
        .collect();
    let fits = |voter: usize, place: usize| {
        let (_, teams) = &voters[voter];
        policy.approvals[places[place]]
            .teams
            .iter()
            .any(|team| teams.contains(team))
    };
    let mut holder: Vec<Option<usize>> = vec![None; places.len()];
    for voter in 0..voters.len() {
        let mut tried = vec![false; places.len()];
        seat(voter, &fits, &mut holder, &mut tried);
    }
    let rules = policy
        .approvals
        .iter()
        .enumerate()
        .map(|(rule, r)| RuleStatus {
            teams: r.teams.clone(),
            count: r.count,
            filled_by: places
                .iter()
                .zip(&holder)
                .filter(|(place, _)| **place == rule)
                .filter_map(|(_, voter)| voter.map(|voter| voters[voter].0.clone()))
                .collect(),
        })
        .collect();
    QuorumStatus { rules }
}

/// Finds `voter` a place, moving others aside where they fit elsewhere (an augmenting path).
fn seat(voter: usize, fits: &impl Fn(usize, usize) -> bool, holder: &mut [Option<usize>], tried: &mut [bool]) -> bool {
    for place in 0..holder.len() {
        if tried[place] || !fits(voter, place) {
            continue;
        }
        tried[place] = true;
        if holder[place].is_none_or(|other| seat(other, fits, holder, tried)) {
            holder[place] = Some(voter);
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::QuorumRule;
    use proptest::prelude::*;
    use uuid::Uuid;

    fn team(name: &str) -> TeamSlug {
        TeamSlug::new(name).unwrap()
    }

    fn policy(rules: &[(&[&str], u8)]) -> Policy {
        Policy {
            approvals: rules
                .iter()
                .map(|(teams, count)| QuorumRule {
                    teams: teams.iter().map(|name| team(name)).collect(),
                    count: *count,
                })
                .collect(),
            ..Policy::default()
        }
    }

    fn hash() -> RevisionHash {
        RevisionHash("r1".to_owned())
    }

    fn approval(person: i64, teams: &[&str]) -> Approval {
        Approval {
            id: ApprovalId::from_uuid(Uuid::from_u128(u128::try_from(person).unwrap())),
            person: PersonRef::new(person, format!("person-{person}")),
            teams: teams.iter().map(|name| team(name)).collect(),
            revision: hash(),
            at: Timestamp::from_millis(0),
            comment: None,
            solo: false,
            voided: None,
        }
    }

    fn status(policy: &Policy, involved: &Involved, approvals: &[Approval]) -> QuorumStatus {
        quorum(policy, involved, approvals, &hash(), |approval| approval.teams.clone())
    }

    #[test]
    fn two_rules_need_two_people_even_if_one_is_in_both_teams() {
        let policy = policy(&[(&["platform"], 1), (&["security"], 1)]);
        let both = approval(1, &["platform", "security"]);
        assert!(!status(&policy, &Involved::default(), std::slice::from_ref(&both)).reached());
        let second = approval(2, &["platform"]);
        assert!(status(&policy, &Involved::default(), &[both, second]).reached());
    }

    #[test]
    fn r03_requester_author_pusher_and_workflow_actor_never_count() {
        let policy = policy(&[(&["platform"], 1)]);
        let someone = Some(PersonRef::new(1, "one"));
        let cases = [
            (
                Involved {
                    requester: someone.clone(),
                    ..Default::default()
                },
                Ineligible::Requester,
            ),
            (
                Involved {
                    authors: vec![PersonRef::new(1, "renamed")],
                    ..Default::default()
                },
                Ineligible::Author,
            ),
            (
                Involved {
                    pusher: someone.clone(),
                    ..Default::default()
                },
                Ineligible::Pusher,
            ),
            (
                Involved {
                    workflow_actor: someone,
                    ..Default::default()
                },
                Ineligible::WorkflowActor,
            ),
        ];
        for (involved, reason) in cases {
            assert_eq!(
                eligible(&policy, &involved, 1, &[team("platform")], &[], &hash()),
                Err(reason)
            );
            assert!(!status(&policy, &involved, &[approval(1, &["platform"])]).reached());
        }
    }

    #[test]
    fn solo_mode_lets_the_requester_approve() {
        let policy = Policy {
            solo: true,
            ..policy(&[(&["platform"], 1)])
        };
        let involved = Involved {
            requester: Some(PersonRef::new(1, "one")),
            ..Default::default()
        };
        assert_eq!(
            eligible(&policy, &involved, 1, &[team("platform")], &[], &hash()),
            Ok(())
        );
        assert!(status(&policy, &involved, &[approval(1, &["platform"])]).reached());
    }

    #[test]
    fn r02_an_approval_of_another_revision_does_not_count() {
        let policy = policy(&[(&["platform"], 1)]);
        let mut other = approval(1, &["platform"]);
        other.revision = RevisionHash("r2".to_owned());
        assert!(!status(&policy, &Involved::default(), &[other]).reached());
        let mut voided = approval(1, &["platform"]);
        voided.voided = Some(Voided {
            at: Timestamp::from_millis(1),
            why: "policy changed".to_owned(),
        });
        assert!(!status(&policy, &Involved::default(), &[voided]).reached());
    }

    #[test]
    fn r05_teams_as_they_are_now_decide() {
        let policy = policy(&[(&["platform"], 1)]);
        let left = quorum(
            &policy,
            &Involved::default(),
            &[approval(1, &["platform"])],
            &hash(),
            |_| Vec::new(),
        );
        assert_eq!(left.missing(), 1);
    }

    #[test]
    fn one_person_approving_twice_counts_once() {
        let policy = policy(&[(&["platform"], 2)]);
        let twice = [approval(1, &["platform"]), approval(1, &["platform"])];
        assert_eq!(status(&policy, &Involved::default(), &twice).missing(), 1);
        assert_eq!(
            eligible(&policy, &Involved::default(), 1, &[team("platform")], &twice, &hash()),
            Err(Ineligible::AlreadyApproved)
        );
    }

    proptest! {
        /// Whatever people approve, those involved fill no place, nobody fills two, and every seat is earned by membership.
        #[test]
        fn r01_r03_no_place_is_filled_by_someone_who_may_not(
            rules in prop::collection::vec((prop::collection::vec(0_u8..4, 1..3), 1_u8..3), 0..3),
            voters in prop::collection::vec((0_i64..8, prop::collection::vec(0_u8..4, 0..3)), 0..8),
            involved in prop::collection::vec(0_i64..8, 0..4),
        ) {
            let name = |n: &u8| team(&format!("team-{n}"));
            let policy = Policy {
                approvals: rules.iter().map(|(teams, count)| QuorumRule { teams: teams.iter().map(name).collect(), count: *count }).collect(),
                ..Policy::default()
            };
            let mut approvals: Vec<Approval> = Vec::new();
            for (person, teams) in &voters {
                let mut given = approval(*person, &[]);
                given.teams = teams.iter().map(name).collect();
                approvals.push(given);
            }
            let involved = Involved { authors: involved.iter().map(|id| PersonRef::new(*id, "x")).collect(), ..Default::default() };
            let status = status(&policy, &involved, &approvals);
            let seated: Vec<i64> = status.rules.iter().flat_map(|rule| rule.filled_by.iter().map(|person| person.id)).collect();
            let mut distinct = seated.clone();
            distinct.sort_unstable();
            distinct.dedup();
            prop_assert_eq!(distinct.len(), seated.len());
            for rule in &status.rules {
                prop_assert!(rule.filled_by.len() <= usize::from(rule.count));
                for person in &rule.filled_by {
                    prop_assert!(involved.excludes(person.id).is_none());
                    let first = approvals.iter().find(|approval| approval.person.id == person.id).unwrap();
                    prop_assert!(first.teams.iter().any(|team| rule.teams.contains(team)));
                }
            }
        }
    }
}
