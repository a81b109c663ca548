//! Forms that work without JavaScript: each does one thing and leads back to a page that says what became of it (U2).
//!
//! What is said travels in the session, never in the address; a form that failed gives back what was typed (U7).

use super::{
    HttpState,
    problem::{self, Problem},
    return_to::own_path,
    session::{self, Confirmed, SignedIn},
    sign_in::add_cookie,
};
use crate::service::sessions::Current;
use axum::{
    Form,
    extract::{FromRequest, Path, Request, State, rejection::FormRejection},
    response::{IntoResponse as _, Redirect, Response},
};
use http::{HeaderValue, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use tidegate_app::{
    Flash, Theme, Tone,
    model::NewDeployment,
    portal::{Portal as _, PortalError},
};
use tidegate_domain::{id::DeploymentId, revision::RevisionHash};

/// Text fields by name; a name that comes twice counts once.
pub(crate) struct Fields(BTreeMap<String, String>);

impl Fields {
    pub(crate) fn get(&self, name: &str) -> &str {
        self.0.get(name).map_or("", |text| text.trim())
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// With its white space; a field that was not sent is none.
    pub(super) fn as_typed(&self, name: &str) -> Option<String> {
        self.0.get(name).cloned()
    }

    pub(super) fn optional(&self, name: &str) -> Option<String> {
        Some(self.get(name)).filter(|text| !text.is_empty()).map(str::to_owned)
    }

    pub(super) fn required(&self, name: &str, otherwise: &str) -> Result<String, PortalError> {
        self.optional(name).ok_or_else(|| PortalError::Invalid {
            field: name.to_owned(),
            message: otherwise.to_owned(),
        })
    }
}

impl FromRequest<HttpState> for Fields {
    type Rejection = Response;

    async fn from_request(request: Request, state: &HttpState) -> Result<Self, Response> {
        let path = request.uri().path().to_owned();
        match Form::<Vec<(String, String)>>::from_request(request, state).await {
            Ok(Form(pairs)) => Ok(Self(pairs.into_iter().collect())),
            Err(rejection) => {
                let status = match &rejection {
                    FormRejection::InvalidFormContentType(_) => StatusCode::UNSUPPORTED_MEDIA_TYPE,
                    rejection => rejection.status(),
                };
                let why = if status == StatusCode::PAYLOAD_TOO_LARGE {
                    "That was more text than fits. Nothing was changed: go back and shorten it."
                } else {
                    "That form could not be read. Nothing was changed."
                };
                Err(problem::refusal(&path, Problem::new(status, why)))
            }
        }
    }
}

/// A flash as the session keeps it.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Note {
    failed: bool,
    title: String,
    detail: Option<String>,
    kept: BTreeMap<String, String>,
    form: Option<String>,
}

impl From<Note> for Flash {
    fn from(note: Note) -> Self {
        Self {
            tone: if note.failed { Tone::Failed } else { Tone::Done },
            title: note.title,
            detail: note.detail,
            kept: note.kept,
            form: note.form,
        }
    }
}

/// What the request before has left to say; forgotten by this.
pub(crate) async fn take_flash(state: &HttpState, current: &Current) -> Option<Flash> {
    let note: Note = serde_json::from_value(current.data.get("flash")?.clone()).ok()?;
    match state.sessions.keep(&current.key, &json!({})).await {
        Ok(()) => Some(note.into()),
        Err(error) => {
            tracing::warn!(%error, "a flash could not be taken");
            None
        }
    }
}

/// Leads to `to`, where `note` is shown once.
pub(super) async fn lead(state: &HttpState, current: &Current, to: &str, note: Note) -> Response {
    if !keep(state, current, &note).await {
        // Without it the page would look as if nothing had happened.
        let words = note.detail.unwrap_or(note.title);
        return problem::refusal(to, Problem::new(StatusCode::SERVICE_UNAVAILABLE, words));
    }
    Redirect::to(to).into_response()
}

/// Keeps a note for the next page; false when it could not be.
pub(super) async fn keep(state: &HttpState, current: &Current, note: &Note) -> bool {
    let data: Value = json!({ "flash": note });
    let kept = state.sessions.keep(&current.key, &data).await;
    if let Err(error) = &kept {
        tracing::error!(%error, "a flash could not be kept");
    }
    kept.is_ok()
}

pub(super) fn done(title: &str) -> Note {
    Note {
        failed: false,
        title: title.to_owned(),
        detail: None,
        kept: BTreeMap::new(),
        form: None,
    }
}

pub(super) fn failed(title: &str, form: &str, fields: &Fields, error: &PortalError) -> Note {
    let detail = match error {
        PortalError::Invalid { message, .. } => message.clone(),
        error => error.to_string(),
    };
    Note {
        failed: true,
        title: title.to_owned(),
        detail: Some(sentence(&detail)),
        kept: fields.0.clone(),
        form: Some(form.to_owned()),
    }
}

/// The use cases speak in clauses; on a page they stand alone.
fn sentence(text: &str) -> String {
    let mut chars = text.chars();
    let mut sentence: String = chars
        .next()
        .map(|first| first.to_uppercase().collect())
        .unwrap_or_default();
    sentence.push_str(chars.as_str());
    if !sentence.ends_with(['.', '!', '?']) {
        sentence.push('.');
    }
    sentence
}

/// What brings something to production needs teams that GitHub has just confirmed (R5).
pub(super) const UNCONFIRMED: &str = "GitHub does not answer, so your teams cannot be confirmed; nothing was changed";

pub(crate) async fn request(
    State(state): State<HttpState>,
    known: Result<SignedIn, Response>,
    session: Result<Confirmed, Response>,
    fields: Fields,
) -> Response {
    let Confirmed(current) = match session {
        Ok(session) => session,
        // The form itself says which page it stands on.
        Err(answer) if answer.status() == StatusCode::SEE_OTHER => {
            return session::unsent(&state, fields.get("return_to"));
        }
        Err(answer) => {
            if answer.status() == StatusCode::SERVICE_UNAVAILABLE
                && let Ok(SignedIn(known)) = known
            {
                let error = PortalError::Unavailable(UNCONFIRMED.to_owned());
                keep(&state, &known, &failed("Not requested", "deployments", &fields, &error)).await;
            }
            return answer;
        }
    };
    let asked = async {
        let release = fields.required("release", "choose a release")?;
        let environment = fields.required("environment", "choose an environment")?;
        let new = NewDeployment {
            release: release.parse().map_err(|error| invalid("release", &error))?,
            environment: environment.parse().map_err(|error| invalid("environment", &error))?,
            reason: fields.optional("reason"),
        };
        state.portal.request(&current.known.actor(), new).await
    };
    match asked.await {
        Ok(id) => lead(&state, &current, &page_of(id), done("Deployment requested")).await,
        Err(error) => {
            let back = own_path(fields.get("return_to")).unwrap_or("/").to_owned();
            lead(
                &state,
                &current,
                &back,
                failed("Not requested", "deployments", &fields, &error),
            )
            .await
        }
    }
}

pub(crate) async fn approve(
    State(state): State<HttpState>,
    SignedIn(known): SignedIn,
    confirmed: Result<Confirmed, Response>,
    Path(id): Path<String>,
    fields: Fields,
) -> Response {
    let current = match confirmed {
        Ok(Confirmed(current)) => current,
        Err(answer) => {
            if answer.status() == StatusCode::SERVICE_UNAVAILABLE {
                let error = PortalError::Unavailable(UNCONFIRMED.to_owned());
                keep(&state, &known, &failed("Not approved", "approve", &fields, &error)).await;
            }
            return answer;
        }
    };
    let Some(id) = known_id(&id) else {
        return no_such();
    };
    if let Err(many) = state.limits.approve.check(&current.known.person.id) {
        let problem = Problem::too_many(many.retry_after);
        let error = PortalError::Unavailable(problem.detail.clone());
        keep(&state, &current, &failed("Not approved", "approve", &fields, &error)).await;
        return problem::refusal_with(problem, (page_of(id), "Back to the deployment"));
    }
    let approved = async {
        let seen = fields.required("revision", "reload the page: it does not say what you approve")?;
        state
            .portal
            .approve(
                &current.known.actor(),
                id,
                RevisionHash(seen),
                fields.optional("comment"),
            )
            .await
    };
    let note = match approved.await {
        Ok(()) => done("Approved"),
        Err(error) => failed("Not approved", "approve", &fields, &error),
    };
    lead(&state, &current, &page_of(id), note).await
}

pub(crate) async fn reject(
    State(state): State<HttpState>,
    SignedIn(current): SignedIn,
    Path(id): Path<String>,
    fields: Fields,
) -> Response {
    let Some(id) = known_id(&id) else {
        return no_such();
    };
    let rejected = async {
        let reason = fields.required("reason", "say why: whoever asked will read it")?;
        session::services(&state, &current.known)
            .reject(&current.known.actor(), id, reason)
            .await
    };
    let note = match rejected.await {
        Ok(()) => done("Rejected"),
        Err(error) => failed("Not rejected", "reject", &fields, &error),
    };
    lead(&state, &current, &page_of(id), note).await
}

pub(crate) async fn cancel(
    State(state): State<HttpState>,
    SignedIn(current): SignedIn,
    Path(id): Path<String>,
    fields: Fields,
) -> Response {
    let Some(id) = known_id(&id) else {
        return no_such();
    };
    let cancelled = async {
        let reason = fields.required("reason", "say why it is cancelled")?;
        session::services(&state, &current.known)
            .cancel(&current.known.actor(), id, reason)
            .await
    };
    let note = match cancelled.await {
        Ok(()) => done("Cancelled"),
        Err(error) => failed("Not cancelled", "cancel", &fields, &error),
    };
    lead(&state, &current, &page_of(id), note).await
}

pub(crate) async fn resume(
    State(state): State<HttpState>,
    SignedIn(current): SignedIn,
    Path(id): Path<String>,
    fields: Fields,
) -> Response {
    let Some(id) = known_id(&id) else {
        return no_such();
    };
    let resumed = async {
        let reason = fields.required("reason", "say why it may go on")?;
        session::services(&state, &current.known)
            .resume(&current.known.actor(), id, reason)
            .await
    };
    let note = match resumed.await {
        Ok(()) => done("It goes on"),
        Err(error) => failed("It does not go on", "continue", &fields, &error),
    };
    lead(&state, &current, &page_of(id), note).await
}

pub(crate) async fn roll_back(
    State(state): State<HttpState>,
    SignedIn(current): SignedIn,
    Path(id): Path<String>,
    fields: Fields,
) -> Response {
    let Some(id) = known_id(&id) else {
        return no_such();
    };
    let rolled_back = async {
        let reason = fields.required("reason", "say why it is rolled back")?;
        let services = session::services(&state, &current.known);
        let actor = current.known.actor();
        match fields.optional("release") {
            None => services.roll_back(&actor, id, reason).await,
            Some(text) => {
                let to = text.parse().map_err(|error| invalid("release", &error))?;
                services.roll_back_to(&actor, id, to, reason).await
            }
        }
    };
    match rolled_back.await {
        Ok(going) => lead(&state, &current, &page_of(going), done("Rollback asked for")).await,
        Err(error) => {
            let note = failed("Not rolled back", "roll-back", &fields, &error);
            lead(&state, &current, &page_of(id), note).await
        }
    }
}

/// Light, dark or as the system has it: a cookie for a year, for this browser.
pub(crate) async fn theme(State(state): State<HttpState>, fields: Fields) -> Response {
    let theme = Theme::parse(fields.get("theme"));
    let mut response = Redirect::to(own_path(fields.get("return_to")).unwrap_or("/")).into_response();
    let secure = if state.config.https() { "; Secure" } else { "" };
    let cookie = format!(
        "theme={}; Path=/; HttpOnly; SameSite=Lax; Max-Age=31536000{secure}",
        theme.name()
    );
    add_cookie(&mut response, HeaderValue::from_str(&cookie).ok());
    response
}

pub(super) fn page_of(id: DeploymentId) -> String {
    format!("/deployments/{id}")
}

pub(super) fn known_id(text: &str) -> Option<DeploymentId> {
    text.parse().ok()
}

pub(super) fn no_such() -> Response {
    let problem = Problem::new(
        StatusCode::NOT_FOUND,
        "There is no such deployment. Nothing was changed.",
    );
    problem::refusal("/deployments", problem)
}

pub(super) fn invalid(field: &str, error: &impl ToString) -> PortalError {
    PortalError::Invalid {
        field: field.to_owned(),
        message: error.to_string(),
    }
}
