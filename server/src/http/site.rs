//! The files of the site: styles, scripts, icons. Read once at the start and served from memory, so that no path of a
//! request ever reaches the file system.

use super::HttpState;
use axum::{
    body::Body,
    extract::Request,
    response::{IntoResponse as _, Response},
};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, header};
use std::{collections::HashMap, io, path::Path, sync::Arc};
use tidegate_app::SiteAssets;

#[derive(Debug, thiserror::Error)]
pub enum SiteError {
    #[error("the site in {folder} cannot be read: {source}. Build it with `make build`")]
    Unreadable { folder: String, source: io::Error },
    #[error("the site's manifest.json is no list of names: {0}")]
    Manifest(#[from] serde_json::Error),
}

/// The site's files, by path.
#[derive(Clone, Default)]
pub struct Site {
    files: Arc<HashMap<String, File>>,
    assets: SiteAssets,
}

#[derive(Debug, Clone, Default)]
struct File {
    plain: Bytes,
    brotli: Option<Bytes>,
    gzip: Option<Bytes>,
    media_type: &'static str,
    /// Its name changes with its content.
    hashed: bool,
}

impl Site {
    /// Reads a site folder: `manifest.json`, the files it names, and their compressed copies beside them.
    ///
    /// # Errors
    /// A folder without a manifest, or files that cannot be read.
    pub fn read(folder: &Path) -> Result<Self, SiteError> {
        let unreadable = |source| SiteError::Unreadable {
            folder: folder.display().to_string(),
            source,
        };
        let manifest = std::fs::read_to_string(folder.join("manifest.json")).map_err(unreadable)?;
        let names: HashMap<String, String> = serde_json::from_str(&manifest)?;
        let mut files = HashMap::new();
        for (logical, path) in names {
            let path = path.trim_start_matches('/').to_owned();
            let at = folder.join(&path);
            let beside = |suffix: &str| {
                let mut name = at.clone().into_os_string();
                name.push(suffix);
                std::fs::read(name).ok().map(Bytes::from)
            };
            let file = File {
                plain: std::fs::read(&at).map_err(unreadable)?.into(),
                brotli: beside(".br"),
                gzip: beside(".gz"),
                media_type: media_type(&path),
                hashed: path.rsplit('/').next() != logical.rsplit('/').next(),
            };
            files.insert(format!("/{path}"), file);
        }
        Ok(Self {
            files: Arc::new(files),
            assets: SiteAssets::from_manifest(&manifest)?,
        })
    }

    /// For pages.
    pub(crate) const fn assets(&self) -> &SiteAssets {
        &self.assets
    }

    /// The file of a path, in the smallest form that the browser takes.
    pub(crate) fn answer(&self, path: &str, headers: &HeaderMap) -> Option<Response> {
        // Browsers ask for this by themselves.
        let icon = (path == "/favicon.ico")
            .then(|| self.assets.url("favicon.svg"))
            .flatten();
        let file = self.files.get(icon.as_deref().unwrap_or(path))?;
        let takes = |coding: &str| {
            headers
                .get_all(header::ACCEPT_ENCODING)
                .iter()
                .filter_map(|value| value.to_str().ok())
                .flat_map(|value| value.split(','))
                .any(|offer| {
                    let (name, weight) = offer.split_once(';').unwrap_or((offer, ""));
                    name.trim().eq_ignore_ascii_case(coding) && weight.replace(' ', "") != "q=0"
                })
        };
        let (bytes, coding) = match (&file.brotli, &file.gzip) {
            (Some(brotli), _) if takes("br") => (brotli, Some("br")),
            (_, Some(gzip)) if takes("gzip") => (gzip, Some("gzip")),
            _ => (&file.plain, None),
        };
        let mut response = Body::from(bytes.clone()).into_response();
        let answer = response.headers_mut();
        answer.insert(header::CONTENT_TYPE, HeaderValue::from_static(file.media_type));
        answer.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
        answer.insert(
            header::CACHE_CONTROL,
            HeaderValue::from_static(if file.hashed && icon.is_none() {
                "public, max-age=31536000, immutable"
            } else {
                "public, max-age=300"
            }),
        );
        if let Some(coding) = coding {
            answer.insert(header::CONTENT_ENCODING, HeaderValue::from_static(coding));
        }
        Some(response)
    }
}

/// A file of the site, for paths that no route has.
pub(crate) fn file(state: &HttpState, request: &Request) -> Option<Response> {
    state.site.answer(request.uri().path(), request.headers())
}

fn media_type(path: &str) -> &'static str {
    match path.rsplit('.').next() {
        Some("css") => "text/css; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("wasm") => "application/wasm",
        Some("svg") => "image/svg+xml",
        Some("png") => "image/png",
        Some("ico") => "image/x-icon",
        Some("woff2") => "font/woff2",
        Some("json" | "webmanifest") => "application/json",
        Some("txt") => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn site() -> Site {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        std::fs::create_dir(folder.path().join("pkg")).unwrap();
        write("manifest.json", r#"{"tidegate.css":"pkg/tidegate.ab12.css"}"#);
        write("pkg/tidegate.ab12.css", "plain");
        write("pkg/tidegate.ab12.css.br", "brotli");
        write("pkg/other.css", "not named");
        Site::read(folder.path()).unwrap()
    }

    fn header(response: &Response, name: header::HeaderName) -> &str {
        response.headers().get(name).map_or("", |value| value.to_str().unwrap())
    }

    #[test]
    fn a_hashed_file_is_kept_forever_and_sent_compressed() {
        let mut headers = HeaderMap::new();
        let plain = site().answer("/pkg/tidegate.ab12.css", &headers).unwrap();
        assert_eq!(header(&plain, header::CONTENT_ENCODING), "");
        assert_eq!(
            header(&plain, header::CACHE_CONTROL),
            "public, max-age=31536000, immutable"
        );
        headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("gzip, deflate, br"));
        let brotli = site().answer("/pkg/tidegate.ab12.css", &headers).unwrap();
        assert_eq!(header(&brotli, header::CONTENT_ENCODING), "br");
        assert_eq!(header(&brotli, header::CONTENT_TYPE), "text/css; charset=utf-8");
    }

    #[test]
    fn only_what_the_manifest_names_is_served() {
        for path in ["/pkg/other.css", "/manifest.json", "/../etc/passwd", "/pkg/"] {
            assert!(site().answer(path, &HeaderMap::new()).is_none(), "{path}");
        }
    }
}
