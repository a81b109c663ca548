//! Who asks: the session behind a request, for pages, forms and the API.

use super::{
    HttpState, cookie,
    problem::{self, Page, Problem},
    return_to::own_path,
};
use crate::service::{
    people::{PeopleError, Purpose},
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
/// The database is away, or GitHub when something is to be changed.
pub(crate) async fn of(state: &HttpState, headers: &HeaderMap, purpose: Purpose) -> Result<Option<Current>, Problem> {
    match cookie::read(headers, state.config.cookies.session()) {
        Some(token) => state.sessions.current(token, purpose).await.map_err(problem_of),
        None => Ok(None),
    }
}

pub(crate) fn problem_of(error: SessionError) -> Problem {
    match error {
        SessionError::UnknownState => Problem::new(StatusCode::BAD_REQUEST, error.to_string()),
        SessionError::People(PeopleError::Unconfirmed) => {
            Problem::new(StatusCode::SERVICE_UNAVAILABLE, error.to_string())
        }
        SessionError::GitHub(_) => {
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

/// What a request is for, by its method.
pub(crate) fn purpose(method: &Method) -> Purpose {
    match *method {
        Method::GET | Method::HEAD => Purpose::Reading,
        _ => Purpose::Changing,
    }
}

/// Someone who is signed in and has a role. Without a session: to the sign-in, and back afterwards.
pub(crate) struct SignedIn(pub(crate) Current);

impl FromRequestParts<HttpState> for SignedIn {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, state: &HttpState) -> Result<Self, Response> {
        let path = parts.uri.path().to_owned();
        let found = of(state, &parts.headers, purpose(&parts.method))
            .await
            .map_err(|problem| problem::refusal(state, &path, problem))?;
        match found {
            Some(current) if current.known.roles.is_empty() => Err(no_role(state)),
            Some(current) => Ok(Self(current)),
            None if problem::is_for_programs(&path) => {
                Err(Problem::new(StatusCode::UNAUTHORIZED, "sign in first").into_response())
            }
            None => {
                let uri = parts
                    .extensions
                    .get::<OriginalUri>()
                    .map_or(&parts.uri, |OriginalUri(uri)| uri);
                let wanted = uri.path_and_query().map_or("/", |path| path.as_str());
                Err(to_sign_in(parts.method == Method::GET, wanted))
            }
        }
    }
}

/// To the page where one signs in; `wanted` is what a GET asked for.
fn to_sign_in(is_get: bool, wanted: &str) -> Response {
    let query = match own_path(wanted) {
        Some(path) if is_get && path != "/" => {
            let mut query = url::form_urlencoded::Serializer::new(String::new());
            query.append_pair("return_to", path);
            format!("?{}", query.finish())
        }
        _ => String::new(),
    };
    Redirect::to(&format!("/sign-in{query}")).into_response()
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
        title: "No access yet",
        text: &text,
        action: Some(("/auth/sign-in", "Sign in again")),
    }
    .render(state)
}
