//! Secrets: from the environment, or from files that it names with `…_FILE`. Never from the configuration file, never
//! printed.

use base64::Engine as _;
use secrecy::SecretString;

#[derive(Debug, Clone)]
pub struct Secrets {
    /// Encrypts tokens at rest: 32 bytes.
    pub key: secrecy::SecretSlice<u8>,
    pub github_client_secret: SecretString,
    pub github_webhook_secret: SecretString,
    /// For reading teams and comparisons, and for opening incidents.
    pub github_token: SecretString,
    /// A bot's, with `chat:write`. Needed where `[notify.slack]` is.
    pub slack_token: Option<SecretString>,
    /// Of an Events API v2 integration. Needed where `[notify.pagerduty]` is.
    pub pagerduty_key: Option<SecretString>,
    /// Signs webhooks. Needed where `[[notify.webhooks]]` are.
    pub webhook_secret: Option<SecretString>,
    /// For asking Prometheus, where it wants one.
    pub prometheus_token: Option<SecretString>,
}

#[derive(Debug, thiserror::Error)]
pub enum SecretsError {
    #[error("{0} is not set: put the secret into it, or the path of a file that holds it into {0}_FILE")]
    Missing(&'static str),
    #[error("{name}_FILE names {path}, which cannot be read: {why}")]
    Unreadable {
        name: &'static str,
        path: String,
        why: std::io::Error,
    },
    #[error("TIDEGATE_SECRET_KEY must be 32 bytes in base64 or hexadecimal; make one with `openssl rand -base64 32`")]
    BadKey,
}

impl Secrets {
    /// Reads all secrets from the process's environment.
    ///
    /// # Errors
    /// The first that is missing or malformed, never its value.
    pub fn from_environment() -> Result<Self, SecretsError> {
        Ok(Self {
            key: key(&required("TIDEGATE_SECRET_KEY")?)?,
            github_client_secret: required("TIDEGATE_GITHUB_CLIENT_SECRET")?.into(),
            github_webhook_secret: required("TIDEGATE_GITHUB_WEBHOOK_SECRET")?.into(),
            github_token: required("TIDEGATE_GITHUB_TOKEN")?.into(),
            slack_token: optional("TIDEGATE_SLACK_TOKEN")?.map(Into::into),
            pagerduty_key: optional("TIDEGATE_PAGERDUTY_KEY")?.map(Into::into),
            webhook_secret: optional("TIDEGATE_WEBHOOK_SECRET")?.map(Into::into),
            prometheus_token: optional("TIDEGATE_PROMETHEUS_TOKEN")?.map(SecretString::from),
        })
    }
}

/// Where the database is: what the environment says, else the configuration file.
///
/// # Errors
/// A file of the environment's that cannot be read.
pub fn database_url(settings: &super::Settings) -> Result<SecretString, SecretsError> {
    Ok(optional("TIDEGATE_DATABASE_URL")?
        .unwrap_or_else(|| settings.database_url.clone())
        .into())
}

fn required(name: &'static str) -> Result<String, SecretsError> {
    optional(name)?.ok_or(SecretsError::Missing(name))
}

fn optional(name: &'static str) -> Result<Option<String>, SecretsError> {
    if let Some(path) = std::env::var(format!("{name}_FILE"))
        .ok()
        .filter(|path| !path.is_empty())
    {
        return match std::fs::read_to_string(&path) {
            Ok(text) => Ok(Some(text.trim().to_owned())),
            Err(why) => Err(SecretsError::Unreadable { name, path, why }),
        };
    }
    Ok(std::env::var(name).ok().filter(|value| !value.is_empty()))
}

fn key(text: &str) -> Result<secrecy::SecretSlice<u8>, SecretsError> {
    let bytes = hex::decode(text)
        .ok()
        .or_else(|| base64::engine::general_purpose::STANDARD.decode(text).ok())
        .filter(|bytes| bytes.len() == 32)
        .ok_or(SecretsError::BadKey)?;
    Ok(bytes.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_32_bytes_in_either_form() {
        assert!(key(&"ab".repeat(32)).is_ok());
        assert!(key(&base64::engine::general_purpose::STANDARD.encode([7; 32])).is_ok());
        for bad in [
            "",
            "short",
            &"ab".repeat(31),
            "not a key at all, but forty-four characters.",
        ] {
            assert!(matches!(key(bad), Err(SecretsError::BadKey)), "{bad}");
        }
    }
}
