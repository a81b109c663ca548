//! The pages: each asks through [`crate::rpc`], and shows what it got, that there is nothing, or why not.

pub(crate) mod audit;
pub(crate) mod breakglass;
pub(crate) mod definition;
pub(crate) mod deployment;
pub(crate) mod error;
pub(crate) mod history;
pub(crate) mod home;
pub(crate) mod inbox;
pub(crate) mod lab;
pub(crate) mod not_found;
pub(crate) mod service;
pub(crate) mod sign_in;
pub(crate) mod why;

use crate::{portal::PortalError, visitor::Visitor};
use leptos::prelude::*;
use leptos_meta::Title;
use std::future::Future;
use tidegate_domain::{Timestamp, id::DeploymentId};

/// Which changes concern a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Live {
    /// None: it stays as it is.
    Still,
    /// Any deployment, any release.
    All,
    /// Whatever is written into the audit log.
    Log,
    /// Those of one deployment, which the page shows as of this version.
    One(DeploymentId, i64),
}

/// `<main>` of a page.
pub(crate) fn main(
    title: String,
    live: Live,
    class: &'static str,
    now: Option<Timestamp>,
    body: impl IntoView,
) -> AnyView {
    let (concern, version) = match live {
        Live::Still => (None, None),
        Live::All => (Some("all".to_owned()), None),
        Live::Log => (Some("log".to_owned()), None),
        Live::One(id, version) => (Some(id.to_string()), Some(version)),
    };
    view! {
        <Title text=format!("{title} · Tidegate") />
        <main
            id="main"
            tabindex="-1"
            class=class
            data-live=concern
            data-version=version.map(|version| version.to_string())
            data-now=now.map(|now| now.millis().to_string())
        >
            {body}
        </main>
    }
    .into_any()
}

/// Waits for the data and shows it, or the page that says why there is none.
pub(crate) fn load<T: Send + 'static>(
    data: impl Future<Output = Result<T, PortalError>> + Send + 'static,
    show: impl FnOnce(T) -> AnyView + Send + 'static,
) -> AnyView {
    Suspend::new(async move {
        match data.await {
            Ok(data) => show(data),
            Err(error) => error::page(error),
        }
    })
    .into_any()
}

pub(crate) fn visitor() -> Visitor {
    use_context::<Visitor>().unwrap_or_default()
}

/// The status of the answer, for those that read no words.
pub(crate) fn set_status(code: u16) {
    if let (Some(response), Ok(status)) = (
        use_context::<leptos_axum::ResponseOptions>(),
        axum::http::StatusCode::from_u16(code),
    ) {
        response.set_status(status);
    }
}
