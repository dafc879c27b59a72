//! `admin seed`: creates accounts for users that the host application had before it had billing.
//! Running it again creates nothing twice and changes no credits.

use std::collections::HashMap;
use std::path::PathBuf;

use billing::accounts::put::{Outcome, Put, PutAccount};
use billing::app::App;
use serde_json::{Map, Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};

use crate::cli::output::{Output, counted};

/// Longest file, in bytes.
const FILE_BYTES_MAX: u64 = 256 * 1024 * 1024;

/// Longest line, in bytes.
const LINE_BYTES_MAX: usize = 16 * 1024;

/// Accounts that wait for the database at once.
const AT_ONCE: usize = 250;

/// Options of `admin seed`.
#[derive(Clone, Debug, clap::Args)]
pub struct SeedArgs {
    /// A file with one line of JSON per account: `{"id": "user-1", "name": "Maya", "email":
    /// "..."}`. The id is the host application's own.
    pub file: PathBuf,
    /// Checks the file and shows what would be created.
    #[arg(long)]
    dry_run: bool,
}

/// Checks every line, then creates the accounts.
pub async fn run(app: &App, args: &SeedArgs, out: &mut Output) -> anyhow::Result<()> {
    let wanted = read(app, &args.file).await?;
    let mut sums = Sums::default();
    // What a dry run doesn't write, a later line can't meet.
    let mut addresses = HashMap::new();
    let mut rest = wanted.into_iter();
    loop {
        let part: Vec<Put> = rest.by_ref().take(AT_ONCE).collect();
        if part.is_empty() {
            break;
        }
        let names = part.iter().map(|put| {
            let id = put.id().to_owned();
            let email = put.email().map(str::to_owned);
            let is_first = match email.filter(|_| args.dry_run) {
                Some(email) => *addresses.entry(email).or_insert_with(|| id.clone()) == id,
                None => true,
            };
            (id, is_first)
        });
        let names: Vec<(String, bool)> = names.collect();
        // They share commits.
        let saved = part.into_iter().map(|put| put.run(app, args.dry_run));
        let saved = futures_util::future::join_all(saved).await;
        for ((id, is_first), outcome) in names.into_iter().zip(saved) {
            let outcome = outcome.map_err(|error| anyhow::anyhow!("{id}: {error}"))?;
            sums.count(id, if is_first { outcome } else { Outcome::Taken });
        }
    }
    sums.report(args.dry_run, out);
    anyhow::ensure!(
        sums.refused.is_empty(),
        "{} not created, because the email address belongs to another account or to an operator: {}",
        counted(sums.refused.len(), "account"),
        sums.refused.join(", ")
    );
    Ok(())
}

/// What became of the lines.
#[derive(Default)]
struct Sums {
    made: usize,
    adopted: usize,
    known: usize,
    refused: Vec<String>,
}

impl Sums {
    fn count(&mut self, id: String, outcome: Outcome) {
        match outcome {
            Outcome::Saved(saved) if saved.is_new => self.made += 1,
            Outcome::Saved(saved) if saved.adopted => self.adopted += 1,
            Outcome::Saved(_) | Outcome::Absent => self.known += 1,
            Outcome::Taken | Outcome::Operator => self.refused.push(id),
        }
    }

    fn report(&self, is_dry: bool, out: &mut Output) {
        let verb = if is_dry {
            "would be created"
        } else {
            "created"
        };
        let (made, adopted, known) = (self.made, self.adopted, self.known);
        let text = match adopted {
            0 => format!(
                "{} {verb}, {known} already existed.",
                counted(made, "account")
            ),
            _ => format!(
                "{} {verb}, {adopted} adopted, {known} already existed.",
                counted(made, "account")
            ),
        };
        out.answer(
            &json!({
                "made": made, "adopted": adopted, "known": known, "refused": self.refused,
                "dryRun": is_dry,
            }),
            text,
        );
    }
}

/// Reads the whole file, or returns the first invalid line, so that an invalid file creates
/// nothing.
async fn read(app: &App, path: &PathBuf) -> anyhow::Result<Vec<Put>> {
    let file = tokio::fs::File::open(path)
        .await
        .map_err(|error| anyhow::anyhow!("{} cannot be read: {error}", path.display()))?;
    let length = file.metadata().await?.len();
    anyhow::ensure!(
        length <= FILE_BYTES_MAX,
        "{} is larger than {FILE_BYTES_MAX} bytes; split it.",
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
        anyhow::bail!("\"id\" must be a string: the host application's own id");
    };
    let account: PutAccount = serde_json::from_value(Value::Object(fields))?;
    Put::read(app, "cli", id, account).map_err(|error| anyhow::anyhow!("{error}"))
}
