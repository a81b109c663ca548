//! Functions as they are kept.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::aws::model::At;

/// The name of what is not published.
pub(crate) const LATEST: &str = "$LATEST";

#[derive(Debug, Clone, Serialize)]
pub(crate) struct Function {
    pub name: String,
    pub role: String,
    pub tags: BTreeMap<String, String>,
    pub latest: Version,
    /// Version n is at index n - 1.
    pub versions: Vec<Version>,
    pub aliases: BTreeMap<String, Alias>,
    /// What befalls the next updates of its code, first come first served.
    #[serde(skip)]
    pub planned: Vec<UpdateFailure>,
}

/// Code and configuration under one number.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Version {
    /// `$LATEST`, or a number from 1.
    pub number: String,
    pub description: String,
    /// As it was asked for, by tag or by digest.
    pub image: String,
    /// The same by digest.
    pub resolved_image: String,
    /// Hexadecimal digest of the image.
    pub code_sha256: String,
    pub memory: u32,
    pub timeout: u32,
    pub environment: BTreeMap<String, String>,
    pub revision_id: String,
    pub modified: At,
    /// Until when a new version is in the state Pending.
    pub pending_until: Option<At>,
    pub update: Update,
}

/// The last update of the code.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Update {
    Successful,
    InProgress {
        until: At,
        /// What the code was before.
        before: Code,
        failure: Option<UpdateFailure>,
    },
    Failed(UpdateFailure),
}

/// What an update of the code changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Code {
    pub image: String,
    pub resolved_image: String,
    pub code_sha256: String,
}

/// Why an update fails, in the words of Lambda.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct UpdateFailure {
    /// A LastUpdateStatusReasonCode, ImageAccessDenied say.
    pub code: String,
    pub message: String,
}

#[derive(Debug, Clone, Serialize)]
pub(crate) struct Alias {
    pub name: String,
    pub description: String,
    pub version: String,
    /// The other version and its share, from 0 to 1.
    pub additional: Option<(String, f64)>,
    pub revision_id: String,
}

impl Function {
    /// `$LATEST` or a published version.
    pub(crate) fn version(&self, number: &str) -> Option<&Version> {
        std::iter::once(&self.latest)
            .chain(&self.versions)
            .find(|version| version.number == number)
    }

    /// A published version.
    pub(crate) fn published(&self, number: &str) -> Option<&Version> {
        self.versions.iter().find(|version| version.number == number)
    }
}

impl Version {
    pub(crate) fn code(&self) -> Code {
        Code {
            image: self.image.clone(),
            resolved_image: self.resolved_image.clone(),
            code_sha256: self.code_sha256.clone(),
        }
    }

    pub(crate) fn set_code(&mut self, code: Code) {
        self.image = code.image;
        self.resolved_image = code.resolved_image;
        self.code_sha256 = code.code_sha256;
    }

    /// Whether publishing one would publish what the other is.
    pub(crate) fn same_content(&self, other: &Self) -> bool {
        self.code_sha256 == other.code_sha256
            && self.memory == other.memory
            && self.timeout == other.timeout
            && self.environment == other.environment
    }
}

impl Alias {
    /// The share of each version, from 0 to 1.
    pub(crate) fn shares(&self) -> BTreeMap<String, f64> {
        let mut shares = BTreeMap::from([(self.version.clone(), 1.0)]);
        if let Some((version, weight)) = &self.additional {
            shares.insert(self.version.clone(), 1.0 - weight);
            shares.insert(version.clone(), *weight);
        }
        shares
    }
}
