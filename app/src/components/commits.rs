//! Commits with their authors.

use super::label::{outside, person, when};
use leptos::prelude::*;
use tidegate_domain::{Timestamp, release::Commit};

/// As many as are read at a glance; the rest opens.
const AT_A_GLANCE: usize = 5;

pub(crate) fn commit_list(commits: &[Commit], now: Timestamp) -> impl IntoView + use<> {
    let (first, rest) = commits.split_at(commits.len().min(AT_A_GLANCE));
    let first = first.iter().map(|one| commit(one, now)).collect_view();
    let more = (!rest.is_empty()).then(|| {
        let count = rest.len();
        let rest = rest.iter().map(|one| commit(one, now)).collect_view();
        view! {
            <details class="more" id="more-commits">
                <summary>{format!("{count} more")}</summary>
                <ol class="commits">{rest}</ol>
            </details>
        }
    });
    view! {
        <ol class="commits">{first}</ol>
        {more}
    }
}

fn commit(commit: &Commit, now: Timestamp) -> impl IntoView + use<> {
    let sha = commit.sha.short().to_owned();
    let sha = match &commit.url {
        Some(url) if url.starts_with("https://") || url.starts_with("http://") => {
            view! { <a class="hash" href=url.clone() rel="noreferrer">{sha}</a> }.into_any()
        }
        _ => view! { <code class="hash">{sha}</code> }.into_any(),
    };
    view! {
        <li>
            {sha}
            <span class="commit-title">{commit.title.clone()}</span>
            <span class="commit-by">{person(&commit.author.login)} {commit.at.map(|at| when(at, now))}</span>
        </li>
    }
}

/// A link to GitHub's page of the comparison.
pub(crate) fn compare(url: &str) -> AnyView {
    outside(url, "compare")
}
