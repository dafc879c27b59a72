//! API keys: hashed, cached for half a second, so that a revoked one stops within a second.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};
use store::api_keys::ApiKey;

use super::error::Result;
use crate::app::App;

/// How long a key that was looked up is believed (case A10: revoked in under a second).
const FRESH: Duration = Duration::from_millis(500);
/// Keys remembered at once; more are looked up each time.
const KEYS_MAX: usize = 100_000;

/// SHA-256 of a key or token: what is stored and compared.
pub fn hash(secret: &str) -> [u8; 32] {
    Sha256::digest(secret.as_bytes()).into()
}

/// Keys looked up lately, absent ones included.
#[derive(Debug, Default)]
pub struct KeyCache(Mutex<HashMap<[u8; 32], (Instant, Option<ApiKey>)>>);

impl KeyCache {
    /// The key of this secret, unless it does not exist or is revoked.
    pub async fn find(&self, app: &App, secret: &str) -> Result<Option<ApiKey>> {
        let hash = hash(secret);
        if let Some(known) = self.fresh(&hash) {
            return Ok(known);
        }
        let found = app
            .read(move |tx| store::api_keys::by_secret(tx, &hash))
            .await?;
        let found = found.filter(|key| key.revoked_at.is_none());
        let mut keys = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if keys.len() >= KEYS_MAX {
            keys.clear();
        }
        keys.insert(hash, (Instant::now(), found.clone()));
        Ok(found)
    }

    /// Forgets all keys, after one was revoked here.
    pub fn clear(&self) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clear();
    }

    fn fresh(&self, hash: &[u8; 32]) -> Option<Option<ApiKey>> {
        let keys = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (seen, key) = keys.get(hash)?;
        (seen.elapsed() < FRESH).then(|| key.clone())
    }
}
