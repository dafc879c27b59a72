//! Small named values of the service and of accounts.

use domain::time::Timestamp;

use crate::args;
use crate::db::Tx;
use crate::error::Result;

/// Reads the value of `name`.
pub fn get(tx: &mut Tx<'_>, name: &str) -> Result<Option<String>> {
    tx.query_opt("select value from setting where name = $1", args![name])
}

/// The value as it is stored.
fn sealed(tx: &Tx<'_>, name: &str, value: &str) -> String {
    if name.ends_with("secret") {
        tx.seal(value).into_owned()
    } else {
        value.to_owned()
    }
}

/// Sets `name` to `value`, encrypted if the name marks it as a secret and a key is configured.
pub fn put(tx: &mut Tx<'_>, name: &str, value: &str, now: Timestamp) -> Result<u64> {
    let sealed = sealed(tx, name, value);
    tx.execute(
        "insert into setting (name, value, updated_at)
         values ($1, $2, $3)
             on conflict (name) do update
            set value = excluded.value, updated_at = excluded.updated_at",
        args![name, &sealed, now],
    )
}

/// Sets `name` to `value` unless it is already set; returns the resulting value. If several
/// processes start at once, all get the same value.
pub fn put_once(tx: &mut Tx<'_>, name: &str, value: &str, now: Timestamp) -> Result<String> {
    let value = sealed(tx, name, value);
    tx.query_one(
        "insert into setting (name, value, updated_at)
         values ($1, $2, $3)
             on conflict (name) do update
            set updated_at = setting.updated_at
         returning value",
        args![name, &value, now],
    )
}

/// Deletes the value of `name`.
pub fn remove(tx: &mut Tx<'_>, name: &str) -> Result<u64> {
    tx.execute("delete from setting where name = $1", args![name])
}

/// Reads the account's value of `name`.
pub fn of_account(tx: &mut Tx<'_>, account: i64, name: &str) -> Result<Option<String>> {
    tx.query_opt(
        "select value from account_setting where account_id = $1 and name = $2",
        args![account, name],
    )
}

/// All values of the account, by name.
pub fn all_of_account(tx: &mut Tx<'_>, account: i64) -> Result<Vec<(String, String)>> {
    tx.query(
        "select name, value from account_setting where account_id = $1 order by name",
        args![account],
    )
}

/// Sets the account's `name` to `value`.
pub fn put_of_account(
    tx: &mut Tx<'_>,
    account: i64,
    name: &str,
    value: &str,
    now: Timestamp,
) -> Result<u64> {
    tx.execute(
        "insert into account_setting (account_id, name, value, updated_at)
         values ($1, $2, $3, $4)
             on conflict (account_id, name) do update
            set value = excluded.value, updated_at = excluded.updated_at",
        args![account, name, value, now],
    )
}

/// Deletes the account's value of `name`.
pub fn remove_of_account(tx: &mut Tx<'_>, account: i64, name: &str) -> Result<u64> {
    tx.execute(
        "delete from account_setting where account_id = $1 and name = $2",
        args![account, name],
    )
}
