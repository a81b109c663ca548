//! Issues: opened through the API, kept open, listed newest first.

use jiff::Timestamp;

/// An issue as it was opened.
#[derive(Debug, Clone)]
pub(crate) struct Issue {
    pub(crate) id: u64,
    /// Id of its repository.
    pub(crate) repo: u64,
    /// Counts from 1 in each repository.
    pub(crate) number: u64,
    pub(crate) title: String,
    pub(crate) body: Option<String>,
    pub(crate) labels: Vec<String>,
    pub(crate) user: u64,
    pub(crate) created_at: Timestamp,
}
