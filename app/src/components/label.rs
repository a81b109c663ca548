//! Small pieces of text with a meaning: people, moments, digests, links.

use super::icon::{Icon, icon};
use crate::words::{relative, utc};
use leptos::prelude::*;
use tidegate_domain::{Digest, Timestamp, revision::RevisionHash};

/// A moment, relative, with UTC on hover; an island keeps it true and adds the viewer's zone.
pub(crate) fn when(at: Timestamp, now: Timestamp) -> impl IntoView {
    view! { <time datetime=at.to_string() title=utc(at)>{relative(at, now)}</time> }
}

/// A moment in full, for where it matters when exactly: in UTC, and by an island in the viewer's zone.
pub(crate) fn full(at: Timestamp) -> impl IntoView {
    view! { <time class="full" datetime=at.to_string() title=utc(at) data-full="">{utc(at)}</time> }
}

/// Who did it: a person by login, or a machine by its name. CI is named by its repository on hover.
pub(crate) fn person(label: &str) -> AnyView {
    if let Some(repository) = label.strip_prefix("CI of ") {
        return view! { <span class="person machine" title=format!("CI of {repository}")>"CI"</span> }.into_any();
    }
    if label == "Tidegate" {
        return view! { <span class="person machine">{label.to_owned()}</span> }.into_any();
    }
    let initial: String = label.chars().take(1).collect::<String>().to_uppercase();
    view! {
        <span class="person">
            <span class="avatar" aria-hidden="true">
                {initial}
            </span>
            {label.to_owned()}
        </span>
    }
    .into_any()
}

/// The short form of a digest; the whole of it on hover and when copied from the title.
pub(crate) fn digest(digest: &Digest) -> impl IntoView + use<> {
    view! { <code class="hash" title=digest.to_string()>{digest.short().to_owned()}</code> }
}

pub(crate) fn revision(hash: &RevisionHash) -> impl IntoView + use<> {
    view! { <code class="hash" title=hash.to_string()>{hash.short().to_owned()}</code> }
}

/// From one thing to another: drawn for the eye, said for the ear.
pub(crate) fn arrow(said: &'static str) -> impl IntoView {
    view! { <span class="arrow"><span aria-hidden="true">" → "</span><span class="sr">{said}</span></span> }
}

/// A link that leaves the site.
pub(crate) fn outside(url: &str, text: impl Into<String>) -> AnyView {
    let text = text.into();
    if url.starts_with("https://") || url.starts_with("http://") {
        view! {
            <a class="outside" href=url.to_owned() rel="noreferrer">{text} {icon(Icon::Out)}</a>
        }
        .into_any()
    } else {
        text.into_any()
    }
}
