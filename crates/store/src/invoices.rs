//! Invoices as of their account's last sync.

use domain::projection::InvoiceStatus;
use domain::time::Timestamp;

use crate::args;
use crate::db::{Tx, record, sql};
use crate::error::{Error, Result};

macro_rules! columns {
    () => {
        "invoice_id, account_id, subscription_id, number, status, billing_reason, amount_due,
         amount_paid, currency, created_at, period_start, period_end, attempt_count,
         next_payment_attempt, hosted_url, pdf_url, paid_at, discount_minor, tier,
         prorated, charged_minor, reversed_minor, disputed"
    };
}

record! {
    /// An invoice of an account.
    pub struct Invoice {
        /// Stripe's id of the invoice: `in_...`.
        pub invoice_id: String,
        /// The account that the invoice belongs to.
        pub account_id: i64,
        /// Stripe's id of the subscription that it is for.
        pub subscription_id: Option<String>,
        /// The number that the customer sees on the invoice.
        pub number: Option<String>,
        /// The status, in Stripe's words.
        pub status: String,
        /// The reason for the invoice, in Stripe's words.
        pub billing_reason: Option<String>,
        /// The amount that is due, in minor units.
        pub amount_due: i64,
        /// The amount that was paid, in minor units.
        pub amount_paid: i64,
        /// The currency, as an ISO code in lower case.
        pub currency: String,
        /// The time at which the invoice was created at Stripe.
        pub created_at: Timestamp,
        /// The start of the period that the invoice is for.
        pub period_start: Option<Timestamp>,
        /// The end of the period that the invoice is for.
        pub period_end: Option<Timestamp>,
        /// The number of attempts by Stripe to collect the payment, without one in progress.
        pub attempt_count: i64,
        /// The time of Stripe's next payment attempt.
        pub next_payment_attempt: Option<Timestamp>,
        /// The address of the page where it can be viewed and paid.
        pub hosted_url: Option<String>,
        /// The address of the PDF at Stripe.
        pub pdf_url: Option<String>,
        /// The time at which the invoice was paid; `None` while it is not.
        pub paid_at: Option<Timestamp>,
        /// The discount that codes and coupons gave, in minor units.
        pub discount_minor: i64,
        /// The tier of its price; `None` when the price isn't a plan's.
        pub tier: Option<String>,
        /// Whether it charges for a change within a period rather than for a period.
        pub prorated: bool,
        /// The amount of the charge that paid it, in minor units; zero when none did.
        pub charged_minor: i64,
        /// The part of that charge that went back, in minor units.
        pub reversed_minor: i64,
        /// Whether a dispute about that charge is open.
        pub disputed: bool,
    }
}

impl Invoice {
    /// The status as an enum; `None` for a word that this version doesn't know.
    pub fn status(&self) -> Option<InvoiceStatus> {
        InvoiceStatus::from_word(&self.status)
    }
}

/// Overwrites the row with what was fetched. An invoice never changes its account; an attempt is a
/// conflict.
pub fn put(tx: &mut Tx<'_>, row: &Invoice) -> Result<()> {
    let changed = tx.execute(
        sql!(
            "insert into invoice (",
            columns!(),
            ")
             values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18,
                     $19, $20, $21, $22, $23)
                 on conflict (invoice_id) do update
                set subscription_id = excluded.subscription_id,
                    number = excluded.number,
                    status = excluded.status,
                    billing_reason = excluded.billing_reason,
                    amount_due = excluded.amount_due,
                    amount_paid = excluded.amount_paid,
                    currency = excluded.currency,
                    created_at = excluded.created_at,
                    period_start = excluded.period_start,
                    period_end = excluded.period_end,
                    attempt_count = excluded.attempt_count,
                    next_payment_attempt = excluded.next_payment_attempt,
                    hosted_url = excluded.hosted_url,
                    pdf_url = excluded.pdf_url,
                    paid_at = excluded.paid_at,
                    discount_minor = excluded.discount_minor,
                    tier = excluded.tier,
                    prorated = excluded.prorated,
                    charged_minor = excluded.charged_minor,
                    reversed_minor = excluded.reversed_minor,
                    disputed = excluded.disputed
              where invoice.account_id = excluded.account_id"
        ),
        args![
            &row.invoice_id,
            row.account_id,
            &row.subscription_id,
            &row.number,
            &row.status,
            &row.billing_reason,
            row.amount_due,
            row.amount_paid,
            &row.currency,
            row.created_at,
            row.period_start,
            row.period_end,
            row.attempt_count,
            row.next_payment_attempt,
            &row.hosted_url,
            &row.pdf_url,
            row.paid_at,
            row.discount_minor,
            &row.tier,
            row.prorated,
            row.charged_minor,
            row.reversed_minor,
            row.disputed,
        ],
    )?;
    if changed == 0 {
        return Err(Error::Conflict(format!(
            "{} is another account's",
            row.invoice_id
        )));
    }
    Ok(())
}

/// Lists the account's invoices, the newest first.
pub fn of_account(tx: &mut Tx<'_>, account: i64, limit: i64) -> Result<Vec<Invoice>> {
    tx.query(
        sql!(
            "select ",
            columns!(),
            "  from invoice
              where account_id = $1
              order by created_at desc, invoice_id desc
              limit $2"
        ),
        args![account, limit],
    )
}

/// The account's invoices except drafts, newest first, after the one given by `before`.
pub fn page(
    tx: &mut Tx<'_>,
    account: i64,
    before: Option<&Invoice>,
    limit: i64,
) -> Result<Vec<Invoice>> {
    let end = (Timestamp::from_micros(i64::MAX), String::new());
    let (at, id) = before.map_or(end, |row| (row.created_at, row.invoice_id.clone()));
    tx.query(
        sql!(
            "select ",
            columns!(),
            "  from invoice
              where account_id = $1
                and status <> 'draft'
                and (created_at < $2 or created_at = $2 and invoice_id < $3)
              order by created_at desc, invoice_id desc
              limit $4"
        ),
        args![account, at, &id, limit],
    )
}

/// Finds one of the account's invoices.
pub fn find(tx: &mut Tx<'_>, account: i64, invoice_id: &str) -> Result<Option<Invoice>> {
    tx.query_opt(
        sql!(
            "select ",
            columns!(),
            " from invoice where account_id = $1 and invoice_id = $2"
        ),
        args![account, invoice_id],
    )
}

/// The account's open subscription invoices, oldest first: the starting point of dunning.
pub fn unpaid(tx: &mut Tx<'_>, account: i64) -> Result<Vec<Invoice>> {
    tx.query(
        sql!(
            "select ",
            columns!(),
            "  from invoice
              where account_id = $1
                and status = 'open'
                and subscription_id is not null
              order by created_at, invoice_id"
        ),
        args![account],
    )
}

/// The account's invoices whose status Stripe may still change, newest first.
pub fn unsettled(tx: &mut Tx<'_>, account: i64, limit: i64) -> Result<Vec<String>> {
    tx.query(
        "select invoice_id
           from invoice
          where account_id = $1
            and status in ('draft', 'open', 'uncollectible')
          order by created_at desc, invoice_id
          limit $2",
        args![account, limit],
    )
}

/// Finds the account of an invoice, for the sync worker that has only the object's id.
pub fn account_of(tx: &mut Tx<'_>, invoice_id: &str) -> Result<Option<i64>> {
    tx.query_opt(
        "select account_id from invoice where invoice_id = $1",
        args![invoice_id],
    )
}
