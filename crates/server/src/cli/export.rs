//! `admin export`: every table of business rows as files in a folder.

use std::path::PathBuf;

use serde_json::json;
use store::export::TABLES;
use tokio::io::AsyncWriteExt;

use super::output::Output;
use crate::api::stream::{self, Format};
use crate::app::App;

/// What to export, and where to.
#[derive(Clone, Debug, clap::Args)]
pub struct ExportArgs {
    /// The folder; made when it is not there.
    #[arg(long)]
    pub to: PathBuf,
    /// csv or jsonl.
    #[arg(long, default_value = "csv", value_parser = ["csv", "jsonl"])]
    format: String,
    /// Only this table.
    #[arg(long)]
    table: Option<String>,
    /// Only says what there is.
    #[arg(long)]
    dry_run: bool,
}

/// Writes the files, page by page.
pub async fn run(app: &App, args: &ExportArgs, out: &mut Output) -> anyhow::Result<()> {
    let format = match args.format.as_str() {
        "jsonl" => Format::JsonLines,
        _ => Format::Csv,
    };
    let tables: Vec<_> = match &args.table {
        None => TABLES.iter().collect(),
        Some(name) => {
            let table = store::export::table(name);
            vec![table.ok_or_else(|| anyhow::anyhow!("There is no table {name} to export."))?]
        }
    };
    if !args.dry_run {
        tokio::fs::create_dir_all(&args.to).await?;
        let (detail, now) = (json!({ "format": args.format }).to_string(), app.real_now());
        app.write(0, move |tx| {
            store::audit_log::append(tx, "cli", "export", "all", &detail, None, now).map(|_| ())
        })
        .await?;
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
    Ok(())
}

async fn write(
    app: &App,
    table: &'static store::export::Table,
    format: Format,
    path: &std::path::Path,
) -> anyhow::Result<usize> {
    let file = tokio::fs::File::create(path).await?;
    let mut file = tokio::io::BufWriter::new(file);
    file.write_all(format.head(table).as_bytes()).await?;
    let (mut last, mut count) = (None, 0);
    loop {
        let rows = stream::page(app, table, last).await?;
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
