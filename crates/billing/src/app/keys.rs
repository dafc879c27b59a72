//! API keys: hashed, cached for half a second, so that a revoked one stops within a second.

use std::time::{Duration, Instant};

use domain::time::Timestamp;
use quick_cache::sync::Cache;
use store::api_keys::ApiKey;

use crate::app::App;
use crate::error::Result;
use crate::secrets::hash;

/// How long a key that was looked up is believed (case A10: revoked in under a second).
const FRESH: Duration = Duration::from_millis(500);

/// The time of a key's last use is exact to this interval.
const TOUCH_SECONDS: i64 = 60;

/// Keys remembered at once; beyond that, those that are used least make room.
const KEYS_MAX: usize = 100_000;

/// Notes that a key is in use, at most once a minute; nobody waits for it.
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
            tracing::debug!(%error, "The last use of a key was not noted");
        }
    });
}

/// Keys looked up lately, absent ones included.
#[derive(Debug)]
pub struct KeyCache(Cache<[u8; 32], Looked>);

/// A lookup of a key: its time and what was found.
type Looked = (Instant, Option<ApiKey>);

impl Default for KeyCache {
    fn default() -> KeyCache {
        KeyCache(Cache::new(KEYS_MAX))
    }
}

impl KeyCache {
    /// The key of this secret, unless it does not exist or is revoked.
    pub async fn find(&self, app: &App, secret: &str) -> Result<Option<ApiKey>> {
        let hash = hash(secret);
        if let Some((seen, key)) = self.0.get(&hash)
            && seen.elapsed() < FRESH
        {
            return Ok(key);
        }
        let found = app
            .read(move |tx| store::api_keys::by_secret(tx, &hash))
            .await?;
        let found = found.filter(|key| key.revoked_at.is_none());
        if let Some(key) = &found {
            touch(app, key);
        }
        self.0.insert(hash, (Instant::now(), found.clone()));
        Ok(found)
    }

    /// Forgets all keys, after one was revoked here.
    pub fn clear(&self) {
        self.0.clear();
    }
}
