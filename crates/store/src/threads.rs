//! Work that must not run on an async runtime's thread.

use crate::error::{Error, Result};

/// Runs `work` on a thread without an async runtime, and waits for it.
pub(crate) fn on_own_thread<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    let thread = std::thread::Builder::new()
        .name("db-open".into())
        .spawn(work)
        .map_err(|error| Error::Unavailable(format!("cannot start a thread: {error}")))?;
    thread
        .join()
        .unwrap_or_else(|_| Err(Error::Panicked("while opening the database".into())))
}
