//! The site folder: names by content, compressed copies, manifest.
//!
//! A file whose name carries its hash never changes, so it is written and compressed once and may be cached for ever;
//! what the newest manifest does not name is removed after it was written.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::error::Error;
use crate::{Effort, Places, client, read, style, write};

/// The folder below the site's root whose files never change. Leptos calls it `site-pkg-dir`.
const PKG: &str = "pkg";

pub(crate) fn build(places: &Places, effort: Effort) -> Result<String, Error> {
    let mut site = Site::new(places.site(), effort);

    let public = places.root.join("app/public");
    for (name, path) in files_below(&public)? {
        site.add(&name, &read(&path)?)?;
    }
    site.add("idiomorph.js", &idiomorph(places)?)?;

    let sheet = places.root.join("style/main.css");
    let css = style::build(&sheet, &site.manifest)?;
    site.add("tidegate.css", css.as_bytes())?;

    let client = client::build(places, effort)?;
    let mut glue = client.js;
    if let Some(snippets) = &client.snippets {
        for (name, path) in files_below(snippets)? {
            let name = format!("snippets/{name}");
            let path = site.add(&name, &read(&path)?)?;
            glue = importing(&glue, &name, &path);
        }
    }
    site.add("tidegate.js", &glue)?;
    site.add("tidegate.wasm", &client.wasm)?;
    site.finish(&places.target)
}

/// Idiomorph's minified build is a classic script; one line makes a module of it.
fn idiomorph(places: &Places) -> Result<Vec<u8>, Error> {
    let path = places.node_modules().join("idiomorph/dist/idiomorph.min.js");
    if !path.exists() {
        return Err(Error::NpmMissing { path });
    }
    let mut js = read(&path)?;
    js.extend_from_slice(b"\nexport{Idiomorph};\n");
    Ok(js)
}

/// The first 64 bits of SHA-256 in hex: enough to tell versions of one file apart.
pub(crate) fn short_hash(bytes: &[u8]) -> String {
    hex::encode(&Sha256::digest(bytes)[..8])
}

struct Site {
    dir: PathBuf,
    effort: Effort,
    /// Logical name → path below `dir`.
    manifest: BTreeMap<String, String>,
    kept: BTreeSet<PathBuf>,
    sizes: Vec<(String, usize, usize)>,
}

impl Site {
    fn new(dir: PathBuf, effort: Effort) -> Self {
        Self {
            dir,
            effort,
            manifest: BTreeMap::new(),
            kept: BTreeSet::new(),
            sizes: Vec::new(),
        }
    }

    /// Puts a file under its hashed name and notes it in the manifest. Returns its path.
    fn add(&mut self, name: &str, bytes: &[u8]) -> Result<String, Error> {
        let path = format!("{PKG}/{}", hashed_name(name, &short_hash(bytes)));
        let brotli = self.put(&path, bytes)?;
        self.sizes.push((name.to_owned(), bytes.len(), brotli));
        match self.manifest.insert(name.to_owned(), path.clone()) {
            None => Ok(path),
            Some(_) => Err(Error::TwoOfOneName { name: name.to_owned() }),
        }
    }

    /// Writes a file and its compressed copies unless they are there. Returns what a browser will load.
    fn put(&mut self, path: &str, bytes: &[u8]) -> Result<usize, Error> {
        let file = self.dir.join(path);
        self.kept.insert(file.clone());
        if !already(&file, bytes) {
            write(&file, bytes)?;
        }
        if !worth_compressing(path) {
            return Ok(bytes.len());
        }
        let (br, gz) = (with_suffix(&file, ".br"), with_suffix(&file, ".gz"));
        if self.effort == Effort::Release {
            if !br.exists() {
                write(&br, &brotli(bytes))?;
            }
            if !gz.exists() {
                write(
                    &gz,
                    &gzip(bytes).map_err(|source| Error::Io {
                        path: gz.clone(),
                        source,
                    })?,
                )?;
            }
        }
        let size = std::fs::metadata(&br).map_or(bytes.len(), |br| br.len() as usize);
        self.kept.extend([br, gz]);
        Ok(size)
    }

    /// Writes the manifest, removes what it no longer names, and reports the sizes.
    fn finish(mut self, target: &Path) -> Result<String, Error> {
        let manifest = self.dir.join("manifest.json");
        let json = serde_json::json!(self.manifest);
        write(&manifest, format!("{json:#}\n").as_bytes())?;
        self.kept.insert(manifest);

        // Leptos's own HydrationScripts looks for this beside the server's binary.
        let hash = |name: &str| self.manifest[name].split('.').nth(1).unwrap_or_default().to_owned();
        let hashes = format!(
            "js: {}\nwasm: {}\ncss: {}\n",
            hash("tidegate.js"),
            hash("tidegate.wasm"),
            hash("tidegate.css")
        );
        for folder in ["debug", "release"] {
            write(&target.join(folder).join("hash.txt"), hashes.as_bytes())?;
        }

        for (_, path) in files_below(&self.dir)? {
            if !self.kept.contains(&path) {
                std::fs::remove_file(&path).map_err(|source| Error::Io { path, source })?;
            }
        }
        Ok(self.report())
    }

    fn report(&self) -> String {
        let mut out = format!(
            "{}\n{:<32} {:>10} {:>10}\n",
            self.dir.display(),
            "file",
            "bytes",
            "brotli"
        );
        for (name, raw, brotli) in &self.sizes {
            let _ = writeln!(out, "{name:<32} {raw:>10} {brotli:>10}");
        }
        let (raw, brotli) = self
            .sizes
            .iter()
            .fold((0, 0), |(a, b), (_, raw, brotli)| (a + raw, b + brotli));
        let _ = writeln!(out, "{:<32} {raw:>10} {brotli:>10}", "all");
        out
    }
}

/// The glue with its import of `name` leading to where that lies. The folder that wasm-bindgen makes up for it tells
/// crates apart, not versions: a browser would keep an old script beside a new module.
fn importing(glue: &[u8], name: &str, path: &str) -> Vec<u8> {
    let path = path.strip_prefix(PKG).unwrap_or(path);
    String::from_utf8_lossy(glue)
        .replace(&format!("./{name}"), &format!(".{path}"))
        .into_bytes()
}

/// `fonts/a.woff2` → `fonts/a.HASH.woff2`.
fn hashed_name(name: &str, hash: &str) -> String {
    let file_start = name.rfind('/').map_or(0, |slash| slash + 1);
    match name[file_start..].rfind('.') {
        Some(dot) => format!("{}.{hash}{}", &name[..file_start + dot], &name[file_start + dot..]),
        None => format!("{name}.{hash}"),
    }
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

fn already(path: &Path, bytes: &[u8]) -> bool {
    std::fs::read(path).is_ok_and(|there| there == bytes)
}

/// Fonts and pictures are compressed already.
fn worth_compressing(path: &str) -> bool {
    !matches!(path.rsplit('.').next(), Some("woff2" | "png" | "jpg" | "webp" | "avif"))
}

fn brotli(bytes: &[u8]) -> Vec<u8> {
    const QUALITY: u32 = 11;
    const WINDOW: u32 = 22;
    let mut out = brotli::CompressorWriter::new(Vec::new(), 64 * 1024, QUALITY, WINDOW);
    // Writing to memory does not fail.
    let _ = out.write_all(bytes);
    out.into_inner()
}

fn gzip(bytes: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    out.write_all(bytes)?;
    out.finish()
}

/// Every file below `dir` with its path relative to it; nothing if there is no such folder.
fn files_below(dir: &Path) -> Result<Vec<(String, PathBuf)>, Error> {
    let mut found = Vec::new();
    let mut folders = vec![dir.to_path_buf()];
    while let Some(folder) = folders.pop() {
        let io = |source| Error::Io {
            path: folder.clone(),
            source,
        };
        let entries = match std::fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
            Err(error) => return Err(io(error)),
        };
        for entry in entries {
            let path = entry.map_err(io)?.path();
            if path.is_dir() {
                folders.push(path);
            } else if let Ok(below) = path.strip_prefix(dir) {
                found.push((below.to_string_lossy().into_owned(), path));
            }
        }
    }
    found.sort();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_stands_before_the_ending() {
        assert_eq!(hashed_name("tidegate.css", "00ff"), "tidegate.00ff.css");
        assert_eq!(hashed_name("fonts.v1/a.b.woff2", "00ff"), "fonts.v1/a.b.00ff.woff2");
        assert_eq!(hashed_name("licences/OFL", "00ff"), "licences/OFL.00ff");
    }

    #[test]
    fn a_snippet_is_imported_by_its_content() {
        let glue = b"import { exchange } from './snippets/app-1/exchange.js';\n";
        let there = importing(
            glue,
            "snippets/app-1/exchange.js",
            "pkg/snippets/app-1/exchange.00ff.js",
        );
        assert_eq!(
            there,
            b"import { exchange } from './snippets/app-1/exchange.00ff.js';\n"
        );
    }

    #[test]
    fn a_new_build_removes_what_the_old_one_left() {
        let dir = tempfile::tempdir().unwrap();
        let build = |css: &[u8]| {
            let mut site = Site::new(dir.path().join("site"), Effort::Dev);
            for (name, bytes) in [
                ("tidegate.css", css),
                ("tidegate.js", b"js"),
                ("tidegate.wasm", b"wasm"),
            ] {
                site.add(name, bytes).unwrap();
            }
            site.finish(dir.path()).unwrap();
            files_below(&dir.path().join("site"))
                .unwrap()
                .into_iter()
                .map(|(name, _)| name)
                .collect::<Vec<_>>()
        };
        let first = build(b"a{}");
        let second = build(b"b{}");
        assert_eq!(first.len(), second.len());
        assert!(
            second
                .iter()
                .any(|name| name == &format!("pkg/tidegate.{}.css", short_hash(b"b{}")))
        );
        assert!(!second.iter().any(|name| name.contains(&short_hash(b"a{}"))));
    }

    #[test]
    fn one_name_for_two_files_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let mut site = Site::new(dir.path().to_path_buf(), Effort::Dev);
        site.add("a.txt", b"1").unwrap();
        assert_eq!(
            site.add("a.txt", b"2").unwrap_err().to_string(),
            "two files want the name a.txt"
        );
    }
}
