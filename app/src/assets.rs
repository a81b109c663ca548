//! The files that a page loads, by the names under which the site build stored them.

use std::{collections::BTreeMap, sync::Arc};

/// Logical name (`tidegate.css`) to path on the site (`/pkg/tidegate.0123456789abcdef.css`). Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct SiteAssets(Arc<BTreeMap<String, String>>);

impl SiteAssets {
    /// From the site build's `manifest.json`: logical name to path below the site's root.
    ///
    /// # Errors
    /// When it is not a JSON object of texts.
    pub fn from_manifest(json: &str) -> Result<Self, serde_json::Error> {
        let names: BTreeMap<String, String> = serde_json::from_str(json)?;
        Ok(names.into_iter().collect())
    }

    /// Where the browser finds a file; `None` when the site was built without it.
    pub fn url(&self, name: &str) -> Option<String> {
        self.0
            .get(name)
            .map(|path| format!("/{}", path.trim_start_matches('/')))
    }
}

impl FromIterator<(String, String)> for SiteAssets {
    fn from_iter<I: IntoIterator<Item = (String, String)>>(names: I) -> Self {
        Self(Arc::new(names.into_iter().collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_found_by_its_logical_name() {
        let assets = SiteAssets::from_manifest(r#"{"tidegate.css":"pkg/tidegate.ab12.css"}"#).unwrap();
        assert_eq!(assets.url("tidegate.css").as_deref(), Some("/pkg/tidegate.ab12.css"));
        assert_eq!(assets.url("other.css"), None);
    }
}
