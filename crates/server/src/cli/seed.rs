//! `admin seed`: makes the accounts of an application that had its people before it had billing.
//! Run again it makes nothing twice and touches no credit.

use std::path::PathBuf;

use billing::accounts::put::{Put, PutAccount};
use billing::app::App;
use serde_json::{Map, Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};

use crate::cli::output::Output;

/// Longest file, in bytes.
const FILE_BYTES_MAX: u64 = 256 * 1024 * 1024;

/// Longest line, in bytes.
const LINE_BYTES_MAX: usize = 16 * 1024;

/// Accounts in one commit.
const PER_COMMIT: usize = 250;

/// What to make.
#[derive(Clone, Debug, clap::Args)]
pub struct SeedArgs {
    /// A line of JSON for each account: `{"id": "user-1", "name": "Maya", "email": "..."}`, by the
    /// host application's own id.
    pub file: PathBuf,
    /// Only checks the file and says what it would make.
    #[arg(long)]
    dry_run: bool,
}

/// Checks every line, then makes the accounts.
pub async fn run(app: &App, args: &SeedArgs, out: &mut Output) -> anyhow::Result<()> {
    let wanted = read(app, &args.file).await?;
    let (mut made, mut known) = (0_usize, 0_usize);
    let mut rest = wanted.into_iter();
    loop {
        let part: Vec<Put> = rest.by_ref().take(PER_COMMIT).collect();
        if part.is_empty() {
            break;
        }
        let (count, rules, is_dry) = (part.len(), app.rules(), args.dry_run);
        let at = (app.now(), app.real_now());
        let new = app
            .db
            .write(0, move |tx| {
                let mut new = 0;
                for put in &part {
                    new += usize::from(if is_dry {
                        put.is_new(tx)?
                    } else {
                        put.save(tx, &rules, at)?.is_some_and(|(is_new, _)| is_new)
                    });
                }
                Ok(new)
            })
            .await?;
        made += new;
        known += count - new;
    }
    let verb = if args.dry_run {
        "would be made"
    } else {
        "made"
    };
    out.answer(
        &json!({ "made": made, "known": known, "dryRun": args.dry_run }),
        format!("{made} accounts {verb}, {known} were there"),
    );
    Ok(())
}

/// All of the file, or the first line that is wrong: then nothing is made.
async fn read(app: &App, path: &PathBuf) -> anyhow::Result<Vec<Put>> {
    let file = tokio::fs::File::open(path)
        .await
        .map_err(|error| anyhow::anyhow!("{} cannot be read: {error}", path.display()))?;
    let length = file.metadata().await?.len();
    anyhow::ensure!(
        length <= FILE_BYTES_MAX,
        "{} is longer than {FILE_BYTES_MAX} bytes: split it.",
        path.display()
    );
    let mut lines = BufReader::new(file.take(FILE_BYTES_MAX)).lines();
    let (mut all, mut number) = (Vec::new(), 0_usize);
    while let Some(text) = lines.next_line().await? {
        number += 1;
        if text.trim().is_empty() {
            continue;
        }
        all.push(line(app, &text).map_err(|why| anyhow::anyhow!("Line {number}: {why}"))?);
    }
    Ok(all)
}

fn line(app: &App, text: &str) -> anyhow::Result<Put> {
    anyhow::ensure!(
        text.len() <= LINE_BYTES_MAX,
        "it is longer than {LINE_BYTES_MAX} bytes"
    );
    let mut fields: Map<String, Value> = serde_json::from_str(text)?;
    let Some(Value::String(id)) = fields.remove("id") else {
        anyhow::bail!("it has no \"id\", the host application's own, as text");
    };
    let account: PutAccount = serde_json::from_value(Value::Object(fields))?;
    Put::read(app, "cli", id, account).map_err(|error| anyhow::anyhow!("{error}"))
}
