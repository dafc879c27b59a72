//! Files that contain customers' data: readable only by their owner, and used by one process at a
//! time.

use std::fs::{File, TryLockError};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

/// Creates a folder that only its owner may enter, because it contains customers' names and
/// balances. An existing folder keeps its permissions.
pub fn make_folder(folder: &Path) -> std::io::Result<()> {
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
}

/// Creates an empty file that only its owner may read, unless it exists. SQLite opens it as a new
/// database, and gives its log the same permissions.
pub(crate) fn make_private_file(path: &Path) -> std::io::Result<()> {
    let made = File::options()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path);
    match made {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    }
}

/// Locks the file for this process, for as long as the returned value lives. Two writers on one
/// file would each rely on in-memory state that the other invalidates.
pub(crate) fn guard_file(path: &Path) -> Result<File> {
    if let Some(folder) = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
    {
        make_folder(folder).map_err(|error| {
            Error::Unavailable(format!(
                "cannot make the folder {}: {error}",
                folder.display()
            ))
        })?;
    }
    let mut lock_path = path.as_os_str().to_owned();
    lock_path.push(".lock");
    let lock_path = PathBuf::from(lock_path);
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .mode(0o600)
        .open(&lock_path);
    let file = file.map_err(|error| {
        Error::Unavailable(format!("cannot open {}: {error}", lock_path.display()))
    })?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(Error::InUse(format!(
            "another process uses {}; an embedded database serves one process, \
             PostgreSQL serves any number",
            path.display()
        ))),
        Err(TryLockError::Error(error)) => Err(Error::Unavailable(format!(
            "cannot lock {}: {error}",
            lock_path.display()
        ))),
    }
}
