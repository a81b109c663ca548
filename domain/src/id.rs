//! Typed identifiers: UUIDv7 text, so that ids sort by the time they were made and are never mixed up.

use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};
use uuid::Uuid;

/// Text that is not an id of the kind asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not {what} id: expected a UUID such as 01928c5e-…, as shown in a page's address")]
pub struct InvalidId {
    what: &'static str,
    text: String,
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $what:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Uuid);

        impl $name {
            /// Wraps a UUID made by the caller: this crate has no source of randomness.
            pub const fn from_uuid(uuid: Uuid) -> Self {
                Self(uuid)
            }

            pub const fn uuid(self) -> Uuid {
                self.0
            }

            /// The last eight hexadecimal digits: enough for a person to tell two apart on a screen.
            pub fn short(self) -> String {
                let text = self.0.simple().to_string();
                text[24..].to_owned()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;

            fn from_str(text: &str) -> Result<Self, InvalidId> {
                Uuid::try_parse(text)
                    .map(Self)
                    .map_err(|_| InvalidId { what: $what, text: text.chars().take(80).collect() })
            }
        }
    };
}

id!(
    /// One time that someone broke the glass.
    BreakGlassId, "a break-glass"
);
id!(
    /// One attempt to bring a release to a target.
    DeploymentId, "a deployment"
);
id!(
    /// One immutable artefact of a service, as CI reported it.
    ReleaseId, "a release"
);
id!(
    /// One person's yes to one revision.
    ApprovalId, "an approval"
);
id!(
    /// One run at the cloud. Written into the cloud deployment's description, so that it can be found again after a
    /// crash or a time-out.
    OperationId, "an operation"
);
