//! Who asks: the session behind a request, for pages, forms and the API.

use super::{
    HttpState, cookie,
    problem::{self, Page, Problem},
    return_to::own_path,
    sign_in::add_cookie,
};
use crate::service::{
    Acting, Services,
    people::{Known, PeopleError, Roles, SignInFailure},
    sessions::{Current, SessionError},
};
use axum::{
    extract::{FromRequestParts, OriginalUri},
    response::{IntoResponse as _, Redirect, Response},
};
use http::{HeaderMap, Method, StatusCode, request::Parts};

/// The session of the request, if it has one that is on.
///
/// # Errors
/// The database is away, or GitHub when it must confirm the roles.
pub(crate) async fn of(state: &HttpState, headers: &HeaderMap, roles: Roles) -> Result<Option<Current>, Problem> {
    match cookie::read(headers, state.config.cookies.session()) {
        Some(token) => state.sessions.current(token, roles).await.map_err(problem_of),
        None => Ok(None),
    }
}

pub(crate) fn problem_of(error: SessionError) -> Problem {
    match error {
        SessionError::UnknownState => Problem::new(StatusCode::BAD_REQUEST, error.to_string()),
        SessionError::People(PeopleError::Unconfirmed) => {
            Problem::new(StatusCode::SERVICE_UNAVAILABLE, error.to_string())
        }
        SessionError::GitHub(SignInFailure::Unavailable(_)) => {
            tracing::warn!(%error, "sign-in failed");
            Problem::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "GitHub does not answer, so nobody can sign in now. Sign in again in a minute; whoever is signed in can go \
                 on reading, cancelling and rolling back",
            )
        }
        SessionError::GitHub(SignInFailure::Refused(_)) => {
            tracing::warn!(%error, "sign-in failed");
            Problem::new(
                StatusCode::BAD_REQUEST,
                "GitHub did not confirm this sign-in. Begin again.",
            )
        }
        error => {
            tracing::error!(%error, "session store");
            Problem::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "the database does not answer. Nothing was changed; try again in a minute",
            )
        }
    }
}

/// The use cases for someone who is signed in: what they do with roles that could not be confirmed says so.
pub(crate) fn services(state: &HttpState, known: &Known) -> Services {
    state.services.acting(Acting {
        roles_as_of: known.as_of,
        once: None,
    })
}

/// Someone who is signed in and has a role, as far as was last known: for reading, and for what makes production safer.
/// Without a session: to the sign-in, and back afterwards.
pub(crate) struct SignedIn(pub(crate) Current);

/// The same with roles that GitHub confirmed within the last minute: for what brings something to production (R5).
pub(crate) struct Confirmed(pub(crate) Current);

impl FromRequestParts<HttpState> for SignedIn {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, state: &HttpState) -> Result<Self, Response> {
        admit(parts, state, Roles::LastKnown).await.map(Self)
    }
}

impl FromRequestParts<HttpState> for Confirmed {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, state: &HttpState) -> Result<Self, Response> {
        admit(parts, state, Roles::Confirmed).await.map(Self)
    }
}

async fn admit(parts: &Parts, state: &HttpState, roles: Roles) -> Result<Current, Response> {
    let path = parts.uri.path();
    let found = of(state, &parts.headers, roles)
        .await
        .map_err(|problem| problem::refusal(path, problem))?;
    match found {
        Some(current) if current.known.roles.is_empty() => Err(no_role(state)),
        Some(current) => Ok(current),
        None if problem::is_for_programs(path) => {
            Err(Problem::new(StatusCode::UNAUTHORIZED, "sign in first").into_response())
        }
        None if parts.method == Method::GET => {
            let uri = parts
                .extensions
                .get::<OriginalUri>()
                .map_or(&parts.uri, |OriginalUri(uri)| uri);
            Err(to_sign_in(uri.path_and_query().map_or("/", |path| path.as_str())))
        }
        None => Err(unsent(state, page_of_form(path))),
    }
}

/// To the page where one signs in, and to `wanted` afterwards.
fn to_sign_in(wanted: &str) -> Response {
    let query = match own_path(wanted) {
        Some(path) if path != "/" => {
            let mut query = url::form_urlencoded::Serializer::new(String::new());
            query.append_pair("return_to", path);
            format!("?{}", query.finish())
        }
        _ => String::new(),
    };
    Redirect::to(&format!("/sign-in{query}")).into_response()
}

/// Seconds for which the browser remembers that a form was not sent.
const REMEMBERED_SECONDS: u32 = 60;

/// As [`to_sign_in`] for a form that was posted without a session: the page there says that nothing was sent.
pub(crate) fn unsent(state: &HttpState, wanted: &str) -> Response {
    let mode = state.config.cookies;
    let mut response = to_sign_in(wanted);
    add_cookie(&mut response, mode.set(mode.unsent(), "1", Some(REMEMBERED_SECONDS)));
    response
}

/// The page that a form of ours stands on, by its address. The Referer is not asked.
fn page_of_form(path: &str) -> &str {
    match path.strip_prefix("/deployments/").and_then(|rest| rest.split_once('/')) {
        Some((id, _)) => path.get(.."/deployments/".len() + id.len()).unwrap_or("/"),
        None if path == "/lab" => path,
        None => "/",
    }
}

/// The page for someone whom GitHub knows and we have no role for.
pub(crate) fn no_role(state: &HttpState) -> Response {
    let people = state.sessions.people();
    let organisation = people.organisation();
    let teams: Vec<String> = people
        .teams_with_access()
        .iter()
        .map(|team| format!("{organisation}/{team}"))
        .collect();
    let text = if teams.is_empty() {
        "You are signed in to GitHub, but no team gives access to Tidegate yet. Whoever runs it can name teams in its \
         configuration."
            .to_owned()
    } else {
        format!(
            "You are signed in to GitHub, but none of your teams gives access to Tidegate. These do: {}. Ask a maintainer \
             of one of them to add you, then sign in again.",
            teams.join(", ")
        )
    };
    Page {
        status: StatusCode::FORBIDDEN,
        title: "No access yet".to_owned(),
        text,
        action: ("/auth/sign-in".to_owned(), "Sign in again"),
    }
    .into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r28_a_form_leads_back_to_the_page_it_stands_on() {
        assert_eq!(page_of_form("/deployments/12-ab/approve"), "/deployments/12-ab");
        for other in ["/deployments", "/theme", "/deployments/12-ab", "//evil.test/a/b"] {
            assert_eq!(page_of_form(other), "/", "{other}");
        }
    }
}
