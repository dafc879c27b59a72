//! Credit notes as of their account's last sync: documents that explain why an invoice was
//! corrected. The money they move is recorded separately.

use domain::projection::CreditNoteStatus;
use domain::time::Timestamp;

use crate::args;
use crate::db::{Tx, record, sql};
use crate::error::{Error, Result};

macro_rules! columns {
    () => {
        "credit_note_id, account_id, invoice_id, number, status, amount_minor, refunded_minor,
         out_of_band_minor, pre_payment_minor, currency, reason, pdf_url, created_at, voided_at"
    };
}

record! {
    /// A credit note of an account.
    pub struct CreditNote {
        /// Stripe's id of the credit note: `cn_...`.
        pub credit_note_id: String,
        /// The account that the credit note belongs to.
        pub account_id: i64,
        /// Stripe's id of the invoice that it corrects.
        pub invoice_id: String,
        /// The number that the customer sees on the credit note.
        pub number: String,
        /// Stripe's status: `issued` or `void`.
        pub status: String,
        /// The total, in minor units.
        pub amount_minor: i64,
        /// The part that was refunded, which the transactions record separately.
        pub refunded_minor: i64,
        /// The part that was repaid outside Stripe.
        pub out_of_band_minor: i64,
        /// The part that reduced an open invoice.
        pub pre_payment_minor: i64,
        /// The currency, as an ISO code in lower case.
        pub currency: String,
        /// The reason, in Stripe's words.
        pub reason: Option<String>,
        /// The address of the PDF at Stripe.
        pub pdf_url: Option<String>,
        /// The time at which the credit note was created at Stripe.
        pub created_at: Timestamp,
        /// The time at which the credit note was voided; `None` while it is valid.
        pub voided_at: Option<Timestamp>,
    }
}

impl CreditNote {
    /// Whether the credit note was voided.
    pub fn is_void(&self) -> bool {
        CreditNoteStatus::from_word(&self.status) == Some(CreditNoteStatus::Void)
    }

    /// The part that was credited to the customer's balance: the total less the other parts.
    pub fn balance_minor(&self) -> i64 {
        let elsewhere = self.refunded_minor + self.out_of_band_minor + self.pre_payment_minor;
        (self.amount_minor - elsewhere).max(0)
    }
}

/// Overwrites the row with what was fetched. A credit note never changes its account; an attempt is
/// a conflict.
pub fn put(tx: &mut Tx<'_>, row: &CreditNote) -> Result<()> {
    let changed = tx.execute(
        sql!(
            "insert into credit_note (",
            columns!(),
            ")
             values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)
                 on conflict (credit_note_id) do update
                set invoice_id = excluded.invoice_id,
                    number = excluded.number,
                    status = excluded.status,
                    amount_minor = excluded.amount_minor,
                    refunded_minor = excluded.refunded_minor,
                    out_of_band_minor = excluded.out_of_band_minor,
                    pre_payment_minor = excluded.pre_payment_minor,
                    currency = excluded.currency,
                    reason = excluded.reason,
                    pdf_url = excluded.pdf_url,
                    created_at = excluded.created_at,
                    voided_at = excluded.voided_at
              where credit_note.account_id = excluded.account_id"
        ),
        args![
            &row.credit_note_id,
            row.account_id,
            &row.invoice_id,
            &row.number,
            &row.status,
            row.amount_minor,
            row.refunded_minor,
            row.out_of_band_minor,
            row.pre_payment_minor,
            &row.currency,
            &row.reason,
            &row.pdf_url,
            row.created_at,
            row.voided_at,
        ],
    )?;
    if changed == 0 {
        return Err(Error::Conflict(format!(
            "{} is another account's",
            row.credit_note_id
        )));
    }
    Ok(())
}

/// The account's credit notes, newest first.
pub fn of_account(tx: &mut Tx<'_>, account: i64, limit: i64) -> Result<Vec<CreditNote>> {
    tx.query(
        sql!(
            "select ",
            columns!(),
            "  from credit_note
              where account_id = $1
              order by created_at desc, credit_note_id desc
              limit $2"
        ),
        args![account, limit],
    )
}

/// Finds one of the account's credit notes.
pub fn find(tx: &mut Tx<'_>, account: i64, id: &str) -> Result<Option<CreditNote>> {
    tx.query_opt(
        sql!(
            "select ",
            columns!(),
            " from credit_note where account_id = $1 and credit_note_id = $2"
        ),
        args![account, id],
    )
}

/// Finds the account of a credit note, for the sync worker that has only the object's id.
pub fn account_of(tx: &mut Tx<'_>, id: &str) -> Result<Option<i64>> {
    tx.query_opt(
        "select account_id from credit_note where credit_note_id = $1",
        args![id],
    )
}
