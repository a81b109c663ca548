//! Signing in with GitHub, and out (R25, R28).

use super::{
    HttpState, cookie,
    limits::caller,
    problem::{self, Page, Problem},
    return_to::own_path,
    session,
};
use crate::service::{
    people::{PeopleError, SignInFailure},
    sessions::SessionError,
};
use axum::{
    extract::{Query, Request, State},
    response::{IntoResponse as _, Redirect, Response},
};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde::Deserialize;
use tidegate_domain::Actor;

/// Seconds for which the browser remembers that it began.
const REMEMBERED_SECONDS: u32 = 600;

#[derive(Debug, Deserialize)]
pub(crate) struct Wish {
    return_to: Option<String>,
}

/// Sends the browser to GitHub. Changes nothing but a row that is of use to this browser only.
pub(crate) async fn begin(State(state): State<HttpState>, Query(wish): Query<Wish>, request: Request) -> Response {
    let path = request.uri().path();
    if let Err(many) = state
        .limits
        .sign_in
        .check(&caller(&state, request.headers(), request.extensions()))
    {
        return problem::refusal(path, Problem::too_many(many.retry_after));
    }
    let return_to = wish.return_to.as_deref().and_then(own_path).unwrap_or("/");
    match state.sessions.begin(return_to).await {
        Ok(begun) => {
            let mode = state.config.cookies;
            let mut response = Redirect::to(begun.authorize.as_str()).into_response();
            add_cookie(
                &mut response,
                mode.set(mode.sign_in(), &begun.browser, Some(REMEMBERED_SECONDS)),
            );
            response
        }
        Err(error) => problem::refusal(path, session::problem_of(error)),
    }
}

#[derive(Debug, Deserialize)]
pub(crate) struct Answer {
    code: Option<String>,
    state: Option<String>,
    error: Option<String>,
}

/// Takes GitHub's answer. A state works once, in the browser that began, for ten minutes.
pub(crate) async fn callback(
    State(state): State<HttpState>,
    Query(answer): Query<Answer>,
    request: Request,
) -> Response {
    let (path, headers) = (request.uri().path(), request.headers());
    if let Err(many) = state
        .limits
        .callback
        .check(&caller(&state, headers, request.extensions()))
    {
        return problem::refusal(path, Problem::too_many(many.retry_after));
    }
    let mode = state.config.cookies;
    let finished = match (&answer.code, &answer.state, &answer.error) {
        (Some(code), Some(given), None) => {
            let browser = cookie::read(headers, mode.sign_in());
            let old = cookie::read(headers, mode.session());
            state.sessions.finish(given, browser, code, old).await
        }
        (_, _, Some(error)) => {
            tracing::info!(error = %error.chars().take(80).collect::<String>(), "sign-in was not granted");
            return not_signed_in(
                StatusCode::BAD_REQUEST,
                "You did not let Tidegate know who you are, so you are not signed in.",
            );
        }
        _ => Err(SessionError::UnknownState),
    };
    match finished {
        Ok(finished) if finished.known.roles.is_empty() => {
            let mut response = session::no_role(&state);
            add_cookie(&mut response, mode.clear(mode.session()));
            add_cookie(&mut response, mode.clear(mode.sign_in()));
            response
        }
        Ok(finished) => {
            let mut response = Redirect::to(&finished.return_to).into_response();
            add_cookie(&mut response, mode.set(mode.session(), &finished.token, None));
            add_cookie(&mut response, mode.clear(mode.sign_in()));
            response
        }
        Err(SessionError::GitHub(SignInFailure::Unavailable(why))) => {
            tracing::warn!(why, "sign-in failed");
            not_signed_in(StatusCode::SERVICE_UNAVAILABLE, GITHUB_AWAY)
        }
        Err(SessionError::People(PeopleError::Unconfirmed)) => {
            not_signed_in(StatusCode::SERVICE_UNAVAILABLE, GITHUB_AWAY)
        }
        Err(error @ (SessionError::UnknownState | SessionError::GitHub(_))) => {
            tracing::info!(%error, "sign-in refused");
            let who = Actor::system("sign-in");
            state.services.denied(&who, "sign in", &error.to_string()).await;
            not_signed_in(
                StatusCode::BAD_REQUEST,
                "This sign-in was already used, took too long, or was begun in another browser. Nothing was changed.",
            )
        }
        Err(error) => problem::refusal(path, session::problem_of(error)),
    }
}

const GITHUB_AWAY: &str = "GitHub does not answer, so Tidegate cannot tell who you are. Nothing was changed. Sign in again \
     in a minute.";

fn not_signed_in(status: StatusCode, text: &str) -> Response {
    Page {
        status,
        title: "Not signed in".to_owned(),
        text: text.to_owned(),
        action: ("/sign-in".to_owned(), "Sign in"),
    }
    .into_response()
}

/// Ends the session. Without one there is nothing to end, which is as good.
pub(crate) async fn end(State(state): State<HttpState>, headers: HeaderMap) -> Response {
    let mode = state.config.cookies;
    let ended = match cookie::read(&headers, mode.session()) {
        Some(token) => state.sessions.sign_out(token).await.map_err(session::problem_of),
        None => Ok(()),
    };
    let mut response = match ended {
        Ok(()) => Redirect::to("/sign-in").into_response(),
        Err(problem) => problem::refusal("/auth/sign-out", problem),
    };
    // Whatever became of the row, this browser is signed out.
    add_cookie(&mut response, mode.clear(mode.session()));
    response
}

pub(crate) fn add_cookie(response: &mut Response, cookie: Option<HeaderValue>) {
    if let Some(cookie) = cookie {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
}
