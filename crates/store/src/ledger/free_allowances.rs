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
use crate::error::Result;

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

/// The hash of what an account's free allowance is counted by: the address of its first owner, or
/// the host application's id of an account without one; `None` for an account with neither.
fn subject(tx: &mut Tx<'_>, mailboxes: &Mailboxes, account: i64) -> Result<Option<Vec<u8>>> {
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
    if let Some(email) = owner {
        let mailbox = mailboxes.rules.mailbox(&email);
        return Ok(Some(mailboxes.hash("mailbox", &mailbox)));
    }
    let external: Option<Option<String>> = tx.query_opt(
        "select external_id from account where id = $1",
        args![account],
    )?;
    Ok(external.flatten().map(|id| mailboxes.hash("host", &id)))
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
    let Some(subject) = subject(tx, mailboxes, account)? else {
        return Ok(None);
    };
    Ok(of_subject(tx, &subject)?.map(|claim| FreeClaim {
        is_own: claim.account_id == Some(account),
        month_start: claim.month_start,
        month_end: claim.month_end,
    }))
}

/// Claims the month from `start` until `end` for the account's address. Returns `false` if the
/// address already had a free allowance for a part of it.
pub(crate) fn claim(
    tx: &mut Tx<'_>,
    mailboxes: &Mailboxes,
    account: i64,
    (start, end): (Timestamp, Timestamp),
) -> Result<bool> {
    let Some(subject) = subject(tx, mailboxes, account)? else {
        return Ok(true);
    };
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
        args![&subject, account, start, end],
    )?;
    Ok(claimed > 0)
}

/// Records the free allowance that the account has now, before its address changes or is erased:
/// it may have been granted before these rows were kept.
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
        claim(tx, &rules.mailboxes, account, month)?;
    }
    Ok(())
}

/// Lets a new account continue the months of its address: its next free allowance comes when that
/// of the account before it would have come.
pub fn continue_months(tx: &mut Tx<'_>, rules: &Rules, account: i64, now: Timestamp) -> Result<()> {
    let Some(subject) = subject(tx, &rules.mailboxes, account)? else {
        return Ok(());
    };
    let claim = of_subject(tx, &subject)?;
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
