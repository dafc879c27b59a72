//! The server side of the control socket: runs commands inside the service that has the database
//! open.

use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use billing::app::App;
use clap::Parser;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};

use crate::cli::output::Output;
use crate::cli::socket::{REQUEST_BYTES_MAX, REQUEST_MAX, Request, Response, database, short};
use crate::cli::{Cli, Command, database_command};

/// An open control socket. Dropping it closes the socket and removes its file.
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

/// Runs commands for `app` that arrive at `path`, until the returned socket is dropped. Only the
/// process that holds the database opens one, so a file that already exists at `path` was left by a
/// process that has ended.
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
                Ok((stream, _)) => drop(tokio::spawn(respond(app.clone(), stream))),
                Err(error) => {
                    tracing::warn!(%error, "The control socket failed to accept a connection");
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

async fn respond(app: App, stream: UnixStream) {
    let (reader, mut writer) = stream.into_split();
    let mut line = String::new();
    let mut reader = BufReader::new(reader.take(REQUEST_BYTES_MAX));
    let read = tokio::time::timeout(REQUEST_MAX, reader.read_line(&mut line)).await;
    if !matches!(read, Ok(Ok(1..))) {
        return;
    }
    let response = match serde_json::from_str::<Request>(&line) {
        Ok(request) => run(&app, request).await,
        Err(_) => failed(2, "The control socket expects one line of JSON."),
    };
    let mut text = serde_json::to_vec(&response).expect("a response serializes as JSON");
    text.push(b'\n');
    let _ = writer.write_all(&text).await;
}

fn failed(code: u8, message: &str) -> Response {
    Response {
        stdout: String::new(),
        stderr: format!("{message}\n"),
        code: Some(code),
    }
}

async fn run(app: &App, request: Request) -> Response {
    let is_ours = match (&request.database, database(&app.settings)) {
        (Some(wanted), Ok(ours)) => *wanted == ours,
        (Some(_), Err(_)) => false,
        (None, _) => true,
    };
    if !is_ours {
        return Response {
            code: None,
            ..failed(1, "")
        };
    }
    let program = std::iter::once("localboxs-billing".to_owned());
    let cli = match Cli::try_parse_from(program.chain(request.args)) {
        Ok(cli) => cli,
        Err(error) => return failed(2, &error.to_string()),
    };
    let Command::Database(command) = cli.command else {
        return failed(2, "This command can't run inside a running service.");
    };
    let mut out = Output::new(cli.json);
    let code = database_command::run(app, command, &mut out).await;
    Response {
        stdout: out.text,
        stderr: out.errors,
        code: Some(code),
    }
}
