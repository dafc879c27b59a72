//! `/dashboard/billing/invoices`: invoices and credit notes.

use askama::Template;

use crate::components::{Badge, Pager};
use crate::format::When;
use crate::icons::Icon;
use crate::layout::{Shell, page};
use crate::links::filters;

#[cfg(any(test, feature = "samples"))]
pub(crate) mod samples;

/// The number of invoices per page.
pub const ROWS: usize = 20;

pub const INVOICES: &str = "/dashboard/billing/invoices";

#[derive(Clone, Debug, Template)]
#[template(path = "invoices.html")]
pub struct InvoicesPage {
    pub shell: Shell,
    /// For example "Invoices of Acme Robotics".
    pub lead: String,
    /// The rows, newest first.
    pub rows: Vec<InvoiceRow>,
    pub pager: Pager,
}

page!(InvoicesPage);

#[derive(Clone, Debug)]
pub struct InvoiceRow {
    pub number: String,
    pub when: When,
    /// For example "$9.50".
    pub amount: String,
    /// For example "$9.50 off", if a discount was applied.
    pub discount: Option<String>,
    /// For example "$5.00 credited: A1B2-0001-CN-01", one line per credit note.
    pub credits: Vec<String>,
    pub badge: Badge,
    pub url: Option<String>,
    pub pdf: Option<String>,
}

pub fn badge(status: &str) -> Badge {
    match status {
        "paid" => Badge::ok("Paid"),
        "open" => Badge::warn("Open"),
        "void" => Badge::plain("Void"),
        "uncollectible" => Badge::bad("Not collected"),
        other => Badge::plain(other),
    }
}
