//! Searches that an operator saved under a name, visible only to that operator.

use domain::time::Timestamp;

use crate::args;
use crate::db::{Tx, record};
use crate::error::Result;

/// The most searches that an operator may save.
pub const VIEWS_MAX: i64 = 20;

record! {
    /// A search that an operator saved.
    pub struct View {
        /// The number of the search within this service.
        pub id: i64,
        /// The operator's name for the search.
        pub name: String,
        /// The search, as a URL query string.
        pub query: String,
    }
}

/// Saves a search, or replaces the one with this name. `false` when the operator already has
/// [`VIEWS_MAX`] searches.
pub fn put(tx: &mut Tx<'_>, user: i64, name: &str, query: &str, now: Timestamp) -> Result<bool> {
    let changed = tx.execute(
        "insert into operator_view (user_id, name, query, created_at)
         select cast($1 as bigint), cast($2 as text), cast($3 as text), cast($4 as bigint)
          where (select count(*) from operator_view where user_id = $1 and name <> $2) < $5
             on conflict (user_id, name) do update set query = excluded.query",
        args![user, name, query, now, VIEWS_MAX],
    )?;
    Ok(changed > 0)
}

/// Lists the operator's saved searches, by name.
pub fn of_user(tx: &mut Tx<'_>, user: i64) -> Result<Vec<View>> {
    tx.query(
        "select id, name, query
           from operator_view
          where user_id = $1
          order by name
          limit 100",
        args![user],
    )
}

/// Deletes one of the operator's searches.
pub fn remove(tx: &mut Tx<'_>, user: i64, id: i64) -> Result<u64> {
    tx.execute(
        "delete from operator_view where user_id = $1 and id = $2",
        args![user, id],
    )
}
