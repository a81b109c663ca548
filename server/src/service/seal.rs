//! Encryption at rest: what the database holds of a secret can be read only with the server's key (R28).
//!
//! XChaCha20-Poly1305 with a random nonce of 24 bytes before the text. The purpose is authenticated too, so that a
//! sealed text copied from one row to another does not open.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use chacha20poly1305::{
    KeyInit, XChaCha20Poly1305, XNonce,
    aead::{Aead, Payload},
};
use rand::RngCore as _;
use sha2::{Digest as _, Sha256};
use std::fmt;

const NONCE_BYTES: usize = 24;

/// The server's key, 32 bytes.
#[derive(Clone)]
pub struct SealKey(XChaCha20Poly1305);

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    #[error("the secret key must be 32 bytes, not {0}")]
    KeyLength(usize),
    #[error("a text could not be encrypted")]
    Seal,
    #[error(
        "an encrypted text does not open with this key: TIDEGATE_SECRET_KEY is another one, or the row was changed"
    )]
    Open,
}

impl fmt::Debug for SealKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SealKey")
    }
}

impl SealKey {
    /// # Errors
    /// A key that is not 32 bytes.
    pub fn new(key: &[u8]) -> Result<Self, SealError> {
        XChaCha20Poly1305::new_from_slice(key)
            .map(Self)
            .map_err(|_| SealError::KeyLength(key.len()))
    }

    /// # Errors
    /// Never for texts below 256 GiB.
    pub fn seal(&self, purpose: &str, plain: &[u8]) -> Result<Vec<u8>, SealError> {
        let nonce: [u8; NONCE_BYTES] = random();
        let payload = Payload {
            msg: plain,
            aad: purpose.as_bytes(),
        };
        let sealed = self
            .0
            .encrypt(XNonce::from_slice(&nonce), payload)
            .map_err(|_| SealError::Seal)?;
        Ok([nonce.as_slice(), &sealed].concat())
    }

    /// # Errors
    /// Another key, another purpose, or a text that was changed.
    pub fn open(&self, purpose: &str, sealed: &[u8]) -> Result<Vec<u8>, SealError> {
        let (nonce, text) = sealed.split_at_checked(NONCE_BYTES).ok_or(SealError::Open)?;
        let payload = Payload {
            msg: text,
            aad: purpose.as_bytes(),
        };
        self.0
            .decrypt(XNonce::from_slice(nonce), payload)
            .map_err(|_| SealError::Open)
    }
}

fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    rand::rng().fill_bytes(&mut bytes);
    bytes
}

/// 256 random bits in 43 characters that need no escaping.
pub fn random_token() -> String {
    URL_SAFE_NO_PAD.encode(random::<32>())
}

/// What is stored of a random token: its SHA-256. 256 random bits need no salt and no stretching.
pub fn token_hash(token: &str) -> [u8; 32] {
    Sha256::digest(token).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r28_a_sealed_text_opens_with_its_key_and_purpose_only() {
        let key = SealKey::new(&[7; 32]).unwrap();
        let sealed = key.seal("token of 1", b"gho_secret").unwrap();
        assert!(!sealed.windows(10).any(|window| window == b"gho_secret"));
        assert_eq!(key.open("token of 1", &sealed).unwrap(), b"gho_secret");
        assert_eq!(key.open("token of 2", &sealed), Err(SealError::Open));
        let other = SealKey::new(&[8; 32]).unwrap();
        assert_eq!(other.open("token of 1", &sealed), Err(SealError::Open));
        assert_eq!(key.open("token of 1", &sealed[..20]), Err(SealError::Open));
        assert!(matches!(SealKey::new(&[1; 31]), Err(SealError::KeyLength(31))));
    }

    #[test]
    fn r25_a_token_has_256_bits_and_only_its_hash_is_kept() {
        let (one, two) = (random_token(), random_token());
        assert_ne!(one, two);
        assert_eq!(URL_SAFE_NO_PAD.decode(&one).unwrap().len(), 32);
        // printf abc | sha256sum
        assert_eq!(
            hex::encode(token_hash("abc")),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
    }
}
