//! Labels for words of the store, the journal and Stripe, and badges for states. An unknown word is
//! shown unchanged.

use domain::ledger::{EntryKind, GrantKind};
use domain::plan::AccountKind;

use crate::components::{Badge, Choice};
use crate::format;

/// The badge for a subscription's status at Stripe; an unknown status is shown unchanged.
pub fn subscription_badge(status: &str) -> Badge {
    match status.to_ascii_lowercase().as_str() {
        "" | "none" | "free" => Badge::plain("Free"),
        "active" => Badge::ok("Active"),
        "trialing" => Badge::info("Trial"),
        "past_due" => Badge::bad("Payment failed"),
        "unpaid" => Badge::bad("Unpaid"),
        "paused" => Badge::warn("Paused"),
        "incomplete" => Badge::info("Waiting for payment"),
        "incomplete_expired" => Badge::plain("Not started"),
        "canceled" | "cancelled" => Badge::plain("Ended"),
        other => Badge::warn(other),
    }
}

/// A transaction's description with its plan's title: "Pro, renewal, 2027-01-24 to 2027-02-24".
pub fn with_plan(description: &str, title: &str) -> String {
    match description.strip_prefix("Plan") {
        Some(rest) => format!("{title}{rest}"),
        None => description.to_owned(),
    }
}

/// The plan and the period that a payment was for: "Pro plan, 24 Jan to 24 Feb 2027".
pub fn plan_payment(description: &str, title: &str) -> String {
    let days = description.rsplit(", ").next().and_then(|days| {
        let (from, to) = days.split_once(" to ")?;
        let day = |text| Some(format::day(domain::time::parse(text)?.micros()).text);
        Some((day(from)?, day(to)?))
    });
    match days {
        Some((from, to)) => {
            let year = to.rsplit(' ').next().unwrap_or_default();
            let from = from.strip_suffix(year).map_or(from.as_str(), str::trim_end);
            format!("{title} plan, {from} to {to}")
        }
        None => with_days(&with_plan(description, title)),
    }
}

/// A stored description with dates in display format: "24 Jan 2027" for "2027-01-24".
pub fn with_days(text: &str) -> String {
    let word = |word: &str| {
        let bare = word.trim_end_matches([',', '.']);
        let day = domain::time::parse(bare).filter(|_| bare.len() == "2027-01-24".len());
        match day {
            Some(day) => format!("{}{}", format::day(day.micros()).text, &word[bare.len()..]),
            None => word.to_owned(),
        }
    };
    text.split(' ').map(word).collect::<Vec<_>>().join(" ")
}

pub fn transaction_badge(status: &str) -> Badge {
    match status.to_ascii_uppercase().as_str() {
        "PENDING" => Badge::info("Pending"),
        "COMPLETED" => Badge::ok("Paid"),
        "FAILED" => Badge::bad("Failed"),
        "REFUNDED" => Badge::plain("Refunded"),
        "CANCELLED" => Badge::plain("Canceled"),
        _ => Badge::warn(status),
    }
}

pub fn transaction_kind(kind: &str) -> &str {
    match kind {
        "SUBSCRIPTION_PAYMENT" => "Subscription",
        "SUBSCRIPTION_UPGRADE" => "Upgrade",
        "SUBSCRIPTION_DOWNGRADE" => "Downgrade",
        "SUBSCRIPTION_CANCEL" => "Cancellation",
        "CREDIT_TOPUP" => "Credit top-up",
        "REFUND" => "Refund",
        other => other,
    }
}

/// The badge for a webhook event's state.
pub fn event_badge(state: &str) -> Badge {
    match state.to_ascii_lowercase().as_str() {
        "received" | "pending" => Badge::info("Waiting"),
        "processed" | "done" | "applied" => Badge::ok("Processed"),
        "retrying" => Badge::warn("Retrying"),
        "failed" | "dead" | "parked" => Badge::bad("Failed"),
        "ignored" => Badge::plain("Ignored"),
        "duplicate" => Badge::plain("Duplicate"),
        "unmatched" => Badge::warn("Without account"),
        _ => Badge::warn(state),
    }
}

/// The label for what a journal entry records.
pub fn entry_kind(kind: EntryKind) -> &'static str {
    match kind {
        EntryKind::Grant => "Grant",
        EntryKind::Hold => "Hold",
        EntryKind::Capture => "Capture",
        EntryKind::Release => "Release",
        EntryKind::HoldExpired => "Hold expired",
        EntryKind::Debit => "Debit",
        EntryKind::Expire => "Credits expired",
        EntryKind::Clawback => "Clawback",
        EntryKind::Repay => "Debt repaid",
        EntryKind::Reinstate => "Credits reinstated",
        EntryKind::Adjust => "Adjustment",
        EntryKind::Void => "Grant ended",
        EntryKind::Freeze => "Grant frozen by a dispute",
        EntryKind::Unfreeze => "Grant released after a dispute",
        EntryKind::Forgive => "Debt forgiven",
        EntryKind::Keep => "Allowance kept until the renewal is settled",
    }
}

pub fn grant_kind(kind: GrantKind) -> &'static str {
    match kind {
        GrantKind::Purchase => "Top-up",
        GrantKind::Bonus => "Bonus",
        GrantKind::Allowance => "Monthly credits",
        GrantKind::Promo => "Promotion",
        GrantKind::Adjustment => "Adjustment",
        GrantKind::Rollover => "Carried over",
        GrantKind::Reinstatement => "Reinstated",
    }
}

/// The actions of the audit log, each with its label.
const ACTIONS: [(&str, &str); 46] = [
    ("account.adopt", "Stripe customer linked"),
    ("account.close", "Account closed"),
    ("account.export", "Account data downloaded"),
    ("account.found", "Organization created"),
    ("account.identify", "Account named by the host application"),
    ("account.rebuild", "Balance rebuilt from the journal"),
    ("account.repair", "Account repaired from Stripe"),
    ("account.resume", "Account resumed"),
    ("account.retire_customer", "Stripe customer dropped"),
    ("account.suspend", "Account suspended"),
    ("account.sync", "Account synced with Stripe"),
    ("account.tier_override", "Plan override changed"),
    ("alert.acknowledge", "Alert acknowledged"),
    ("audit.run", "Books checked"),
    ("checkout.start", "Checkout started for a customer"),
    ("credits.adjust", "Credits adjusted"),
    ("credits.grant", "Promotional credits granted"),
    ("debt.forgive", "Debt forgiven"),
    ("dispute.decide", "Plan decided after a lost dispute"),
    ("event.replay", "Webhook event replayed"),
    ("export", "Tables exported"),
    ("grant.void", "Grant ended"),
    ("key.create", "API key created"),
    ("key.revoke", "API key revoked"),
    ("limit.remove", "Spend limit removed"),
    ("limit.set", "Spend limit set"),
    ("member.invite", "Member invited"),
    ("member.join", "Invitation accepted"),
    ("member.own", "Owner set by the host application"),
    ("member.remove", "Member removed"),
    ("member.role", "Role changed"),
    ("member.withdraw", "Invitation withdrawn"),
    ("payment.decide", "Payment decided"),
    ("payment.refund", "Payment refunded"),
    ("price.agree", "Price agreed"),
    ("price.end", "Agreed price ended"),
    ("request.dismiss", "Unfinished request settled"),
    ("request.retry", "Unfinished request tried again"),
    ("settings.change", "Settings changed"),
    (
        "user.address",
        "Email address changed by the host application",
    ),
    ("user.sign_out", "Signed out by the host application"),
    ("webhook_endpoint.create", "Webhook endpoint created"),
    ("webhook_endpoint.delete", "Webhook endpoint deleted"),
    ("webhook_endpoint.resend", "Webhook delivery sent again"),
    (
        "webhook_endpoint.rotate",
        "Webhook endpoint's secret changed",
    ),
    ("webhook_endpoint.update", "Webhook endpoint changed"),
];

/// The label of an action in the audit log.
pub fn action(key: &str) -> &str {
    label_of(key, &ACTIONS)
}

/// All actions as choices, with the current one selected.
pub fn actions(current: &str) -> Vec<Choice> {
    let known = [&[("", "Any action")], &ACTIONS[..]].concat();
    let mut choices = Choice::list(&known, current);
    if choices.iter().all(|choice| !choice.selected) {
        choices.push(Choice {
            value: current.to_owned(),
            label: current.to_owned(),
            selected: true,
        });
    }
    choices
}

/// The reasons for which an operator adjusts credits, each with its label.
pub const ADJUSTMENT_REASONS: [(&str, &str); 5] = [
    ("goodwill", "Goodwill"),
    ("correction", "Correction"),
    ("promotion", "Promotion"),
    ("migration", "Migration"),
    ("other", "Other"),
];

/// The kind of an account in a sentence.
pub fn account_kind(kind: AccountKind) -> &'static str {
    match kind {
        AccountKind::Personal => "personal account",
        AccountKind::Organisation => "organization",
    }
}

/// The label of the reason for an adjustment.
pub fn adjustment_reason(reason: &str) -> &str {
    label_of(reason, &ADJUSTMENT_REASONS)
}

fn label_of<'a>(word: &'a str, labels: &[(&str, &'a str)]) -> &'a str {
    let known = labels.iter().find(|(known, _)| *known == word);
    known.map_or(word, |(_, label)| label)
}

pub fn hold_badge(state: &str) -> Badge {
    match state.to_ascii_lowercase().as_str() {
        "pending" | "held" => Badge::info("Held"),
        "captured" | "debited" => Badge::ok("Captured"),
        "released" => Badge::plain("Released"),
        "expired" => Badge::warn("Expired"),
        "refused" => Badge::bad("Refused"),
        _ => Badge::warn(state),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plans_payment_names_the_plan_and_its_days() {
        assert_eq!(
            plan_payment("Plan, first payment, 2026-11-29 to 2026-12-29", "Pro"),
            "Pro plan, 29 Nov to 29 Dec 2026"
        );
        assert_eq!(
            plan_payment("Plan, renewal, 2026-12-29 to 2027-01-29", "Pro"),
            "Pro plan, 29 Dec 2026 to 29 Jan 2027"
        );
        assert_eq!(plan_payment("Plan change", "Pro"), "Pro change");
    }

    #[test]
    fn days_of_a_description_are_written_as_everywhere_and_the_rest_stays() {
        let shown = with_days("Plan, renewal, 2027-01-24 to 2027-02-24");

        assert_eq!(shown, "Plan, renewal, 24 Jan 2027 to 24 Feb 2027");
        assert_eq!(with_days("5,000 credits"), "5,000 credits");
        assert_eq!(
            with_days("Plan change, from 2027-02-30."),
            "Plan change, from 2027-02-30."
        );
    }
}
