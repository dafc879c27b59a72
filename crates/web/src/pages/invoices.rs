//! `/dashboard/billing/invoices`: an account's invoices, with their PDFs.

use axum::extract::State;
use axum::response::Html;
use billing::actors::SignedIn;
use billing::app::App;
use billing::error::{Error, Result};
use serde::Deserialize;
use store::credit_notes::CreditNote;
use store::invoices::Invoice;
use views::components::Pager;
use views::invoices::badge;
use views::invoices::{INVOICES, InvoiceRow, InvoicesPage, ROWS};
use views::layout::Nav;
use views::{format, offer};

use crate::frame::{account_shell, html};
use crate::http::error::HttpResult;
use crate::http::params::Params;
use crate::rows::money::of_row;

/// Maximum number of credit notes read to find those of a page's invoices.
const NOTES_MAX: i64 = 500;

/// The invoice after which the next page of the list begins.
#[derive(Debug, Deserialize)]
pub struct Query {
    after: Option<String>,
}

/// `GET /dashboard/billing/invoices`
pub async fn show(
    State(app): State<App>,
    caller: SignedIn,
    Params(query): Params<Query>,
) -> HttpResult<Html<String>> {
    let listed = read(&app, caller.account.id, query.after).await?;
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
    /// The rows, newest first.
    pub rows: Vec<InvoiceRow>,
    /// The id of the last invoice, after which the next page begins.
    pub last: Option<String>,
    is_first_page: bool,
}

impl Listed {
    /// The pager for the page at `path`.
    fn pager(&self, path: &str) -> Pager {
        let count = u64::try_from(self.rows.len()).unwrap_or(u64::MAX);
        Pager {
            summary: format::counted(count, "invoice", "invoices"),
            newest: (!self.is_first_page).then(|| path.to_owned()),
            older: self.last.as_ref().map(|id| format!("{path}?after={id}")),
        }
    }
}

/// Reads the invoices after the named one, which must belong to the account.
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
    let nothing = || Error::not_found("There is no such invoice to start from.");
    let (mut found, notes) = found.ok_or_else(nothing)?;
    let has_more = found.len() > ROWS;
    found.truncate(ROWS);
    let last = found.last().filter(|_| has_more);
    Ok(Listed {
        last: last.map(|row| row.invoice_id.clone()),
        is_first_page,
        rows: found.iter().map(|row| invoice_row(row, &notes)).collect(),
    })
}

/// An invoice and its credit notes as a table row.
fn invoice_row(row: &Invoice, notes: &[CreditNote]) -> InvoiceRow {
    let money = |minor| offer::money(of_row(minor, &row.currency));
    let off = (row.discount_minor > 0).then(|| money(row.discount_minor));
    InvoiceRow {
        number: row.number.clone().unwrap_or_else(|| "Invoice".to_owned()),
        when: format::day(row.created_at.micros()),
        amount: money(row.amount_due.max(row.amount_paid)),
        discount: off.map(|off| format!("{off} off")),
        credits: notes
            .iter()
            .filter(|note| note.invoice_id == row.invoice_id && !note.is_void())
            .map(|note| format!("{} credited: {}", money(note.amount_minor), note.number))
            .collect(),
        badge: badge(&row.status),
        url: row.hosted_url.clone(),
        pdf: row.pdf_url.clone(),
    }
}
