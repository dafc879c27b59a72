//! `report`: accounting reports, such as deferred revenue by month.

use billing::app::App;
use billing::exact::Exact;
use domain::deferred::{Amounts, Flow, Reader, Report};
use domain::money::{Currency, MinorUnits};
use domain::time::Timestamp;
use serde::Serialize;

use crate::cli::DIFFERENT;
use crate::cli::output::Output;

/// Accounts read in one query.
const ACCOUNTS_MAX: i64 = 32;

/// Journal entries held in memory at once.
const PAGE: i64 = 1_000;

/// The subcommands of `report`.
#[derive(Clone, Debug, clap::Subcommand)]
pub enum ReportCommand {
    /// Prints the deferred revenue of a month: prepaid credits at its opening, sold, used, expired,
    /// refunded and at its closing.
    Deferred {
        /// Month in UTC, for example 2026-11.
        #[arg(long)]
        month: String,
    },
}

/// Runs a subcommand of `report`. Exits with 3 if the report doesn't reconcile with the ledger.
pub async fn run(app: &App, command: &ReportCommand, out: &mut Output) -> anyhow::Result<u8> {
    let ReportCommand::Deferred { month } = command;
    let from = read_month(month)?;
    let report = deferred(app, from, from.plus_months(1)).await?;
    let shown = Shown::of(month, &report);
    out.exact(&shown, text(&shown));
    Ok(if report.ties() { 0 } else { DIFFERENT })
}

fn read_month(text: &str) -> anyhow::Result<Timestamp> {
    let is_month = text.len() == 7 && text.as_bytes().get(4) == Some(&b'-');
    let first = domain::time::parse(&format!("{text}-01")).filter(|_| is_month);
    first.ok_or_else(|| anyhow::anyhow!("--month must be a month such as 2026-11, not {text}"))
}

/// Computes the report of the time from `from` up to but not including `until`, by reading every
/// journal once, account by account. Fails if the database can't be read.
pub async fn deferred(app: &App, from: Timestamp, until: Timestamp) -> anyhow::Result<Report> {
    let (mut report, mut after) = (Report::default(), 0);
    loop {
        let (last, part) = app
            .read(move |tx| {
                let accounts = store::ledger::accounts_with_wallet(tx, after, ACCOUNTS_MAX)?;
                let mut part = Report::default();
                for account in &accounts {
                    part.add(&of_account(tx, *account, from, until)?);
                }
                Ok((accounts.last().copied(), part))
            })
            .await?;
        report.add(&part);
        match last {
            Some(last) => after = last,
            None => return Ok(report),
        }
    }
}

fn of_account(
    tx: &mut store::Tx<'_>,
    account: i64,
    from: Timestamp,
    until: Timestamp,
) -> store::Result<Report> {
    let (mut reader, mut seq) = (Reader::new(from, until), 0);
    loop {
        let page = store::ledger::journal_after(tx, account, seq, PAGE)?;
        let Some(last) = page.last() else {
            return Ok(reader.finish());
        };
        seq = last.seq;
        let is_past_end = last.at >= until;
        for entry in &page {
            reader.take(entry);
        }
        if is_past_end {
            return Ok(reader.finish());
        }
    }
}

#[derive(Debug, Serialize)]
struct Shown {
    month: String,
    prepaid: Vec<ShownFlow>,
    free: ShownFlow,
    /// Total credits of all accounts at the end of the month, from their journals.
    ledger: Exact,
    ties: bool,
}

#[derive(Debug, Serialize)]
struct ShownFlow {
    #[serde(skip_serializing_if = "Option::is_none")]
    currency: Option<String>,
    opening: ShownAmounts,
    sold: ShownAmounts,
    used: ShownAmounts,
    expired: ShownAmounts,
    refunded: ShownAmounts,
    corrected: ShownAmounts,
    closing: ShownAmounts,
}

#[derive(Debug, Serialize)]
struct ShownAmounts {
    credits: Exact,
    #[serde(skip_serializing_if = "Option::is_none")]
    amount: Option<String>,
}

impl Shown {
    fn of(month: &str, report: &Report) -> Shown {
        let prepaid = report.prepaid.iter();
        Shown {
            month: month.to_owned(),
            prepaid: prepaid
                .map(|(code, flow)| ShownFlow::of(Some(code), flow))
                .collect(),
            free: ShownFlow::of(None, &report.free),
            ledger: Exact(report.posted),
            ties: report.ties(),
        }
    }
}

impl ShownFlow {
    fn of(code: Option<&String>, flow: &Flow) -> ShownFlow {
        let currency = code.and_then(|code| Currency::parse(code));
        let shown = |part: Amounts| ShownAmounts {
            credits: Exact(part.credits),
            amount: currency.map(|currency| MinorUnits::new(part.minor, currency).decimal_text()),
        };
        ShownFlow {
            currency: code.cloned(),
            opening: shown(flow.opening),
            sold: shown(flow.sold),
            used: shown(flow.used),
            expired: shown(flow.expired),
            refunded: shown(flow.refunded),
            corrected: shown(flow.corrected),
            closing: shown(flow.closing),
        }
    }

    fn lines(&self) -> String {
        let rows = [
            ("opening", &self.opening),
            ("sold", &self.sold),
            ("used", &self.used),
            ("expired", &self.expired),
            ("refunded", &self.refunded),
            ("corrected", &self.corrected),
            ("closing", &self.closing),
        ];
        let mut text = String::new();
        for (name, part) in rows {
            let credits = part.credits.0.to_string();
            let amount = part.amount.as_deref().unwrap_or("");
            text.push_str(&format!("  {name:<10}{credits:>22}{amount:>16}\n"));
        }
        text
    }
}

fn text(shown: &Shown) -> String {
    let mut text = String::new();
    for flow in &shown.prepaid {
        let currency = flow.currency.as_deref().unwrap_or("");
        text.push_str(&format!(
            "Prepaid, credits and {currency}\n{}",
            flow.lines()
        ));
    }
    text.push_str(&format!("Free, credits\n{}", shown.free.lines()));
    let ties = if shown.ties {
        "Reconciles with the ledger"
    } else {
        "DOES NOT RECONCILE WITH THE LEDGER; run `audit`"
    };
    text.push_str(&format!(
        "{ties}: {} credits in all wallets.",
        shown.ledger.0
    ));
    text
}
