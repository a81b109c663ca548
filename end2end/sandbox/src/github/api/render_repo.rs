//! The JSON shapes of repositories, commits, files and workflow runs, with all the members that the
//! published description of the REST API requires.

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::render::{Render, merge, node, time, urls};
use crate::github::git::{Commit, FileChange, Person, Repo, Run, object_id};

impl Render<'_> {
    /// A repository as it appears inside other things.
    pub(crate) fn repo(&self, repo: &Repo) -> Value {
        let (url, web) = (self.repo_url(repo), self.repo_web(repo));
        let kind = if self.world.org(&repo.owner).is_some() {
            "Organization"
        } else {
            "User"
        };
        let mut body = json!({
            "id": repo.id,
            "node_id": node("Repository", repo.id),
            "name": repo.name,
            "full_name": repo.full_name(),
            "private": repo.private,
            "owner": self.person(self.world.owner_id(&repo.owner), &repo.owner, kind),
            "html_url": web,
            "description": repo.description,
            "fork": false,
            "url": url,
        });
        urls(&mut body, &url, &REPO_PATHS);
        body
    }

    pub(crate) fn repo_full(&self, repo: &Repo) -> Value {
        let web = self.repo_web(repo);
        let pushed = repo.commits.last().map_or(repo.created_at, |commit| commit.at);
        let mut counts = Map::new();
        for name in [
            "forks",
            "forks_count",
            "open_issues",
            "open_issues_count",
            "size",
            "stargazers_count",
            "watchers",
            "watchers_count",
            "network_count",
            "subscribers_count",
        ] {
            counts.insert(name.into(), json!(0));
        }
        let rest = json!({
            "default_branch": repo.default_branch,
            "visibility": if repo.private { "private" } else { "public" },
            "clone_url": format!("{web}.git"),
            "git_url": web.replacen("http", "git", 1) + ".git",
            "ssh_url": format!("git@github.test:{}.git", repo.full_name()),
            "svn_url": web,
            "mirror_url": null,
            "homepage": null,
            "language": null,
            "license": null,
            "topics": [],
            "archived": false,
            "disabled": false,
            "has_downloads": true,
            "has_issues": true,
            "has_projects": true,
            "has_wiki": true,
            "has_pages": false,
            "has_discussions": false,
            "created_at": time(repo.created_at),
            "updated_at": time(pushed),
            "pushed_at": time(pushed),
        });
        merge(merge(self.repo(repo), Value::Object(counts)), rest)
    }

    /// A repository as webhooks carry it.
    pub(crate) fn repo_in_webhook(&self, repo: &Repo) -> Value {
        let mut body = self.repo_full(repo);
        if let Some(members) = body.as_object_mut() {
            members.remove("network_count");
            members.remove("subscribers_count");
        }
        body
    }

    /// A repository as pushes carry it: some times are numbers there.
    pub(crate) fn repo_in_push(&self, repo: &Repo) -> Value {
        let pushed = repo.commits.last().map_or(repo.created_at, |commit| commit.at);
        let mut body = merge(
            self.repo_in_webhook(repo),
            json!({
                "created_at": repo.created_at.as_second(),
                "pushed_at": pushed.as_second(),
                "master_branch": repo.default_branch,
                "organization": repo.owner,
                "stargazers": 0,
                "url": self.repo_web(repo),
            }),
        );
        body["owner"]["name"] = json!(repo.owner);
        body["owner"]["email"] = Value::Null;
        body
    }

    fn git_person(person: &Person, at: Timestamp) -> Value {
        json!({ "name": person.name, "email": person.email, "date": time(at) })
    }

    pub(crate) fn commit(&self, repo: &Repo, commit: &Commit) -> Value {
        let (url, web) = (self.repo_url(repo), self.repo_web(repo));
        let sha = &commit.sha;
        let tree = object_id(&["tree", sha]);
        let parents: Vec<Value> = commit
            .parents
            .iter()
            .map(|parent| {
                json!({
                    "sha": parent,
                    "url": format!("{url}/commits/{parent}"),
                    "html_url": format!("{web}/commit/{parent}"),
                })
            })
            .collect();
        json!({
            "sha": sha,
            "node_id": node("Commit", format!("{}:{sha}", repo.id)),
            "url": format!("{url}/commits/{sha}"),
            "html_url": format!("{web}/commit/{sha}"),
            "comments_url": format!("{url}/commits/{sha}/comments"),
            "commit": {
                "url": format!("{url}/git/commits/{sha}"),
                "author": Self::git_person(&commit.author, commit.at),
                "committer": Self::git_person(&commit.committer, commit.at),
                "message": commit.message,
                "comment_count": 0,
                "tree": { "sha": tree, "url": format!("{url}/git/trees/{tree}") },
                "verification": {
                    "verified": false,
                    "reason": "unsigned",
                    "signature": null,
                    "payload": null,
                    "verified_at": null,
                },
            },
            "author": self.account(commit.author.account),
            "committer": self.account(commit.committer.account),
            "parents": parents,
        })
    }

    pub(crate) fn commit_full(&self, repo: &Repo, commit: &Commit) -> Value {
        let additions: u64 = commit.files.iter().map(|file| file.additions).sum();
        let deletions: u64 = commit.files.iter().map(|file| file.deletions).sum();
        let files: Vec<Value> = commit
            .files
            .iter()
            .map(|file| self.file(repo, &commit.sha, file))
            .collect();
        merge(
            self.commit(repo, commit),
            json!({
                "stats": {
                    "additions": additions,
                    "deletions": deletions,
                    "total": additions + deletions,
                },
                "files": files,
            }),
        )
    }

    /// One changed file, as of the commit that holds its last version.
    pub(crate) fn file(&self, repo: &Repo, at: &str, file: &FileChange) -> Value {
        let (url, web) = (self.repo_url(repo), self.repo_web(repo));
        let name = &file.filename;
        let mut body = json!({
            "sha": object_id(&["blob", at, name]),
            "filename": name,
            "status": file.status,
            "additions": file.additions,
            "deletions": file.deletions,
            "changes": file.additions + file.deletions,
            "blob_url": format!("{web}/blob/{at}/{name}"),
            "raw_url": format!("{web}/raw/{at}/{name}"),
            "contents_url": format!("{url}/contents/{name}?ref={at}"),
        });
        if let Some(patch) = &file.patch {
            body["patch"] = json!(patch);
        }
        if let Some(previous) = &file.previous_filename {
            body["previous_filename"] = json!(previous);
        }
        body
    }

    pub(crate) fn run(&self, repo: &Repo, run: &Run) -> Value {
        let url = format!("{}/actions/runs/{}", self.repo_url(repo), run.id);
        let head = repo.commit(&run.head_sha);
        let title = head.map_or("", |commit| commit.message.lines().next().unwrap_or_default());
        let mut body = json!({
            "id": run.id,
            "name": run.name,
            "node_id": node("WorkflowRun", run.id),
            "check_suite_id": run.id + 1,
            "check_suite_node_id": node("CheckSuite", run.id + 1),
            "head_branch": run.head_branch,
            "head_sha": run.head_sha,
            "path": run.path,
            "display_title": title,
            "run_number": run.run_number,
            "run_attempt": run.run_attempt,
            "event": run.event,
            "status": run.status,
            "conclusion": run.conclusion,
            "workflow_id": run.workflow_id,
            "url": url,
            "html_url": format!("{}/actions/runs/{}", self.repo_web(repo), run.id),
            "pull_requests": [],
            "created_at": time(run.created_at),
            "updated_at": time(run.updated_at),
            "run_started_at": time(run.created_at),
            "actor": self.account(Some(run.actor)),
            "triggering_actor": self.account(Some(run.triggering_actor)),
            "referenced_workflows": [],
            "previous_attempt_url": null,
            "head_commit": head.map(|commit| json!({
                "id": commit.sha,
                "tree_id": object_id(&["tree", &commit.sha]),
                "message": commit.message,
                "timestamp": time(commit.at),
                "author": { "name": commit.author.name, "email": commit.author.email },
                "committer": { "name": commit.committer.name, "email": commit.committer.email },
            })),
            "repository": self.repo(repo),
            "head_repository": self.repo(repo),
            "check_suite_url": format!("{}/check-suites/{}", self.repo_url(repo), run.id + 1),
            "workflow_url": format!("{}/actions/workflows/{}", self.repo_url(repo), run.workflow_id),
        });
        urls(
            &mut body,
            &url,
            &[
                ("jobs", "/jobs"),
                ("logs", "/logs"),
                ("artifacts", "/artifacts"),
                ("cancel", "/cancel"),
                ("rerun", "/rerun"),
            ],
        );
        body
    }
}

const REPO_PATHS: [(&str, &str); 36] = [
    ("archive", "/{archive_format}{/ref}"),
    ("assignees", "/assignees{/user}"),
    ("blobs", "/git/blobs{/sha}"),
    ("branches", "/branches{/branch}"),
    ("collaborators", "/collaborators{/collaborator}"),
    ("comments", "/comments{/number}"),
    ("commits", "/commits{/sha}"),
    ("compare", "/compare/{base}...{head}"),
    ("contents", "/contents/{+path}"),
    ("contributors", "/contributors"),
    ("deployments", "/deployments"),
    ("downloads", "/downloads"),
    ("events", "/events"),
    ("forks", "/forks"),
    ("git_commits", "/git/commits{/sha}"),
    ("git_refs", "/git/refs{/sha}"),
    ("git_tags", "/git/tags{/sha}"),
    ("hooks", "/hooks"),
    ("issue_comment", "/issues/comments{/number}"),
    ("issue_events", "/issues/events{/number}"),
    ("issues", "/issues{/number}"),
    ("keys", "/keys{/key_id}"),
    ("labels", "/labels{/name}"),
    ("languages", "/languages"),
    ("merges", "/merges"),
    ("milestones", "/milestones{/number}"),
    ("notifications", "/notifications{?since,all,participating}"),
    ("pulls", "/pulls{/number}"),
    ("releases", "/releases{/id}"),
    ("stargazers", "/stargazers"),
    ("statuses", "/statuses/{sha}"),
    ("subscribers", "/subscribers"),
    ("subscription", "/subscription"),
    ("tags", "/tags"),
    ("teams", "/teams"),
    ("trees", "/git/trees{/sha}"),
];
