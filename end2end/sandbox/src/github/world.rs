//! What GitHub knows: people, organisations, teams, repositories, applications and tokens.
//!
//! Pure state: no HTTP and no clock, every change is told the time. People are kept by their numeric
//! id, which never changes; a login is only the name they go by today.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::{git::Repo, issues::Issue};

/// Everything on one GitHub, in the order it was made.
#[derive(Debug, Default)]
pub(crate) struct World {
    pub(crate) users: BTreeMap<u64, User>,
    pub(crate) orgs: Vec<Org>,
    pub(crate) repos: Vec<Repo>,
    pub(crate) issues: Vec<Issue>,
    pub(crate) apps: Vec<OAuthApp>,
    pub(crate) tokens: BTreeMap<String, Token>,
    pub(crate) codes: BTreeMap<String, AuthorizationCode>,
    last_id: u64,
}

#[derive(Debug, Clone)]
pub(crate) struct User {
    pub(crate) id: u64,
    pub(crate) login: String,
    pub(crate) name: Option<String>,
    pub(crate) email: String,
    pub(crate) created_at: Timestamp,
}

#[derive(Debug, Clone)]
pub(crate) struct Org {
    pub(crate) id: u64,
    pub(crate) login: String,
    pub(crate) name: String,
    pub(crate) members: BTreeMap<u64, OrgMembership>,
    pub(crate) teams: Vec<Team>,
    pub(crate) created_at: Timestamp,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct OrgMembership {
    pub(crate) admin: bool,
    pub(crate) state: MembershipState,
}

#[derive(Debug, Clone)]
pub(crate) struct Team {
    pub(crate) id: u64,
    pub(crate) slug: String,
    pub(crate) name: String,
    pub(crate) description: Option<String>,
    pub(crate) secret: bool,
    pub(crate) parent: Option<String>,
    pub(crate) members: BTreeMap<u64, TeamMembership>,
    pub(crate) created_at: Timestamp,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TeamMembership {
    pub(crate) maintainer: bool,
    pub(crate) state: MembershipState,
}

/// An invitation that was not accepted yet is `Pending`, and counts for nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MembershipState {
    Active,
    Pending,
}

impl MembershipState {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Pending => "pending",
        }
    }
}

#[derive(Debug, Clone)]
pub(crate) struct OAuthApp {
    pub(crate) client_id: String,
    pub(crate) client_secret: String,
    pub(crate) name: String,
    /// The registered callbacks; answers go to the first unless the request names another. Without
    /// any, every address is taken, which GitHub itself never does.
    pub(crate) callback_urls: Vec<String>,
}

#[derive(Debug, Clone)]
pub(crate) struct Token {
    pub(crate) user: u64,
    pub(crate) scopes: BTreeSet<String>,
    /// The application it was issued to; personal tokens have none.
    pub(crate) client_id: Option<String>,
    pub(crate) window: RateWindow,
}

/// One hour of calls of one token.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct RateWindow {
    pub(crate) started: Option<Timestamp>,
    pub(crate) used: u64,
}

#[derive(Debug, Clone)]
pub(crate) struct AuthorizationCode {
    pub(crate) user: u64,
    pub(crate) client_id: String,
    /// As asked for; the exchange may repeat it and then must not differ.
    pub(crate) redirect_uri: Option<String>,
    pub(crate) scopes: BTreeSet<String>,
    pub(crate) challenge: Option<String>,
    pub(crate) issued: Timestamp,
}

impl World {
    /// An id nobody has yet. Numbers start high enough to look like today's accounts.
    pub(crate) fn fresh_id(&mut self) -> u64 {
        self.last_id += 1;
        9_000_000 + self.last_id
    }

    pub(crate) fn user_by_login(&self, login: &str) -> Option<&User> {
        self.users.values().find(|user| user.login.eq_ignore_ascii_case(login))
    }

    pub(crate) fn org(&self, login: &str) -> Option<&Org> {
        self.orgs.iter().find(|org| org.login.eq_ignore_ascii_case(login))
    }

    pub(crate) fn org_mut(&mut self, login: &str) -> Option<&mut Org> {
        self.orgs.iter_mut().find(|org| org.login.eq_ignore_ascii_case(login))
    }

    pub(crate) fn repo(&self, owner: &str, name: &str) -> Option<&Repo> {
        self.repos.iter().find(|repo| repo.is(owner, name))
    }

    pub(crate) fn repo_mut(&mut self, owner: &str, name: &str) -> Option<&mut Repo> {
        self.repos.iter_mut().find(|repo| repo.is(owner, name))
    }

    pub(crate) fn app(&self, client_id: &str) -> Option<&OAuthApp> {
        self.apps.iter().find(|app| app.client_id == client_id)
    }

    /// Whether this person may see a private repository: its owner, or an active member of the
    /// organisation that owns it.
    pub(crate) fn can_read(&self, user: u64, repo: &Repo) -> bool {
        if !repo.private {
            return true;
        }
        match self.org(&repo.owner) {
            Some(org) => org.is_active_member(user),
            None => self.user_by_login(&repo.owner).is_some_and(|owner| owner.id == user),
        }
    }

    /// Names of the teams this person is an active member of.
    pub(crate) fn teams_of(&self, user: u64) -> Vec<&str> {
        let teams = self.orgs.iter().flat_map(|org| {
            org.teams
                .iter()
                .filter(move |team| org.active_members(team).iter().any(|(id, _)| *id == user))
        });
        teams.map(|team| team.name.as_str()).collect()
    }

    /// The owner's number: an organisation's, or a person's.
    pub(crate) fn owner_id(&self, owner: &str) -> u64 {
        self.org(owner)
            .map(|org| org.id)
            .or_else(|| self.user_by_login(owner).map(|user| user.id))
            .unwrap_or_default()
    }
}

impl Org {
    pub(crate) fn is_active_member(&self, user: u64) -> bool {
        self.members
            .get(&user)
            .is_some_and(|membership| membership.state == MembershipState::Active)
    }

    pub(crate) fn team(&self, slug: &str) -> Option<&Team> {
        self.teams.iter().find(|team| team.slug.eq_ignore_ascii_case(slug))
    }

    pub(crate) fn team_mut(&mut self, slug: &str) -> Option<&mut Team> {
        self.teams.iter_mut().find(|team| team.slug.eq_ignore_ascii_case(slug))
    }

    /// The membership GitHub reports: direct, or inherited from a child team.
    pub(crate) fn membership(&self, team: &Team, user: u64) -> Option<TeamMembership> {
        team.members.get(&user).copied().or_else(|| {
            self.teams
                .iter()
                .filter(|child| child.parent.as_deref() == Some(team.slug.as_str()))
                .find_map(|child| self.membership(child, user))
                .map(|inherited| TeamMembership {
                    maintainer: false,
                    ..inherited
                })
        })
    }

    /// Active members, those of child teams included, by id.
    pub(crate) fn active_members(&self, team: &Team) -> Vec<(u64, TeamMembership)> {
        self.members
            .keys()
            .filter_map(|user| self.membership(team, *user).map(|m| (*user, m)))
            .filter(|(_, membership)| membership.state == MembershipState::Active)
            .collect()
    }

    /// Leaving the organisation leaves its teams.
    pub(crate) fn remove_member(&mut self, user: u64) {
        self.members.remove(&user);
        for team in &mut self.teams {
            team.members.remove(&user);
        }
    }

    /// Joining a team joins the organisation, and accepts whatever invitations were open; being
    /// invited to a team invites to the organisation.
    pub(crate) fn join_team(&mut self, slug: &str, user: u64, membership: TeamMembership) -> bool {
        if self.team(slug).is_none() {
            return false;
        }
        let joined = OrgMembership {
            admin: false,
            state: membership.state,
        };
        let in_org = self.members.entry(user).or_insert(joined);
        if membership.state == MembershipState::Active {
            in_org.state = MembershipState::Active;
            for team in &mut self.teams {
                if let Some(invited) = team.members.get_mut(&user) {
                    invited.state = MembershipState::Active;
                }
            }
        }
        if let Some(team) = self.team_mut(slug) {
            team.members.insert(user, membership);
        }
        true
    }
}

impl RateWindow {
    /// Calls an hour that GitHub allows a signed-in person.
    pub(crate) const LIMIT: u64 = 5000;

    /// Counts one call and says whether it was still allowed.
    pub(crate) fn count(&mut self, now: Timestamp) -> bool {
        self.roll(now);
        self.used += 1;
        self.used <= Self::LIMIT
    }

    /// Takes a call back: answers that did not change cost nothing.
    pub(crate) fn refund(&mut self) {
        self.used = self.used.saturating_sub(1);
    }

    /// Starts a new hour when the last one is over.
    pub(crate) fn roll(&mut self, now: Timestamp) {
        if self
            .started
            .is_none_or(|started| now.as_second() - started.as_second() >= 3600)
        {
            self.started = Some(now);
            self.used = 0;
        }
    }

    pub(crate) fn remaining(&self) -> u64 {
        Self::LIMIT.saturating_sub(self.used)
    }

    /// When the hour ends, as seconds since the epoch.
    pub(crate) fn reset(&self, now: Timestamp) -> i64 {
        self.started.unwrap_or(now).as_second() + 3600
    }
}
