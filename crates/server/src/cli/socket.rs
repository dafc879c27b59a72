//! The client side of the control socket. Only one process can open an embedded database, so a
//! command that finds a running service sends its arguments there.
//!
//! The protocol is one line of JSON each way: `{"args": [...], "database": ...}` as the request and
//! `{"stdout", "stderr", "code"}` as the response. The mode of the socket file keeps other users
//! out.

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

/// File name of the socket in the data folder.
pub const NAME: &str = "control.sock";

/// Longest request line, in bytes.
pub(crate) const REQUEST_BYTES_MAX: u64 = 64 * 1024;

/// Longest response, in bytes.
const RESPONSE_BYTES_MAX: u64 = 256 * 1024 * 1024;

/// How long a client may take to send its request.
pub(crate) const REQUEST_MAX: Duration = Duration::from_secs(5);

/// Longest path of a Unix socket, in bytes, without the terminating zero (unix(7)).
const PATH_BYTES_MAX: usize = 107;

#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct Request {
    pub(crate) args: Vec<String>,
    /// A hash of the database that the client means, if it has a `DATABASE_URL`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) database: Option<String>,
}

/// The response of the service.
#[derive(Debug, Deserialize, Serialize)]
pub struct Response {
    /// Text for the client's standard output.
    pub stdout: String,
    /// Text for the client's standard error.
    pub stderr: String,
    /// The exit code, or `None` if this service has another database open.
    pub code: Option<u8>,
}

/// The path of the control socket that belongs to the database of these settings.
pub fn path(settings: &Settings) -> anyhow::Result<PathBuf> {
    Ok(match settings.database_url()? {
        store::DatabaseUrl::Sqlite(file) => match file.parent() {
            Some(folder) => folder.join(NAME),
            None => NAME.into(),
        },
        store::DatabaseUrl::Postgres(_) => settings.database.data.join(NAME),
    })
}

/// A path that fits a socket address. Too long a path is replaced by one through its folder, which
/// must stay open while the path is used.
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

/// Whether a service is listening on the socket at `path`.
pub async fn is_listening(path: &Path) -> bool {
    connect(path).await.is_ok()
}

/// Runs a command inside the service at `path`. Returns `None` if no service is listening there, or
/// if it has another database open.
pub async fn run_in_service(
    path: &Path,
    settings: &Settings,
    args: Vec<String>,
) -> anyhow::Result<Option<Response>> {
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
    let mut reader = BufReader::new(reader.take(RESPONSE_BYTES_MAX));
    reader.read_line(&mut text).await?;
    anyhow::ensure!(
        text.ends_with('\n'),
        "The service stopped before it responded; check whether the command took effect."
    );
    let response: Response = serde_json::from_str(&text)?;
    Ok(response.code.is_some().then_some(response))
}

/// The hash of the database that `DATABASE_URL` names, if it is set.
fn named_database(settings: &Settings) -> anyhow::Result<Option<String>> {
    let is_named = !settings.database.url.expose_secret().is_empty();
    is_named.then(|| database(settings)).transpose()
}

/// A hash that identifies the database without showing its URL, which may contain a password.
pub(crate) fn database(settings: &Settings) -> anyhow::Result<String> {
    let text = match settings.database_url()? {
        store::DatabaseUrl::Sqlite(file) => {
            let absolute = file
                .canonicalize()
                .or_else(|_| std::path::absolute(&file))?;
            absolute.display().to_string()
        }
        store::DatabaseUrl::Postgres(_) => settings.database.url.expose_secret().to_owned(),
    };
    Ok(hex::encode(billing::secrets::hash(&text)))
}
