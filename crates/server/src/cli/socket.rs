//! The control socket: commands beside a running service ask it to do them, since an embedded
//! database serves one process.
//!
//! One line of JSON each way: `{"args": [...], "database": ...}` in,
//! `{"stdout", "stderr", "code"}` out. The file's mode keeps other users away.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Parser;
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};

use super::output::Output;
use super::{Cli, Command, on_app};
use crate::app::App;
use crate::config::Settings;

/// Its name in the data folder.
pub const NAME: &str = "control.sock";
/// Longest request line, in bytes.
const REQUEST_BYTES_MAX: u64 = 64 * 1024;
/// Longest answer, in bytes.
const ANSWER_BYTES_MAX: u64 = 256 * 1024 * 1024;
/// How long a caller may take to say what it wants.
const REQUEST_MAX: Duration = Duration::from_secs(5);
/// Longest path of a socket, its end included (unix(7)).
const PATH_BYTES_MAX: usize = 107;

#[derive(Debug, Deserialize, Serialize)]
struct Request {
    args: Vec<String>,
    /// Which database the caller means, where it has a DATABASE_URL.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    database: Option<String>,
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

/// The open socket; dropped, it is gone.
#[derive(Debug)]
pub struct Door {
    path: PathBuf,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Door {
    fn drop(&mut self) {
        self.task.abort();
        let _ = std::fs::remove_file(&self.path);
    }
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

/// Answers commands for `app` at `path` until the door is dropped. Opened only by who holds the
/// database, so what lies there already is left over from a process that ended.
pub fn open(app: &App, path: &Path) -> anyhow::Result<Door> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
        _ => {}
    }
    let (_folder, short) = short(path)?;
    let listener = UnixListener::bind(&short)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
    let app = app.clone();
    let task = tokio::spawn(async move {
        loop {
            match listener.accept().await {
                Ok((stream, _)) => drop(tokio::spawn(answer(app.clone(), stream))),
                Err(error) => {
                    tracing::warn!(%error, "The control socket did not accept");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        }
    });
    Ok(Door {
        path: path.to_owned(),
        task,
    })
}

/// A path that fits a socket's address: a long one is reached through its open folder.
fn short(path: &Path) -> io::Result<(Option<File>, PathBuf)> {
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
fn database(settings: &Settings) -> anyhow::Result<String> {
    let text = match settings.database_url()? {
        store::DatabaseUrl::Sqlite(file) => {
            let whole = file
                .canonicalize()
                .or_else(|_| std::path::absolute(&file))?;
            whole.display().to_string()
        }
        store::DatabaseUrl::Postgres(_) => settings.database.url.expose_secret().to_owned(),
    };
    Ok(hex::encode(crate::secrets::hash(&text)))
}

async fn answer(app: App, stream: UnixStream) {
    let (reader, mut writer) = stream.into_split();
    let mut line = String::new();
    let mut reader = BufReader::new(reader.take(REQUEST_BYTES_MAX));
    let read = tokio::time::timeout(REQUEST_MAX, reader.read_line(&mut line)).await;
    if !matches!(read, Ok(Ok(1..))) {
        return;
    }
    let answer = match serde_json::from_str::<Request>(&line) {
        Ok(request) => run(&app, request).await,
        Err(_) => refused(2, "The control socket takes one line of JSON."),
    };
    let mut text = serde_json::to_vec(&answer).expect("texts are JSON");
    text.push(b'\n');
    let _ = writer.write_all(&text).await;
}

fn refused(code: u8, why: &str) -> Answer {
    Answer {
        stdout: String::new(),
        stderr: format!("{why}\n"),
        code: Some(code),
    }
}

async fn run(app: &App, request: Request) -> Answer {
    let is_ours = match (&request.database, database(&app.settings)) {
        (Some(wanted), Ok(ours)) => *wanted == ours,
        (Some(_), Err(_)) => false,
        (None, _) => true,
    };
    if !is_ours {
        return Answer {
            code: None,
            ..refused(1, "")
        };
    }
    let program = std::iter::once("localboxs-billing".to_owned());
    let cli = match Cli::try_parse_from(program.chain(request.args)) {
        Ok(cli) => cli,
        Err(error) => return refused(2, &error.to_string()),
    };
    let Command::OnApp(command) = cli.command else {
        return refused(2, "A running service does not run this command.");
    };
    let mut out = Output::new(cli.json);
    let code = on_app::run(app, command, &mut out).await;
    Answer {
        stdout: out.text,
        stderr: out.errors,
        code: Some(code),
    }
}
