//! The lab's form, which changes nothing, and the form by which people mark a deployment.

use super::{
    HttpState,
    forms::{Fields, done, failed, invalid, known_id, lead, no_such},
    headers::CspNonce,
    pages::{render_with, visitor},
    session::{self, SignedIn},
};
use axum::{
    Extension,
    body::Body,
    extract::{Path, Request, State},
    response::{IntoResponse as _, Redirect, Response},
};
use http::HeaderMap;
use leptos::prelude::provide_context;
use tidegate_app::{
    health::{DRAFT, LabAsk},
    portal::Portal as _,
};
use tidegate_domain::health::Mark;

/// Leads to the address that says what is compared; a draft, which no address can hold, is answered with the page itself.
pub(crate) async fn compare(
    State(state): State<HttpState>,
    SignedIn(current): SignedIn,
    Extension(nonce): Extension<CspNonce>,
    headers: HeaderMap,
    fields: Fields,
) -> Response {
    let ask = LabAsk {
        service: fields.optional("service"),
        environment: fields.optional("environment"),
        from: fields.optional("from"),
        to: fields.optional("to"),
        old: fields.optional("old"),
        new: fields.optional("new"),
        draft: fields.as_typed("draft"),
    };
    let address = address(&ask);
    if ask.new.as_deref() != Some(DRAFT) {
        return Redirect::to(&address).into_response();
    }
    let Ok(request) = Request::get(address).body(Body::empty()) else {
        return Redirect::to("/lab").into_response();
    };
    let visitor = visitor(Some(&current), &headers);
    render_with(&state, visitor, nonce, request, move || provide_context(ask.clone())).await
}

/// Without what is empty.
fn address(ask: &LabAsk) -> String {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    for (name, value) in [
        ("service", &ask.service),
        ("environment", &ask.environment),
        ("from", &ask.from),
        ("to", &ask.to),
        ("old", &ask.old),
        ("new", &ask.new),
    ] {
        if let Some(value) = value {
            query.append_pair(name, value);
        }
    }
    match query.finish() {
        query if query.is_empty() => "/lab".to_owned(),
        query => format!("/lab?{query}"),
    }
}

/// Says of a deployment that is over how it was.
pub(crate) async fn mark(
    State(state): State<HttpState>,
    SignedIn(current): SignedIn,
    Path(id): Path<String>,
    fields: Fields,
) -> Response {
    let Some(id) = known_id(&id) else {
        return no_such();
    };
    let marked = async {
        let mark = match fields.required("mark", "choose one of the two")?.as_str() {
            "incident" => Mark::Incident,
            "fine" => Mark::Fine,
            other => {
                return Err(invalid(
                    "mark",
                    &format!("{other:?} is no mark: choose incident or fine"),
                ));
            }
        };
        session::services(&state, &current.known)
            .mark(&current.known.actor(), id, mark, fields.optional("comment"))
            .await
    };
    let note = match marked.await {
        Ok(()) => done("Marked"),
        Err(error) => failed("Not marked", "mark", &fields, &error),
    };
    lead(&state, &current, &format!("/deployments/{id}/health"), note).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn u02_what_is_compared_is_in_the_address_and_the_draft_is_not() {
        let ask = LabAsk {
            service: Some("rag".to_owned()),
            from: Some("2026-03-01".to_owned()),
            old: Some("a & b".to_owned()),
            new: Some("standard".to_owned()),
            draft: Some("[health.x]".to_owned()),
            ..LabAsk::default()
        };
        assert_eq!(
            address(&ask),
            "/lab?service=rag&from=2026-03-01&old=a+%26+b&new=standard"
        );
        assert_eq!(address(&LabAsk::default()), "/lab");
    }
}
