//! Intents whose rows were lost with a restored backup.

use super::{Intent, columns};
use crate::args;
use crate::db::{Tx, sql};
use crate::error::Result;

/// Records an intent whose row was lost, as it was when its object at Stripe was used. Returns
/// `false` if a row has its id or its object.
pub fn recover(tx: &mut Tx<'_>, lost: &Intent) -> Result<bool> {
    let changed = tx.execute(
        sql!(
            "insert into stripe_intent (",
            columns!(),
            ")
             values ($1, $2, $3, $4, 'closed', '', $5, $6, $7, $8, $9, $10, null, null, $11, $12,
                     null, $13, $14, 0, 0, 0, 0)
                 on conflict do nothing"
        ),
        args![
            &lost.id,
            lost.account_id,
            lost.user_id,
            lost.kind,
            lost.credits_micros,
            lost.amount_minor,
            &lost.currency,
            &lost.tier,
            &lost.price_id,
            &lost.stripe_object_id,
            lost.created_at,
            lost.updated_at,
            lost.bonus_micros,
            lost.expires_after_days,
        ],
    )?;
    Ok(changed > 0)
}

/// The account of the intent with this id, of any account.
pub fn account_of(tx: &mut Tx<'_>, id: &str) -> Result<Option<i64>> {
    tx.query_opt(
        "select account_id from stripe_intent where id = $1",
        args![id],
    )
}
