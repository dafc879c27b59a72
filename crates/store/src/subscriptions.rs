//! Subscriptions as of their account's last sync.

use domain::plan::SubscriptionStatus;
use domain::time::Timestamp;

use crate::args;
use crate::db::{Tx, record, sql};
use crate::error::{Error, Result};

macro_rules! columns {
    () => {
        "subscription_id, account_id, customer_id, status, tier, price_id, currency,
         amount_minor, billing_interval, period_start, period_end, cancel_at,
         cancel_at_period_end, canceled_at, ended_at, trial_end, paused, past_due_since,
         pending_change, schedule_id, live, created_at, synced_at, items,
         anchor_at, quantity, monthly_minor, discount_ends_at, pause_behavior, resumes_at,
         paused_by_us"
    };
}

record! {
    /// A subscription of an account.
    pub struct Subscription {
        /// Stripe's id of the subscription: `sub_...`.
        pub subscription_id: String,
        /// The account that the subscription belongs to.
        pub account_id: i64,
        /// Stripe's id of the customer: `cus_...`.
        pub customer_id: String,
        /// The status; an unknown word is kept.
        pub status: SubscriptionStatus,
        /// The tier of its plan; `None` when the price is unknown.
        pub tier: Option<String>,
        /// Stripe's id of the price: `price_...`.
        pub price_id: Option<String>,
        /// The currency, as an ISO code in lower case.
        pub currency: Option<String>,
        /// The price of a period, in minor units.
        pub amount_minor: Option<i64>,
        /// The billing interval: `month` or `year`.
        pub billing_interval: Option<String>,
        /// The start of the current period.
        pub period_start: Option<Timestamp>,
        /// The end of the current period.
        pub period_end: Option<Timestamp>,
        /// The time at which it is scheduled to be canceled.
        pub cancel_at: Option<Timestamp>,
        /// Whether it ends with the current period.
        pub cancel_at_period_end: bool,
        /// The time at which its cancellation was requested.
        pub canceled_at: Option<Timestamp>,
        /// The time at which the subscription ended; `None` while it has not.
        pub ended_at: Option<Timestamp>,
        /// The end of the trial; `None` without a trial.
        pub trial_end: Option<Timestamp>,
        /// Whether Stripe has paused the collection of payments.
        pub paused: bool,
        /// The time since which a payment is overdue; `None` when none is.
        pub past_due_since: Option<Timestamp>,
        /// The pending change, as JSON.
        pub pending_change: Option<String>,
        /// Stripe's id of the schedule that will change the subscription: `sub_sched_...`.
        pub schedule_id: Option<String>,
        /// Whether it can still give access.
        pub live: bool,
        /// The time at which the subscription was created at Stripe.
        pub created_at: Timestamp,
        /// The time at which the subscription was last fetched from Stripe.
        pub synced_at: Timestamp,
        /// The items besides the plan, as JSON; `None` where there are none.
        pub items: Option<String>,
        /// The time from which Stripe counts the periods; `None` until the next sync.
        pub anchor_at: Option<Timestamp>,
        /// How many units of the plan are paid for.
        pub quantity: i64,
        /// What the subscription brings each month, after the discounts that recur, in minor units;
        /// `None` until the next sync.
        pub monthly_minor: Option<i64>,
        /// When the first of these discounts ends.
        pub discount_ends_at: Option<Timestamp>,
        /// What Stripe does with invoices while the collection is paused, in its word.
        pub pause_behavior: Option<String>,
        /// When the paused collection resumes automatically.
        pub resumes_at: Option<Timestamp>,
        /// Whether we paused it, because the account was suspended.
        pub paused_by_us: bool,
    }
}

/// Overwrites the row with what was fetched. A subscription never changes its account; an attempt
/// is a conflict.
#[expect(clippy::too_many_lines, reason = "one statement with every column")]
pub fn put(tx: &mut Tx<'_>, row: &Subscription) -> Result<()> {
    let changed = tx.execute(
        sql!(
            "insert into subscription (",
            columns!(),
            ")
             values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17,
                     $18, $19, $20, $21, $22, $23, $24, $25, $26, $27, $28, $29, $30, $31)
                 on conflict (subscription_id) do update
                set customer_id = excluded.customer_id,
                    status = excluded.status,
                    tier = excluded.tier,
                    price_id = excluded.price_id,
                    currency = excluded.currency,
                    amount_minor = excluded.amount_minor,
                    billing_interval = excluded.billing_interval,
                    period_start = excluded.period_start,
                    period_end = excluded.period_end,
                    cancel_at = excluded.cancel_at,
                    cancel_at_period_end = excluded.cancel_at_period_end,
                    canceled_at = excluded.canceled_at,
                    ended_at = excluded.ended_at,
                    trial_end = excluded.trial_end,
                    paused = excluded.paused,
                    past_due_since = excluded.past_due_since,
                    pending_change = excluded.pending_change,
                    schedule_id = excluded.schedule_id,
                    live = excluded.live,
                    created_at = excluded.created_at,
                    synced_at = excluded.synced_at,
                    items = excluded.items,
                    anchor_at = excluded.anchor_at,
                    quantity = excluded.quantity,
                    monthly_minor = excluded.monthly_minor,
                    discount_ends_at = excluded.discount_ends_at,
                    pause_behavior = excluded.pause_behavior,
                    resumes_at = excluded.resumes_at,
                    paused_by_us = excluded.paused_by_us
              where subscription.account_id = excluded.account_id"
        ),
        args![
            &row.subscription_id,
            row.account_id,
            &row.customer_id,
            row.status.word(),
            &row.tier,
            &row.price_id,
            &row.currency,
            row.amount_minor,
            &row.billing_interval,
            row.period_start,
            row.period_end,
            row.cancel_at,
            row.cancel_at_period_end,
            row.canceled_at,
            row.ended_at,
            row.trial_end,
            row.paused,
            row.past_due_since,
            &row.pending_change,
            &row.schedule_id,
            row.live,
            row.created_at,
            row.synced_at,
            &row.items,
            row.anchor_at,
            row.quantity,
            row.monthly_minor,
            row.discount_ends_at,
            &row.pause_behavior,
            row.resumes_at,
            row.paused_by_us,
        ],
    )?;
    if changed == 0 {
        return Err(Error::Conflict(format!(
            "{} is another account's",
            row.subscription_id
        )));
    }
    Ok(())
}

/// All subscriptions of the account, newest first.
pub fn of_account(tx: &mut Tx<'_>, account: i64) -> Result<Vec<Subscription>> {
    tx.query(
        sql!(
            "select ",
            columns!(),
            "  from subscription
              where account_id = $1
              order by created_at desc, subscription_id"
        ),
        args![account],
    )
}

/// The account's subscriptions that can still give access, newest first.
pub fn live(tx: &mut Tx<'_>, account: i64) -> Result<Vec<Subscription>> {
    tx.query(
        sql!(
            "select ",
            columns!(),
            "  from subscription
              where account_id = $1 and live = 1
              order by created_at desc, subscription_id"
        ),
        args![account],
    )
}

/// Finds one of the account's subscriptions.
pub fn find(tx: &mut Tx<'_>, account: i64, subscription_id: &str) -> Result<Option<Subscription>> {
    tx.query_opt(
        sql!(
            "select ",
            columns!(),
            " from subscription where account_id = $1 and subscription_id = $2"
        ),
        args![account, subscription_id],
    )
}

/// Finds the account of a subscription, for the sync worker that has only the object's id.
pub fn account_of(tx: &mut Tx<'_>, subscription_id: &str) -> Result<Option<i64>> {
    tx.query_opt(
        "select account_id from subscription where subscription_id = $1",
        args![subscription_id],
    )
}
