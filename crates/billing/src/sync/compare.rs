//! Compares our rows with Stripe's for an operator: what a sync would find, line by line. Changes
//! nothing.

use domain::plan::SubscriptionStatus;
use domain::projection::{Desired, Finding};
use domain::time::Timestamp;
use store::Tx;

use crate::app::App;
use crate::binding;
use crate::error::Result;
use crate::sync::{Held, held, projected, snapshot};

/// Maximum number of an account's rows that are compared.
const ROWS_MAX: i64 = 1_000;

/// Days of margin: one because a payment may be a day newer than its Checkout session, and a spare.
const EDGE_DAYS: i64 = 2;

/// One value, in our rows and at Stripe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ComparisonRow {
    /// The name of the compared value.
    pub name: String,
    /// The value in our rows.
    pub ours: String,
    /// The value at Stripe.
    pub theirs: String,
}

impl ComparisonRow {
    fn new(
        name: impl Into<String>,
        ours: impl Into<String>,
        theirs: impl Into<String>,
    ) -> ComparisonRow {
        ComparisonRow {
            name: name.into(),
            ours: ours.into(),
            theirs: theirs.into(),
        }
    }

    /// Whether both values are equal.
    pub fn agrees(&self) -> bool {
        self.ours == self.theirs
    }
}

/// The comparison of an account with Stripe.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Comparison {
    /// One row for each value that is compared.
    pub lines: Vec<ComparisonRow>,
    /// Findings for manual review, even if the lines agree.
    pub findings: Vec<String>,
    /// The time from which payments and invoices are compared; none if all are. A long history is
    /// read in turns, and this comparison covers one of them.
    pub since: Option<Timestamp>,
}

impl Comparison {
    /// Whether there is no difference.
    pub fn agrees(&self) -> bool {
        self.lines.iter().all(ComparisonRow::agrees)
    }
}

/// Our rows for a comparison.
pub struct Ours {
    held: Held,
    rows: Rows,
}

/// Reads our rows.
pub fn ours(tx: &mut Tx<'_>, account: i64) -> store::Result<Ours> {
    Ok(Ours {
        held: held(tx, account)?,
        rows: Rows::read(tx, account)?,
    })
}

/// Reads our rows, fetches the account from Stripe and compares them. The caller must set a
/// timeout.
pub async fn account(app: &App, account: i64) -> Result<Comparison> {
    let ours = app.read(move |tx| ours(tx, account)).await?;
    with_stripe(app, ours).await
}

/// Fetches the account from Stripe and compares it with our rows. The caller must set a timeout.
pub async fn with_stripe(app: &App, ours: Ours) -> Result<Comparison> {
    let Ours { held, rows } = ours;
    binding::check(app).await?;
    // Read as much of the history as one turn can, since sums are compared.
    let progress = crate::sync::history::Progress::default();
    let held = Held { progress, ..held };
    let fetched = snapshot::fetch(app, &held).await?;
    let wanted = projected(app, &held, &fetched, app.now());
    let left_out = fetched.progress.backfill.map(|(_, until)| until);
    let since = left_out.max(rows.left_out());
    Ok(compare(rows, wanted, since))
}

struct Rows {
    subscriptions: Vec<store::subscriptions::Subscription>,
    invoices: Vec<store::invoices::Invoice>,
    credit_notes: Vec<store::credit_notes::CreditNote>,
    transactions: Vec<store::transactions::Transaction>,
}

impl Rows {
    fn read(tx: &mut Tx<'_>, account: i64) -> store::Result<Rows> {
        let start = store::transactions::Cursor::START;
        Ok(Rows {
            subscriptions: store::subscriptions::of_account(tx, account)?,
            invoices: store::invoices::of_account(tx, account, ROWS_MAX)?,
            credit_notes: store::credit_notes::of_account(tx, account, ROWS_MAX)?,
            transactions: store::transactions::of_account(tx, account, start, ROWS_MAX)?,
        })
    }

    /// The time before which rows may not have been read.
    fn left_out(&self) -> Option<Timestamp> {
        let full = usize::try_from(ROWS_MAX).unwrap_or(usize::MAX);
        let payments = self.transactions.last().map(|row| row.occurred_at);
        let invoices = self.invoices.last().map(|row| row.created_at);
        let payments = payments.filter(|_| self.transactions.len() >= full);
        payments.max(invoices.filter(|_| self.invoices.len() >= full))
    }
}

const NONE: &str = "none";

/// Compares the period that was read on both sides.
fn compare(mut rows: Rows, mut wanted: Desired, left_out: Option<Timestamp>) -> Comparison {
    let since = left_out.map(|at| at.plus_days(EDGE_DAYS));
    let is_read = |at: Timestamp| since.is_none_or(|since| at >= since);
    rows.transactions.retain(|row| is_read(row.occurred_at));
    rows.invoices.retain(|row| is_read(row.created_at));
    wanted.transactions.retain(|one| is_read(one.occurred_at));
    wanted
        .invoices
        .retain(|one| is_read(one.fetched.created_at));
    rows.credit_notes.retain(|row| is_read(row.created_at));
    wanted.credit_notes.retain(|one| is_read(one.created_at));
    let (rows, wanted) = (&rows, &wanted);
    let mut lines = Vec::new();
    subscriptions(rows, wanted, &mut lines);
    invoices(rows, wanted, &mut lines);
    credit_notes(rows, wanted, &mut lines);
    money(rows, wanted, &mut lines);
    let findings = wanted.findings.iter().map(say).collect();
    Comparison {
        lines,
        findings,
        since,
    }
}

fn say(finding: &Finding) -> String {
    match finding {
        Finding::UnknownPrice {
            subscription,
            price,
        } => format!("{subscription} has the price {price}, which the catalog never had."),
        Finding::DuplicateSubscription { subscription } => {
            format!("{subscription} is a second subscription that can charge.")
        }
        Finding::FailedRefund {
            refund,
            payment,
            amount,
        } => {
            let amount = domain::amounts::amount(*amount);
            format!(
                "The refund {refund} of {amount} for {payment} failed, and the money has not been \
                 returned since. Refund the payment again."
            )
        }
        Finding::StrayItem {
            subscription,
            price,
        } => format!("{subscription} has an item of the price {price}, which is no add-on."),
        #[expect(unreachable_patterns, reason = "findings are added over time")]
        other => format!("{other:?}"),
    }
}

/// A timestamp as text: `2026-12-15 09:30:12`.
fn moment(at: Option<Timestamp>) -> String {
    let text = at.map(|at| at.rfc3339().replace('T', " "));
    text.map_or_else(|| NONE.to_owned(), |text| text.replace('Z', ""))
}

fn subscriptions(rows: &Rows, wanted: &Desired, lines: &mut Vec<ComparisonRow>) {
    let mut ids: Vec<&str> = wanted
        .subscriptions
        .iter()
        .map(|one| one.fetched.id.as_str())
        .collect();
    for row in &rows.subscriptions {
        if !ids.contains(&row.subscription_id.as_str()) {
            ids.push(&row.subscription_id);
        }
    }
    let many = ids.len() > 1;
    for id in ids {
        // Normally there is one, named "Plan"; if there are several, each is named by its id.
        let name = if many { id } else { "Plan" };
        let ours = rows
            .subscriptions
            .iter()
            .find(|row| row.subscription_id == id);
        let theirs = wanted.subscriptions.iter().find(|one| one.fetched.id == id);
        let plan = |tier: Option<&String>, status: &SubscriptionStatus| {
            let tier = tier.map_or("no plan", String::as_str);
            format!("{tier} {}", status.word())
        };
        lines.push(ComparisonRow::new(
            name,
            ours.map_or(NONE.to_owned(), |row| plan(row.tier.as_ref(), &row.status)),
            theirs.map_or(NONE.to_owned(), |one| {
                plan(one.facts.tier.as_ref(), &one.facts.status)
            }),
        ));
        if let (Some(ours), Some(theirs)) = (ours, theirs) {
            let end = Some(theirs.fetched.period_end);
            lines.push(ComparisonRow::new(
                "Period end",
                moment(ours.period_end),
                moment(end),
            ));
            if ours.cancel_at.is_some() || theirs.facts.cancel_at.is_some() {
                let theirs = moment(theirs.facts.cancel_at);
                lines.push(ComparisonRow::new("Ends", moment(ours.cancel_at), theirs));
            }
        }
    }
}

/// One line with the counts, and one for each invoice that differs.
fn invoices(rows: &Rows, wanted: &Desired, lines: &mut Vec<ComparisonRow>) {
    let theirs = wanted.invoices.len();
    let ours = rows.invoices.len();
    lines.push(ComparisonRow::new(
        "Invoices",
        ours.to_string(),
        theirs.to_string(),
    ));
    for invoice in wanted.invoices.iter().map(|one| &one.fetched) {
        let row = rows
            .invoices
            .iter()
            .find(|row| row.invoice_id == invoice.id);
        let ours = row.map_or(NONE, |row| row.status.as_str());
        if ours != invoice.status {
            lines.push(ComparisonRow::new(&invoice.id, ours, &invoice.status));
        }
    }
}

/// Like the invoices, but without a line if there are no credit notes.
fn credit_notes(rows: &Rows, wanted: &Desired, lines: &mut Vec<ComparisonRow>) {
    let (ours, theirs) = (rows.credit_notes.len(), wanted.credit_notes.len());
    if ours + theirs == 0 {
        return;
    }
    let name = "Credit notes";
    lines.push(ComparisonRow::new(
        name,
        ours.to_string(),
        theirs.to_string(),
    ));
    for note in &wanted.credit_notes {
        let row = rows.credit_notes.iter();
        let row = row.clone().find(|row| row.credit_note_id == note.id);
        let ours = row.map_or(NONE, |row| row.status.as_str());
        if ours != note.status {
            lines.push(ComparisonRow::new(&note.id, ours, &note.status));
        }
    }
}

fn money(rows: &Rows, wanted: &Desired, lines: &mut Vec<ComparisonRow>) {
    let ours = rows
        .transactions
        .iter()
        .filter(|row| row.kind.is_payment() && row.status.is_paid());
    let theirs = wanted
        .transactions
        .iter()
        .filter(|one| one.kind.is_payment() && one.status.is_paid());
    let paid: (i64, i64) = (
        ours.clone().map(|row| row.amount_minor).sum(),
        theirs.clone().map(|one| one.amount.amount).sum(),
    );
    let back: (i64, i64) = (
        ours.map(|row| row.refunded_minor).sum(),
        theirs
            .map(|one| one.refunded_minor.min(one.amount.amount))
            .sum(),
    );
    let currency = wanted.transactions.first().map(|one| one.amount.currency);
    let currency = currency.unwrap_or(domain::money::Currency::USD);
    let text = |minor| domain::money::MinorUnits::new(minor, currency).decimal_text();
    lines.push(ComparisonRow::new(
        "Paid in all",
        text(paid.0),
        text(paid.1),
    ));
    lines.push(ComparisonRow::new(
        "Paid back in all",
        text(back.0),
        text(back.1),
    ));
}
