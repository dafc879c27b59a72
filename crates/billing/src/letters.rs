//! Queues emails in the outbox: who receives them, and what is stored.

use domain::letters::Letter;
use domain::people::MemberRole;
use domain::time::Timestamp;
use store::{Tx, outbox};

/// An email as the outbox stores it.
pub fn encode(letter: &Letter) -> String {
    serde_json::to_string(letter).expect("a letter is plain data")
}

/// Queues an email, once per key.
pub fn enqueue(
    tx: &mut Tx<'_>,
    key: &str,
    account: Option<i64>,
    recipient: &str,
    letter: &Letter,
    now: Timestamp,
) -> store::Result<bool> {
    let payload = encode(letter);
    let new = outbox::NewMessage {
        key,
        kind: outbox::MessageKind::Mail,
        account_id: account,
        recipient,
        payload: &payload,
    };
    outbox::enqueue(tx, &new, now)
}

/// Queues an email about a fact to each of the account's payers, once: whoever becomes a payer later,
/// or gets another address, is not told again. Returns whether it was queued now.
pub fn notify_payers(
    tx: &mut Tx<'_>,
    account: i64,
    fact: &str,
    letter: &Letter,
    now: Timestamp,
) -> store::Result<bool> {
    let recipients = payers(tx, account)?;
    let of_each: Vec<String> = recipients
        .iter()
        .map(|recipient| format!("{fact}:{recipient}"))
        .collect();
    if outbox::is_known(tx, fact)? {
        return Ok(false);
    }
    // Earlier versions kept no key of the fact itself: it is kept now, since an address may change.
    for key in &of_each {
        if outbox::is_known(tx, key)? {
            outbox::note_told(tx, fact, account, now)?;
            return Ok(false);
        }
    }
    let keys = std::iter::once(fact).chain(of_each.iter().skip(1).map(String::as_str));
    for (recipient, key) in recipients.iter().zip(keys) {
        // Another process may be telling them at this moment.
        if !enqueue(tx, key, Some(account), recipient, letter, now)? {
            return Ok(false);
        }
    }
    Ok(!recipients.is_empty())
}

/// The email addresses of the members who are notified of an account's credits and payments: its
/// owners and billing members.
pub fn payers(tx: &mut Tx<'_>, account: i64) -> store::Result<Vec<String>> {
    let members = store::users::members(tx, account)?.into_iter();
    let payers = members.filter(|member| member.role >= MemberRole::Billing);
    Ok(payers.map(|member| member.email).collect())
}
