//! Repositories and their history: branches, commits, and what lies between two of them.
//!
//! Commits are made of a message, people, files and parents; there is no content. A commit's sha
//! derives from all of these and its time, so history cannot be changed in place.

use std::collections::{BTreeMap, HashSet, VecDeque};

use jiff::Timestamp;
use sha2::{Digest, Sha256};

#[derive(Debug, Clone)]
pub(crate) struct Repo {
    pub(crate) id: u64,
    pub(crate) owner: String,
    pub(crate) name: String,
    pub(crate) description: Option<String>,
    pub(crate) private: bool,
    pub(crate) default_branch: String,
    pub(crate) created_at: Timestamp,
    pub(crate) branches: BTreeMap<String, String>,
    pub(crate) tags: BTreeMap<String, String>,
    pub(crate) commits: Vec<Commit>,
    pub(crate) runs: Vec<Run>,
}

#[derive(Debug, Clone)]
pub(crate) struct Commit {
    pub(crate) sha: String,
    pub(crate) message: String,
    pub(crate) author: Person,
    pub(crate) committer: Person,
    pub(crate) at: Timestamp,
    pub(crate) parents: Vec<String>,
    pub(crate) files: Vec<FileChange>,
}

/// Who a commit names. Git knows a name and an address; only GitHub may know an account for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Person {
    pub(crate) account: Option<u64>,
    pub(crate) name: String,
    pub(crate) email: String,
}

#[derive(Debug, Clone, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct FileChange {
    pub(crate) filename: String,
    #[serde(default = "modified")]
    pub(crate) status: String,
    #[serde(default)]
    pub(crate) additions: u64,
    #[serde(default)]
    pub(crate) deletions: u64,
    #[serde(default)]
    pub(crate) patch: Option<String>,
    #[serde(default)]
    pub(crate) previous_filename: Option<String>,
}

fn modified() -> String {
    "modified".into()
}

/// One run of a workflow.
#[derive(Debug, Clone)]
pub(crate) struct Run {
    pub(crate) id: u64,
    pub(crate) name: String,
    pub(crate) path: String,
    pub(crate) workflow_id: u64,
    pub(crate) head_branch: String,
    pub(crate) head_sha: String,
    pub(crate) run_number: u64,
    pub(crate) run_attempt: u64,
    pub(crate) event: String,
    pub(crate) status: String,
    pub(crate) conclusion: Option<String>,
    pub(crate) actor: u64,
    pub(crate) triggering_actor: u64,
    pub(crate) created_at: Timestamp,
    pub(crate) updated_at: Timestamp,
}

/// How `head` relates to `base`.
#[derive(Debug)]
pub(crate) struct Comparison<'r> {
    pub(crate) base: &'r Commit,
    pub(crate) merge_base: &'r Commit,
    /// Commits of `head` that `base` lacks, oldest first.
    pub(crate) ahead: Vec<&'r Commit>,
    pub(crate) behind_by: usize,
}

impl Comparison<'_> {
    pub(crate) fn status(&self) -> &'static str {
        match (self.ahead.is_empty(), self.behind_by) {
            (true, 0) => "identical",
            (false, 0) => "ahead",
            (true, _) => "behind",
            (false, _) => "diverged",
        }
    }

    /// The files changed since the merge base, each once, with its lines added up.
    pub(crate) fn files(&self) -> Vec<FileChange> {
        let mut files: Vec<FileChange> = Vec::new();
        for change in self.ahead.iter().flat_map(|commit| &commit.files) {
            match files.iter_mut().find(|f| f.filename == change.filename) {
                Some(seen) => {
                    seen.additions += change.additions;
                    seen.deletions += change.deletions;
                    seen.patch = None;
                    if change.status == "removed" {
                        seen.status = "removed".into();
                    }
                }
                None => files.push(change.clone()),
            }
        }
        files.sort_by(|a, b| a.filename.cmp(&b.filename));
        files
    }
}

impl Repo {
    pub(crate) fn is(&self, owner: &str, name: &str) -> bool {
        self.owner.eq_ignore_ascii_case(owner) && self.name.eq_ignore_ascii_case(name)
    }

    pub(crate) fn full_name(&self) -> String {
        format!("{}/{}", self.owner, self.name)
    }

    pub(crate) fn commit(&self, sha: &str) -> Option<&Commit> {
        self.commits.iter().find(|commit| commit.sha == sha)
    }

    /// A branch, a tag, a full sha, or its first seven characters and more.
    pub(crate) fn resolve(&self, reference: &str) -> Option<&Commit> {
        let name = reference
            .strip_prefix("refs/")
            .unwrap_or(reference)
            .trim_start_matches("heads/")
            .trim_start_matches("tags/");
        let named = self.branches.get(name).or_else(|| self.tags.get(name));
        if let Some(sha) = named {
            return self.commit(sha);
        }
        if reference.len() < 7 || !reference.bytes().all(|b| b.is_ascii_hexdigit()) {
            return None;
        }
        let wanted = reference.to_ascii_lowercase();
        let mut found = self.commits.iter().filter(|c| c.sha.starts_with(&wanted));
        match (found.next(), found.next()) {
            (Some(commit), None) => Some(commit),
            _ => None,
        }
    }

    /// The commit and all it descends from, nearest first.
    pub(crate) fn ancestry<'r>(&'r self, commit: &'r Commit) -> Vec<&'r Commit> {
        let mut seen = HashSet::new();
        let mut queue = VecDeque::from([commit]);
        let mut ancestry = Vec::new();
        while let Some(commit) = queue.pop_front() {
            if seen.insert(commit.sha.as_str()) {
                ancestry.push(commit);
                queue.extend(commit.parents.iter().filter_map(|sha| self.commit(sha)));
            }
        }
        ancestry
    }

    /// `None` when the two share no history, as GitHub answers 404.
    pub(crate) fn compare<'r>(&'r self, base: &'r Commit, head: &'r Commit) -> Option<Comparison<'r>> {
        let of_base = self.ancestry(base);
        let of_head = self.ancestry(head);
        let in_base: HashSet<&str> = of_base.iter().map(|c| c.sha.as_str()).collect();
        let in_head: HashSet<&str> = of_head.iter().map(|c| c.sha.as_str()).collect();
        let merge_base = of_head
            .iter()
            .copied()
            .find(|commit| in_base.contains(commit.sha.as_str()))?;
        // Commits are kept in the order they were made, parents before children.
        let ahead = self
            .commits
            .iter()
            .filter(|c| in_head.contains(c.sha.as_str()) && !in_base.contains(c.sha.as_str()))
            .collect();
        let behind_by = of_base.iter().filter(|c| !in_head.contains(c.sha.as_str())).count();
        Some(Comparison {
            base,
            merge_base,
            ahead,
            behind_by,
        })
    }
}

/// Forty hexadecimal digits that stand for these parts, as a sha does for an object.
pub(crate) fn object_id(parts: &[&str]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(part.len().to_be_bytes());
        hash.update(part.as_bytes());
    }
    hex::encode(&hash.finalize()[..20])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn commit(sha: &str, parents: &[&str]) -> Commit {
        let ada = Person {
            account: Some(1),
            name: "Ada".into(),
            email: "ada@acme.test".into(),
        };
        Commit {
            sha: sha.repeat(40),
            message: sha.into(),
            author: ada.clone(),
            committer: ada,
            at: Timestamp::UNIX_EPOCH,
            parents: parents.iter().map(|p| p.repeat(40)).collect(),
            files: vec![FileChange {
                filename: "src/main.rs".into(),
                status: "modified".into(),
                additions: 2,
                deletions: 1,
                patch: None,
                previous_filename: None,
            }],
        }
    }

    /// a ─ b ─ d
    ///   └ c
    fn repo() -> Repo {
        Repo {
            id: 1,
            owner: "acme".into(),
            name: "rag".into(),
            description: None,
            private: true,
            default_branch: "main".into(),
            created_at: Timestamp::UNIX_EPOCH,
            branches: BTreeMap::from([("main".into(), "d".repeat(40))]),
            tags: BTreeMap::new(),
            commits: vec![
                commit("a", &[]),
                commit("b", &["a"]),
                commit("c", &["a"]),
                commit("d", &["b"]),
            ],
            runs: Vec::new(),
        }
    }

    fn compare(repo: &Repo, base: &str, head: &str) -> (&'static str, Vec<String>, usize, String) {
        let at = |r: &str| repo.resolve(&r.repeat(40)).unwrap();
        let found = repo.compare(at(base), at(head)).unwrap();
        (
            found.status(),
            found.ahead.iter().map(|c| c.message.clone()).collect(),
            found.behind_by,
            found.merge_base.message.clone(),
        )
    }

    #[test]
    fn a_comparison_lists_what_head_has_and_base_lacks_oldest_first() {
        let repo = repo();
        assert_eq!(
            compare(&repo, "a", "d"),
            ("ahead", vec!["b".into(), "d".into()], 0, "a".into())
        );
        assert_eq!(compare(&repo, "d", "b"), ("behind", vec![], 1, "b".into()));
        assert_eq!(compare(&repo, "d", "d"), ("identical", vec![], 0, "d".into()));
        assert_eq!(
            compare(&repo, "c", "d"),
            ("diverged", vec!["b".into(), "d".into()], 1, "a".into())
        );
    }

    #[test]
    fn files_touched_twice_are_listed_once_with_their_lines_added_up() {
        let repo = repo();
        let at = |r: &str| repo.resolve(r).unwrap();
        let (base, head) = (at("aaaaaaa"), at("main"));
        let files = repo.compare(base, head).unwrap().files();
        assert_eq!(files.len(), 1);
        assert_eq!((files[0].additions, files[0].deletions), (4, 2));
    }

    #[test]
    fn a_reference_is_a_branch_a_sha_or_seven_of_its_characters() {
        let repo = repo();
        assert_eq!(repo.resolve("main").unwrap().message, "d");
        assert_eq!(repo.resolve("refs/heads/main").unwrap().message, "d");
        assert_eq!(repo.resolve("ccccccc").unwrap().message, "c");
        assert!(repo.resolve("cccccc").is_none());
        assert!(repo.resolve("nothing").is_none());
    }
}
