//! `[prometheus]`: where numbers come from besides CloudWatch, which needs no configuration of its own.

use super::{file::At, problem::Problems};
use schemars::JsonSchema;
use serde::Deserialize;
use url::Url;

/// A Prometheus, or what speaks its HTTP API.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Prometheus {
    /// What stands before `/api/v1`, such as `https://prometheus.example.org`. A bearer token for it comes from
    /// `TIDEGATE_PROMETHEUS_TOKEN`, which needs https.
    pub url: At<String>,
}

/// `None` where the section is left out or wrong.
pub(super) fn prometheus(section: Option<&Prometheus>, problems: &mut Problems) -> Option<Url> {
    let written = &section?.url;
    let url = Url::parse(written.get())
        .ok()
        .filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
    let Some(url) = url else {
        problems.add(
            written.span(),
            format!("prometheus.url = {:?} is no address", written.get()),
            Some("write https://HOST or http://HOST:9090, and a path if /api/v1 stands below one".to_owned()),
        );
        return None;
    };
    if !url.username().is_empty() || url.password().is_some() {
        problems.add(
            written.span(),
            "prometheus.url holds credentials, and this file is kept in the database and in version control",
            Some("leave them out, and put a bearer token into TIDEGATE_PROMETHEUS_TOKEN".to_owned()),
        );
        return None;
    }
    if url.query().is_some() || url.fragment().is_some() || url.path().trim_end_matches('/').ends_with("/api/v1") {
        problems.add(
            written.span(),
            format!("prometheus.url = {:?} is more than an address", written.get()),
            Some("write what stands before /api/v1, without ? and #".to_owned()),
        );
        return None;
    }
    Some(url)
}

#[cfg(test)]
mod tests {
    use super::super::parse;
    use rstest::rstest;

    const REST: &str = r#"
environments = []
[github]
organisation = "acme"
client_id = "Iv1.0"
[roles]
viewer = []
deployer = []
approver = []
auditor = []
admin = []
[policies]
"#;

    fn with(section: &str) -> Result<Option<String>, String> {
        match parse("tidegate.toml", &format!("{REST}{section}")) {
            Ok(loaded) => Ok(loaded.settings.prometheus.map(String::from)),
            Err(problems) => Err(problems.to_string()),
        }
    }

    #[test]
    fn prometheus_may_be_left_out_or_stand_below_a_path() {
        assert_eq!(with(""), Ok(None));
        assert_eq!(
            with("[prometheus]\nurl = \"https://acme.example/prometheus\"\n"),
            Ok(Some("https://acme.example/prometheus".to_owned()))
        );
        assert_eq!(
            with("[prometheus]\nurl = \"http://10.0.0.7:9090\"\n"),
            Ok(Some("http://10.0.0.7:9090/".to_owned()))
        );
    }

    #[rstest]
    #[case("url = \"prometheus:9090\"", "write https://HOST")]
    #[case("url = \"file:///etc/passwd\"", "write https://HOST")]
    #[case("url = \"https://me:secret@acme.example\"", "TIDEGATE_PROMETHEUS_TOKEN")]
    #[case("url = \"https://acme.example/api/v1/\"", "before /api/v1")]
    #[case("url = \"https://acme.example/?tenant=1\"", "before /api/v1")]
    #[case("url = \"https://acme.example\"\ntoken = \"x\"", "token")]
    #[case("", "url")]
    fn what_is_wrong_about_prometheus_is_said_with_its_line(#[case] lines: &str, #[case] words: &str) {
        let said = with(&format!("[prometheus]\n{lines}\n")).unwrap_err();
        assert!(said.contains(words) && said.contains("tidegate.toml:"), "{said}");
    }
}
