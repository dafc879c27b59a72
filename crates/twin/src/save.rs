//! Saves the twin's state to a file, so that a demo keeps its customers across a restart.

use std::fs::{File, TryLockError};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::clock::Micros;
use crate::core::Core;
use crate::mailbox::Mailbox;
use crate::shell::Twin;
use crate::stopping::stopped;

/// The shortest time between two writes of the file.
const SAVE_EVERY: Duration = Duration::from_secs(1);

/// How long a start waits for a twin that is stopping: longer than that waits for its last calls.
const LOCK_WAIT_MAX: Duration = Duration::from_secs(5);
const LOCK_RETRY: Duration = Duration::from_millis(20);

/// The state as it is read from the file.
#[derive(Deserialize)]
pub(crate) struct Saved {
    pub core: Core,
    pub mailbox: Mailbox,
    pub billing_now: Micros,
    /// The moment to which the clock still advances. Files of older versions lack it.
    #[serde(default)]
    pub goal: Option<Micros>,
    pub real_now: Micros,
}

/// The state as it is written to the file.
#[derive(Serialize)]
struct State<'a> {
    core: &'a Core,
    mailbox: &'a Mailbox,
    billing_now: Micros,
    goal: Option<Micros>,
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

/// Keeps other twins from a state file while this one uses it. It ends with the process.
#[derive(Debug)]
pub(crate) struct Lock {
    _file: Option<File>,
}

/// Why a state file could not be locked.
#[derive(Debug)]
pub(crate) enum LockError {
    /// Another twin still uses it.
    InUse,
    Io(std::io::Error),
}

/// Locks the state file, if there is one. A twin that is stopping still writes it, so this waits
/// for a moment.
pub(crate) async fn lock(path: Option<&Path>) -> Result<Lock, LockError> {
    let Some(path) = path else {
        return Ok(Lock { _file: None });
    };
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(LockError::Io)?;
    }
    // The state file itself is replaced by each save.
    let beside = path.with_extension("lock");
    let file = File::create(beside).map_err(LockError::Io)?;
    let deadline = tokio::time::Instant::now() + LOCK_WAIT_MAX;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(Lock { _file: Some(file) }),
            Err(TryLockError::WouldBlock) if tokio::time::Instant::now() < deadline => {
                tokio::time::sleep(LOCK_RETRY).await;
            }
            Err(TryLockError::WouldBlock) => return Err(LockError::InUse),
            Err(TryLockError::Error(error)) => return Err(LockError::Io(error)),
        }
    }
}

/// Saves the state after changes until `stop` is set. Then it waits for `listeners`, whose calls may
/// still change the state, saves it once more and unlocks the file.
pub(crate) async fn keep_saved(
    twin: Arc<Twin>,
    lock: Lock,
    listeners: Vec<JoinHandle<()>>,
    mut stop: watch::Receiver<bool>,
) {
    loop {
        tokio::select! {
            () = tokio::time::sleep(SAVE_EVERY) => {}
            () = stopped(&mut stop) => break,
        }
        if twin.is_changed.swap(false, Ordering::Relaxed) {
            save_now(&twin).await;
        }
    }
    for listener in listeners {
        if let Err(error) = listener.await {
            tracing::error!(%error, "A listener of the twin panicked");
        }
    }
    save_now(&twin).await;
    drop(lock);
}

async fn save_now(twin: &Arc<Twin>) {
    let saving = Arc::clone(twin);
    let saved = tokio::task::spawn_blocking(move || save(&saving)).await;
    if let Err(error) = saved.unwrap_or_else(|panic| Err(std::io::Error::other(panic))) {
        tracing::error!(%error, "Failed to save the twin's state");
        twin.is_changed.store(true, Ordering::Relaxed);
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
                goal: twin.clock.goal(),
                real_now: twin.real_time.now(),
            })
        })?
    };
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let temporary = path.with_extension("new");
    std::fs::write(&temporary, bytes)?;
    File::open(&temporary)?.sync_all()?;
    std::fs::rename(&temporary, path)
}
