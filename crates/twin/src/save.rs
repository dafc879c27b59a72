//! Saves the twin's state to a file, so that a demo keeps its customers across a restart.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use crate::clock::Micros;
use crate::core::Core;
use crate::mailbox::Mailbox;
use crate::shell::Twin;
use crate::stopping::stopped;

/// The shortest time between two writes of the file.
const SAVE_EVERY: Duration = Duration::from_secs(1);

/// The state as it is read from the file.
#[derive(Deserialize)]
pub(crate) struct Saved {
    pub core: Core,
    pub mailbox: Mailbox,
    pub billing_now: Micros,
    pub real_now: Micros,
}

/// The state as it is written to the file.
#[derive(Serialize)]
struct State<'a> {
    core: &'a Core,
    mailbox: &'a Mailbox,
    billing_now: Micros,
    real_now: Micros,
}

/// Reads the saved state. Returns `None` if there is no file yet.
pub(crate) fn load(path: &Path) -> Result<Option<Saved>, String> {
    match std::fs::read(path) {
        Ok(bytes) => serde_json::from_slice(&bytes)
            .map(Some)
            .map_err(|error| error.to_string()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error.to_string()),
    }
}

/// Saves the state after changes until `stop` is set, and once more at the end.
pub(crate) async fn keep_saved(twin: Arc<Twin>, mut stop: watch::Receiver<bool>) {
    if twin.save_file.is_none() {
        return;
    }
    let mut is_stopping = false;
    while !is_stopping {
        tokio::select! {
            () = tokio::time::sleep(SAVE_EVERY) => {}
            () = stopped(&mut stop) => is_stopping = true,
        }
        if !twin.is_changed.swap(false, Ordering::Relaxed) && !is_stopping {
            continue;
        }
        let saving = Arc::clone(&twin);
        let saved = tokio::task::spawn_blocking(move || save(&saving)).await;
        if let Err(error) = saved.unwrap_or_else(|panic| Err(std::io::Error::other(panic))) {
            tracing::error!(%error, "Failed to save the twin's state");
            twin.is_changed.store(true, Ordering::Relaxed);
        }
    }
}

/// Writes a new file and renames it, so that a crash leaves either the old state or the new one.
fn save(twin: &Twin) -> std::io::Result<()> {
    let Some(path) = &twin.save_file else {
        return Ok(());
    };
    let bytes = {
        let mailbox = twin.mailbox();
        twin.read(|core| {
            serde_json::to_vec(&State {
                core,
                mailbox: &mailbox,
                billing_now: twin.clock.now(),
                real_now: twin.real_time.now(),
            })
        })?
    };
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let temporary = path.with_extension("new");
    std::fs::write(&temporary, bytes)?;
    std::fs::File::open(&temporary)?.sync_all()?;
    std::fs::rename(&temporary, path)
}
