//! Ids of the past: the same in every run that begins at the same moment.

use sha2::{Digest, Sha256};
use tidegate_domain::{Timestamp, name};
use uuid::Uuid;

/// Bytes that look like chance and are none: of a text, always the same.
pub fn bytes(text: &str) -> [u8; 32] {
    Sha256::digest(text).into()
}

/// A number from `from` to `to`, of a text.
pub fn between(text: &str, from: i64, to: i64) -> i64 {
    let [a, b, c, d, ..] = bytes(text);
    from + i64::from(u32::from_be_bytes([a, b, c, d])) % (to - from + 1)
}

/// UUIDv7s in the order in which they are asked for.
#[derive(Debug, Default)]
pub struct Ids {
    given: u64,
}

impl Ids {
    pub fn next(&mut self, at: Timestamp) -> Uuid {
        self.given += 1;
        let mut tail = [0; 10];
        tail.copy_from_slice(&bytes(&format!("id {}", self.given))[..10]);
        let millis = u64::try_from(at.millis()).unwrap_or_default();
        uuid::Builder::from_unix_timestamp_millis(millis, &tail).into_uuid()
    }
}

/// `d-` and nine capitals or digits, as CodeDeploy names deployments.
pub fn cloud_deployment(of: &str) -> String {
    const ALPHABET: &[u8; 36] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
    let letters = bytes(of);
    let name: String = letters[..9]
        .iter()
        .map(|byte| char::from(ALPHABET[usize::from(*byte) % ALPHABET.len()]))
        .collect();
    format!("d-{name}")
}

/// The digest of an image that the registry has deleted since.
///
/// # Errors
/// Never: it is a digest by how it is made.
pub fn digest(of: &str) -> Result<name::Digest, name::InvalidName> {
    name::Digest::new(format!("sha256:{}", hex::encode(bytes(of))))
}
