//! The configuration file: one TOML file in version control, read into a [`Catalog`] and the server's own settings.
//!
//! Invariant: a [`Loaded`] configuration was found valid as a whole. What is wrong is told with line, column and what to
//! write instead, all of it at once; a server that runs keeps its last valid configuration.

mod check;
mod engine;
mod file;
mod file_health;
mod freeze;
mod health;
mod health_rule;
mod health_text;
mod metrics;
mod notify;
mod problem;
mod rolling;
mod secrets;
mod smoke;
mod target;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod tests_health;

pub use file::{File, Github, Worker};
pub use health::definitions;
pub use health_text::text as health_text;
pub use notify::Telling;
pub use problem::{Problem, Problems};
pub use secrets::{Secrets, SecretsError, database_url};
pub use smoke::SmokeSecrets;

use sha2::{Digest, Sha256};
use std::path::Path;
use tidegate_domain::Catalog;

/// A configuration that was found valid.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// What the rules work with.
    pub catalog: Catalog,
    /// The server's own settings.
    pub settings: Settings,
    /// The file's text as it was read.
    pub text: String,
    /// SHA-256 of that text in hexadecimal: the configuration's version.
    pub hash: String,
}

/// Where the server listens and whom it talks to. Changing these needs a restart; the catalogue is reloaded by SIGHUP.
#[derive(Debug, Clone)]
pub struct Settings {
    pub listen: std::net::SocketAddr,
    /// As people and GitHub reach it.
    pub public_url: url::Url,
    /// Whether `X-Forwarded-For` is believed.
    pub behind_proxy: bool,
    pub database_url: String,
    /// PostgreSQL: the role that `serve` runs as, for `tidegate migrate` to give rights to.
    pub app_role: Option<String>,
    pub github: Github,
    pub region: String,
    pub worker: Worker,
    pub notify: Telling,
    /// Where Prometheus answers, if numbers come from one.
    pub prometheus: Option<url::Url>,
}

/// Reads and checks a configuration file.
///
/// # Errors
/// Everything that is wrong with it, or that it cannot be read.
pub fn load(path: &Path) -> Result<Loaded, Problems> {
    let name = path.display().to_string();
    match std::fs::read_to_string(path) {
        Ok(text) => parse(&name, &text),
        Err(error) => Err(Problems::unreadable(&name, &error)),
    }
}

/// Checks the text of a configuration; `name` is what messages call it.
///
/// # Errors
/// Everything that is wrong with it.
pub fn parse(name: &str, text: &str) -> Result<Loaded, Problems> {
    let file: File = toml::from_str(text).map_err(|error| Problems::of_syntax(name, text, &error))?;
    let mut problems = Problems::new(name, text);
    let catalog = check::catalog(&file, &mut problems);
    let settings = check::settings(&file, &mut problems);
    match (catalog, settings) {
        (Some(catalog), Some(settings)) if problems.is_empty() => Ok(Loaded {
            catalog,
            settings,
            text: text.to_owned(),
            hash: hex::encode(Sha256::digest(text)),
        }),
        _ => Err(problems),
    }
}

/// The JSON Schema of the file, for editors.
pub fn schema() -> schemars::Schema {
    schemars::schema_for!(File)
}
