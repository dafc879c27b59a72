//! The steps of an intent that takes several calls to Stripe, in their order, and the idempotency key
//! of each.

use domain::time::Timestamp;
use domain::words;

use crate::args;
use crate::db::{Tx, record, sql, word_column};
use crate::error::Result;

macro_rules! columns {
    () => {
        "intent_id, position, account_id, kind, object_id, amount_minor, currency, state,
         key_number, key_at, result_id, error, updated_at"
    };
}

words! {
    /// What a step does.
    pub enum StepKind {
        /// The only call of the intent.
        Call = "call",
        /// Cancels a subscription.
        Cancel = "cancel",
        /// Voids the credits of a period.
        Void = "void",
        /// Refunds a payment.
        Refund = "refund",
        /// Releases a subscription from its schedule.
        Release = "release",
        /// Removes the name and address of a customer.
        Forget = "forget",
        /// Erases the personal data of the account.
        Erase = "erase",
        /// Expires the open Checkout pages of the account.
        ClosePages = "close_pages",
        /// Pauses the collection of a subscription, and voids its unpaid invoices.
        Pause = "pause",
        /// Resumes the collection of a subscription.
        Resume = "resume",
    }
}
word_column!(StepKind);

words! {
    /// The progress of a step.
    pub enum StepState {
        /// It is still to be taken.
        Due = "due",
        /// It was taken.
        Done = "done",
        /// There was nothing left to do.
        Dropped = "dropped",
    }
}
word_column!(StepState);

record! {
    /// A step of an intent.
    pub struct Step {
        /// The id of the intent.
        pub intent_id: String,
        /// The position of the step, from 0.
        pub position: i64,
        /// The number of the account.
        pub account_id: i64,
        /// What the step does.
        pub kind: StepKind,
        /// Stripe's id of what the step is about, such as a subscription or a payment intent.
        pub object_id: Option<String>,
        /// The amount to refund, in minor units; `None` for all that is left.
        pub amount_minor: Option<i64>,
        /// The currency, as an ISO code in lower case.
        pub currency: Option<String>,
        /// The progress of the step.
        pub state: StepState,
        /// How many times the idempotency key was replaced.
        pub key_number: i64,
        /// Since when the current idempotency key is used.
        pub key_at: Timestamp,
        /// Stripe's id of what the step created.
        pub result_id: Option<String>,
        /// Why the last attempt failed.
        pub error: Option<String>,
        /// The time at which the step last changed.
        pub updated_at: Timestamp,
    }
}

/// A step to record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewStep {
    /// What the step does.
    pub kind: StepKind,
    /// Stripe's id of what the step is about.
    pub object_id: Option<String>,
    /// The amount to refund, in minor units; `None` for all that is left.
    pub amount_minor: Option<i64>,
    /// The currency, as an ISO code in lower case.
    pub currency: Option<String>,
    /// Whether it was already taken.
    pub is_done: bool,
}

impl NewStep {
    /// The only call of an intent, still to be made.
    pub const fn call() -> NewStep {
        NewStep {
            kind: StepKind::Call,
            object_id: None,
            amount_minor: None,
            currency: None,
            is_done: false,
        }
    }

    /// A step that is about no object, still to be taken.
    pub fn of_kind(kind: StepKind) -> NewStep {
        NewStep {
            kind,
            ..NewStep::call()
        }
    }

    /// A step about an object, still to be taken.
    pub fn about(kind: StepKind, object_id: &str) -> NewStep {
        NewStep {
            kind,
            object_id: Some(object_id.to_owned()),
            amount_minor: None,
            currency: None,
            is_done: false,
        }
    }
}

/// Records the steps of an intent in their order. Those that are recorded already stay as they are.
/// `key_at` is the time since which their idempotency keys are used.
pub fn put(
    tx: &mut Tx<'_>,
    (account, intent): (i64, &str),
    steps: &[NewStep],
    key_at: Timestamp,
    now: Timestamp,
) -> Result<()> {
    for (position, step) in (0_i64..).zip(steps) {
        let state = if step.is_done {
            StepState::Done
        } else {
            StepState::Due
        };
        tx.execute(
            "insert into intent_step (intent_id, position, account_id, kind, object_id,
                                      amount_minor, currency, state, key_number, key_at,
                                      created_at, updated_at)
             values ($1, $2, $3, $4, $5, $6, $7, $8, 0, $9, $10, $10)
                 on conflict (intent_id, position) do nothing",
            args![
                intent,
                position,
                account,
                step.kind,
                &step.object_id,
                step.amount_minor,
                &step.currency,
                state,
                key_at,
                now,
            ],
        )?;
    }
    Ok(())
}

/// The steps of one of the account's intents, in their order.
pub fn of_intent(tx: &mut Tx<'_>, account: i64, intent: &str) -> Result<Vec<Step>> {
    tx.query(
        sql!(
            "select ",
            columns!(),
            "  from intent_step
              where account_id = $1 and intent_id = $2
              order by position"
        ),
        args![account, intent],
    )
}

/// Records that a step was taken, or that there was nothing left to do. `false` if that was recorded
/// before.
pub fn settle(
    tx: &mut Tx<'_>,
    (intent, position): (&str, i64),
    state: StepState,
    result_id: Option<&str>,
    now: Timestamp,
) -> Result<bool> {
    let changed = tx.execute(
        "update intent_step
            set state = $3, result_id = $4, error = null, updated_at = $5
          where intent_id = $1 and position = $2 and state = 'due'",
        args![intent, position, state, result_id, now],
    )?;
    Ok(changed > 0)
}

/// Records why an attempt at a step failed.
pub fn fail(
    tx: &mut Tx<'_>,
    (intent, position): (&str, i64),
    error: &str,
    now: Timestamp,
) -> Result<u64> {
    tx.execute(
        "update intent_step
            set error = $3, updated_at = $4
          where intent_id = $1 and position = $2 and state = 'due'",
        args![intent, position, error, now],
    )
}

/// Replaces the idempotency key of a step that is still due, if it is still the one with this
/// number. `false` if another process has replaced it: continue with the new one.
pub fn change_key(
    tx: &mut Tx<'_>,
    (intent, position): (&str, i64),
    number: i64,
    now: Timestamp,
) -> Result<bool> {
    let changed = tx.execute(
        "update intent_step
            set key_number = key_number + 1, key_at = $4, updated_at = $4
          where intent_id = $1
            and position = $2
            and key_number = $3
            and state = 'due'",
        args![intent, position, number, now],
    )?;
    Ok(changed > 0)
}

/// Sets the amount of a step that is still due.
pub fn set_amount(
    tx: &mut Tx<'_>,
    (intent, position): (&str, i64),
    amount_minor: i64,
    now: Timestamp,
) -> Result<u64> {
    tx.execute(
        "update intent_step
            set amount_minor = $3, updated_at = $4
          where intent_id = $1 and position = $2 and state = 'due'",
        args![intent, position, amount_minor, now],
    )
}

/// The account's refunds that are owed: those of unfinished intents of which an earlier step was
/// taken. The oldest first.
pub fn owed_refunds(tx: &mut Tx<'_>, account: i64, limit: i64) -> Result<Vec<Step>> {
    tx.query(
        sql!(
            "select ",
            columns!(),
            "  from intent_step
              where account_id = $1
                and state = 'due'
                and kind = 'refund'
                and coalesce(amount_minor, 1) > 0
                and exists (select 1
                              from stripe_intent i
                             where i.id = intent_step.intent_id
                               and i.state in ('open', 'calling')
                               and i.is_owed > 0)
              order by created_at, intent_id, position
              limit $2"
        ),
        args![account, limit],
    )
}

/// The account's payments of which a refund that a step made failed afterward, or was canceled.
pub fn failed_refunds(tx: &mut Tx<'_>, account: i64, limit: i64) -> Result<Vec<String>> {
    tx.query(
        "select distinct s.object_id
           from stripe_intent i
           join intent_step s on s.intent_id = i.id
           join transactions t on t.stripe_refund_id = s.result_id
          where i.account_id = $1
            and s.account_id = $1
            and t.account_id = $1
            and s.kind = 'refund'
            and s.object_id is not null
            and t.type = 'REFUND'
            and t.status in ('FAILED', 'CANCELLED')
          order by s.object_id
          limit $2",
        args![account, limit],
    )
}
