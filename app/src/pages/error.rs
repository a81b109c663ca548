//! Why a page could not be shown: what happened, what was kept, what to do.

use super::{Live, main, not_found, set_status, sign_in, visitor};
use crate::{
    components::{empty::empty, icon::Icon},
    portal::PortalError,
};
use leptos::prelude::*;

pub(crate) fn page(error: PortalError) -> AnyView {
    match error {
        PortalError::NotSignedIn => {
            set_status(401);
            sign_in::view()
        }
        PortalError::NotFound(what) => {
            set_status(404);
            not_found::show(what)
        }
        PortalError::Forbidden(why) => {
            set_status(403);
            no_access(why)
        }
        PortalError::Invalid { .. } => {
            set_status(400);
            sorry(
                "That address does not make sense",
                error.to_string(),
                "Nothing was changed. Go back, or remove what comes after the question mark in the address.",
            )
        }
        PortalError::Conflict(why) => {
            set_status(409);
            sorry("Someone was faster", why, "Reload to see how it stands now.")
        }
        PortalError::Unavailable(why) => {
            set_status(503);
            sorry(
                "Tidegate cannot answer now",
                why,
                "Nothing was changed, and deployments that run go on. Try again in a moment.",
            )
        }
    }
}

fn sorry(title: &'static str, why: String, then: &'static str) -> AnyView {
    main(
        title.to_owned(),
        Live::Still,
        "narrow",
        None,
        view! {
            <h1 class="sr">{title}</h1>
            {empty(Icon::Alert, title, view! { <p>{why}</p> <p>{then}</p> <p><a href="">"Try again"</a></p> })}
        },
    )
}

/// Signed in, but without the role.
fn no_access(why: String) -> AnyView {
    let login = visitor().viewer.map(|viewer| viewer.person.login);
    main(
        "No access".to_owned(),
        Live::Still,
        "narrow",
        None,
        view! {
            <h1 class="sr">"No access"</h1>
            {empty(
                Icon::Lock,
                login.map_or_else(|| "You have no access".to_owned(), |login| format!("{login} has no access to this")),
                view! {
                    <p>{why}</p>
                    <p>"Ask an owner of your GitHub organisation to add you to a team that "<code>"tidegate.toml"</code>" gives a role, then sign in again."</p>
                    <form method="post" action="/auth/sign-out"><button class="button">"Sign out"</button></form>
                },
            )}
        },
    )
}
