//! What the demo remembers between two runs.

use std::io::Write;
use std::path::Path;

use anyhow::Context as _;
use serde::{Deserialize, Serialize};

/// The folder when none is named.
pub(crate) const DATA: &str = "./demo";

/// What the demo keeps between runs, and the sign that a folder is the demo's.
pub(crate) const NOTES: &str = "demo.json";

/// Secrets that stay the same over restarts; the file is readable by its owner only.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Notes {
    pub(crate) api_key: Option<String>,
    pub(crate) webhook_secret: Option<String>,
    pub(crate) twin_url: Option<String>,
}

/// Where the twin of the demo in this folder is, or was when it last ran.
pub fn twin_url(data: Option<&Path>) -> Option<String> {
    let data = data.unwrap_or(Path::new(DATA));
    read_notes(data).ok().and_then(|notes| notes.twin_url)
}

pub(crate) fn read_notes(data: &Path) -> anyhow::Result<Notes> {
    let path = data.join(NOTES);
    match std::fs::read(&path) {
        Ok(bytes) => serde_json::from_slice(&bytes)
            .with_context(|| format!("{} cannot be read; --reset starts anew", path.display())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Notes::default()),
        Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
    }
}

/// Beside and renamed, so that a crash leaves the old notes or the new ones.
pub(crate) fn write_notes(data: &Path, notes: &Notes) -> anyhow::Result<()> {
    use std::os::unix::fs::OpenOptionsExt;
    let beside = data.join("demo.new");
    let _ = std::fs::remove_file(&beside);
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&beside)?;
    file.write_all(&serde_json::to_vec_pretty(notes)?)?;
    file.sync_all()?;
    std::fs::rename(&beside, data.join(NOTES))?;
    Ok(())
}
