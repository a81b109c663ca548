//! Turns what the store and the domain say into what a person reads. The one place where that happens.

use tidegate_app::portal::PortalError;
use tidegate_domain::{Refusal, approval::Ineligible};
use tidegate_store::{Conflict, StoreError};

/// What went wrong in the database, for someone who cannot mend it.
pub(crate) fn portal(error: StoreError) -> PortalError {
    match error {
        StoreError::NotFound { what } => PortalError::NotFound(format!("there is no {what} (any more)")),
        StoreError::Conflict(Conflict::Busy | Conflict::Version) => collided(),
        StoreError::Conflict(what) => PortalError::Conflict(format!("{what}: look again, then decide")),
        error => {
            tracing::error!(%error, "the database did not do as asked");
            unavailable()
        }
    }
}

pub(crate) fn unavailable() -> PortalError {
    PortalError::Unavailable("the database does not answer. Nothing was changed; try again in a minute".to_owned())
}

/// It got in the way of others time and again. Not an answer about the deployment: the same request may do in a moment.
pub(crate) fn collided() -> PortalError {
    PortalError::Unavailable(
        "too much happens at once at this place. Nothing was changed; try again in a moment".to_owned(),
    )
}

/// R20: what cannot be written into the audit log is not done.
pub(crate) fn audit(error: StoreError) -> PortalError {
    tracing::error!(%error, "the audit log cannot be written");
    PortalError::Unavailable(
        "the audit log cannot be written, so nothing was changed. Reading goes on; try again once it is mended"
            .to_owned(),
    )
}

/// Why the domain refused.
pub(crate) fn refusal(refusal: Refusal) -> PortalError {
    match refusal {
        Refusal::Ineligible(Ineligible::AlreadyApproved) => {
            PortalError::Conflict("you have already approved this revision".to_owned())
        }
        Refusal::Ineligible(why) => PortalError::Forbidden(format!("your approval would not count: {why}")),
        Refusal::NotAPerson => PortalError::Forbidden("only a person approves".to_owned()),
        Refusal::Invalid(_)
        | Refusal::StaleRevision { .. }
        | Refusal::TooLate
        | Refusal::TakenOver
        | Refusal::NoAuthority(_)
        | Refusal::CallNotDue(_) => PortalError::Conflict(refusal.to_string()),
    }
}

pub(crate) fn no_deployment() -> PortalError {
    PortalError::NotFound("there is no such deployment: check the address, or look for it in the history".to_owned())
}

pub(crate) fn invalid(field: &str, message: impl Into<String>) -> PortalError {
    PortalError::Invalid {
        field: field.to_owned(),
        message: message.into(),
    }
}
