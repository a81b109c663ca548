//! The style sheet: `style/main.css` with everything it imports, minified, its `url()`s led to hashed names.

use std::collections::BTreeMap;
use std::path::Path;

use lightningcss::bundler::{Bundler, FileProvider};
use lightningcss::printer::PrinterOptions;
use lightningcss::stylesheet::{MinifyOptions, ParserOptions};

use crate::error::Error;

/// One minified sheet. `hashed` maps the logical name of each static file to its path below the site's root.
pub(crate) fn build(main: &Path, hashed: &BTreeMap<String, String>) -> Result<String, Error> {
    let files = FileProvider::new();
    let mut sheet = Bundler::new(&files, None, ParserOptions::default())
        .bundle(main)
        .map_err(|error| Error::Style(error.to_string()))?;
    sheet
        .minify(MinifyOptions::default())
        .map_err(|error| Error::Style(error.to_string()))?;
    let css = sheet
        .to_css(PrinterOptions {
            minify: true,
            ..PrinterOptions::default()
        })
        .map_err(|error| Error::Style(error.to_string()))?;
    lead_urls(&css.code, hashed)
}

/// `url(/fonts/a.woff2)` → `url(/pkg/fonts/a.0123456789abcdef.woff2)`. Other sites and `data:` stay as they are.
fn lead_urls(css: &str, hashed: &BTreeMap<String, String>) -> Result<String, Error> {
    let mut out = String::with_capacity(css.len());
    let mut rest = css;
    while let Some((before, after)) = rest.split_once("url(") {
        out.push_str(before);
        let (inside, tail) = after
            .split_once(')')
            .ok_or_else(|| Error::StyleUrl { url: after.to_owned() })?;
        let url = inside.trim_matches(|c| c == '"' || c == '\'');
        if url.starts_with("data:") || url.starts_with('#') {
            out.push_str(&format!("url({inside})"));
        } else {
            let name = url.strip_prefix('/').and_then(|name| hashed.get(name));
            let path = name.ok_or_else(|| Error::StyleUrl { url: url.to_owned() })?;
            out.push_str(&format!("url(/{path})"));
        }
        rest = tail;
    }
    out.push_str(rest);
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fonts() -> BTreeMap<String, String> {
        [("fonts/a.woff2".to_owned(), "pkg/fonts/a.00ff.woff2".to_owned())].into()
    }

    #[test]
    fn a_font_is_found_under_its_hashed_name() {
        let css = "@font-face{src:url(/fonts/a.woff2)}b{background:url(\"data:image/svg+xml,x\")}";
        assert_eq!(
            lead_urls(css, &fonts()).unwrap(),
            "@font-face{src:url(/pkg/fonts/a.00ff.woff2)}b{background:url(\"data:image/svg+xml,x\")}"
        );
    }

    #[test]
    fn a_file_that_is_not_there_stops_the_build() {
        let error = lead_urls("b{background:url(/gone.png)}", &fonts()).unwrap_err();
        assert_eq!(error.to_string(), "style: url(/gone.png) names no file of app/public");
    }

    #[test]
    fn imports_become_one_sheet() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("main.css"), "@import \"a.css\";\nb { color: red }").unwrap();
        std::fs::write(dir.path().join("a.css"), "a { color: blue }").unwrap();
        assert_eq!(
            build(&dir.path().join("main.css"), &BTreeMap::new()).unwrap(),
            "a{color:#00f}b{color:red}"
        );
    }
}
