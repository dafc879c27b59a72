//! Idempotency keys: the caller's name for one attempt.

use domain::ledger::IdempotencyKey;
use sha2::{Digest, Sha256};

use crate::error::{Error, Result};

/// Maximum length of a key, as at Stripe.
const KEY_BYTES_MAX: usize = 255;

/// An idempotency key: 1 to 255 printable ASCII characters.
#[derive(Clone, Debug)]
pub struct Key(pub String);

impl Key {
    /// Validates a key: 1 to 255 printable ASCII characters.
    pub fn read(text: &str) -> Result<Key> {
        let is_plain = text.bytes().all(|byte| (b' '..=b'~').contains(&byte));
        if text.is_empty() || text.len() > KEY_BYTES_MAX || !is_plain {
            let detail = "An Idempotency-Key must have 1 to 255 printable ASCII characters.";
            return Err(Error::bad_request("idempotency_key_invalid", detail));
        }
        Ok(Key(text.to_owned()))
    }

    /// The key with the hash of the request made under it.
    pub fn of(self, parts: &[&str]) -> IdempotencyKey {
        let mut hasher = Sha256::new();
        for part in parts {
            hasher.update((part.len() as u64).to_be_bytes());
            hasher.update(part.as_bytes());
        }
        IdempotencyKey {
            key: self.0,
            request_hash: hasher.finalize().into(),
        }
    }
}
