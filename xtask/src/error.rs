//! What can go wrong while building the site, in words that say what to do.

use std::path::PathBuf;
use std::process::ExitStatus;

#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("{}: {source}", path.display())]
    Io { path: PathBuf, source: std::io::Error },

    #[error("could not start `{command}`: {source}")]
    Start { command: String, source: std::io::Error },

    #[error("`{command}` failed ({status})")]
    Failed { command: String, status: ExitStatus },

    #[error("{} is missing: run scripts/npm.sh", path.display())]
    NpmMissing { path: PathBuf },

    #[error("wasm-bindgen: {0}")]
    Bindgen(String),

    #[error("style: {0}")]
    Style(String),

    #[error("style: url({url}) names no file of app/public")]
    StyleUrl { url: String },

    #[error("two files want the name {name}")]
    TwoOfOneName { name: String },
}
