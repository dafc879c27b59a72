//! Money that reached a closed account: a payment that was on its way when the account was closed, or
//! a plan that someone started at Stripe. Nothing of it can be used, so it is to be refunded (G10).

use store::{Tx, alerts};

use super::{Finds, Found, Rules, critical};

/// The name of the rule; its subject is an account.
pub(super) const RULE: &str = "closed-account";

/// Maximum number of accounts that are alerted at once.
const ACCOUNTS_MAX: i64 = 200;

pub(super) fn accounts(_: &Rules, tx: &mut Tx<'_>) -> Finds {
    let mut found = Vec::new();
    for account in alerts::closed_and_charged(tx, ACCOUNTS_MAX)? {
        let summary = format!(
            "The account {account} is closed and was charged, or has a plan that can charge it. \
             Refund the payment on its page, and cancel the plan at Stripe."
        );
        found.push(Found {
            subject: account,
            ..critical(RULE, &summary)
        });
    }
    Ok(found)
}
