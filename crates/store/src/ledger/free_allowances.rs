//! Free allowances by address: an address has one a month, also when its account was erased and
//! made again (G9).
//!
//! A row holds a keyed hash of the address, never the address itself. It outlives the account until
//! the month that was granted has ended; then it is deleted. The primary key has the last word.

use domain::mailbox::MailboxRules;
use domain::plan::FreeClaim;
use domain::time::Timestamp;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::Rules;
use crate::args;
use crate::db::{Tx, record};
use crate::error::{Error, Result};

/// Which addresses are one mailbox, and the secret of this database that they are hashed with.
#[derive(Clone, Default)]
pub struct Mailboxes {
    secret: Vec<u8>,
    rules: MailboxRules,
}

impl std::fmt::Debug for Mailboxes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Mailboxes").field(&self.rules).finish()
    }
}

impl Mailboxes {
    /// Mailboxes are compared by `rules` and hashed with `secret`.
    pub fn new(secret: &str, rules: MailboxRules) -> Mailboxes {
        Mailboxes {
            secret: secret.as_bytes().to_vec(),
            rules,
        }
    }

    fn hash(&self, kind: &str, text: &str) -> Vec<u8> {
        let keyed = Hmac::<Sha256>::new_from_slice(&self.secret);
        let mut mac = keyed.expect("a key of any length is accepted");
        mac.update(kind.as_bytes());
        mac.update(&[0]);
        mac.update(text.as_bytes());
        mac.finalize().into_bytes().to_vec()
    }
}

record! {
    /// A month for which an address was granted its free allowance.
    pub struct Claim {
        /// The account that got it; `None` once it was erased.
        pub account_id: Option<i64>,
        /// The start of the month.
        pub month_start: Timestamp,
        /// The end of the month.
        pub month_end: Timestamp,
        /// The time from which the account's months are counted.
        pub anchor_at: Timestamp,
    }
}

/// The hashes of what an account's free allowance is counted by: the address of its first owner, and
/// the host application's id of the account. Both count, so that neither an address that is left out
/// nor another one gets a second allowance.
fn subjects(tx: &mut Tx<'_>, mailboxes: &Mailboxes, account: i64) -> Result<Vec<Vec<u8>>> {
    let owner: Option<String> = tx.query_opt(
        "select u.email
           from membership m
           join user_account u on u.id = m.user_id
          where m.account_id = $1
            and m.role = 'owner'
          order by m.created_at, u.id
          limit 1",
        args![account],
    )?;
    let external: Option<Option<String>> = tx.query_opt(
        "select external_id from account where id = $1",
        args![account],
    )?;
    let mailbox = owner.map(|email| mailboxes.hash("mailbox", &mailboxes.rules.mailbox(&email)));
    let id = external.flatten().map(|id| mailboxes.hash("host", &id));
    Ok(mailbox.into_iter().chain(id).collect())
}

/// The latest claim of any subject of the account; its own first.
fn latest_claim(tx: &mut Tx<'_>, mailboxes: &Mailboxes, account: i64) -> Result<Option<Claim>> {
    let mut latest: Option<Claim> = None;
    for subject in subjects(tx, mailboxes, account)? {
        let rank = |claim: &Claim| (claim.month_end, claim.account_id == Some(account));
        latest = latest
            .into_iter()
            .chain(of_subject(tx, &subject)?)
            .max_by_key(rank);
    }
    Ok(latest)
}

fn of_subject(tx: &mut Tx<'_>, subject: &[u8]) -> Result<Option<Claim>> {
    tx.query_opt(
        "select account_id, month_start, month_end, anchor_at
           from free_allowance
          where subject_hash = $1",
        args![subject],
    )
}

/// The latest free allowance of the account's address, whichever account got it.
pub(crate) fn latest(
    tx: &mut Tx<'_>,
    mailboxes: &Mailboxes,
    account: i64,
) -> Result<Option<FreeClaim>> {
    let claim = latest_claim(tx, mailboxes, account)?;
    Ok(claim.map(|claim| FreeClaim {
        is_own: claim.account_id == Some(account),
        month_start: claim.month_start,
        month_end: claim.month_end,
    }))
}

/// Claims the month from `start` until `end` for the account's address and the host application's
/// id. Returns `false`, and claims nothing, if one of them already had a free allowance for a part
/// of it.
pub(crate) fn claim(
    tx: &mut Tx<'_>,
    mailboxes: &Mailboxes,
    account: i64,
    month: (Timestamp, Timestamp),
) -> Result<bool> {
    let subjects = subjects(tx, mailboxes, account)?;
    for subject in &subjects {
        let before = of_subject(tx, subject)?;
        let is_free = before.is_none_or(|claim| {
            let is_same = claim.account_id == Some(account) && claim.month_start == month.0;
            is_same || claim.month_end <= month.0
        });
        if !is_free {
            return Ok(false);
        }
    }
    for (index, subject) in subjects.iter().enumerate() {
        if !claim_one(tx, subject, account, month)? {
            // Another account was faster. If a claim was made, the next attempt makes none.
            if index == 0 {
                return Ok(false);
            }
            return Err(Error::Contended("a free allowance".to_owned()));
        }
    }
    Ok(true)
}

/// Claims the month for one subject. Returns `false` if it had a free allowance for a part of it.
fn claim_one(
    tx: &mut Tx<'_>,
    subject: &[u8],
    account: i64,
    (start, end): (Timestamp, Timestamp),
) -> Result<bool> {
    let claimed = tx.execute(
        "insert into free_allowance (subject_hash, account_id, month_start, month_end, anchor_at)
         select $1, id, $3, $4, anchor_at
           from account
          where id = $2
             on conflict (subject_hash) do update
            set account_id = excluded.account_id,
                month_start = excluded.month_start,
                month_end = excluded.month_end,
                anchor_at = excluded.anchor_at
          where free_allowance.month_end <= excluded.month_start
             or (free_allowance.account_id = excluded.account_id
                 and free_allowance.month_start = excluded.month_start)",
        args![subject, account, start, end],
    )?;
    Ok(claimed > 0)
}

/// Records the free allowance that the account has now, before its address changes or is erased:
/// it may have been granted before these rows were kept. A month that another account of the address
/// got is recorded for the host application's id too, which keeps it after the change.
pub fn keep(tx: &mut Tx<'_>, rules: &Rules, account: i64, now: Timestamp) -> Result<()> {
    let key = format!("allowance:{account}:{}:%", rules.catalog.free().name);
    let granted: Option<(Timestamp, Timestamp)> = tx.query_opt(
        "select effective_at, expires_at
           from credit_grant
          where account_id = $1
            and kind = 'allowance'
            and source_key like $2
            and expires_at > $3
          order by lot desc
          limit 1",
        args![account, &key, now],
    )?;
    if let Some(month) = granted {
        for subject in subjects(tx, &rules.mailboxes, account)? {
            claim_one(tx, &subject, account, month)?;
        }
        return Ok(());
    }
    let claim = latest_claim(tx, &rules.mailboxes, account)?;
    if let Some(claim) = claim.filter(|claim| claim.month_end > now) {
        for subject in subjects(tx, &rules.mailboxes, account)? {
            copy_claim(tx, &subject, &claim)?;
        }
    }
    Ok(())
}

/// Records a claim for one more subject, unless that has a later one.
fn copy_claim(tx: &mut Tx<'_>, subject: &[u8], claim: &Claim) -> Result<u64> {
    tx.execute(
        "insert into free_allowance (subject_hash, account_id, month_start, month_end, anchor_at)
         values ($1, $2, $3, $4, $5)
             on conflict (subject_hash) do update
            set account_id = excluded.account_id,
                month_start = excluded.month_start,
                month_end = excluded.month_end,
                anchor_at = excluded.anchor_at
          where free_allowance.month_end < excluded.month_end",
        args![
            subject,
            claim.account_id,
            claim.month_start,
            claim.month_end,
            claim.anchor_at
        ],
    )
}

/// Lets a new account continue the months of its address: its next free allowance comes when that
/// of the account before it would have come.
pub fn continue_months(tx: &mut Tx<'_>, rules: &Rules, account: i64, now: Timestamp) -> Result<()> {
    let claim = latest_claim(tx, &rules.mailboxes, account)?;
    if let Some(claim) = claim.filter(|claim| claim.month_end > now) {
        tx.execute(
            "update account set anchor_at = $2 where id = $1",
            args![account, claim.anchor_at],
        )?;
    }
    Ok(())
}

/// Forgets which account got the allowances: it is erased.
pub fn forget_account(tx: &mut Tx<'_>, account: i64) -> Result<u64> {
    tx.execute(
        "update free_allowance set account_id = null where account_id = $1",
        args![account],
    )
}

/// Accounts above `after` with an allowance that hasn't expired, in ascending order.
pub fn accounts_with_allowance(
    tx: &mut Tx<'_>,
    after: i64,
    now: Timestamp,
    limit: i64,
) -> Result<Vec<i64>> {
    tx.query(
        "select distinct account_id
           from credit_grant
          where account_id > $1
            and kind = 'allowance'
            and expires_at > $2
          order by account_id
          limit $3",
        args![after, now, limit],
    )
}

/// Deletes the rows of months that have ended.
pub fn sweep(tx: &mut Tx<'_>, now: Timestamp) -> Result<u64> {
    tx.execute(
        "delete from free_allowance where month_end <= $1",
        args![now],
    )
}
