//! Who asked for the page, and what the request before has left to say. The server puts a [`Visitor`] into the context
//! of every page.

use crate::model::Viewer;
use std::collections::BTreeMap;
use tidegate_domain::Actor;

#[derive(Debug, Clone, Default)]
pub struct Visitor {
    /// `None`: not signed in.
    pub viewer: Option<Viewer>,
    /// The same person as the use cases know them.
    pub actor: Option<Actor>,
    pub flash: Option<Flash>,
    /// Where signing in shall lead, on the page where one does: a path of our own.
    pub return_to: Option<String>,
    pub theme: Theme,
}

/// What became of a form, shown once on the next page.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Flash {
    pub tone: Tone,
    /// What happened: `Approved`, `Not approved`.
    pub title: String,
    /// Why, what was kept and what to do.
    pub detail: Option<String>,
    /// What was typed into the form that failed, by the field's name, to be shown again.
    pub kept: BTreeMap<String, String>,
    /// The form that failed, by the last part of its address: `approve`, `reject`, `cancel`, `roll-back`, `deployments`.
    pub form: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Tone {
    #[default]
    Done,
    Failed,
}

/// Light or dark, as the cookie `theme` says; without it, as the system says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Theme {
    #[default]
    System,
    Light,
    Dark,
}

impl Theme {
    pub const ALL: [Self; 3] = [Self::System, Self::Light, Self::Dark];

    pub const fn name(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::Light => "light",
            Self::Dark => "dark",
        }
    }

    pub fn parse(text: &str) -> Self {
        Self::ALL
            .into_iter()
            .find(|theme| theme.name() == text)
            .unwrap_or_default()
    }
}

impl Flash {
    /// What was typed into `field` of `form`, if that form failed.
    pub fn typed(&self, form: &str, field: &str) -> Option<&str> {
        if self.form.as_deref() == Some(form) {
            self.kept.get(field).map(String::as_str)
        } else {
            None
        }
    }
}
