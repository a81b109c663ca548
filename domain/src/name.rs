//! Names and digests, checked when they are made: a value of one of these types is well formed.

use serde::{Deserialize, Deserializer, Serialize, de::Error as _};
use std::{fmt, str::FromStr};

/// Why a text is not the name it was given for. Says what, and what would do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not {what}: {rule}")]
pub struct InvalidName {
    what: &'static str,
    rule: &'static str,
    text: String,
}

fn is_slug(text: &str) -> bool {
    let bytes = text.as_bytes();
    !bytes.is_empty()
        && bytes.len() <= 63
        && bytes[0].is_ascii_alphanumeric()
        && bytes
            .iter()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'_' | b'.'))
}

fn is_digest(text: &str) -> bool {
    text.strip_prefix("sha256:")
        .is_some_and(|hex| hex.len() == 64 && hex.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b)))
}

fn is_commit(text: &str) -> bool {
    matches!(text.len(), 40 | 64) && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}

macro_rules! name {
    ($(#[$doc:meta])* $name:ident, $what:literal, $check:path, $rule:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// # Errors
            /// When the text breaks the rule of this kind of name.
            pub fn new(text: impl Into<String>) -> Result<Self, InvalidName> {
                let text = text.into();
                if $check(&text) {
                    Ok(Self(text))
                } else {
                    Err(InvalidName { what: $what, rule: $rule, text: text.chars().take(80).collect() })
                }
            }

            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl FromStr for $name {
            type Err = InvalidName;

            fn from_str(text: &str) -> Result<Self, InvalidName> {
                Self::new(text)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                Self::new(String::deserialize(deserializer)?).map_err(D::Error::custom)
            }
        }
    };
}

macro_rules! slug {
    ($(#[$doc:meta])* $name:ident, $what:literal) => {
        name!($(#[$doc])* $name, $what, is_slug, "use 1 to 63 of a–z, 0–9, '-', '_' and '.', beginning with a letter or digit");
    };
}

slug!(
    /// A deployable unit, such as `orchestrator`.
    ServiceName, "a service name"
);
slug!(
    /// `staging`, `production`, …
    EnvironmentName, "an environment name"
);
slug!(
    /// A binary check that CI reports, such as `unit-tests`.
    GateName, "a gate name"
);
slug!(
    /// A GitHub team of the configured organisation, by its slug.
    TeamSlug, "a team"
);
name!(
    /// An image digest: `sha256:` and 64 hexadecimal digits. Never a tag.
    Digest, "an image digest", is_digest, "use sha256: followed by 64 lower-case hexadecimal digits, as `docker buildx imagetools inspect` prints it"
);
name!(
    /// A full commit id of a git repository.
    CommitSha, "a commit id", is_commit, "use the full id of 40 (or 64) lower-case hexadecimal digits, as `git rev-parse HEAD` prints it"
);

impl Digest {
    /// The first twelve hexadecimal digits, for a screen.
    pub fn short(&self) -> &str {
        &self.0[7..19]
    }
}

impl CommitSha {
    /// The first seven digits, as GitHub shows it.
    pub fn short(&self) -> &str {
        &self.0[..7]
    }
}

/// A person as GitHub knows them. Identity is the numeric id: a login can be renamed.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PersonRef {
    pub id: i64,
    pub login: String,
}

impl PersonRef {
    pub fn new(id: i64, login: impl Into<String>) -> Self {
        Self {
            id,
            login: login.into(),
        }
    }
}

impl PartialEq for PersonRef {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id
    }
}

impl Eq for PersonRef {}

impl fmt::Display for PersonRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.login)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("orchestrator", true)]
    #[case("intent-classifier", true)]
    #[case("a", true)]
    #[case("", false)]
    #[case("-a", false)]
    #[case("Orchestrator", false)]
    #[case("a/b", false)]
    #[case("a b", false)]
    fn a_service_name_is_a_slug(#[case] text: &str, #[case] ok: bool) {
        assert_eq!(ServiceName::new(text).is_ok(), ok);
    }

    #[test]
    fn r36_a_tag_is_no_digest() {
        for text in ["latest", "sha-1234567", "sha256:abc", "SHA256:"] {
            assert!(Digest::new(text).is_err(), "{text}");
        }
        let digest = Digest::new(format!("sha256:{}", "ab".repeat(32))).unwrap();
        assert_eq!(digest.short(), "abababababab");
    }

    #[test]
    fn r03_a_renamed_person_is_the_same_person() {
        assert_eq!(PersonRef::new(7, "ada"), PersonRef::new(7, "ada-renamed"));
        assert_ne!(PersonRef::new(7, "ada"), PersonRef::new(8, "ada"));
    }
}
