//! The JSON shapes of people, organisations and teams, with all the members that the published
//! description of the REST API requires.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::github::{
    GitHub,
    git::Repo,
    world::{Org, OrgMembership, Team, TeamMembership, User, World},
};

/// Renders what one world holds, with addresses below one base.
pub(crate) struct Render<'a> {
    pub(super) world: &'a World,
    web: &'a str,
    api: String,
}

/// GitHub's times have no fractions of a second.
pub(crate) fn time(at: Timestamp) -> String {
    format!("{at:.0}")
}

pub(crate) fn node(kind: &str, id: impl std::fmt::Display) -> String {
    STANDARD.encode(format!("0{}:{kind}{id}", kind.len()))
}

/// Adds `<name>_url` members, each an address below `base`.
pub(super) fn urls(to: &mut Value, base: &str, pairs: &[(&str, &str)]) {
    if let Value::Object(members) = to {
        for (name, path) in pairs {
            members.insert(format!("{name}_url"), Value::String(format!("{base}{path}")));
        }
    }
}

pub(super) fn merge(mut into: Value, from: Value) -> Value {
    if let (Value::Object(into), Value::Object(from)) = (&mut into, from) {
        into.extend(from);
    }
    into
}

impl<'a> Render<'a> {
    pub(crate) fn new(github: &'a GitHub, world: &'a World) -> Self {
        Self {
            world,
            web: github.base(),
            api: format!("{}/api/v3", github.base()),
        }
    }

    pub(crate) fn repo_url(&self, repo: &Repo) -> String {
        format!("{}/repos/{}", self.api, repo.full_name())
    }

    pub(crate) fn repo_web(&self, repo: &Repo) -> String {
        format!("{}/{}", self.web, repo.full_name())
    }

    /// An account in short. People who left are nobody.
    pub(crate) fn account(&self, user: Option<u64>) -> Value {
        user.and_then(|id| self.world.users.get(&id))
            .map_or(Value::Null, |user| self.person(user.id, &user.login, "User"))
    }

    /// A person or an organisation in short, both of which own repositories.
    pub(super) fn person(&self, id: u64, login: &str, kind: &str) -> Value {
        let url = format!("{}/users/{login}", self.api);
        let mut account = json!({
            "login": login,
            "id": id,
            "node_id": node(kind, id),
            "avatar_url": format!("{}/avatars/u/{id}", self.web),
            "gravatar_id": "",
            "url": url,
            "html_url": format!("{}/{login}", self.web),
            "type": kind,
            "user_view_type": "public",
            "site_admin": false,
        });
        urls(
            &mut account,
            &url,
            &[
                ("followers", "/followers"),
                ("following", "/following{/other_user}"),
                ("gists", "/gists{/gist_id}"),
                ("starred", "/starred{/owner}{/repo}"),
                ("subscriptions", "/subscriptions"),
                ("organizations", "/orgs"),
                ("repos", "/repos"),
                ("events", "/events{/privacy}"),
                ("received_events", "/received_events"),
            ],
        );
        account
    }

    /// Somebody's public profile.
    pub(crate) fn somebody(&self, user: &User) -> Value {
        merge(
            self.person(user.id, &user.login, "User"),
            json!({
                "name": user.name,
                "company": null,
                "blog": "",
                "location": null,
                "email": user.email,
                "hireable": null,
                "bio": null,
                "twitter_username": null,
                "public_repos": 0,
                "public_gists": 0,
                "followers": 0,
                "following": 0,
                "created_at": time(user.created_at),
                "updated_at": time(user.created_at),
            }),
        )
    }

    /// The caller's own profile.
    pub(crate) fn myself(&self, user: &User) -> Value {
        merge(
            self.somebody(user),
            json!({
                "user_view_type": "private",
                "notification_email": user.email,
                "private_gists": 0,
                "total_private_repos": 0,
                "owned_private_repos": 0,
                "disk_usage": 0,
                "collaborators": 0,
                "two_factor_authentication": true,
            }),
        )
    }

    pub(crate) fn org_simple(&self, org: &Org) -> Value {
        let url = format!("{}/orgs/{}", self.api, org.login);
        let mut body = json!({
            "login": org.login,
            "id": org.id,
            "node_id": node("Organization", org.id),
            "url": url,
            "avatar_url": format!("{}/avatars/u/{}", self.web, org.id),
            "description": "",
        });
        urls(
            &mut body,
            &url,
            &[
                ("repos", "/repos"),
                ("events", "/events"),
                ("hooks", "/hooks"),
                ("issues", "/issues"),
                ("members", "/members{/member}"),
                ("public_members", "/public_members{/member}"),
            ],
        );
        body
    }

    pub(crate) fn org_full(&self, org: &Org) -> Value {
        merge(
            self.org_simple(org),
            json!({
                "name": org.name,
                "is_verified": false,
                "has_organization_projects": true,
                "has_repository_projects": true,
                "public_repos": 0,
                "public_gists": 0,
                "followers": 0,
                "following": 0,
                "html_url": format!("{}/{}", self.web, org.login),
                "created_at": time(org.created_at),
                "updated_at": time(org.created_at),
                "archived_at": null,
                "type": "Organization",
            }),
        )
    }

    fn team_simple(&self, org: &Org, team: &Team) -> Value {
        let url = format!("{}/organizations/{}/team/{}", self.api, org.id, team.id);
        json!({
            "id": team.id,
            "node_id": node("Team", team.id),
            "name": team.name,
            "slug": team.slug,
            "description": team.description,
            "privacy": if team.secret { "secret" } else { "closed" },
            "notification_setting": "notifications_enabled",
            "permission": "pull",
            "type": "organization",
            "organization_id": org.id,
            "url": url,
            "html_url": format!("{}/orgs/{}/teams/{}", self.web, org.login, team.slug),
            "members_url": format!("{url}/members{{/member}}"),
            "repositories_url": format!("{url}/repos"),
        })
    }

    pub(crate) fn team(&self, org: &Org, team: &Team) -> Value {
        let parent = team.parent.as_deref().and_then(|slug| org.team(slug));
        let parent = parent.map(|parent| self.team_simple(org, parent));
        merge(self.team_simple(org, team), json!({ "parent": parent }))
    }

    pub(crate) fn team_full(&self, org: &Org, team: &Team) -> Value {
        merge(
            self.team(org, team),
            json!({
                "members_count": org.active_members(team).len(),
                "repos_count": 0,
                "created_at": time(team.created_at),
                "updated_at": time(team.created_at),
                "organization": self.org_full(org),
            }),
        )
    }

    pub(crate) fn team_membership(&self, org: &Org, team: &Team, user: &User, membership: TeamMembership) -> Value {
        json!({
            "url": format!(
                "{}/organizations/{}/team/{}/memberships/{}",
                self.api, org.id, team.id, user.login
            ),
            "role": if membership.maintainer { "maintainer" } else { "member" },
            "state": membership.state.as_str(),
        })
    }

    pub(crate) fn org_membership(&self, org: &Org, user: &User, membership: OrgMembership) -> Value {
        let url = format!("{}/orgs/{}", self.api, org.login);
        json!({
            "url": format!("{url}/memberships/{}", user.login),
            "state": membership.state.as_str(),
            "role": if membership.admin { "admin" } else { "member" },
            "organization_url": url,
            "organization": self.org_simple(org),
            "user": self.person(user.id, &user.login, "User"),
        })
    }
}
