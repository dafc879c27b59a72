//! The alert rules. Each is one function that finds the conditions that hold now, and is evaluated
//! separately from the others.

use domain::money::{Currency, MICROS_PER_CREDIT, MinorUnits};
use domain::projection::DisputeStatus;
use store::disputes::Dispute;
use store::webhook_endpoints::EndpointState;
use store::{Tx, alerts};

use super::{Finds, Found, Rules, SECONDS_PER_MINUTE, closed, critical, warning};
use crate::binding::OTHER_ACCOUNT;
use crate::jobs::nightly;
use crate::operators::unfinished::{self, Unfinished};
use crate::sync::inbox::OTHER_MODE;
use crate::sync::snapshot::CUSTOMER_MISSING;
use crate::webhook_endpoints::BY_HAND;

/// More consecutive failures than this open an incident (seed 15.3).
const FAILED_IN_A_ROW_MAX: i64 = 5;

/// Minutes after its expiry at which a pending hold counts as stuck; the sweep runs every few
/// seconds.
const STUCK_HOLD_MINUTES: i64 = 10;

/// Maximum number of disputes that are alerted at once.
const DISPUTES_MAX: i64 = 200;

/// A rule: the name of its incidents, and the conditions that hold now.
pub(super) type Rule = (&'static str, fn(&Rules, &mut Tx<'_>) -> Finds);

/// The rules that are evaluated every time.
pub(super) const ALL: &[Rule] = &[
    ("failed-webhooks", failed_webhooks),
    ("inbox-age", inbox_age),
    ("parked", parked),
    ("bad-signatures", bad_signatures),
    ("stripe-errors", stripe_errors),
    ("other-mode", other_mode),
    ("outbox", outbox),
    ("endpoint-disabled", endpoints_disabled),
    ("stuck-holds", stuck_holds),
    ("uncollected", uncollected),
    ("audit", audit),
    ("owed", owed),
    ("clock", clock),
    ("stripe-account", stripe_account),
    ("customer-missing", customer_missing),
    ("unexplained-payments", unexplained_payments),
    ("dispute", disputes),
    ("lost-dispute", lost_disputes),
    (closed::RULE, closed::accounts),
];

/// One incident if `holds`.
fn only_if(holds: bool, found: impl FnOnce() -> Found) -> Finds {
    Ok(holds.then(found).into_iter().collect())
}

fn failed_webhooks(_: &Rules, tx: &mut Tx<'_>) -> Finds {
    only_if(alerts::failed_in_a_row(tx)? > FAILED_IN_A_ROW_MAX, || {
        let summary = "More than 5 consecutive attempts to apply Stripe webhooks failed.";
        critical("failed-webhooks", summary)
    })
}

fn inbox_age(rules: &Rules, tx: &mut Tx<'_>) -> Finds {
    let minutes = rules.settings.inbox_minutes;
    let waits_since = rules.minutes_ago(minutes);
    let oldest = store::events::oldest_open(tx)?;
    only_if(oldest.is_some_and(|oldest| oldest < waits_since), || {
        let summary = format!("A Stripe event has been waiting for more than {minutes} minutes.");
        critical("inbox-age", &summary)
    })
}

fn parked(_: &Rules, tx: &mut Tx<'_>) -> Finds {
    let (_, accounts) = store::sync::backlog(tx)?;
    only_if(accounts > 0 || alerts::parked_events(tx)? > 0, || {
        warning(
            "parked",
            "Accounts or events failed and need manual review.",
        )
    })
}

fn bad_signatures(rules: &Rules, tx: &mut Tx<'_>) -> Finds {
    let unsigned = alerts::recent(tx, "bad-signature", rules.real_now)?;
    only_if(unsigned > rules.settings.bad_signatures_max, || {
        let summary = "Many webhook deliveries had a bad signature.";
        warning("bad-signatures", summary)
    })
}

fn stripe_errors(rules: &Rules, tx: &mut Tx<'_>) -> Finds {
    let errors = alerts::recent(tx, "stripe-error", rules.real_now)?;
    only_if(errors > rules.settings.stripe_errors_max, || {
        warning("stripe-errors", "Many calls to Stripe failed.")
    })
}

fn other_mode(rules: &Rules, tx: &mut Tx<'_>) -> Finds {
    let seen = alerts::recent(tx, OTHER_MODE, rules.real_now)?;
    only_if(seen > 0, || {
        let summary = "Stripe delivers events of the other mode (live or test) than the key's. \
                       They are ignored. Check the webhook endpoints in Stripe's dashboard.";
        warning("other-mode", summary)
    })
}

fn outbox(rules: &Rules, tx: &mut Tx<'_>) -> Finds {
    let minutes = rules.settings.outbox_minutes;
    let overdue = alerts::overdue_messages(tx, rules.minutes_ago(minutes))?;
    only_if(overdue > 0, || {
        let summary =
            format!("Emails or webhooks have been waiting for more than {minutes} minutes.");
        warning("outbox", &summary)
    })
}

fn endpoints_disabled(_: &Rules, tx: &mut Tx<'_>) -> Finds {
    let mut found = Vec::new();
    for endpoint in store::webhook_endpoints::all(tx)? {
        let reason = endpoint.disabled_reason.as_deref();
        if endpoint.state == EndpointState::Disabled && reason != Some(BY_HAND) {
            let id = &endpoint.public_id;
            let summary =
                format!("The webhook endpoint {id} was disabled because deliveries failed.");
            found.push(Found {
                subject: endpoint.public_id.clone(),
                ..warning("endpoint-disabled", &summary)
            });
        }
    }
    Ok(found)
}

fn stuck_holds(rules: &Rules, tx: &mut Tx<'_>) -> Finds {
    let since = -STUCK_HOLD_MINUTES * SECONDS_PER_MINUTE;
    let stuck = alerts::stuck_holds(tx, rules.now.plus_seconds(since))?;
    only_if(stuck > 0, || {
        warning("stuck-holds", "Holds are still pending after they expired.")
    })
}

fn uncollected(rules: &Rules, tx: &mut Tx<'_>) -> Finds {
    let micros = alerts::uncollected_since(tx, rules.now.plus_days(-1))?;
    let most = rules.settings.uncollected_credits_max;
    only_if(micros / MICROS_PER_CREDIT > most, || {
        let summary = "Captures of the last day left many credits uncollected.";
        warning("uncollected", summary)
    })
}

fn audit(_: &Rules, tx: &mut Tx<'_>) -> Finds {
    let audit = store::settings::get(tx, nightly::LAST)?;
    let audit = audit.and_then(|text| serde_json::from_str::<serde_json::Value>(&text).ok());
    only_if(audit.is_some_and(|audit| audit["differences"] != 0), || {
        critical("audit", "The last audit found differences in the books.")
    })
}

/// Requests to Stripe that are unfinished after a refusal or several failures: one incident for each
/// account.
fn owed(_: &Rules, tx: &mut Tx<'_>) -> Finds {
    let all = unfinished::by_account(tx)?.into_iter();
    let found = all.map(|Unfinished { account, what, .. }| {
        let summary = format!("{what} for {account} is overdue: Stripe didn't carry it out.");
        Found {
            subject: account,
            ..critical("owed", &summary)
        }
    });
    Ok(found.collect())
}

fn clock(rules: &Rules, _: &mut Tx<'_>) -> Finds {
    only_if(rules.is_clock_doubtful, || {
        let summary = "The system clock is more than a day from the last commit; nothing expires \
                       until it is accepted.";
        critical("clock", summary)
    })
}

fn stripe_account(_: &Rules, tx: &mut Tx<'_>) -> Finds {
    only_if(store::sync::failing_with(tx, OTHER_ACCOUNT)? > 0, || {
        let summary = "The Stripe key is of another account or mode than the database; nothing is \
                       synced.";
        critical("stripe-account", summary)
    })
}

fn customer_missing(_: &Rules, tx: &mut Tx<'_>) -> Finds {
    only_if(store::sync::failing_with(tx, CUSTOMER_MISSING)? > 0, || {
        let summary = "Stripe does not have the customer of an account.";
        critical("customer-missing", summary)
    })
}

fn unexplained_payments(_: &Rules, tx: &mut Tx<'_>) -> Finds {
    only_if(store::transactions::unexplained::count(tx)? > 0, || {
        let summary = "Payments have brought neither credits nor a plan; `repair` lists them.";
        warning("unexplained-payments", summary)
    })
}

/// Open disputes, each until the bank has decided.
fn disputes(_: &Rules, tx: &mut Tx<'_>) -> Finds {
    let mut found = Vec::new();
    for dispute in store::disputes::all_open(tx, DISPUTES_MAX)? {
        let due = match dispute.due_by {
            Some(due_by) if dispute.status() == Some(DisputeStatus::NeedsResponse) => {
                format!("Stripe needs your response by {}.", due_by.date_text())
            }
            _ => "The bank is reviewing it.".to_owned(),
        };
        let summary = format!("{} is disputed. {due}", disputed(tx, &dispute)?);
        found.push(Found {
            subject: dispute.dispute_id,
            ..critical("dispute", &summary)
        });
    }
    Ok(found)
}

/// Lost disputes, until someone has decided whether the plan that was paid for continues.
fn lost_disputes(_: &Rules, tx: &mut Tx<'_>) -> Finds {
    let mut found = Vec::new();
    for dispute in store::disputes::all_asked(tx, DISPUTES_MAX)? {
        let payment = disputed(tx, &dispute)?;
        let summary = format!(
            "{payment} was lost in a dispute and its plan continues. Decide on the account's page \
             whether it ends."
        );
        found.push(Found {
            subject: dispute.dispute_id,
            ..warning("lost-dispute", &summary)
        });
    }
    Ok(found)
}

/// The payment that a dispute is about, as the beginning of a sentence. Alerts name no person.
fn disputed(tx: &mut Tx<'_>, dispute: &Dispute) -> store::Result<String> {
    let currency = Currency::parse(&dispute.currency).unwrap_or(Currency::USD);
    let amount = MinorUnits::new(dispute.amount_minor, currency).decimal_text();
    let account = store::accounts::find(tx, dispute.account_id)?;
    let account = account.map_or_else(String::new, |account| account.public_id);
    let code = currency.code().to_uppercase();
    Ok(format!("A payment of {amount} {code} by {account}"))
}
