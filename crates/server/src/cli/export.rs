//! `admin export`: writes every table of business rows, or the data of one account, to files.

use std::path::{Path, PathBuf};

use billing::app::App;
use billing::export::table::Format;
use billing::export::{own_data, table};
use billing::operators::audit_log::{Action, Author, COMMAND_LINE};
use serde_json::{Value, json};
use store::export::TABLES;
use tokio::io::AsyncWriteExt;

use crate::cli::access;
use crate::cli::output::Output;

/// Options of `admin export`.
#[derive(Clone, Debug, clap::Args)]
pub struct ExportArgs {
    /// Folder to write to. It is created if it doesn't exist.
    #[arg(long)]
    pub to: PathBuf,
    /// Format of the files: csv or jsonl.
    #[arg(long, default_value = "csv", value_parser = ["csv", "jsonl"])]
    format: String,
    /// Exports only this table.
    #[arg(long)]
    table: Option<String>,
    /// Exports the data of one account as a JSON document. The account is named by its id, the host
    /// application's id for it, its Stripe customer or a user's email address.
    #[arg(long, conflicts_with_all = ["table", "format"])]
    account: Option<String>,
    /// Lists the files that would be written.
    #[arg(long)]
    dry_run: bool,
}

/// Writes the files, reading the tables page by page.
pub async fn run(app: &App, args: &ExportArgs, out: &mut Output) -> anyhow::Result<()> {
    if let Some(name) = &args.account {
        return one_account(app, name, args, out).await;
    }
    let format = match args.format.as_str() {
        "jsonl" => Format::JsonLines,
        _ => Format::Csv,
    };
    let tables: Vec<_> = match &args.table {
        None => TABLES.iter().collect(),
        Some(name) => {
            let table = store::export::table(name);
            vec![table.ok_or_else(|| anyhow::anyhow!("There is no table named {name}."))?]
        }
    };
    if !args.dry_run {
        begin(app, &args.to, "all", Some(&args.format)).await?;
    }
    let mut files = Vec::new();
    for table in tables {
        let path = args.to.join(format!("{}.{}", table.name, format.ending()));
        let rows = if args.dry_run {
            0
        } else {
            write(app, table, format, &path).await?
        };
        files.push(json!({ "table": table.name, "file": path, "rows": rows }));
    }
    list_files(out, &files);
    Ok(())
}

/// Creates the folder, and records the export in the audit log.
async fn begin(app: &App, to: &Path, subject: &str, format: Option<&str>) -> anyhow::Result<()> {
    tokio::fs::create_dir_all(to).await?;
    let (subject, format) = (subject.to_owned(), format.map(str::to_owned));
    let author = Author::new(app, COMMAND_LINE);
    app.db
        .write(0, move |tx| {
            let act = author.act(Action::Export, &subject);
            match &format {
                Some(format) => act.with("format", json!(format)).append(tx),
                None => act.append(tx),
            }
        })
        .await?;
    Ok(())
}

fn list_files(out: &mut Output, files: &[Value]) {
    let text: Vec<String> = files
        .iter()
        .map(|file| {
            format!(
                "{:>9}  {}",
                file["rows"],
                file["file"].as_str().unwrap_or("")
            )
        })
        .collect();
    out.answer(&json!({ "files": files }), text.join("\n"));
}

async fn one_account(
    app: &App,
    name: &str,
    args: &ExportArgs,
    out: &mut Output,
) -> anyhow::Result<()> {
    let account = access::account(app, name).await?;
    let path = args.to.join(own_data::file_name(&account));
    let mut rows = 0;
    if !args.dry_run {
        begin(app, &args.to, &account.public_id, None).await?;
        let file = tokio::fs::File::create(&path).await?;
        let mut file = tokio::io::BufWriter::new(file);
        let mut place = own_data::Place::default();
        while let Some((text, next)) = own_data::part(app, &account, place).await? {
            rows += own_data::rows_in(&text);
            file.write_all(text.as_bytes()).await?;
            place = next;
        }
        file.flush().await?;
        file.into_inner().sync_all().await?;
    }
    list_files(
        out,
        &[json!({ "account": account.public_id, "file": path, "rows": rows })],
    );
    Ok(())
}

async fn write(
    app: &App,
    table: &'static store::export::Table,
    format: Format,
    path: &Path,
) -> anyhow::Result<usize> {
    let file = tokio::fs::File::create(path).await?;
    let mut file = tokio::io::BufWriter::new(file);
    file.write_all(format.head(table).as_bytes()).await?;
    let (mut last, mut count) = (None, 0);
    loop {
        let rows = table::page(app, table, None, last).await?;
        count += rows.len();
        file.write_all(format.rows(table, &rows).as_bytes()).await?;
        match rows.last() {
            Some(row) => last = Some(row.clone()),
            None => break,
        }
    }
    file.flush().await?;
    file.into_inner().sync_all().await?;
    Ok(count)
}
