//! Accounts: who is billed, and the subscription that is shown for each.

use domain::plan::{AccountKind, AccountStatus, PlanStatus};
use domain::time::Timestamp;

use crate::args;
use crate::db::{Tx, like_pattern, record, sql};
use crate::error::Result;

macro_rules! columns {
    () => {
        "id, public_id, external_id, kind, name, email, status, stripe_customer_id,
         stripe_subscription_id, subscription_tier, subscription_status,
         subscription_expires_at, past_due_since, tier_override, tier_override_reason,
         tier_override_actor, tier_override_until, anchor_at, email_verified_at, created_at,
         updated_at, suspended_at"
    };
}

record! {
    /// An account: the person or organization that is billed.
    pub struct Account {
        /// The number of the account within this service; never exposed.
        pub id: i64,
        /// The public id of the account: `acc_...`.
        pub public_id: String,
        /// The host application's id of the account.
        pub external_id: Option<String>,
        /// Whether one person or an organization is billed.
        pub kind: AccountKind,
        /// The display name of the account.
        pub name: String,
        /// The email address that the account's emails go to.
        pub email: Option<String>,
        /// Whether the account may be used.
        pub status: AccountStatus,
        /// Stripe's id of the current customer.
        pub stripe_customer_id: Option<String>,
        /// Stripe's id of the subscription that determines the tier.
        pub stripe_subscription_id: Option<String>,
        /// The tier that the subscription gives.
        pub subscription_tier: String,
        /// The status of the subscription, as the API shows it.
        pub subscription_status: PlanStatus,
        /// The end of the paid period.
        pub subscription_expires_at: Option<Timestamp>,
        /// The time since which a payment is overdue; `None` when none is.
        pub past_due_since: Option<Timestamp>,
        /// A tier set by an operator, which overrides the subscription's.
        pub tier_override: Option<String>,
        /// The reason for the override.
        pub tier_override_reason: Option<String>,
        /// The operator who set the override.
        pub tier_override_actor: Option<String>,
        /// The time at which the override ends; `None` for never.
        pub tier_override_until: Option<Timestamp>,
        /// The time from which its periods are counted.
        pub anchor_at: Timestamp,
        /// The time at which the email address was verified.
        pub email_verified_at: Option<Timestamp>,
        /// The time at which the account was created.
        pub created_at: Timestamp,
        /// The time at which a column last changed.
        pub updated_at: Timestamp,
        /// Since when the account is suspended; `None` while it is not.
        pub suspended_at: Option<Timestamp>,
    }
}

/// The columns of a new account.
#[derive(Clone, Debug)]
pub struct NewAccount<'a> {
    /// The public id of the account: `acc_...`.
    pub public_id: &'a str,
    /// The host application's id of the account.
    pub external_id: Option<&'a str>,
    /// Whether one person or an organization is billed.
    pub kind: AccountKind,
    /// The display name of the account.
    pub name: &'a str,
    /// The email address that the account's emails go to.
    pub email: Option<&'a str>,
    /// The tier of an account without a subscription.
    pub tier: &'a str,
    /// The time at which the email address was verified.
    pub email_verified_at: Option<Timestamp>,
}

/// Creates an account; its periods are anchored at `now`.
pub fn insert(tx: &mut Tx<'_>, new: &NewAccount<'_>, now: Timestamp) -> Result<Account> {
    tx.query_one(
        sql!(
            "insert into account
                    (public_id, external_id, kind, name, email, status, subscription_tier,
                     subscription_status, anchor_at, email_verified_at, created_at, updated_at)
             values ($1, $2, $3, $4, $5, 'active', $6, 'NONE', $7, $8, $7, $7)
             returning ",
            columns!()
        ),
        args![
            new.public_id,
            new.external_id,
            new.kind,
            new.name,
            &tx.seal_opt(new.email),
            new.tier,
            now,
            new.email_verified_at,
        ],
    )
}

/// Creates the account with the external id `new.external_id`, or updates the name and email
/// address of the existing one.
pub fn put_external(tx: &mut Tx<'_>, new: &NewAccount<'_>, now: Timestamp) -> Result<Account> {
    tx.query_one(
        sql!(
            "insert into account
                    (public_id, external_id, kind, name, email, status, subscription_tier,
                     subscription_status, anchor_at, email_verified_at, created_at, updated_at)
             values ($1, $2, $3, $4, $5, 'active', $6, 'NONE', $7, $8, $7, $7)
                 on conflict (external_id) do update
                set name = excluded.name,
                    email = coalesce(excluded.email, account.email),
                    updated_at = excluded.updated_at
             returning ",
            columns!()
        ),
        args![
            new.public_id,
            new.external_id,
            new.kind,
            new.name,
            &tx.seal_opt(new.email),
            new.tier,
            now,
            new.email_verified_at,
        ],
    )
}

/// Locks the account's row until the commit, on PostgreSQL: changes of its members and of what they
/// may do take turns.
pub fn lock(tx: &mut Tx<'_>, account: i64) -> Result<u64> {
    tx.execute(
        "update account set updated_at = updated_at where id = $1",
        args![account],
    )
}

/// Finds the account with this number.
pub fn find(tx: &mut Tx<'_>, account: i64) -> Result<Option<Account>> {
    tx.query_opt(
        sql!("select ", columns!(), " from account where id = $1"),
        args![account],
    )
}

/// The account with the public id `name`, or with the host application's id `name`.
pub fn named(tx: &mut Tx<'_>, name: &str) -> Result<Option<Account>> {
    // Our own id first, in case a host application's id for another account is equal to it.
    tx.query_opt(
        sql!(
            "select ",
            columns!(),
            "  from account
              where public_id = $1 or external_id = $1
              order by case when public_id = $1 then 0 else 1 end
              limit 1"
        ),
        args![name],
    )
}

/// The account that the host application knows by this id.
pub fn by_external_id(tx: &mut Tx<'_>, external_id: &str) -> Result<Option<Account>> {
    tx.query_opt(
        sql!(
            "select ",
            columns!(),
            " from account where external_id = $1"
        ),
        args![external_id],
    )
}

/// The account with this public id.
pub fn by_public_id(tx: &mut Tx<'_>, public_id: &str) -> Result<Option<Account>> {
    tx.query_opt(
        sql!("select ", columns!(), " from account where public_id = $1"),
        args![public_id],
    )
}

/// The account of this Stripe customer, current or former.
pub fn of_customer(tx: &mut Tx<'_>, customer_id: &str) -> Result<Option<Account>> {
    tx.query_opt(
        sql!(
            "select ",
            columns!(),
            "  from account
              where id = (select account_id from stripe_customer where customer_id = $1)"
        ),
        args![customer_id],
    )
}

/// Accounts whose name, email address or ids contain `search`, newest first, with numbers below
/// `before`.
pub fn list(
    tx: &mut Tx<'_>,
    search: Option<&str>,
    before: Option<i64>,
    limit: i64,
) -> Result<Vec<Account>> {
    let pattern = search.map(like_pattern);
    // An encrypted address can only be found by exact match.
    let forms = tx.forms(search.unwrap_or_default());
    tx.query(
        sql!(
            "select ",
            columns!(),
            r"  from account
              where ($1 is null
                     or lower(name) like $1 escape '\'
                     or lower(email) like $1 escape '\'
                     or email in ($4, $5, $6)
                     or lower(public_id) like $1 escape '\'
                     or lower(external_id) like $1 escape '\'
                     or lower(stripe_customer_id) like $1 escape '\')
                and ($2 is null or id < $2)
              order by id desc
              limit $3"
        ),
        args![&pattern, before, limit, &forms[0], &forms[1], &forms[2]],
    )
}

/// Account numbers above `after`, in ascending order, for sweeps over all accounts.
pub fn ids_after(tx: &mut Tx<'_>, after: i64, limit: i64) -> Result<Vec<i64>> {
    tx.query(
        "select id from account where id > $1 order by id limit $2",
        args![after, limit],
    )
}

/// The number of accounts by tier and subscription status.
pub fn count_by_tier(tx: &mut Tx<'_>) -> Result<Vec<(String, PlanStatus, i64)>> {
    tx.query(
        "select subscription_tier, subscription_status, count(*)
           from account
          group by subscription_tier, subscription_status
          order by subscription_tier, subscription_status",
        args![],
    )
}

/// What the chosen subscription says about its account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown<'a> {
    /// Stripe's id of the subscription, if there is one.
    pub stripe_subscription_id: Option<&'a str>,
    /// The tier that the subscription gives.
    pub tier: &'a str,
    /// The status of the subscription, as the API shows it.
    pub status: PlanStatus,
    /// The end of the paid period.
    pub expires_at: Option<Timestamp>,
    /// The time since which a payment is overdue; `None` when none is.
    pub past_due_since: Option<Timestamp>,
}

/// Overwrites the subscription that is shown for the account.
pub fn show_subscription(
    tx: &mut Tx<'_>,
    account: i64,
    shown: &Shown<'_>,
    now: Timestamp,
) -> Result<u64> {
    tx.execute(
        "update account
            set stripe_subscription_id = $2,
                subscription_tier = $3,
                subscription_status = $4,
                subscription_expires_at = $5,
                past_due_since = $6,
                updated_at = $7
          where id = $1",
        args![
            account,
            shown.stripe_subscription_id,
            shown.tier,
            shown.status,
            shown.expires_at,
            shown.past_due_since,
            now,
        ],
    )
}

/// Sets the customer that is shown as the account's current one. The source of truth is the
/// customers table.
pub fn show_customer(
    tx: &mut Tx<'_>,
    account: i64,
    customer_id: Option<&str>,
    now: Timestamp,
) -> Result<u64> {
    tx.execute(
        "update account set stripe_customer_id = $2, updated_at = $3 where id = $1",
        args![account, customer_id, now],
    )
}

/// A tier set by an operator, which overrides the subscription's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TierOverride<'a> {
    /// The tier that overrides the subscription's.
    pub tier: &'a str,
    /// The reason for the override.
    pub reason: &'a str,
    /// The operator who sets it.
    pub actor: &'a str,
    /// The time at which the override ends; `None` for never.
    pub until: Option<Timestamp>,
}

/// Sets the override, or removes it. Returns 0 for a closed account, which keeps its own.
pub fn set_tier_override(
    tx: &mut Tx<'_>,
    account: i64,
    tier: Option<&TierOverride<'_>>,
    now: Timestamp,
) -> Result<u64> {
    tx.execute(
        "update account
            set tier_override = $2,
                tier_override_reason = $3,
                tier_override_actor = $4,
                tier_override_until = $5,
                updated_at = $6
          where id = $1 and status <> 'closed'",
        args![
            account,
            tier.map(|tier| tier.tier),
            tier.map(|tier| tier.reason),
            tier.map(|tier| tier.actor),
            tier.and_then(|tier| tier.until),
            now,
        ],
    )
}

/// Removes the override if it has ended. Returns whether it did.
pub fn end_tier_override(tx: &mut Tx<'_>, account: i64, now: Timestamp) -> Result<bool> {
    let changed = tx.execute(
        "update account
            set tier_override = null,
                tier_override_reason = null,
                tier_override_actor = null,
                tier_override_until = null,
                updated_at = $2
          where id = $1
            and tier_override_until <= $2",
        args![account, now],
    )?;
    Ok(changed > 0)
}

/// Sets whether the account may be used, and since when it is suspended. A closed one stays closed: 0
/// rows.
pub fn set_status(
    tx: &mut Tx<'_>,
    account: i64,
    status: AccountStatus,
    now: Timestamp,
) -> Result<u64> {
    tx.execute(
        "update account
            set status = $2,
                suspended_at = case when $4 > 0 then coalesce(suspended_at, $3) end,
                updated_at = $3
          where id = $1 and status <> 'closed'",
        args![account, status, now, status == AccountStatus::Suspended],
    )
}

/// Sets the account's name and email address; a closed one has neither.
pub fn rename(
    tx: &mut Tx<'_>,
    account: i64,
    name: &str,
    email: Option<&str>,
    now: Timestamp,
) -> Result<u64> {
    tx.execute(
        "update account
            set name = $2, email = $3, updated_at = $4
          where id = $1 and status <> 'closed'",
        args![account, name, &tx.seal_opt(email), now],
    )
}

/// Records the host application's id of an account that has none. Returns `false` if it has one.
pub fn set_external_id(
    tx: &mut Tx<'_>,
    account: i64,
    external_id: &str,
    now: Timestamp,
) -> Result<bool> {
    let changed = tx.execute(
        "update account
            set external_id = $2, updated_at = $3
          where id = $1 and external_id is null",
        args![account, external_id, now],
    )?;
    Ok(changed > 0)
}

/// Sets whether the account is one person's or an organization's, as the host application said.
pub fn set_kind(tx: &mut Tx<'_>, account: i64, kind: AccountKind, now: Timestamp) -> Result<u64> {
    tx.execute(
        "update account
            set kind = $2, kind_told = 1, updated_at = $3
          where id = $1 and (kind <> $2 or kind_told = 0)",
        args![account, kind, now],
    )
}

/// Whether the host application said whose account it is. Earlier versions didn't ask, and stored
/// every account that it made as an organization's.
pub fn is_kind_told(tx: &mut Tx<'_>, account: i64) -> Result<bool> {
    let told: i64 = tx.query_one(
        "select kind_told from account where id = $1",
        args![account],
    )?;
    Ok(told == 1)
}

/// Records that the email address was verified, keeping the first time. Returns whether this was
/// the first.
pub fn verify_email(tx: &mut Tx<'_>, account: i64, now: Timestamp) -> Result<bool> {
    let changed = tx.execute(
        "update account
            set email_verified_at = $2, updated_at = $2
          where id = $1 and email_verified_at is null",
        args![account, now],
    )?;
    Ok(changed > 0)
}

/// Closes the account and erases its personal data. Its purchases and usage are kept.
pub fn anonymize(tx: &mut Tx<'_>, account: i64, now: Timestamp) -> Result<u64> {
    tx.execute(
        "update account
            set name = '',
                email = null,
                external_id = null,
                status = 'closed',
                closed_at = $2,
                updated_at = $2
          where id = $1",
        args![account, now],
    )
}
