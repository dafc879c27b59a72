//! Commands on a database: each runs against an open [`App`], in a process of its own or inside a
//! running service that was asked through its control socket.

use std::process::ExitCode;

use clap::Subcommand;

use super::output::Output;
use super::{Context, Ended, admin, marks, socket};
use crate::app::App;

/// A command on a database.
#[derive(Clone, Debug, Subcommand)]
pub enum OnApp {
    /// What operators do by hand.
    #[command(subcommand)]
    Admin(admin::Admin),
}

/// Runs a command; answers its exit code.
pub async fn run(app: &App, command: OnApp, out: &mut Output) -> u8 {
    let ended = match command {
        OnApp::Admin(command) => admin::run(app, command, out).await,
    };
    ended.unwrap_or_else(|error| {
        out.error(format!("{error:#}"));
        1
    })
}

/// Runs a command from the command line: by the service that has the database, if one answers,
/// else on the database itself.
pub async fn main(context: &Context, command: OnApp) -> Ended {
    super::serve::log_as_text();
    let settings = context.settings()?;
    let args = std::env::args().skip(1).collect();
    if let Some(answer) = socket::ask(&socket::path(&settings)?, &settings, args).await? {
        let out = Output {
            text: answer.stdout,
            errors: answer.stderr,
            ..Output::default()
        };
        out.print();
        return Ok(ExitCode::from(answer.code.unwrap_or(1)));
    }
    let app = marks::open(settings).await?;
    let mut out = Output::new(context.json);
    let code = run(&app, command, &mut out).await;
    let db = app.db.clone();
    let _ = tokio::task::spawn_blocking(move || db.close()).await;
    out.print();
    Ok(ExitCode::from(code))
}
