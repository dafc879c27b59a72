//! The facts that an account's plan depends on, from the rows of accounts and subscriptions.

use domain::invoices::InvoiceStatus;
use domain::ledger::WalletStatus;
use domain::money::Credits;
use domain::plan::{
    AccountFacts, AccountStatus, GrantedAllowance, PlanInvoice, SubscriptionFacts,
    SubscriptionStatus,
};
use domain::time::Timestamp;

use super::free_allowances::{self, Mailboxes};
use crate::args;
use crate::db::{Tx, record};
use crate::error::Result;

/// The allowances that began in the plan's month, and those that can still be spent.
pub(super) fn allowances_granted(
    tx: &mut Tx<'_>,
    account: i64,
    month_start: Timestamp,
    now: Timestamp,
) -> Result<Vec<GrantedAllowance>> {
    let rows: Vec<GrantedRow> = tx.query(
        "select source_key, amount, reversed, effective_at, expires_at, frozen = 1 or voided = 1
           from credit_grant
          where account_id = $1
            and kind = 'allowance'
            and (effective_at >= $2 or expires_at > $3)",
        args![account, month_start, now],
    )?;
    let granted = rows.into_iter().map(|row| GrantedAllowance {
        source_key: row.source_key,
        amount: Credits::from_micros(row.amount),
        went_back: Credits::from_micros(row.reversed),
        from: row.effective_at,
        until: row
            .expires_at
            .filter(|_| !row.blocked)
            .unwrap_or(row.effective_at),
    });
    Ok(granted.collect())
}

record! {
    /// The columns of an allowance that the next one depends on.
    pub struct GrantedRow {
        pub source_key: String,
        pub amount: i64,
        pub reversed: i64,
        pub effective_at: Timestamp,
        pub expires_at: Option<Timestamp>,
        pub blocked: bool,
    }
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
        pub billing_interval: Option<String>,
        pub anchor_at: Option<Timestamp>,
        pub paused: bool,
        pub paused_by_us: bool,
        pub created_at: Timestamp,
    }
}

/// The facts that an account's plan depends on, from the current rows.
pub fn account_facts(tx: &mut Tx<'_>, mailboxes: &Mailboxes, account: i64) -> Result<AccountFacts> {
    facts_and_status(tx, mailboxes, account).map(|(facts, _)| facts)
}

/// The same facts, and whether the account may spend: a suspended one may not.
pub(super) fn facts_and_status(
    tx: &mut Tx<'_>,
    mailboxes: &Mailboxes,
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
        status: row.status,
        free_claim: free_allowances::latest(tx, mailboxes, account)?,
        tier_override: row
            .tier_override
            .map(|tier| (tier, row.tier_override_until)),
        subscriptions: subscription_facts(tx, account)?,
        invoices: plan_invoices(tx, account, None)?,
    };
    Ok((facts, status))
}

fn subscription_facts(tx: &mut Tx<'_>, account: i64) -> Result<Vec<SubscriptionFacts>> {
    let rows: Vec<SubscriptionPlanRow> = tx.query(
        "select subscription_id, status, tier, period_start, period_end, cancel_at, ended_at,
                trial_end, past_due_since, billing_interval, anchor_at, paused, paused_by_us, created_at
           from subscription
          where account_id = $1",
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
        interval: row.billing_interval,
        anchor_at: row.anchor_at,
        is_paused: row.paused,
        is_paused_by_us: row.paused_by_us,
        created_at: row.created_at,
    });
    Ok(facts.collect())
}

record! {
    /// The columns of an invoice that access and allowances depend on.
    pub struct PlanInvoiceRow {
        pub invoice_id: String,
        pub subscription_id: String,
        pub tier: Option<String>,
        pub status: String,
        pub billing_reason: Option<String>,
        pub prorated: bool,
        pub amount_due: i64,
        pub attempt_count: i64,
        pub period_start: Option<Timestamp>,
        pub period_end: Option<Timestamp>,
        pub charged_minor: i64,
        pub reversed_minor: i64,
        pub disputed: bool,
    }
}

/// The invoices of the account's subscriptions that still matter: those of current periods, and all
/// of a subscription whose money went back in part or is disputed, or that has the invoice `named`.
pub(super) fn plan_invoices(
    tx: &mut Tx<'_>,
    account: i64,
    named: Option<&str>,
) -> Result<Vec<PlanInvoice>> {
    let rows: Vec<PlanInvoiceRow> = tx.query(
        "select i.invoice_id, i.subscription_id, i.tier, i.status, i.billing_reason, i.prorated, i.amount_due,
                i.attempt_count, i.period_start, i.period_end, i.charged_minor, i.reversed_minor,
                i.disputed
           from invoice i
           join subscription s on s.subscription_id = i.subscription_id
          where i.account_id = $1
            and s.account_id = $1
            and (coalesce(i.period_end, s.period_end) >= s.period_start
                 or i.subscription_id in (select r.subscription_id
                                            from invoice r
                                           where r.account_id = $1
                                             and (r.reversed_minor > 0
                                                  or r.disputed = 1
                                                  or r.invoice_id = $2)))
          order by i.created_at, i.invoice_id",
        args![account, named],
    )?;
    let invoices = rows.into_iter().map(|row| PlanInvoice {
        id: row.invoice_id,
        subscription: row.subscription_id,
        tier: row.tier,
        status: InvoiceStatus::from_word(&row.status),
        billing_reason: row.billing_reason.unwrap_or_default(),
        is_proration: row.prorated,
        amount_due: row.amount_due,
        is_tried: row.attempt_count > 0,
        period: row.period_start.zip(row.period_end),
        charged: row.charged_minor,
        reversed: row.reversed_minor,
        is_disputed: row.disputed,
    });
    Ok(invoices.collect())
}

/// The account's allowances that a reversal concerns: those from `since` on, and those that an
/// earlier one changed. Source keys and amounts.
pub(super) fn reversible(
    tx: &mut Tx<'_>,
    account: i64,
    since: Timestamp,
) -> Result<Vec<(String, Credits)>> {
    let rows: Vec<(String, i64)> = tx.query(
        "select source_key, amount
           from credit_grant
          where account_id = $1
            and kind = 'allowance'
            and (effective_at >= $2 or reversed > 0 or frozen = 1)
          order by lot",
        args![account, since],
    )?;
    Ok(rows
        .into_iter()
        .map(|(key, amount)| (key, Credits::from_micros(amount)))
        .collect())
}
