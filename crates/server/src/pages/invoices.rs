//! `/dashboard/billing/invoices`: the invoices of an account with their files.

use askama::Template;
use axum::extract::State;
use axum::response::Html;
use domain::money::{Currency, MinorUnits};
use serde::Deserialize;
use store::credit_notes::CreditNote;
use store::invoices::Invoice;

use super::components::{Badge, Pager};
use super::format::{self, When};
use super::icons::Icon;
use super::layout::{Nav, Shell};
use super::offer;
use super::serve::{account_shell, html, while_billing_is_on};
use crate::actors::SignedIn;
use crate::app::App;
use crate::error::{Error, Result};
use crate::http::error::HttpResult;
use crate::http::params::Params;

/// Invoices on one page.
const ROWS: usize = 20;
/// Credit notes that are looked through for those of a page's invoices.
const NOTES_MAX: i64 = 500;
/// This page.
pub const INVOICES: &str = "/dashboard/billing/invoices";

/// Where the list goes on.
#[derive(Debug, Deserialize)]
pub struct Asked {
    after: Option<String>,
}

/// `GET /dashboard/billing/invoices`
pub async fn show(
    State(app): State<App>,
    caller: SignedIn,
    Params(asked): Params<Asked>,
) -> HttpResult<Html<String>> {
    while_billing_is_on(&app)?;
    let listed = read(&app, caller.account.id, asked.after).await?;
    html(&InvoicesPage {
        shell: account_shell(&app, &caller, Nav::Billing),
        lead: format!("Invoices of {}", caller.account.name),
        pager: listed.pager(INVOICES),
        rows: listed.rows,
    })
}

/// A page of the list.
#[derive(Debug)]
pub struct Listed {
    /// Newest first.
    pub rows: Vec<InvoiceRow>,
    /// The invoice after which older ones follow.
    pub last: Option<String>,
    is_first_page: bool,
}

impl Listed {
    /// How to go on, on the page at `path`.
    fn pager(&self, path: &str) -> Pager {
        let count = u64::try_from(self.rows.len()).unwrap_or(u64::MAX);
        Pager {
            summary: format::counted(count, "invoice", "invoices"),
            newest: (!self.is_first_page).then(|| path.to_owned()),
            older: self.last.as_ref().map(|id| format!("{path}?after={id}")),
        }
    }
}

/// Reads the invoices after the named one, which must be the account's.
pub async fn read(app: &App, account: i64, after: Option<String>) -> Result<Listed> {
    let is_first_page = after.is_none();
    let found = app
        .read(move |tx| {
            let before = match &after {
                Some(id) => match store::invoices::find(tx, account, id)? {
                    Some(row) => Some(row),
                    None => return Ok(None),
                },
                None => None,
            };
            let limit = i64::try_from(ROWS).expect("small") + 1;
            let rows = store::invoices::page(tx, account, before.as_ref(), limit)?;
            let notes = store::credit_notes::of_account(tx, account, NOTES_MAX)?;
            Ok(Some((rows, notes)))
        })
        .await?;
    let nothing = || Error::not_found("There is no such invoice to go on from.");
    let (mut found, notes) = found.ok_or_else(nothing)?;
    let has_more = found.len() > ROWS;
    found.truncate(ROWS);
    let last = found.last().filter(|_| has_more);
    Ok(Listed {
        last: last.map(|row| row.invoice_id.clone()),
        is_first_page,
        rows: found
            .iter()
            .map(|row| InvoiceRow::of(row, &notes))
            .collect(),
    })
}

/// The invoices.
#[derive(Clone, Debug, Template)]
#[template(path = "invoices.html")]
pub struct InvoicesPage {
    /// The frame.
    pub shell: Shell,
    /// "Invoices of Acme Robotics"
    pub lead: String,
    /// Newest first.
    pub rows: Vec<InvoiceRow>,
    /// Older ones.
    pub pager: Pager,
}

/// One invoice.
#[derive(Clone, Debug)]
pub struct InvoiceRow {
    /// The number people read.
    pub number: String,
    /// Its day.
    pub when: When,
    /// "$9.50"
    pub amount: String,
    /// "$9.50 off", where a code took something off it.
    pub discount: Option<String>,
    /// "$5.00 credited: A1B2-0001-CN-01", a line for each credit note.
    pub credits: Vec<String>,
    /// Its state in a word.
    pub badge: Badge,
    /// Stripe's page of it.
    pub url: Option<String>,
    /// Its file.
    pub pdf: Option<String>,
}

impl InvoiceRow {
    fn of(row: &Invoice, notes: &[CreditNote]) -> InvoiceRow {
        let currency = Currency::parse(&row.currency).unwrap_or(Currency::USD);
        let money = |minor| offer::money(MinorUnits::new(minor, currency));
        let off = (row.discount_minor > 0).then(|| money(row.discount_minor));
        InvoiceRow {
            number: row.number.clone().unwrap_or_else(|| "Invoice".to_owned()),
            when: format::day(row.created_at.micros()),
            amount: money(row.amount_due.max(row.amount_paid)),
            discount: off.map(|off| format!("{off} off")),
            credits: notes
                .iter()
                .filter(|note| note.invoice_id == row.invoice_id && note.status != "void")
                .map(|note| format!("{} credited: {}", money(note.amount_minor), note.number))
                .collect(),
            badge: badge(&row.status),
            url: row.hosted_url.clone(),
            pdf: row.pdf_url.clone(),
        }
    }
}

/// An invoice's status in a word.
fn badge(status: &str) -> Badge {
    match status {
        "paid" => Badge::ok("Paid"),
        "open" => Badge::warn("Open"),
        "void" => Badge::plain("Taken back"),
        "uncollectible" => Badge::bad("Not collected"),
        other => Badge::plain(other),
    }
}

impl InvoicesPage {
    /// None, some, and the worst names.
    pub fn samples() -> Vec<(&'static str, Self)> {
        use super::samples::{self, EVIL, LONG};

        let empty = Self {
            shell: samples::customer(Nav::Billing),
            lead: "Invoices of Acme Robotics".to_owned(),
            rows: Vec::new(),
            pager: Pager::default(),
        };
        let some = Self {
            shell: samples::customer_in_test_mode(Nav::Billing),
            rows: sample_rows(),
            pager: Pager {
                summary: "3 invoices".to_owned(),
                newest: None,
                older: Some(format!("{INVOICES}?after=in_3")),
            },
            ..empty.clone()
        };
        let row = InvoiceRow {
            number: format!("{LONG} {EVIL}"),
            amount: format::money(i64::MAX, "kwd", 3),
            discount: Some(EVIL.to_owned()),
            credits: vec![EVIL.to_owned(), LONG.to_owned()],
            badge: Badge::bad(EVIL),
            url: Some("https://x.example/\"><script>".to_owned()),
            pdf: Some("https://x.example/\"><script>".to_owned()),
            ..sample_rows().remove(0)
        };
        let worst = Self {
            shell: samples::worst(Nav::Billing),
            lead: EVIL.to_owned(),
            rows: vec![row; ROWS],
            pager: Pager::default(),
        };
        vec![("empty", empty), ("typical", some), ("worst", worst)]
    }
}

/// Rows that the samples share.
pub(super) fn sample_rows() -> Vec<InvoiceRow> {
    use super::samples::day;

    let row = |number: &str, days, amount: &str, status: &str| InvoiceRow {
        number: number.to_owned(),
        when: day(days),
        amount: amount.to_owned(),
        discount: None,
        credits: Vec::new(),
        badge: badge(status),
        url: Some("https://invoice.stripe.example/i/1".to_owned()),
        pdf: Some("https://invoice.stripe.example/i/1/pdf".to_owned()),
    };
    let mut rows = vec![
        row("A1B2-0003", -1, "$23.00", "open"),
        row("A1B2-0002", -7, "$19.00", "paid"),
        row("A1B2-0001", -38, "$9.50", "paid"),
    ];
    rows[2].discount = Some("$9.50 off".to_owned());
    rows[1].credits = vec!["$5.00 credited: A1B2-0002-CN-01".to_owned()];
    rows
}
