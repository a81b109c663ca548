//! Which workflow run may speak for a service (R30).
//!
//! The token of a run is verified elsewhere: signature, issuer, audience, times. Here it is only decided whether what it
//! says is what the configuration believes. Identity is the numeric repository id, because a name can be taken over.

use crate::{catalog::CiTrust, name::PersonRef, time::Timestamp};
use serde::{Deserialize, Serialize};

/// What GitHub says about a workflow run, in a token whose signature, issuer, audience and times were found good.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CiIdentity {
    /// `owner/name`, as it is called now.
    pub repository: String,
    pub repository_id: i64,
    /// Such as `refs/heads/main`.
    pub git_ref: String,
    /// The workflow that was started: `owner/name/.github/workflows/file.yml@ref`.
    pub workflow_ref: String,
    /// The workflow the job is written in; differs from `workflow_ref` when that one is reusable.
    pub job_workflow_ref: Option<String>,
    /// GitHub environment of the job, if it has one.
    pub environment: Option<String>,
    /// Who set the run off.
    pub actor: PersonRef,
    pub run_id: i64,
    /// Commit the run is about.
    pub sha: String,
    /// Identifies the token, so that it can be used once.
    pub jti: String,
    pub expires_at: Timestamp,
}

/// Why a run is not believed. Names what was wrong and what would have been right.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Distrust {
    #[error("the run belongs to repository {name} with id {got}, but the service trusts id {want}")]
    Repository { name: String, got: i64, want: i64 },
    #[error("the run is of {got}, but only {} may report", .want.join(", "))]
    Ref { got: String, want: Vec<String> },
    #[error("the run is of workflow {got}, but only {} may report", .want.join(", "))]
    Workflow { got: String, want: Vec<String> },
    #[error("the job runs in {}, but only {} may report", environment(.got), .want.join(", "))]
    Environment { got: Option<String>, want: Vec<String> },
}

fn environment(got: &Option<String>) -> String {
    got.as_ref().map_or_else(
        || "no GitHub environment".to_owned(),
        |name| format!("GitHub environment {name}"),
    )
}

/// Whether this run may report for a service that is configured so.
///
/// # Errors
/// The first of repository, ref, workflow and environment that is not trusted.
pub fn trusted(trust: &CiTrust, run: &CiIdentity) -> Result<(), Distrust> {
    if run.repository_id != trust.repository_id {
        return Err(Distrust::Repository {
            name: run.repository.clone(),
            got: run.repository_id,
            want: trust.repository_id,
        });
    }
    if !trust.refs.iter().any(|pattern| ref_matches(pattern, &run.git_ref)) {
        return Err(Distrust::Ref {
            got: run.git_ref.clone(),
            want: trust.refs.clone(),
        });
    }
    let believed = |file: &str| trust.workflows.iter().any(|each| each == file);
    if !trust.workflows.is_empty() && !workflow_file(run).is_some_and(believed) {
        return Err(Distrust::Workflow {
            got: run.workflow_ref.clone(),
            want: trust.workflows.clone(),
        });
    }
    let believed = |name: &String| trust.environments.contains(name);
    if !trust.environments.is_empty() && !run.environment.as_ref().is_some_and(believed) {
        return Err(Distrust::Environment {
            got: run.environment.clone(),
            want: trust.environments.clone(),
        });
    }
    Ok(())
}

/// `*` at the end stands for any rest, and nowhere else for anything.
fn ref_matches(pattern: &str, git_ref: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(start) => git_ref.starts_with(start),
        None => git_ref == pattern,
    }
}

/// The workflow's file in the run's own repository: `owner/name/FILE@ref`.
fn workflow_file(run: &CiIdentity) -> Option<&str> {
    let (path, _) = run.workflow_ref.split_once('@')?;
    path.strip_prefix(run.repository.as_str())?.strip_prefix('/')
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn trust() -> CiTrust {
        CiTrust {
            repository_id: 4711,
            refs: vec!["refs/heads/main".to_owned(), "refs/tags/v*".to_owned()],
            workflows: vec![".github/workflows/release.yml".to_owned()],
            environments: vec!["release".to_owned()],
            other_commits: false,
        }
    }

    fn run() -> CiIdentity {
        CiIdentity {
            repository: "acme/rag".to_owned(),
            repository_id: 4711,
            git_ref: "refs/heads/main".to_owned(),
            workflow_ref: "acme/rag/.github/workflows/release.yml@refs/heads/main".to_owned(),
            job_workflow_ref: None,
            environment: Some("release".to_owned()),
            actor: PersonRef::new(7, "ada"),
            run_id: 1,
            sha: "a".repeat(40),
            jti: "one".to_owned(),
            expires_at: Timestamp::from_millis(0),
        }
    }

    #[test]
    fn a_run_as_configured_is_believed() {
        assert_eq!(trusted(&trust(), &run()), Ok(()));
    }

    #[test]
    fn r30_a_repository_of_the_same_name_with_another_id_is_not_believed() {
        let other = CiIdentity {
            repository_id: 4712,
            ..run()
        };
        let refusal = trusted(&trust(), &other).unwrap_err();
        assert!(matches!(
            refusal,
            Distrust::Repository {
                got: 4712,
                want: 4711,
                ..
            }
        ));
        assert_eq!(
            refusal.to_string(),
            "the run belongs to repository acme/rag with id 4712, but the service trusts id 4711"
        );
    }

    #[test]
    fn a_renamed_repository_is_the_same_repository() {
        let renamed = CiIdentity {
            repository: "acme/retrieval".to_owned(),
            workflow_ref: "acme/retrieval/.github/workflows/release.yml@refs/heads/main".to_owned(),
            ..run()
        };
        assert_eq!(trusted(&trust(), &renamed), Ok(()));
    }

    #[rstest]
    #[case("refs/heads/main", true)]
    #[case("refs/tags/v1.2.3", true)]
    #[case("refs/heads/main2", false)]
    #[case("refs/heads/feature/refs/heads/main", false)]
    #[case("refs/tags/1.0", false)]
    #[case("refs/pull/1/merge", false)]
    #[case("main", false)]
    #[case("", false)]
    fn r30_only_configured_refs_are_believed(#[case] git_ref: &str, #[case] believed: bool) {
        let run = CiIdentity {
            git_ref: git_ref.to_owned(),
            ..run()
        };
        match trusted(&trust(), &run) {
            Ok(()) => assert!(believed),
            Err(refusal) => {
                assert!(!believed);
                assert!(matches!(refusal, Distrust::Ref { .. }));
            }
        }
    }

    #[rstest]
    #[case("acme/rag/.github/workflows/release.yml@refs/heads/main", true)]
    #[case("acme/rag/.github/workflows/other.yml@refs/heads/main", false)]
    #[case("acme/rag/x/.github/workflows/release.yml@refs/heads/main", false)]
    #[case("evil/rag/.github/workflows/release.yml@refs/heads/main", false)]
    #[case("acme/rag/.github/workflows/release.yml", false)]
    #[case(
        "acme/rag/.github/workflows/bad.yml@refs/heads/x/.github/workflows/release.yml@refs/heads/main",
        false
    )]
    #[case("", false)]
    fn r30_only_configured_workflows_of_the_own_repository_are_believed(
        #[case] workflow_ref: &str,
        #[case] believed: bool,
    ) {
        let run = CiIdentity {
            workflow_ref: workflow_ref.to_owned(),
            ..run()
        };
        match trusted(&trust(), &run) {
            Ok(()) => assert!(believed),
            Err(refusal) => {
                assert!(!believed);
                assert!(matches!(refusal, Distrust::Workflow { .. }));
            }
        }
    }

    #[rstest]
    #[case(Some("release"), true)]
    #[case(Some("Release"), false)]
    #[case(Some("staging"), false)]
    #[case(None, false)]
    fn r30_only_configured_environments_are_believed(#[case] environment: Option<&str>, #[case] believed: bool) {
        let run = CiIdentity {
            environment: environment.map(str::to_owned),
            ..run()
        };
        match trusted(&trust(), &run) {
            Ok(()) => assert!(believed),
            Err(refusal) => {
                assert!(!believed);
                assert!(matches!(refusal, Distrust::Environment { .. }));
            }
        }
    }

    #[test]
    fn workflows_and_environments_are_free_when_none_is_configured_but_refs_are_not() {
        let open = CiTrust {
            workflows: Vec::new(),
            environments: Vec::new(),
            ..trust()
        };
        let run = CiIdentity {
            workflow_ref: "anything".to_owned(),
            environment: None,
            ..run()
        };
        assert_eq!(trusted(&open, &run), Ok(()));
        let closed = CiTrust {
            refs: Vec::new(),
            ..open
        };
        assert!(matches!(trusted(&closed, &run), Err(Distrust::Ref { .. })));
    }
}
