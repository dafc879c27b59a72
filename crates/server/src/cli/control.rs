//! The control socket: commands run inside the service that has the database open.

use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use billing::app::App;
use clap::Parser;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};

use crate::cli::output::Output;
use crate::cli::socket::{Answer, REQUEST_BYTES_MAX, REQUEST_MAX, Request, database, short};
use crate::cli::{Cli, Command, on_app};

/// The open socket; dropped, it is gone.
#[derive(Debug)]
pub struct ControlSocket {
    path: PathBuf,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for ControlSocket {
    fn drop(&mut self) {
        self.task.abort();
        let _ = std::fs::remove_file(&self.path);
    }
}

/// Answers commands for `app` at `path` until the socket is dropped. Opened only by who holds the
/// database, so what lies there already is left over from a process that ended.
pub fn open(app: &App, path: &Path) -> anyhow::Result<ControlSocket> {
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
    Ok(ControlSocket {
        path: path.to_owned(),
        task,
    })
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
