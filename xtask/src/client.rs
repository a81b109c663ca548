//! The client: `app/client` compiled for wasm32, bound to JavaScript, made small.
//!
//! Cargo decides whether to compile; binding and shrinking are skipped while the compiled module is the same.

use std::path::{Path, PathBuf};
use std::process::Command;

use wasm_bindgen_cli_support::Bindgen;

use crate::error::Error;
use crate::site::short_hash;
use crate::{Effort, Places, read, write};

const TARGET: &str = "wasm32-unknown-unknown";
const CRATE: &str = "tidegate-client";
const COMPILED: &str = "tidegate_client.wasm";

/// What every browser that can run the module has had since 2022, and rustc turns on by itself.
const WASM_OPT: [&str; 7] = [
    "-Oz",
    "--enable-bulk-memory",
    "--enable-nontrapping-float-to-int",
    "--enable-sign-ext",
    "--enable-mutable-globals",
    "--enable-reference-types",
    "--enable-multivalue",
];

/// The two files that make the islands run, and the folder of further scripts they import, if there is one.
pub(crate) struct Client {
    pub(crate) js: Vec<u8>,
    pub(crate) wasm: Vec<u8>,
    pub(crate) snippets: Option<PathBuf>,
}

pub(crate) fn build(places: &Places, effort: Effort) -> Result<Client, Error> {
    let compiled = compile(places, effort)?;
    let key = short_hash(&[read(&compiled)?, format!("{effort:?} {WASM_OPT:?}").into_bytes()].concat());
    let dir = places.work().join(format!("client-{key}"));
    let (js, wasm) = (dir.join("tidegate.js"), dir.join("tidegate_bg.wasm"));
    let done = dir.join("done");
    if !done.exists() {
        bind(&compiled, &dir)?;
        if effort == Effort::Release {
            shrink(places, &wasm)?;
        }
        write(&done, b"")?;
        forget_others(&places.work(), &dir)?;
    }
    let snippets = dir.join("snippets");
    Ok(Client {
        js: read(&js)?,
        wasm: read(&wasm)?,
        snippets: snippets.is_dir().then_some(snippets),
    })
}

fn compile(places: &Places, effort: Effort) -> Result<PathBuf, Error> {
    let (profile, folder) = match effort {
        Effort::Dev => ("dev", "debug"),
        Effort::Release => ("wasm-release", "wasm-release"),
    };
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    run(Command::new(cargo)
        .current_dir(&places.root)
        .env("CARGO_TARGET_DIR", &places.target)
        .args([
            "build",
            "--locked",
            "--package",
            CRATE,
            "--target",
            TARGET,
            "--profile",
            profile,
        ]))?;
    Ok(places.target.join(TARGET).join(folder).join(COMPILED))
}

fn bind(compiled: &Path, dir: &Path) -> Result<(), Error> {
    let bindgen = |error| Error::Bindgen(format!("{error:#}"));
    Bindgen::new()
        .input_path(compiled)
        .out_name("tidegate")
        .web(true)
        .map_err(bindgen)?
        .typescript(false)
        .remove_name_section(true)
        .remove_producers_section(true)
        .omit_default_module_path(true)
        .generate(dir)
        .map_err(bindgen)
}

fn shrink(places: &Places, wasm: &Path) -> Result<(), Error> {
    let tool = places.node_modules().join("binaryen/bin/wasm-opt");
    if !tool.exists() {
        return Err(Error::NpmMissing { path: tool });
    }
    run(Command::new("node")
        .arg(tool)
        .args(WASM_OPT)
        .arg(wasm)
        .arg("-o")
        .arg(wasm))
}

/// Keeps the newest few results, so that going back and forth between two states costs nothing.
fn forget_others(work: &Path, kept: &Path) -> Result<(), Error> {
    const KEEP: usize = 4;
    let io = |source| Error::Io {
        path: work.to_path_buf(),
        source,
    };
    let mut others = Vec::new();
    for entry in std::fs::read_dir(work).map_err(io)? {
        let entry = entry.map_err(io)?;
        if entry.path() != kept && entry.file_name().to_string_lossy().starts_with("client-") {
            others.push((entry.metadata().and_then(|m| m.modified()).map_err(io)?, entry.path()));
        }
    }
    others.sort();
    let surplus = others.len().saturating_sub(KEEP);
    for (_, path) in others.drain(..surplus) {
        std::fs::remove_dir_all(&path).map_err(|source| Error::Io { path, source })?;
    }
    Ok(())
}

fn run(command: &mut Command) -> Result<(), Error> {
    let shown = command.get_program().to_string_lossy().into_owned();
    let status = command.status().map_err(|source| Error::Start {
        command: shown.clone(),
        source,
    })?;
    if status.success() {
        Ok(())
    } else {
        Err(Error::Failed { command: shown, status })
    }
}
