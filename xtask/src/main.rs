//! Builds what the browser loads, without cargo-leptos: `cargo run -p xtask -- site`.
//!
//! The result lies in `$CARGO_TARGET_DIR/site`: every file under a name that carries its content's hash, each with
//! a brotli and a gzip copy beside it, and `manifest.json` from logical to hashed name. It needs the wasm32 target
//! (`scripts/wasm-target.sh`) and the npm packages of `end2end` (`scripts/npm.sh`), and never fetches either.

mod client;
mod error;
mod site;
mod style;

use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use error::Error;

const USAGE: &str = "\
usage: cargo run -p xtask -- site [--release | --dev]

  --release   small and slow to build: opt-level z, fat LTO, wasm-opt, brotli and gzip copies (the default)
  --dev       quick to build: debug assertions on, no wasm-opt, no compressed copies
";

/// How much time a build may spend on making its output small.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Effort {
    Dev,
    Release,
}

/// Where things are. Nothing else in this crate knows a path.
struct Places {
    /// The repository.
    root: PathBuf,
    /// Cargo's target directory: `$CARGO_TARGET_DIR`, or `target` in the repository.
    target: PathBuf,
}

impl Places {
    fn find() -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"))
            .parent()
            .map_or_else(|| PathBuf::from("."), Path::to_path_buf);
        let target = match std::env::var_os("CARGO_TARGET_DIR") {
            Some(dir) => std::path::absolute(&dir).unwrap_or_else(|_| dir.into()),
            None => root.join("target"),
        };
        Self { root, target }
    }

    fn site(&self) -> PathBuf {
        self.target.join("site")
    }

    /// Intermediate files that a later build may use again.
    fn work(&self) -> PathBuf {
        self.target.join("site-work")
    }

    fn node_modules(&self) -> PathBuf {
        self.root.join("end2end/node_modules")
    }
}

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let effort = match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["site"] | ["site", "--release"] => Effort::Release,
        ["site", "--dev"] => Effort::Dev,
        _ => {
            eprint!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    match site::build(&Places::find(), effort) {
        Ok(report) => {
            print!("{report}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("xtask: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Reads a file, naming it in the error.
fn read(path: &Path) -> Result<Vec<u8>, Error> {
    std::fs::read(path).map_err(|source| Error::Io {
        path: path.to_path_buf(),
        source,
    })
}

/// Writes a file whole or not at all: a reader never sees half of it.
fn write(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let io = |source| Error::Io {
        path: path.to_path_buf(),
        source,
    };
    let dir = path.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(dir).map_err(io)?;
    let mut half = tempfile::Builder::new()
        .permissions(std::fs::Permissions::from_mode(0o644))
        .tempfile_in(dir)
        .map_err(io)?;
    half.write_all(bytes).map_err(io)?;
    half.persist(path).map_err(|error| io(error.error))?;
    Ok(())
}
