//! The state that a demo keeps in its data folder between runs.

use std::io::Write;
use std::path::Path;

use anyhow::Context as _;
use serde::{Deserialize, Serialize};

/// The data folder of a demo that is started without `--data`.
pub(crate) const DEFAULT_FOLDER: &str = "./demo";

/// Name of the state file. A folder that contains it belongs to a demo.
pub(crate) const FILE: &str = "demo.json";

/// Secrets that stay the same across restarts. Only the owner can read the file.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct DemoState {
    pub(crate) api_key: Option<String>,
    pub(crate) webhook_secret: Option<String>,
    pub(crate) twin_url: Option<String>,
}

/// The URL of the twin that the demo in this folder uses, or used when it last ran.
pub fn twin_url(data: Option<&Path>) -> Option<String> {
    let data = data.unwrap_or(Path::new(DEFAULT_FOLDER));
    read(data).ok().and_then(|state| state.twin_url)
}

/// Reads the state of the demo in `data`, which is empty before its first run.
pub(crate) fn read(data: &Path) -> anyhow::Result<DemoState> {
    let path = data.join(FILE);
    match std::fs::read(&path) {
        Ok(bytes) => serde_json::from_slice(&bytes).with_context(|| {
            format!(
                "{} cannot be read; use --reset to start over",
                path.display()
            )
        }),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(DemoState::default()),
        Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
    }
}

/// Writes the state to a temporary file and renames it, so that a crash leaves either the old state
/// or the new one.
pub(crate) fn write(data: &Path, state: &DemoState) -> anyhow::Result<()> {
    use std::os::unix::fs::OpenOptionsExt;
    let temporary = data.join("demo.new");
    let _ = std::fs::remove_file(&temporary);
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&temporary)?;
    file.write_all(&serde_json::to_vec_pretty(state)?)?;
    file.sync_all()?;
    std::fs::rename(&temporary, data.join(FILE))?;
    Ok(())
}
