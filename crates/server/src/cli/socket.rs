//! The control socket: commands beside a running service ask it to do them, since an embedded
//! database serves one process.
//!
//! One line of JSON each way: `{"args": [...], "database": ...}` in,
//! `{"stdout", "stderr", "code"}` out. The file's mode keeps other users away.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::time::Duration;

use billing::config::Settings;
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;

/// Its name in the data folder.
pub const NAME: &str = "control.sock";

/// Longest request line, in bytes.
pub(crate) const REQUEST_BYTES_MAX: u64 = 64 * 1024;

/// Longest answer, in bytes.
const ANSWER_BYTES_MAX: u64 = 256 * 1024 * 1024;

/// How long a caller may take to say what it wants.
pub(crate) const REQUEST_MAX: Duration = Duration::from_secs(5);

/// Longest path of a socket, its end included (unix(7)).
const PATH_BYTES_MAX: usize = 107;

#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct Request {
    pub(crate) args: Vec<String>,
    /// Which database the caller means, where it has a DATABASE_URL.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) database: Option<String>,
}

/// What the service answers.
#[derive(Debug, Deserialize, Serialize)]
pub struct Answer {
    /// For the caller's standard output.
    pub stdout: String,
    /// For its standard error.
    pub stderr: String,
    /// Its exit code; none: this service has another database.
    pub code: Option<u8>,
}

/// Where the control socket of these settings' database is.
pub fn path(settings: &Settings) -> anyhow::Result<PathBuf> {
    Ok(match settings.database_url()? {
        store::DatabaseUrl::Sqlite(file) => match file.parent() {
            Some(folder) => folder.join(NAME),
            None => NAME.into(),
        },
        store::DatabaseUrl::Postgres(_) => settings.database.data.join(NAME),
    })
}

/// A path that fits a socket's address: a long one is reached through its open folder.
pub(crate) fn short(path: &Path) -> io::Result<(Option<File>, PathBuf)> {
    if path.as_os_str().len() <= PATH_BYTES_MAX {
        return Ok((None, path.to_owned()));
    }
    let folder = File::open(path.parent().unwrap_or(Path::new(".")))?;
    let short = format!("/proc/self/fd/{}/{NAME}", folder.as_raw_fd());
    Ok((Some(folder), short.into()))
}

async fn connect(path: &Path) -> io::Result<UnixStream> {
    let (_folder, short) = short(path)?;
    UnixStream::connect(&short).await
}

/// Whether a service listens there.
pub async fn is_answered(path: &Path) -> bool {
    connect(path).await.is_ok()
}

/// Asks the service at `path`; `None` when there is none, or one with another database.
pub async fn ask(
    path: &Path,
    settings: &Settings,
    args: Vec<String>,
) -> anyhow::Result<Option<Answer>> {
    let Ok(stream) = connect(path).await else {
        return Ok(None);
    };
    let request = Request {
        args,
        database: named_database(settings)?,
    };
    let mut line = serde_json::to_vec(&request)?;
    line.push(b'\n');
    let (reader, mut writer) = stream.into_split();
    writer.write_all(&line).await?;
    let mut text = String::new();
    let mut reader = BufReader::new(reader.take(ANSWER_BYTES_MAX));
    reader.read_line(&mut text).await?;
    anyhow::ensure!(
        text.ends_with('\n'),
        "The service ended before it answered; look whether the command was done."
    );
    let answer: Answer = serde_json::from_str(&text)?;
    Ok(answer.code.is_some().then_some(answer))
}

/// The database that DATABASE_URL names, where there is one.
fn named_database(settings: &Settings) -> anyhow::Result<Option<String>> {
    let is_named = !settings.database.url.expose_secret().is_empty();
    is_named.then(|| database(settings)).transpose()
}

/// Tells two databases apart without showing an address, which may carry a password.
pub(crate) fn database(settings: &Settings) -> anyhow::Result<String> {
    let text = match settings.database_url()? {
        store::DatabaseUrl::Sqlite(file) => {
            let whole = file
                .canonicalize()
                .or_else(|_| std::path::absolute(&file))?;
            whole.display().to_string()
        }
        store::DatabaseUrl::Postgres(_) => settings.database.url.expose_secret().to_owned(),
    };
    Ok(hex::encode(billing::secrets::hash(&text)))
}
