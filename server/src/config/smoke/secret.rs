//! The secrets that tests send in headers: read anew for each request, so that one that was renewed needs no restart.

use super::suite::SECRET_PREFIX;
use secrecy::SecretString;
use tidegate_adapters::probe::SecretSource;

/// From the environment, or from the files that it names with `…_FILE`.
#[derive(Debug, Clone, Copy, Default)]
pub struct SmokeSecrets;

impl SecretSource for SmokeSecrets {
    fn secret(&self, name: &str) -> Result<SecretString, String> {
        if !name.starts_with(SECRET_PREFIX) {
            return Err(format!("{name} is no secret of a suite"));
        }
        let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        if let Some(path) = variable(&format!("{name}_FILE")) {
            return match std::fs::read_to_string(&path) {
                Ok(text) => Ok(text.trim().to_owned().into()),
                Err(why) => Err(format!("{name}_FILE names {path}, which cannot be read: {why}")),
            };
        }
        let value = variable(name).ok_or_else(|| {
            format!("{name} is not set: put the secret into it, or the path of a file into {name}_FILE")
        });
        Ok(value?.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r33_no_other_variable_is_read() {
        assert!(
            SmokeSecrets
                .secret("PATH")
                .unwrap_err()
                .contains("no secret of a suite")
        );
        let missing = SmokeSecrets.secret("TIDEGATE_SMOKE_NOWHERE").unwrap_err();
        assert!(missing.contains("TIDEGATE_SMOKE_NOWHERE_FILE"), "{missing}");
    }
}
