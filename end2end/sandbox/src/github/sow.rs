//! How people, teams, repositories, commits and runs become part of the world.
//!
//! Each is refused when its name or number is taken, or when it speaks of something that is not there.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use super::{
    git::{Commit, Person, Repo, Run, object_id},
    seed::{AppSpec, CommitSpec, OrgSpec, RepoSpec, RunSpec, Seed, TeamSpec, TokenSpec, UserSpec},
    unknown,
    world::{MembershipState, OAuthApp, Org, OrgMembership, RateWindow, Team, TeamMembership, Token, User, World},
};
use crate::control::Refused;

fn missing(what: &str, name: &str) -> Refused {
    unknown(format!("no {what} {name}"))
}

fn before(now: Timestamp, minutes: i64) -> Result<Timestamp, Refused> {
    now.checked_sub(SignedDuration::from_mins(minutes))
        .map_err(|error| Refused::bad(format!("minutes_ago: {error}")))
}

impl World {
    /// Adds all of a seed. What came before the first fault stays.
    pub(crate) fn sow(&mut self, seed: Seed, now: Timestamp) -> Result<(), Refused> {
        for user in seed.users {
            self.add_user(user, now)?;
        }
        for org in seed.orgs {
            self.add_org(org, now)?;
        }
        for app in seed.oauth_apps {
            self.add_app(app)?;
        }
        for token in seed.tokens {
            self.add_token(token)?;
        }
        for repo in seed.repos {
            self.add_repo(repo, now)?;
        }
        Ok(())
    }

    pub(crate) fn user_id(&self, login: &str) -> Result<u64, Refused> {
        self.user_by_login(login)
            .map(|user| user.id)
            .ok_or_else(|| missing("user", login))
    }

    pub(crate) fn add_user(&mut self, spec: UserSpec, now: Timestamp) -> Result<u64, Refused> {
        let id = spec.id.unwrap_or_else(|| self.fresh_id());
        if self.users.contains_key(&id) || self.user_by_login(&spec.login).is_some() {
            return Err(Refused::bad(format!("{} or id {id} is taken", spec.login)));
        }
        let email = spec
            .email
            .unwrap_or_else(|| format!("{id}+{}@users.noreply.github.test", spec.login));
        let user = User {
            id,
            login: spec.login,
            name: spec.name,
            email,
            created_at: before(now, 60 * 24 * 900)?,
        };
        self.users.insert(id, user);
        Ok(id)
    }

    pub(crate) fn add_org(&mut self, spec: OrgSpec, now: Timestamp) -> Result<u64, Refused> {
        if self.org(&spec.login).is_some() {
            return Err(Refused::bad(format!("{} is taken", spec.login)));
        }
        let id = spec.id.unwrap_or_else(|| self.fresh_id());
        let mut members = BTreeMap::new();
        for (login, role) in &spec.members {
            let membership = OrgMembership {
                admin: role == "admin",
                state: MembershipState::Active,
            };
            members.insert(self.user_id(login)?, membership);
        }
        self.orgs.push(Org {
            id,
            name: spec.name.unwrap_or_else(|| spec.login.clone()),
            login: spec.login.clone(),
            members,
            teams: Vec::new(),
            created_at: before(now, 60 * 24 * 1200)?,
        });
        for team in spec.teams {
            self.add_team(&spec.login, team, now)?;
        }
        Ok(id)
    }

    pub(crate) fn add_team(&mut self, org: &str, spec: TeamSpec, now: Timestamp) -> Result<u64, Refused> {
        let id = spec.id.unwrap_or_else(|| self.fresh_id());
        let mut joining = Vec::new();
        for (logins, maintainer, state) in [
            (&spec.members, false, MembershipState::Active),
            (&spec.maintainers, true, MembershipState::Active),
            (&spec.pending, false, MembershipState::Pending),
        ] {
            for login in logins {
                let membership = TeamMembership { maintainer, state };
                joining.push((self.user_id(login)?, membership));
            }
        }
        let org = self.org_mut(org).ok_or_else(|| missing("org", org))?;
        if org.team(&spec.slug).is_some() {
            return Err(Refused::bad(format!("team {} is taken", spec.slug)));
        }
        if let Some(parent) = &spec.parent
            && org.team(parent).is_none()
        {
            return Err(missing("team", parent));
        }
        org.teams.push(Team {
            id,
            name: spec.name.unwrap_or_else(|| spec.slug.clone()),
            slug: spec.slug.clone(),
            description: spec.description,
            secret: spec.secret,
            parent: spec.parent,
            members: BTreeMap::new(),
            created_at: before(now, 60 * 24 * 400)?,
        });
        for (user, membership) in joining {
            org.join_team(&spec.slug, user, membership);
        }
        Ok(id)
    }

    pub(crate) fn add_app(&mut self, spec: AppSpec) -> Result<(), Refused> {
        if self.app(&spec.client_id).is_some() {
            return Err(Refused::bad(format!("app {} is taken", spec.client_id)));
        }
        self.apps.push(OAuthApp {
            client_id: spec.client_id,
            client_secret: spec.client_secret,
            name: spec.name,
            callback_urls: spec.callback_urls,
        });
        Ok(())
    }

    pub(crate) fn add_token(&mut self, spec: TokenSpec) -> Result<(), Refused> {
        let user = self.user_id(&spec.user)?;
        let token = Token {
            user,
            scopes: spec.scopes,
            client_id: None,
            window: RateWindow::default(),
        };
        self.tokens.insert(spec.token, token);
        Ok(())
    }

    pub(crate) fn add_repo(&mut self, spec: RepoSpec, now: Timestamp) -> Result<u64, Refused> {
        if self.org(&spec.owner).is_none() && self.user_by_login(&spec.owner).is_none() {
            return Err(missing("owner", &spec.owner));
        }
        if self.repo(&spec.owner, &spec.name).is_some() {
            return Err(Refused::bad(format!("{} is taken", spec.name)));
        }
        let id = spec.id.unwrap_or_else(|| self.fresh_id());
        self.repos.push(Repo {
            id,
            owner: spec.owner.clone(),
            name: spec.name.clone(),
            description: spec.description,
            private: spec.private,
            default_branch: spec.default_branch.unwrap_or_else(|| "main".into()),
            created_at: before(now, 60 * 24 * 300)?,
            branches: BTreeMap::new(),
            tags: BTreeMap::new(),
            commits: Vec::new(),
            runs: Vec::new(),
        });
        for commit in spec.commits {
            self.add_commit(&spec.owner, &spec.name, commit, now)?;
        }
        for run in spec.runs {
            self.add_run(&spec.owner, &spec.name, run, now)?;
        }
        Ok(id)
    }

    fn person(&self, who: &str) -> Result<Person, Refused> {
        if let Some((name, rest)) = who.split_once(" <") {
            return Ok(Person {
                account: None,
                name: name.to_owned(),
                email: rest.trim_end_matches('>').to_owned(),
            });
        }
        let user = self.user_by_login(who).ok_or_else(|| missing("user", who))?;
        Ok(Person {
            account: Some(user.id),
            name: user.name.clone().unwrap_or_else(|| user.login.clone()),
            email: user.email.clone(),
        })
    }

    /// Commits on a branch and moves it; answers with the sha.
    pub(crate) fn add_commit(
        &mut self,
        owner: &str,
        name: &str,
        spec: CommitSpec,
        now: Timestamp,
    ) -> Result<String, Refused> {
        let author = self.person(&spec.author)?;
        let committer = match &spec.committer {
            Some(who) => self.person(who)?,
            None => author.clone(),
        };
        let at = before(now, spec.minutes_ago)?;
        let repo = self.repo_mut(owner, name).ok_or_else(|| missing("repository", name))?;
        let branch = spec.branch.unwrap_or_else(|| repo.default_branch.clone());
        let mut parents = Vec::new();
        match spec.parents {
            Some(named) => {
                for reference in named {
                    let parent = repo.resolve(&reference);
                    let parent = parent.ok_or_else(|| missing("commit", &reference))?;
                    parents.push(parent.sha.clone());
                }
            }
            None => parents.extend(
                repo.branches
                    .get(&branch)
                    .or_else(|| repo.branches.get(&repo.default_branch))
                    .cloned(),
            ),
        }
        let number = repo.commits.len().to_string();
        let sha = spec.sha.unwrap_or_else(|| {
            let time = at.to_string();
            object_id(&[owner, name, &number, &spec.message, &author.email, &time])
        });
        if sha.len() != 40 || !sha.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(Refused::bad(format!("{sha} is not a full sha")));
        }
        if repo.commit(&sha).is_some() {
            return Err(Refused::bad(format!("{sha} is taken")));
        }
        repo.commits.push(Commit {
            sha: sha.clone(),
            message: spec.message,
            author,
            committer,
            at,
            parents,
            files: spec.files,
        });
        repo.branches.insert(branch, sha.clone());
        for tag in spec.tags {
            repo.tags.insert(tag, sha.clone());
        }
        Ok(sha)
    }

    /// Adds a run of a workflow, or replaces the one with the same id; answers with its id.
    pub(crate) fn add_run(&mut self, owner: &str, name: &str, spec: RunSpec, now: Timestamp) -> Result<u64, Refused> {
        let id = spec.id.unwrap_or_else(|| self.fresh_id());
        let actor = self.user_id(&spec.actor)?;
        let triggering_actor = match &spec.triggering_actor {
            Some(login) => self.user_id(login)?,
            None => actor,
        };
        let at = before(now, spec.minutes_ago)?;
        let repo = self.repo_mut(owner, name).ok_or_else(|| missing("repository", name))?;
        let head_branch = spec.head_branch.unwrap_or_else(|| repo.default_branch.clone());
        let reference = spec.head_sha.as_deref().unwrap_or(&head_branch);
        let head = repo.resolve(reference);
        let head_sha = head.ok_or_else(|| missing("commit", reference))?.sha.clone();
        let status = spec.status.unwrap_or_else(|| "completed".into());
        let conclusion = spec
            .conclusion
            .or_else(|| (status == "completed").then(|| "success".to_owned()));
        repo.runs.retain(|run| run.id != id);
        repo.runs.push(Run {
            id,
            name: spec.name.unwrap_or_else(|| "release".into()),
            path: spec.path.unwrap_or_else(|| ".github/workflows/release.yml".into()),
            workflow_id: spec.workflow_id.unwrap_or(repo.id * 10 + 1),
            head_branch,
            head_sha,
            run_number: spec.run_number.unwrap_or(repo.runs.len() as u64 + 1),
            run_attempt: spec.run_attempt.unwrap_or(1),
            event: spec.event.unwrap_or_else(|| "push".into()),
            status,
            conclusion,
            actor,
            triggering_actor,
            created_at: at,
            updated_at: at,
        });
        Ok(id)
    }
}
