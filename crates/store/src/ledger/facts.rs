//! The facts that an account's plan depends on, from the rows of accounts and subscriptions.

use domain::ledger::WalletStatus;
use domain::money::Credits;
use domain::plan::{AccountFacts, AccountStatus, SubscriptionFacts, SubscriptionStatus};
use domain::time::Timestamp;

use crate::args;
use crate::db::{Tx, record};
use crate::error::Result;

/// Source keys and amounts of the allowances granted for the plan period.
pub(super) fn allowances_since(
    tx: &mut Tx<'_>,
    account: i64,
    period_start: Timestamp,
) -> Result<Vec<(String, Credits)>> {
    let rows: Vec<(String, i64)> = tx.query(
        "select source_key, amount
           from credit_grant
          where account_id = $1
            and kind = 'allowance'
            and effective_at >= $2",
        args![account, period_start],
    )?;
    Ok(rows
        .into_iter()
        .map(|(key, amount)| (key, Credits::from_micros(amount)))
        .collect())
}

record! {
    /// The columns of an account that its access depends on.
    pub struct AccountPlanRow {
        pub anchor_at: Timestamp,
        pub email_verified_at: Option<Timestamp>,
        pub tier_override: Option<String>,
        pub tier_override_until: Option<Timestamp>,
        pub status: AccountStatus,
    }
}

record! {
    /// The columns of a subscription that access depends on.
    pub struct SubscriptionPlanRow {
        pub subscription_id: String,
        pub status: SubscriptionStatus,
        pub tier: Option<String>,
        pub period_start: Option<Timestamp>,
        pub period_end: Option<Timestamp>,
        pub cancel_at: Option<Timestamp>,
        pub ended_at: Option<Timestamp>,
        pub trial_end: Option<Timestamp>,
        pub past_due_since: Option<Timestamp>,
        pub awaits_payment: bool,
        pub created_at: Timestamp,
    }
}

/// The facts that an account's plan depends on, from the current rows.
pub fn account_facts(tx: &mut Tx<'_>, account: i64) -> Result<AccountFacts> {
    facts_and_status(tx, account).map(|(facts, _)| facts)
}

/// The same facts, and whether the account may spend: a suspended one may not.
pub(super) fn facts_and_status(
    tx: &mut Tx<'_>,
    account: i64,
) -> Result<(AccountFacts, WalletStatus)> {
    let row: AccountPlanRow = tx.query_one(
        "select anchor_at, email_verified_at, tier_override, tier_override_until, status
           from account
          where id = $1",
        args![account],
    )?;
    let status = row.status.wallet();
    let facts = AccountFacts {
        account,
        anchor_at: row.anchor_at,
        is_verified: row.email_verified_at.is_some(),
        tier_override: row
            .tier_override
            .map(|tier| (tier, row.tier_override_until)),
        subscriptions: subscription_facts(tx, account)?,
    };
    Ok((facts, status))
}

fn subscription_facts(tx: &mut Tx<'_>, account: i64) -> Result<Vec<SubscriptionFacts>> {
    let rows: Vec<SubscriptionPlanRow> = tx.query(
        "select s.subscription_id, s.status, s.tier, s.period_start, s.period_end, s.cancel_at,
                s.ended_at, s.trial_end, s.past_due_since,
                (select count(*)
                   from invoice i
                  where i.subscription_id = s.subscription_id
                    and i.status in ('draft', 'open', 'uncollectible')
                    and i.amount_due > 0
                    and coalesce(i.billing_reason, '') not in ('subscription_update', 'manual')
                    and coalesce(i.period_start, s.period_start) >= s.period_start),
                s.created_at
           from subscription s
          where s.account_id = $1",
        args![account],
    )?;
    let facts = rows.into_iter().map(|row| SubscriptionFacts {
        id: row.subscription_id,
        status: row.status,
        tier: row.tier,
        period_start: row.period_start.unwrap_or(row.created_at),
        period_end: row.period_end.unwrap_or(row.created_at),
        cancel_at: row.cancel_at,
        ended_at: row.ended_at,
        trial_end: row.trial_end,
        past_due_since: row.past_due_since,
        awaits_payment: row.awaits_payment,
        created_at: row.created_at,
    });
    Ok(facts.collect())
}
