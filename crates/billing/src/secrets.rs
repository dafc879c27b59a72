//! Secrets that the service generates, and the digests by which it recognizes them.

use domain::ids::Rng;
use sha2::{Digest, Sha256};

/// Generates 256 random bits as hex: a token for a link, a session or a key.
pub fn new_secret(rng: &dyn Rng) -> String {
    format!("{:032x}{:032x}", rng.bits(), rng.bits())
}

/// SHA-256 of a key or token: what is stored and compared.
pub fn hash(secret: &str) -> [u8; 32] {
    Sha256::digest(secret.as_bytes()).into()
}
