//! Intents: requests to Stripe, recorded before they are sent. An intent's id is Stripe's
//! idempotency key and its parameters are frozen, so that a retry is the same request.
//!
//! `open -> calling -> done | failed`, and `closed` when its object is used, ended or abandoned.
//! What is left of an unfinished one is in [`unfinished`].

mod attempts;
mod lost;
pub mod unfinished;

pub use attempts::{note_attempt, of_attempt};
pub use lost::{account_of, recover};

use domain::time::Timestamp;
use domain::words;

use crate::args;
use crate::db::{Tx, record, sql, word_column};
use crate::error::Result;

macro_rules! columns {
    () => {
        "id, account_id, user_id, kind, state, params, credits_micros, amount_minor, currency,
         tier, price_id, stripe_object_id, url, error, created_at, updated_at, expires_at,
         bonus_micros, expires_after_days, attempts, next_attempt_at, is_owed, needs_attention"
    };
}
use columns;

/// Seconds after which a request that was being sent no longer belongs to a running process.
const LEASE_SECONDS: i64 = 60;

words! {
    /// What is requested from Stripe.
    pub enum IntentKind {
        /// A Checkout page for a subscription.
        CheckoutSubscription = "checkout_subscription",
        /// A Checkout page for a credit pack.
        CheckoutTopup = "checkout_topup",
        /// An automatic purchase of a credit pack.
        AutoTopup = "auto_topup",
        /// A customer for the account.
        Customer = "customer",
        /// A change of the customer's name or address.
        CustomerChange = "customer_change",
        /// A change of plan or interval.
        PlanChange = "plan_change",
        /// The immediate end of a subscription, before its period ends.
        PlanEnd = "plan_end",
        /// The end of a duplicate subscription, and the refund of its payment.
        DuplicateSubscription = "second_subscription",
        /// The end of a plan whose payment was lost in a dispute.
        DisputedPlanEnd = "disputed_plan_end",
        /// A refund made by an operator.
        Refund = "refund",
        /// The end of everything that a closed account has at Stripe.
        Closing = "closing",
        /// The pause of what charges a suspended account, or its end.
        Suspension = "suspension",
    }
}
word_column!(IntentKind);

impl IntentKind {
    /// Whether it requests a page on which the customer pays.
    pub const fn is_checkout(self) -> bool {
        matches!(
            self,
            IntentKind::CheckoutSubscription | IntentKind::CheckoutTopup
        )
    }
}

words! {
    /// The progress of a request to Stripe.
    pub enum IntentState {
        /// It was recorded and has not been sent yet.
        Open = "open",
        /// It was sent; the response may have been lost.
        Calling = "calling",
        /// Stripe created what was requested.
        Done = "done",
        /// Stripe refused the request.
        Failed = "failed",
        /// What Stripe created was used, ended or abandoned.
        Closed = "closed",
    }
}
word_column!(IntentState);

record! {
    /// A request to Stripe, recorded before it is sent.
    pub struct Intent {
        /// The id of the intent, which is Stripe's idempotency key.
        pub id: String,
        /// The account that the intent is for.
        pub account_id: i64,
        /// The user who made the request; `None` for the service itself.
        pub user_id: Option<i64>,
        /// What is requested from Stripe.
        pub kind: IntentKind,
        /// The progress of the request.
        pub state: IntentState,
        /// The parameters of the request; they never change once it was sent.
        pub params: String,
        /// The credits bought, in micro-credits; `None` for a subscription.
        pub credits_micros: Option<i64>,
        /// The price that was shown to the customer, in minor units.
        pub amount_minor: Option<i64>,
        /// The currency, as an ISO code in lower case.
        pub currency: Option<String>,
        /// The tier that is bought; `None` for a credit pack.
        pub tier: Option<String>,
        /// Stripe's id of the price.
        pub price_id: Option<String>,
        /// Stripe's id of what Stripe created, such as a session or a customer.
        pub stripe_object_id: Option<String>,
        /// The address that the user is sent to.
        pub url: Option<String>,
        /// Why the intent failed; `None` when it did not.
        pub error: Option<String>,
        /// The time at which it was recorded.
        pub created_at: Timestamp,
        /// The time at which its state last changed.
        pub updated_at: Timestamp,
        /// The time at which what Stripe created expires.
        pub expires_at: Option<Timestamp>,
        /// Bonus credits in addition to those bought, in micro-credits.
        pub bonus_micros: Option<i64>,
        /// The number of days after which the credits and the bonus expire; `None` for never.
        pub expires_after_days: Option<i64>,
        /// The number of failed attempts.
        pub attempts: i64,
        /// The time at which an unfinished request is continued; [`unfinished::NEVER`] if only an
        /// operator continues it.
        pub next_attempt_at: Timestamp,
        /// Whether a step that can't be taken back was taken, so that the rest is owed.
        pub is_owed: bool,
        /// Whether an attempt was refused, or several failed, so that operators are alerted.
        pub needs_attention: bool,
    }
}

impl Intent {
    /// Whether its request may still be sent.
    pub fn is_unfinished(&self) -> bool {
        matches!(self.state, IntentState::Open | IntentState::Calling)
    }

    /// Whether an attempt at it failed, or has to wait.
    pub fn is_troubled(&self) -> bool {
        self.needs_attention || self.attempts > 0 || self.error.is_some()
    }
}

/// An intent to record.
#[derive(Clone, Debug)]
pub struct NewIntent<'a> {
    /// The id of the intent, which becomes Stripe's idempotency key and was never used before.
    pub id: &'a str,
    /// The account that the intent is for.
    pub account_id: i64,
    /// The user who makes the request; `None` for the service itself.
    pub user_id: Option<i64>,
    /// What is requested from Stripe.
    pub kind: IntentKind,
    /// The parameters, which are frozen from now on.
    pub params: &'a str,
    /// The credits bought, in micro-credits; `None` for a subscription.
    pub credits_micros: Option<i64>,
    /// The price that was shown to the customer, in minor units.
    pub amount_minor: Option<i64>,
    /// The currency, as an ISO code in lower case.
    pub currency: Option<&'a str>,
    /// The tier that is bought; `None` for a credit pack.
    pub tier: Option<&'a str>,
    /// Stripe's id of the price.
    pub price_id: Option<&'a str>,
    /// Stripe's id of the object that the intent is about, if it already exists: at most one intent
    /// per object.
    pub stripe_object_id: Option<&'a str>,
}

impl<'a> NewIntent<'a> {
    /// An intent of the service itself that buys nothing.
    pub fn new(id: &'a str, account_id: i64, kind: IntentKind, params: &'a str) -> NewIntent<'a> {
        NewIntent {
            id,
            account_id,
            user_id: None,
            kind,
            params,
            credits_micros: None,
            amount_minor: None,
            currency: None,
            tier: None,
            price_id: None,
            stripe_object_id: None,
        }
    }
}

/// Records the intent as open. `None` if the account has one of this kind in progress: continue
/// with that one ([`under_way`]). For Checkout pages, also `None` while one is open ([`usable`]),
/// so that two processes never open two.
pub fn insert(tx: &mut Tx<'_>, new: &NewIntent<'_>, now: Timestamp) -> Result<Option<Intent>> {
    tx.query_opt(
        sql!(
            "insert into stripe_intent
                    (id, account_id, user_id, kind, state, params, credits_micros, amount_minor,
                     currency, tier, price_id, created_at, updated_at, stripe_object_id,
                     next_attempt_at)
             values ($1, $2, $3, $4, 'open', $5, $6, $7, $8, $9, $10, $11, $11, $12, $13)
                 on conflict do nothing
             returning ",
            columns!()
        ),
        args![
            new.id,
            new.account_id,
            new.user_id,
            new.kind,
            &*tx.seal(new.params),
            new.credits_micros,
            new.amount_minor,
            new.currency,
            new.tier,
            new.price_id,
            now,
            new.stripe_object_id,
            now.plus_seconds(LEASE_SECONDS),
        ],
    )
}

/// Lists the account's latest intents of a kind, the newest first.
pub fn of_kind(tx: &mut Tx<'_>, account: i64, kind: IntentKind, limit: i64) -> Result<Vec<Intent>> {
    tx.query(
        sql!(
            "select ",
            columns!(),
            "  from stripe_intent
              where account_id = $1
                and kind = $2
              order by created_at desc, id desc
              limit $3"
        ),
        args![account, kind, limit],
    )
}

/// Records the intent like [`insert`], or finds the one of its kind that is in progress.
pub fn insert_or_find(
    tx: &mut Tx<'_>,
    new: &NewIntent<'_>,
    now: Timestamp,
) -> Result<Option<Intent>> {
    match insert(tx, new, now)? {
        Some(intent) => Ok(Some(intent)),
        None => under_way(tx, new.account_id, new.kind),
    }
}

/// Records the bonus and expiry of a pack, in the commit that recorded the intent.
pub fn freeze_pack(
    tx: &mut Tx<'_>,
    id: &str,
    bonus_micros: i64,
    expires_after_days: Option<i64>,
) -> Result<u64> {
    tx.execute(
        "update stripe_intent
            set bonus_micros = $2, expires_after_days = $3
          where id = $1 and state = 'open'",
        args![id, bonus_micros, expires_after_days],
    )
}

/// Finds one of the account's intents.
pub fn find(tx: &mut Tx<'_>, account: i64, id: &str) -> Result<Option<Intent>> {
    tx.query_opt(
        sql!(
            "select ",
            columns!(),
            " from stripe_intent where account_id = $1 and id = $2"
        ),
        args![account, id],
    )
}

/// The intent in progress: at most one per kind and account. One of which only the rest is owed
/// doesn't count ([`unfinished::owed`]).
pub fn under_way(tx: &mut Tx<'_>, account: i64, kind: IntentKind) -> Result<Option<Intent>> {
    tx.query_opt(
        sql!(
            "select ",
            columns!(),
            "  from stripe_intent
              where account_id = $1
                and kind = $2
                and state in ('open', 'calling')
                and is_owed = 0"
        ),
        args![account, kind],
    )
}

/// The latest intent of a kind whose object at Stripe may still be used.
pub fn usable(
    tx: &mut Tx<'_>,
    account: i64,
    kind: IntentKind,
    now: Timestamp,
) -> Result<Option<Intent>> {
    tx.query_opt(
        sql!(
            "select ",
            columns!(),
            "  from stripe_intent
              where account_id = $1
                and kind = $2
                and state = 'done'
                and expires_at > $3
              order by created_at desc, id desc
              limit 1"
        ),
        args![account, kind, now],
    )
}

/// Closes the account's expired pages of a kind, so that a new one can be created.
pub fn close_expired(
    tx: &mut Tx<'_>,
    account: i64,
    kind: IntentKind,
    now: Timestamp,
) -> Result<u64> {
    tx.execute(
        "update stripe_intent
            set state = 'closed', updated_at = $3
          where account_id = $1
            and kind = $2
            and state = 'done'
            and (expires_at is null or expires_at <= $3)",
        args![account, kind, now],
    )
}

/// Lists the account's intents, the newest first.
pub fn of_account(tx: &mut Tx<'_>, account: i64, limit: i64) -> Result<Vec<Intent>> {
    tx.query(
        sql!(
            "select ",
            columns!(),
            "  from stripe_intent
              where account_id = $1
              order by created_at desc, id desc
              limit $2"
        ),
        args![account, limit],
    )
}

/// The intent behind a Stripe object, of any account: for the sync worker, which has only the
/// object's id.
pub fn by_object(tx: &mut Tx<'_>, stripe_object_id: &str) -> Result<Option<Intent>> {
    tx.query_opt(
        sql!(
            "select ",
            columns!(),
            " from stripe_intent where stripe_object_id = $1"
        ),
        args![stripe_object_id],
    )
}

/// The latest intent of a kind whose object was created and not used.
pub fn unused(tx: &mut Tx<'_>, account: i64, kind: IntentKind) -> Result<Option<Intent>> {
    tx.query_opt(
        sql!(
            "select ",
            columns!(),
            "  from stripe_intent
              where account_id = $1
                and kind = $2
                and state = 'done'
              order by created_at desc, id desc
              limit 1"
        ),
        args![account, kind],
    )
}

/// Records that a pending payment at Stripe failed in the end. `false` if the intent was already
/// settled otherwise.
pub fn set_undone(tx: &mut Tx<'_>, id: &str, error: &str, now: Timestamp) -> Result<bool> {
    let changed = tx.execute(
        "update stripe_intent
            set state = 'failed', error = $2, updated_at = $3
          where id = $1 and state = 'done'",
        args![id, error, now],
    )?;
    Ok(changed > 0)
}

/// Records that the request is being sent, for the first time or again. `false` if it was already
/// settled.
pub fn set_calling(tx: &mut Tx<'_>, id: &str, now: Timestamp) -> Result<bool> {
    let changed = tx.execute(
        "update stripe_intent
            set state = 'calling', updated_at = $2, next_attempt_at = $3
          where id = $1 and state in ('open', 'calling')",
        args![id, now, now.plus_seconds(LEASE_SECONDS)],
    )?;
    Ok(changed > 0)
}

/// Records what Stripe created. `false` if it was already settled.
pub fn set_done(
    tx: &mut Tx<'_>,
    id: &str,
    stripe_object_id: &str,
    url: Option<&str>,
    expires_at: Option<Timestamp>,
    now: Timestamp,
) -> Result<bool> {
    let changed = tx.execute(
        "update stripe_intent
            set state = 'done',
                stripe_object_id = $2,
                url = $3,
                expires_at = $4,
                error = null,
                updated_at = $5
          where id = $1 and state in ('open', 'calling')",
        args![id, stripe_object_id, url, expires_at, now],
    )?;
    Ok(changed > 0)
}

/// Records that Stripe permanently refused. `false` if the intent was already settled.
pub fn set_failed(tx: &mut Tx<'_>, id: &str, error: &str, now: Timestamp) -> Result<bool> {
    let changed = tx.execute(
        "update stripe_intent
            set state = 'failed', error = $2, updated_at = $3
          where id = $1 and state in ('open', 'calling')",
        args![id, error, now],
    )?;
    Ok(changed > 0)
}

/// Closes the intent: its object was used, ended or abandoned. `false` if it was already closed.
pub fn close(tx: &mut Tx<'_>, id: &str, now: Timestamp) -> Result<bool> {
    let changed = tx.execute(
        "update stripe_intent
            set state = 'closed', updated_at = $2
          where id = $1 and state <> 'closed'",
        args![id, now],
    )?;
    Ok(changed > 0)
}
