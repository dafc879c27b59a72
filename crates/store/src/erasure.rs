//! Erasure of the personal data of an account or a user. Purchases and usage are kept, under a
//! number.

use domain::time::Timestamp;

use crate::args;
use crate::db::Tx;
use crate::error::Result;

/// Erases an account's personal data and credentials: its name, keys, emails, payloads, card and
/// automatic purchases. The caller removes its members.
pub fn account(tx: &mut Tx<'_>, account: i64, now: Timestamp) -> Result<()> {
    crate::accounts::anonymize(tx, account, now)?;
    crate::ledger::free_allowances::forget_account(tx, account)?;
    crate::invitations::close_all(tx, account, now)?;
    crate::payment_methods::remove(tx, account)?;
    for statement in [
        "update api_key
            set revoked_because = case when revoked_at is null then 'account_closed'
                                       else revoked_because end,
                revoked_at = coalesce(revoked_at, $2),
                name = ''
          where account_id = $1",
        "update auto_topup set state = 'off', user_id = null, updated_at = $2 where account_id = $1",
    ] {
        tx.execute(statement, args![account, now])?;
    }
    for statement in [
        "update wallet set topup_below = null, topup_due = 0, low_due = 0 where account_id = $1",
        "delete from account_setting where account_id = $1",
        "delete from stripe_event_payload
          where n in (select n from stripe_event where account_id = $1)",
        // The stored parameters of a customer intent contain a name and an address.
        "update stripe_intent
            set params = '',
                state = case when state in ('open', 'calling') then 'closed' else state end
          where account_id = $1
            and kind in ('customer', 'customer_change')",
        // Those of a refund may contain an operator's note.
        "update stripe_intent
            set params = ''
          where account_id = $1
            and kind = 'refund'
            and state not in ('open', 'calling')",
        "update outbox
            set recipient = '', payload = '',
                state = case when state = 'queued' then 'failed' else state end
          where account_id = $1 and kind = 'mail'",
    ] {
        tx.execute(statement, args![account])?;
    }
    Ok(())
}

/// Erases a user's personal data: address, name, sessions, links, and emails sent to them.
pub fn user(tx: &mut Tx<'_>, user: i64, email: &str, now: Timestamp) -> Result<()> {
    crate::users::anonymize(tx, user, now)?;
    crate::sessions::delete_of_user(tx, user)?;
    address(tx, email)
}

/// Ends what was sent to an address: its links, its open invitations, and the emails that wait. They
/// and those that were sent forget it.
pub fn address(tx: &mut Tx<'_>, email: &str) -> Result<()> {
    crate::login_links::delete_of(tx, email)?;
    // The address may be encrypted with any key, or stored as plain text.
    let forms = tx.distinct_forms(email);
    for statement in [
        "update invitation
            set email = null, closed_at = coalesce(closed_at, created_at)
          where email = $1",
        "update outbox
            set recipient = '', payload = '',
                state = case when state = 'queued' then 'failed' else state end
          where kind = 'mail' and recipient <> '' and recipient = $1",
    ] {
        for form in &forms {
            tx.execute(statement, args![form])?;
        }
    }
    Ok(())
}
