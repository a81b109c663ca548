//! A page of a few sentences in the frame of all pages: what the server has to say by itself, such as that there is
//! nothing at an address, that something came too often, or that it came from another site.
//!
//! Needs a [`crate::SiteAssets`] and a [`crate::Visitor`] in the context, and no portal: it is shown when that cannot
//! answer, too.

use crate::{
    app::header,
    components::{empty::empty, icon::Icon},
    pages::{Live, main},
    shell::document,
};
use leptos::prelude::*;
use leptos_router::components::Router;

/// What happened, and where to go on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    pub title: String,
    pub text: String,
    /// A path of our own.
    pub action: String,
    pub action_words: &'static str,
}

/// The whole document.
pub fn problem_shell(problem: Problem) -> impl IntoView {
    document(view! { <ProblemPage problem /> }.into_any())
}

#[component]
fn ProblemPage(problem: Problem) -> impl IntoView {
    let Problem {
        title,
        text,
        action,
        action_words,
    } = problem;
    let body = view! {
        <h1 class="sr">{title.clone()}</h1>
        {empty(
            Icon::Alert,
            title.clone(),
            view! { <p>{text}</p> <p><a class="button" href=action>{action_words}</a></p> },
        )}
    };
    view! {
        <Router>
            <a class="skip" href="#main">"Skip to content"</a>
            {header()}
            {main(title, Live::Still, "narrow problem", None, body)}
        </Router>
    }
}
