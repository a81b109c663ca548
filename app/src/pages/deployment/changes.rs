//! What changes: commits, image, task definition, traffic plan.

use crate::{
    components::{
        commits::{commit_list, compare},
        icon::{Icon, icon},
        label::{arrow, digest, outside},
        sentence::shorten_hashes,
        strategy,
    },
    model::DeploymentPage,
    words::counted,
};
use leptos::prelude::*;
use tidegate_domain::revision::Change;

pub(super) fn section(page: &DeploymentPage) -> impl IntoView + use<> {
    let count = page.commits.len();
    let over = page
        .previous
        .as_ref()
        .map(|previous| format!(" on top of {}", previous.label))
        .unwrap_or_default();
    let commits = if count == 0 {
        view! {
            <p class="muted">
                {if page.deployment.is_rollback() {
                    "No new commits: it goes back to an earlier release."
                } else {
                    "No commits are known for this release. GitHub’s push webhook names them."
                }}
            </p>
        }
        .into_any()
    } else {
        commit_list(&page.commits, page.now).into_any()
    };
    view! {
        <section class="answer changes" aria-labelledby="changes">
            <h2 id="changes">
                {icon(Icon::Commit)} "What changes"
                <span class="muted">{counted(count, "commit", "commits")} {over}</span>
            </h2>
            {commits}
            {image(page)}
            {task_definition(page)}
            {strategy::before(page)}
        </section>
    }
}

fn image(page: &DeploymentPage) -> impl IntoView + use<> {
    let running = page
        .deployment
        .preparation
        .as_ref()
        .and_then(|preparation| preparation.running_digest.as_ref())
        .map(|running| {
            let same = *running == page.deployment.digest;
            view! {
                {digest(running)} " " {if same { " (the same image)".into_any() } else { view! { {arrow("becomes")} }.into_any() }}
            }
        });
    let compare = page.compare_url.as_deref().map(compare);
    let run = page.release.run_url.as_deref().map(|url| outside(url, "CI run"));
    view! {
        <dl class="pairs">
            <dt>"Image"</dt>
            <dd>{running} " " {digest(&page.deployment.digest)}</dd>
            <dt>"Source"</dt>
            <dd>
                <span>{page.release.repository.clone()}</span>
                " "
                <code class="hash">{page.release.commit.short().to_owned()}</code>
                " "
                {run}
                " "
                {compare}
            </dd>
        </dl>
    }
}

fn task_definition(page: &DeploymentPage) -> impl IntoView + use<> {
    let Some(preparation) = &page.deployment.preparation else {
        return view! { <p class="muted">"The task definition’s differences are read before people are asked."</p> }
            .into_any();
    };
    if preparation.changes.is_empty() {
        return view! { <p class="same">{icon(Icon::Check)} "Task definition: nothing else changes."</p> }.into_any();
    }
    let rows = preparation.changes.iter().map(change).collect_view();
    view! {
        <div class="scroll">
            <table class="diff">
                <caption>"Task definition"</caption>
                <thead class="sr">
                    <tr><th scope="col">"Field"</th><th scope="col">"Running, then new"</th></tr>
                </thead>
                <tbody>{rows}</tbody>
            </table>
        </div>
    }
    .into_any()
}

fn change(change: &Change) -> impl IntoView + use<> {
    view! {
        <tr>
            <th scope="row">{breakable(&change.what)}</th>
            <td>
                <del title=change.from.clone()>{brief(&change.from)}</del>
                <ins title=change.to.clone()>{brief(&change.to)}</ins>
            </td>
        </tr>
    }
}

/// A path may go on in the next line where one of its parts begins.
fn breakable(path: &str) -> String {
    path.replace('.', ".\u{200b}").replace('[', "\u{200b}[")
}

/// An image by what differs at its end, a long value by its beginning.
fn brief(value: &str) -> String {
    if let Some((name, hash)) = value.split_once("@sha256:") {
        let name = name.rsplit('/').next().unwrap_or(name);
        return format!("{name}@{}…", hash.chars().take(10).collect::<String>());
    }
    shorten_hashes(value)
}
