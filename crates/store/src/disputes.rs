//! Disputes about payments, as of their account's last sync, and what an operator decided about the
//! plan after a lost one.

use domain::projection::DisputeStatus;
use domain::time::Timestamp;
use domain::words;

use crate::args;
use crate::db::{Tx, record, sql, word_column};
use crate::error::{Error, Result};

macro_rules! columns {
    () => {
        "dispute_id, account_id, charge_id, payment_intent_id, subscription_id, status,
         amount_minor, currency, reason, due_by, decision, decided_by, created_at"
    };
}

words! {
    /// What happens to a plan whose payment was lost in a dispute.
    pub enum Decision {
        /// An operator is asked.
        Asked = "asked",
        /// The plan continues.
        Kept = "kept",
        /// The plan ends.
        Ended = "ended",
    }
}
word_column!(Decision);

record! {
    /// A dispute about a payment of an account.
    pub struct Dispute {
        /// Stripe's id of the dispute: `du_...` or `dp_...`.
        pub dispute_id: String,
        /// The account that paid.
        pub account_id: i64,
        /// Stripe's id of the charge: `ch_...`.
        pub charge_id: String,
        /// Stripe's id of the payment intent: `pi_...`.
        pub payment_intent_id: String,
        /// Stripe's id of the subscription that was paid for; `None` for a credit pack.
        pub subscription_id: Option<String>,
        /// The status, in Stripe's words.
        pub status: String,
        /// The disputed amount, in minor units.
        pub amount_minor: i64,
        /// The currency, as an ISO code in lower case.
        pub currency: String,
        /// The reason, in Stripe's words.
        pub reason: Option<String>,
        /// Stripe's deadline for a response.
        pub due_by: Option<Timestamp>,
        /// What happens to the plan, read by [`Dispute::decision`]; `None` unless it was lost and paid for one.
        pub decision: Option<String>,
        /// The operator who decided.
        pub decided_by: Option<String>,
        /// The time at which the dispute was created at Stripe.
        pub created_at: Timestamp,
    }
}

impl Dispute {
    /// The status as an enum; `None` for a word that this version doesn't know.
    pub fn status(&self) -> Option<DisputeStatus> {
        DisputeStatus::from_word(&self.status)
    }

    /// What happens to the plan after the dispute was lost.
    pub fn decision(&self) -> Option<Decision> {
        Decision::from_word(self.decision.as_deref()?)
    }

    /// Whether the bank has not decided yet.
    pub fn is_open(&self) -> bool {
        self.status().is_some_and(DisputeStatus::is_open)
    }
}

/// Overwrites the row with what was fetched; a decision is kept. A dispute never changes its
/// account; an attempt is a conflict.
pub fn put(tx: &mut Tx<'_>, row: &Dispute) -> Result<()> {
    let changed = tx.execute(
        sql!(
            "insert into dispute (",
            columns!(),
            ")
             values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
                 on conflict (dispute_id) do update
                set subscription_id = coalesce(excluded.subscription_id, dispute.subscription_id),
                    status = excluded.status,
                    amount_minor = excluded.amount_minor,
                    currency = excluded.currency,
                    reason = excluded.reason,
                    due_by = excluded.due_by
              where dispute.account_id = excluded.account_id"
        ),
        args![
            &row.dispute_id,
            row.account_id,
            &row.charge_id,
            &row.payment_intent_id,
            &row.subscription_id,
            &row.status,
            row.amount_minor,
            &row.currency,
            &row.reason,
            row.due_by,
            &row.decision,
            &row.decided_by,
            row.created_at,
        ],
    )?;
    if changed == 0 {
        let said = format!("{} is another account's", row.dispute_id);
        return Err(Error::Conflict(said));
    }
    Ok(())
}

/// Finds one of the account's disputes.
pub fn find(tx: &mut Tx<'_>, account: i64, dispute_id: &str) -> Result<Option<Dispute>> {
    tx.query_opt(
        sql!(
            "select ",
            columns!(),
            " from dispute where account_id = $1 and dispute_id = $2"
        ),
        args![account, dispute_id],
    )
}

/// The account's disputes, the newest first.
pub fn of_account(tx: &mut Tx<'_>, account: i64, limit: i64) -> Result<Vec<Dispute>> {
    tx.query(
        sql!(
            "select ",
            columns!(),
            "  from dispute
              where account_id = $1
              order by created_at desc, dispute_id
              limit $2"
        ),
        args![account, limit],
    )
}

/// The open disputes of all accounts, the oldest first: for alerts.
pub fn all_open(tx: &mut Tx<'_>, limit: i64) -> Result<Vec<Dispute>> {
    tx.query(
        sql!(
            "select ",
            columns!(),
            "  from dispute
              where status in ('needs_response', 'under_review')
              order by created_at, dispute_id
              limit $1"
        ),
        args![limit],
    )
}

/// The lost disputes of all accounts after which an operator is asked about a plan that still runs,
/// the oldest first: for alerts.
pub fn all_asked(tx: &mut Tx<'_>, limit: i64) -> Result<Vec<Dispute>> {
    tx.query(
        sql!(
            "select ",
            columns!(),
            "  from dispute
              where decision = 'asked'
                and exists (select 1
                              from subscription s
                             where s.subscription_id = dispute.subscription_id
                               and s.live = 1)
              order by created_at, dispute_id
              limit $1"
        ),
        args![limit],
    )
}

/// Finds a dispute of any account: for administration.
pub fn any(tx: &mut Tx<'_>, dispute_id: &str) -> Result<Option<Dispute>> {
    tx.query_opt(
        sql!("select ", columns!(), " from dispute where dispute_id = $1"),
        args![dispute_id],
    )
}

/// Records what happens to the plan after a lost dispute: once, or instead of a question. Whether
/// it was recorded.
pub fn decide(
    tx: &mut Tx<'_>,
    account: i64,
    dispute_id: &str,
    decision: Decision,
    by: Option<&str>,
) -> Result<bool> {
    let changed = tx.execute(
        "update dispute
            set decision = $3,
                decided_by = $4
          where account_id = $1
            and dispute_id = $2
            and (decision is null or decision = 'asked' and $3 <> 'asked')",
        args![account, dispute_id, decision, by],
    )?;
    Ok(changed > 0)
}

/// Removes the disputes about another product's payment, with the rows of their losses.
pub fn take_out(tx: &mut Tx<'_>, account: i64, payment_intent: &str) -> Result<u64> {
    tx.execute(
        "delete from transactions
          where account_id = $1
            and natural_key in (select 'dispute:' || dispute_id
                                  from dispute
                                 where account_id = $1 and payment_intent_id = $2)",
        args![account, payment_intent],
    )?;
    tx.execute(
        "delete from dispute where account_id = $1 and payment_intent_id = $2",
        args![account, payment_intent],
    )
}
