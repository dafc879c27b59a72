//! API keys. Only the hash of a secret is stored.

use domain::time::Timestamp;
use domain::words;

use crate::args;
use crate::db::{Column, Row, Tx, record, sql, word_column};
use crate::error::Result;

macro_rules! columns {
    () => {
        "id, public_id, account_id, name, prefix, scope, mode, created_by, created_at,
         last_used_at, revoked_at, user_id, revoked_because"
    };
}

words! {
    /// The permissions of an API key.
    pub enum KeyScope {
        /// It spends the credits of its account.
        Meter = "meter",
        /// It acts for the host application, on any account.
        Server = "server",
    }
}
word_column!(KeyScope);

words! {
    /// A mode of Stripe.
    pub enum KeyMode {
        /// Stripe's test mode: no money moves.
        Test = "test",
        /// Stripe's live mode: real payments.
        Live = "live",
    }
}
word_column!(KeyMode);

words! {
    /// Why a key stopped working, unless someone revoked it.
    pub enum RevokedBecause {
        /// The member who created it no longer belongs to the account.
        MemberLeft = "member_left",
        /// The member who created it may no longer create keys.
        RoleChanged = "role_changed",
        /// The account was closed.
        AccountClosed = "account_closed",
    }
}
word_column!(RevokedBecause);

impl Column for Option<RevokedBecause> {
    fn read(row: &Row<'_>, index: usize) -> Result<Self> {
        let word: Option<String> = row.get(index)?;
        Ok(word.and_then(|word| RevokedBecause::from_word(&word)))
    }
}

record! {
    /// An API key, without its secret.
    pub struct ApiKey {
        /// The number of the key within this service; never exposed.
        pub id: i64,
        /// The public id of the key: `key_...`.
        pub public_id: String,
        /// The account whose credits it spends; `None` for a key of the host application.
        pub account_id: Option<i64>,
        /// The owner's name for the key; `None` where it has none.
        pub name: String,
        /// The beginning of the secret, by which users recognize the key.
        pub prefix: String,
        /// The permissions of the key.
        pub scope: KeyScope,
        /// The mode of Stripe that the key is for.
        pub mode: KeyMode,
        /// The user or operator who created the key.
        pub created_by: String,
        /// The time at which the key was created.
        pub created_at: Timestamp,
        /// The time at which it was last used, to about a minute.
        pub last_used_at: Option<Timestamp>,
        /// The time since which the key is revoked; `None` while it is valid.
        pub revoked_at: Option<Timestamp>,
        /// The member who created it: its spending counts toward their limits.
        pub user_id: Option<i64>,
        /// Why it stopped working; `None` while it is valid, and if someone revoked it.
        pub revoked_because: Option<RevokedBecause>,
    }
}

/// A key to store.
#[derive(Clone, Debug)]
pub struct NewApiKey<'a> {
    /// The public id of the key: `key_...`.
    pub public_id: &'a str,
    /// The account whose credits it spends; `None` only for a `server` key.
    pub account_id: Option<i64>,
    /// The owner's name for the key; `None` where it has none.
    pub name: &'a str,
    /// The beginning of the secret, by which users recognize the key.
    pub prefix: &'a str,
    /// The hash of the secret.
    pub secret_hash: &'a [u8],
    /// The permissions of the key.
    pub scope: KeyScope,
    /// The mode of Stripe that the key is for.
    pub mode: KeyMode,
    /// The user or operator who created the key.
    pub created_by: &'a str,
}

/// Stores a new key.
pub fn insert(tx: &mut Tx<'_>, new: &NewApiKey<'_>, now: Timestamp) -> Result<ApiKey> {
    tx.query_one(
        sql!(
            "insert into api_key
                    (public_id, account_id, name, prefix, secret_hash, scope, mode, created_by,
                     created_at, user_id)
             values ($1, $2, $3, $4, $5, $6, $7, $8, $9,
                     (select id from user_account where public_id = $8))
             returning ",
            columns!()
        ),
        args![
            new.public_id,
            new.account_id,
            new.name,
            new.prefix,
            new.secret_hash,
            new.scope,
            new.mode,
            new.created_by,
            now,
        ],
    )
}

/// The key with this secret, unless it was revoked or its creator is disabled. A server key belongs
/// to the host application, whoever created it.
pub fn by_secret(tx: &mut Tx<'_>, secret_hash: &[u8]) -> Result<Option<ApiKey>> {
    tx.query_opt(
        sql!(
            "select ",
            columns!(),
            "  from api_key
              where secret_hash = $1
                and revoked_at is null
                and (account_id is null
                     or not exists (select 1
                                      from user_account u
                                     where u.id = api_key.user_id
                                       and u.disabled_at is not null))"
        ),
        args![secret_hash],
    )
}

/// The key with this secret, whether or not it was revoked.
pub fn any_by_secret(tx: &mut Tx<'_>, secret_hash: &[u8]) -> Result<Option<ApiKey>> {
    tx.query_opt(
        sql!(
            "select ",
            columns!(),
            " from api_key where secret_hash = $1"
        ),
        args![secret_hash],
    )
}

/// The account's keys, newest first, including revoked ones.
pub fn of_account(tx: &mut Tx<'_>, account: i64) -> Result<Vec<ApiKey>> {
    tx.query(
        sql!(
            "select ",
            columns!(),
            " from api_key where account_id = $1 order by id desc"
        ),
        args![account],
    )
}

/// The keys of the host application, newest first, including revoked ones.
pub fn of_host(tx: &mut Tx<'_>) -> Result<Vec<ApiKey>> {
    tx.query(
        sql!(
            "select ",
            columns!(),
            " from api_key where account_id is null order by id desc"
        ),
        args![],
    )
}

/// Finds one of the account's keys by its public id.
pub fn of_account_named(tx: &mut Tx<'_>, account: i64, public_id: &str) -> Result<Option<ApiKey>> {
    tx.query_opt(
        sql!(
            "select ",
            columns!(),
            " from api_key where account_id = $1 and public_id = $2"
        ),
        args![account, public_id],
    )
}

/// Finds the public id and the name of a key by its number, for receipts.
pub fn names(tx: &mut Tx<'_>, key: i64) -> Result<Option<(String, String)>> {
    tx.query_opt(
        "select public_id, name from api_key where id = $1",
        args![key],
    )
}

/// Revokes one of the account's keys; returns it if it was valid until now.
pub fn revoke(
    tx: &mut Tx<'_>,
    account: i64,
    public_id: &str,
    now: Timestamp,
) -> Result<Option<ApiKey>> {
    tx.query_opt(
        sql!(
            "update api_key
                set revoked_at = $3
              where account_id = $1
                and public_id = $2
                and revoked_at is null
             returning ",
            columns!()
        ),
        args![account, public_id, now],
    )
}

/// Revokes a key of the host application; returns it if it was valid until now.
pub fn revoke_of_host(tx: &mut Tx<'_>, public_id: &str, now: Timestamp) -> Result<Option<ApiKey>> {
    tx.query_opt(
        sql!(
            "update api_key
                set revoked_at = $2
              where account_id is null
                and public_id = $1
                and revoked_at is null
             returning ",
            columns!()
        ),
        args![public_id, now],
    )
}

/// Revokes the keys that a member created for the account. Returns their public ids.
pub fn revoke_of_member(
    tx: &mut Tx<'_>,
    user: i64,
    account: i64,
    because: RevokedBecause,
    now: Timestamp,
) -> Result<Vec<String>> {
    tx.query(
        "update api_key
            set revoked_at = $3, revoked_because = $4
          where account_id = $1
            and user_id = $2
            and revoked_at is null
         returning public_id",
        args![account, user, now, because],
    )
}

/// Records that the key was used.
pub fn touch(tx: &mut Tx<'_>, key: i64, now: Timestamp) -> Result<u64> {
    tx.execute(
        "update api_key set last_used_at = $2 where id = $1",
        args![key, now],
    )
}
