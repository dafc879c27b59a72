//! API keys: hashed, and cached for half a second so that a revoked key stops working within a
//! second.

use std::time::{Duration, Instant};

use domain::time::Timestamp;
use quick_cache::sync::Cache;
use store::api_keys::ApiKey;

use crate::app::App;
use crate::error::Result;
use crate::keys::told;
use crate::secrets::hash;

/// How long a cached lookup is trusted (case A10: a revoked key stops within a second).
const FRESH: Duration = Duration::from_millis(500);

/// Resolution of a key's last-used time.
const TOUCH_SECONDS: i64 = 60;

/// Maximum number of cached keys; beyond that, the least used are evicted.
const KEYS_MAX: usize = 100_000;

/// Records that a key is in use, at most once a minute, without blocking the request.
fn touch(app: &App, key: &ApiKey) {
    let now = app.now();
    let is_noted = |last: Timestamp| now < last.plus_seconds(TOUCH_SECONDS);
    if key.last_used_at.is_some_and(is_noted) {
        return;
    }
    let id = key.id;
    let noted = app.db.write(key.account_id.unwrap_or(0), move |tx| {
        store::api_keys::touch(tx, id, now)
    });
    tokio::spawn(async move {
        if let Err(error) = noted.await {
            tracing::debug!(%error, "Failed to record the last use of a key");
        }
    });
}

/// Recently looked-up keys, including ones that don't work.
#[derive(Debug)]
pub struct KeyCache(Cache<[u8; 32], Looked>);

/// When a key was looked up, and the result.
type Looked = (Instant, Found);

/// A key that works, or why it doesn't, for its holder.
pub type Found = std::result::Result<ApiKey, &'static str>;

impl Default for KeyCache {
    fn default() -> KeyCache {
        KeyCache(Cache::new(KEYS_MAX))
    }
}

impl KeyCache {
    /// Returns the key with this secret if it works.
    pub async fn find(&self, app: &App, secret: &str) -> Result<Found> {
        let hash = hash(secret);
        if let Some((seen, key)) = self.0.get(&hash)
            && seen.elapsed() < FRESH
        {
            return Ok(key);
        }
        let asked = Instant::now();
        let found = app.read(move |tx| look(tx, &hash)).await?;
        if let Ok(key) = &found {
            touch(app, key);
        }
        self.0.insert(hash, (asked, found.clone()));
        Ok(found)
    }

    /// Empties the cache, after this process revoked a key.
    pub fn clear(&self) {
        self.0.clear();
    }
}

fn look(tx: &mut store::Tx<'_>, hash: &[u8]) -> store::Result<Found> {
    if let Some(key) = store::api_keys::by_secret(tx, hash)? {
        return Ok(Ok(key));
    }
    Ok(Err(match store::api_keys::any_by_secret(tx, hash)? {
        None => "Invalid API key: there is no such key.",
        Some(key) if key.revoked_at.is_none() => {
            "This API key has stopped: the user who created it was disabled."
        }
        Some(key) => told(&key),
    }))
}
