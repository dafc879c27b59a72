//! Erasure: what an account or a user leaves behind that says who it was. What was bought and spent
//! stays, under a number.

use domain::time::Timestamp;

use crate::args;
use crate::db::Tx;
use crate::error::Result;

/// Erases who an account was and what could act for it: its name, keys, emails, payloads, card and
/// automatic purchases. The caller removes its members.
pub fn account(tx: &mut Tx<'_>, account: i64, now: Timestamp) -> Result<()> {
    crate::accounts::anonymize(tx, account, now)?;
    crate::invitations::close_all(tx, account, now)?;
    crate::payment_methods::remove(tx, account)?;
    for statement in [
        "update api_key set revoked_at = coalesce(revoked_at, $2), name = '' where account_id = $1",
        "update auto_topup set state = 'off', user_id = null, updated_at = $2 where account_id = $1",
    ] {
        tx.execute(statement, args![account, now])?;
    }
    for statement in [
        "update wallet set topup_below = null, topup_due = 0, low_due = 0 where account_id = $1",
        "delete from account_setting where account_id = $1",
        "delete from stripe_event_payload
          where n in (select n from stripe_event where account_id = $1)",
        // The frozen parameters of a customer's intent hold its name and address.
        "update stripe_intent
            set params = ''
          where account_id = $1
            and kind in ('customer', 'customer_change')",
        "update outbox
            set recipient = '', payload = '',
                state = case when state = 'queued' then 'failed' else state end
          where account_id = $1 and kind = 'mail'",
    ] {
        tx.execute(statement, args![account])?;
    }
    Ok(())
}

/// Erases who a user was: address, name, sessions, links, and emails that were written to them.
pub fn user(tx: &mut Tx<'_>, user: i64, email: &str, now: Timestamp) -> Result<()> {
    crate::users::anonymize(tx, user, now)?;
    crate::sessions::delete_of_user(tx, user)?;
    // The address may be sealed with any key, or plain.
    let forms = tx.forms(email);
    for statement in [
        "delete from login_link where email = $1",
        "update invitation
            set email = null, closed_at = coalesce(closed_at, created_at)
          where email = $1",
        "update outbox
            set recipient = '', payload = '',
                state = case when state = 'queued' then 'failed' else state end
          where kind = 'mail' and recipient = $1",
    ] {
        for form in &forms {
            tx.execute(statement, args![form])?;
        }
    }
    Ok(())
}
