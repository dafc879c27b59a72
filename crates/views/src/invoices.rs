//! `/dashboard/billing/invoices`: invoices and credit notes.

use askama::Template;

use crate::components::{Badge, Pager};
use crate::format::When;
use crate::icons::Icon;
use crate::layout::{Page, Shell};
use crate::links::filters;

#[cfg(any(test, feature = "samples"))]
pub(crate) mod samples;

/// Invoices on one page.
pub const ROWS: usize = 20;

/// This page.
pub const INVOICES: &str = "/dashboard/billing/invoices";

/// The invoices.
#[derive(Clone, Debug, Template)]
#[template(path = "invoices.html")]
pub struct InvoicesPage {
    /// The frame around the page.
    pub shell: Shell,
    /// For example "Invoices of Acme Robotics".
    pub lead: String,
    /// The rows, newest first.
    pub rows: Vec<InvoiceRow>,
    /// The way to older rows.
    pub pager: Pager,
}

impl Page for InvoicesPage {
    fn shell(&self) -> &Shell {
        &self.shell
    }
}

/// One invoice.
#[derive(Clone, Debug)]
pub struct InvoiceRow {
    /// The number people read.
    pub number: String,
    /// Its day.
    pub when: When,
    /// For example "$9.50".
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

/// An invoice's status as a badge.
pub fn badge(status: &str) -> Badge {
    match status {
        "paid" => Badge::ok("Paid"),
        "open" => Badge::warn("Open"),
        "void" => Badge::plain("Void"),
        "uncollectible" => Badge::bad("Not collected"),
        other => Badge::plain(other),
    }
}
