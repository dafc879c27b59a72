//! Requests of operators and host applications that change credits or money: one request per
//! idempotency key, and turns for those that count toward a limit.

use domain::time::Timestamp;

use crate::args;
use crate::db::Tx;
use crate::error::Result;

/// Records what an actor requested under an idempotency key. `false` if the key was used for another
/// request.
pub fn claim(
    tx: &mut Tx<'_>,
    (actor, key): (&str, &str),
    request_hash: &str,
    now: Timestamp,
) -> Result<bool> {
    tx.execute(
        "insert into operator_request (actor, key, request_hash, created_at)
         values ($1, $2, $3, $4)
             on conflict (actor, key) do nothing",
        args![actor, key, request_hash, now],
    )?;
    let known = find(tx, actor, key)?;
    Ok(known.as_deref() == Some(request_hash))
}

/// The hash of what an actor requested under an idempotency key.
pub fn find(tx: &mut Tx<'_>, actor: &str, key: &str) -> Result<Option<String>> {
    tx.query_opt(
        "select request_hash from operator_request where actor = $1 and key = $2",
        args![actor, key],
    )
}

/// Takes the actor's turn until the commit: another transaction of the same actor waits here, and
/// then sees what this one wrote. So a limit is checked against all earlier actions.
pub fn take_turn(tx: &mut Tx<'_>, actor: &str, now: Timestamp) -> Result<u64> {
    tx.execute(
        "insert into operator_turn (actor, taken_at)
         values ($1, $2)
             on conflict (actor) do update set taken_at = excluded.taken_at",
        args![actor, now],
    )
}
