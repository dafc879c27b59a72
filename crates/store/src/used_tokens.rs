//! Used single-use tokens of the host application.

use domain::time::Timestamp;

use crate::args;
use crate::db::Tx;
use crate::error::Result;

/// Marks a token as used. `false` if it was already used.
pub fn take(tx: &mut Tx<'_>, id: &str, expires_at: Timestamp) -> Result<bool> {
    let inserted = tx.execute(
        "insert into used_token (id, expires_at) values ($1, $2) on conflict (id) do nothing",
        args![id, expires_at],
    )?;
    Ok(inserted > 0)
}

/// Deletes tokens that have expired.
pub fn sweep(tx: &mut Tx<'_>, now: Timestamp) -> Result<u64> {
    tx.execute("delete from used_token where expires_at <= $1", args![now])
}
