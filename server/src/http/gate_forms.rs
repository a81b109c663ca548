//! Forms of the gates of time and shape: overriding a freeze, breaking the glass, reviewing that. As [`super::forms`].

use super::{
    HttpState,
    forms::{Fields, UNCONFIRMED, done, failed, invalid, keep, known_id, lead, no_such, page_of},
    problem::{self, Problem},
    session::{Confirmed, SignedIn, services},
};
use axum::{
    extract::{Path, State},
    response::Response,
};
use http::StatusCode;
use tidegate_app::{
    portal::{Portal as _, PortalError},
    shape::{NewBreakGlass, NewReview},
};
use tidegate_domain::{
    BreakGlassId,
    breakglass::{Check, Judgement},
};

/// A check box of each check begins with this.
const SKIP: &str = "skip.";
const REGISTER: &str = "/break-glass";

pub(crate) async fn override_freeze(
    State(state): State<HttpState>,
    SignedIn(known): SignedIn,
    confirmed: Result<Confirmed, Response>,
    Path(id): Path<String>,
    fields: Fields,
) -> Response {
    let form = "override-freeze";
    let current = match confirmed {
        Ok(Confirmed(current)) => current,
        Err(answer) => {
            if answer.status() == StatusCode::SERVICE_UNAVAILABLE {
                let error = PortalError::Unavailable(UNCONFIRMED.to_owned());
                keep(&state, &known, &failed("Not overridden", form, &fields, &error)).await;
            }
            return answer;
        }
    };
    let Some(id) = known_id(&id) else {
        return no_such();
    };
    let overridden = async {
        let freeze = fields.required("freeze", "reload the page: it does not say which freeze")?;
        let reason = fields.required("reason", "say why it cannot wait")?;
        state
            .portal
            .override_freeze(&current.known.actor(), id, freeze, reason)
            .await
    };
    let note = match overridden.await {
        Ok(()) => done("Freeze overridden"),
        Err(error) => failed("Not overridden", form, &fields, &error),
    };
    lead(&state, &current, &page_of(id), note).await
}

pub(crate) async fn break_glass(
    State(state): State<HttpState>,
    SignedIn(known): SignedIn,
    confirmed: Result<Confirmed, Response>,
    Path(id): Path<String>,
    fields: Fields,
) -> Response {
    let form = "break-glass";
    let current = match confirmed {
        Ok(Confirmed(current)) => current,
        Err(answer) => {
            if answer.status() == StatusCode::SERVICE_UNAVAILABLE {
                let error = PortalError::Unavailable(UNCONFIRMED.to_owned());
                keep(&state, &known, &failed("Glass not broken", form, &fields, &error)).await;
            }
            return answer;
        }
    };
    let Some(id) = known_id(&id) else {
        return no_such();
    };
    let broken = async {
        let new = NewBreakGlass {
            reason: fields.required("reason", "say what happened: someone else reviews it")?,
            incident: fields.required("incident", "link to the incident")?,
            skips: skips(&fields)?,
        };
        state.portal.break_glass(&current.known.actor(), id, new).await
    };
    match broken.await {
        Ok(going) => lead(&state, &current, &page_of(going), done("Glass broken")).await,
        Err(error) => {
            let note = failed("Glass not broken", form, &fields, &error);
            lead(&state, &current, &page_of(id), note).await
        }
    }
}

fn skips(fields: &Fields) -> Result<Vec<Check>, PortalError> {
    fields
        .names()
        .filter_map(|name| name.strip_prefix(SKIP))
        .map(|check| check.parse().map_err(|error| invalid("skips", &error)))
        .collect()
}

pub(crate) async fn review(
    State(state): State<HttpState>,
    SignedIn(current): SignedIn,
    Path(id): Path<String>,
    fields: Fields,
) -> Response {
    let Ok(id) = id.parse::<BreakGlassId>() else {
        let problem = Problem::new(
            StatusCode::NOT_FOUND,
            "There is no such break-glass. Nothing was changed.",
        );
        return problem::refusal(REGISTER, problem);
    };
    let reviewed = async {
        let judgement = fields.required("judgement", "say whether it was justified")?;
        let new = NewReview {
            judgement: Judgement::parse(&judgement)
                .ok_or_else(|| invalid("judgement", &"choose justified or not justified"))?,
            text: fields.required("text", "say what you looked at and what follows from it")?,
        };
        services(&state, &current.known)
            .review_break_glass(&current.known.actor(), id, new)
            .await
    };
    let note = match reviewed.await {
        Ok(()) => done("Reviewed"),
        Err(error) => failed("Not reviewed", &format!("review-{id}"), &fields, &error),
    };
    lead(&state, &current, REGISTER, note).await
}
