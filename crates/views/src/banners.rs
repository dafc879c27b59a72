//! The banner for each billing state, the same on every page: what happened, what it means, what to
//! do. The arguments are ready-made text; the caller decides whether a state applies.

use crate::components::{Action, Banner, Kind, Prose};
use crate::format;
use crate::format::When;

const CREDITS: &str = "/dashboard/billing/credits";

const UPGRADE: &str = "/dashboard/billing/upgrade";

const USAGE: &str = "/dashboard/usage";

const PORTAL: &str = "/api/stripe/customer-portal";

/// The page that changes the current plan; `act` specifies the change.
pub const PLAN: &str = "/dashboard/billing/plan";

/// The page that ends a plan immediately.
pub const END_NOW: &str = "/dashboard/billing/plan?act=end";

pub fn portal(label: &str) -> Action {
    Action::post(label, PORTAL)
}

/// A trial with a card on file.
pub fn trial(plan: &str, ends: When, days_left: &str, price: &str, card: &str) -> Banner {
    let title = format!("Your {plan} trial ends on {}", ends.text);
    let text = format!("{days_left} left. Then {price} on {card}, unless you cancel before.");
    Banner::new(Kind::Info, title, text)
        .with(Action::link("Cancel trial", format!("{PLAN}?act=cancel")))
}

/// A trial that ends without a card on file.
pub fn trial_without_card(plan: &str, ends: When) -> Banner {
    let title = format!("Add a card to keep {plan} after {}", ends.text);
    Banner::new(
        Kind::Warn,
        title,
        "Without a card you move to Free and keep your credits.",
    )
    .with(portal("Add card").primary())
}

/// A payment failed and the grace period is running. `pay` is the invoice's page, if known.
pub fn past_due(
    plan: &str,
    amount: &str,
    reason: Option<&str>,
    grace_until: When,
    retry_on: Option<When>,
    pay: Option<String>,
) -> Banner {
    let title = format!("Your last payment of {amount} did not go through");
    let mut text = Prose::default();
    if let Some(reason) = reason {
        text = text.text(format!("Your bank said: {reason}. "));
    }
    text = text
        .text(format!("{plan} keeps working until "))
        .time(grace_until);
    if let Some(day) = retry_on {
        text = text.text("; we'll try again on ").time(day);
    }
    let banner = Banner::new(Kind::Bad, title, text.text("."));
    let banner = match pay {
        Some(href) => banner.with(Action::external(format!("Pay {amount} now"), href).primary()),
        None => banner,
    };
    let fix = portal("Fix payment method");
    let fix = if banner.actions.is_empty() {
        fix.primary()
    } else {
        fix
    };
    banner.with(fix)
}

/// The grace period has ended: the subscription is unpaid and the account is on Free.
pub fn unpaid(plan: &str, amount: &str, pay: Option<String>) -> Banner {
    let title = format!("{plan} is paused until {amount} is paid");
    let text = "You're on Free for now. Credits you bought stay, and your plan resumes within \
                seconds of payment.";
    let banner = Banner::new(Kind::Bad, title, text);
    match pay {
        Some(href) => banner.with(Action::external(format!("Pay {amount} now"), href).primary()),
        None => banner.with(portal("Fix payment method").primary()),
    }
}

/// The bank requires the cardholder's confirmation.
pub fn confirm_with_bank(amount: &str, href: &str) -> Banner {
    let title = format!("Your bank wants you to confirm {amount}");
    let text = "It takes about a minute on your bank's page. Nothing has been charged yet.";
    Banner::new(Kind::Warn, title, text).with(Action::external("Confirm payment", href).primary())
}

/// An upgrade is waiting for its payment, which the bank declined.
pub fn change_declined(amount: &str, said: Option<&str>, pay: &str) -> Banner {
    let title = format!("Your payment of {amount} did not go through");
    let said = said.map(|said| said.trim_end_matches('.'));
    let said = said.map(|said| format!("Your bank said: {said}. "));
    let text = format!(
        "{}Your plan hasn't changed. Pay the invoice with another card to start the larger plan.",
        said.unwrap_or_default()
    );
    Banner::new(Kind::Bad, title, text)
        .with(Action::external(format!("Pay {amount}"), pay).primary())
        .with(Action::post("Keep my plan", PLAN).field("act", "undo"))
}

/// A trial was ended immediately because the account already had one.
pub fn trial_refused(plan: &str) -> Banner {
    let title = format!("{plan} was not started: its trial was used before");
    let text = "Each account and card gets one trial. Nothing was charged. You can start the plan \
                without a trial.";
    Banner::new(Kind::Warn, title, text)
        .with(Action::link(format!("Start {plan}"), UPGRADE).primary())
}

/// The card that pays for the plan expires soon, or has expired.
pub fn card_expiring(card: &str, is_over: bool) -> Banner {
    let (title, text) = if is_over {
        (
            format!("{card} has expired"),
            "The next payment will fail. Update the card to keep your plan.",
        )
    } else {
        (
            format!("{card} expires soon"),
            "Update it before the next payment to keep your plan.",
        )
    };
    Banner::new(Kind::Warn, title, text).with(portal("Update card").primary())
}

/// The plan ends at the end of the paid period. `monthly_micros` are the credits that end with it.
pub fn cancel_scheduled(plan: &str, ends: When, monthly_micros: i64) -> Banner {
    let text = if monthly_micros > 0 {
        let (one, many) = ("monthly credit expires", "monthly credits expire");
        let is_one = format::credits(monthly_micros) == "1";
        format!(
            "You won't be charged again. Credits you bought stay; your {} {} on {}.",
            format::credits(monthly_micros),
            if is_one { one } else { many },
            ends.text
        )
    } else {
        "You won't be charged again. Credits you bought stay.".to_owned()
    };
    Banner::new(Kind::Info, format!("{plan} until {}", ends.text), text).with(
        Action::post(format!("Keep {plan}"), PLAN)
            .field("act", "resume")
            .primary(),
    )
}

/// The price of a change of plan is no longer the one that was reviewed.
pub fn quote_changed() -> Banner {
    let text = "Nothing was charged. Check the new amount below and confirm it.";
    Banner::new(Kind::Warn, "The amount has changed", text)
}

/// A downgrade starts at the end of the period.
pub fn downgrade_scheduled(from: &str, to: &str, on: When, price: &str) -> Banner {
    let title = format!("You move from {from} to {to} on {}", on.text);
    Banner::new(Kind::Info, title, format!("From then on {price}."))
        .with(Action::post(format!("Stay on {from}"), PLAN).field("act", "undo"))
}

/// The trial ended without a payment method. With one, the plan can be resumed.
pub fn paused(plan: &str, has_card: bool) -> Banner {
    let title = format!("{plan} is paused");
    if !has_card {
        let text = "Your trial ended without a payment method, so you're on Free. Nothing is \
                    charged until you add one and resume the plan.";
        return Banner::new(Kind::Warn, title, text).with(portal("Add a payment method").primary());
    }
    let text = "You're on Free until it resumes. A new period starts then, and is charged at once.";
    Banner::new(Kind::Warn, title, text)
        .with(
            Action::post(format!("Resume {plan}"), PLAN)
                .field("act", "resume")
                .primary(),
        )
        .with(portal("Manage subscription"))
}

pub fn ended(plan: &str, on: When) -> Banner {
    let title = format!("Your {plan} plan ended on {}", on.text);
    let text = "You're on Free now. Credits you bought stay.";
    Banner::new(Kind::Warn, title, text)
        .with(Action::link(format!("Restart {plan}"), UPGRADE).primary())
}

/// Few credits are left. `days` is the estimated time they last, in words, if there is an estimate.
pub fn credits_low(left: &str, days: Option<&str>) -> Banner {
    let pace = days
        .map(|days| format!(", {days} at your current pace"))
        .unwrap_or_default();
    let text = format!(
        "{left} left{pace}. At zero, calls are refused with HTTP 402. We never bill you past your \
         balance."
    );
    Banner::new(Kind::Warn, "Credits are running low", text)
        .with(Action::link("Add credits", CREDITS).primary())
        .with(Action::link("See usage", USAGE).quiet())
}

pub fn credits_gone() -> Banner {
    let text = "Add credits and calls work again within a second.";
    Banner::new(Kind::Bad, "No credits left, API calls are refused", text)
        .with(Action::link("Add credits", CREDITS).primary())
}

/// A payment was reversed after its credits were spent.
pub fn debt(owed: &str) -> Banner {
    let text = format!(
        "A payment was refunded or disputed after its credits were spent. Calls are refused until \
         you add {owed}, which settle the debt first."
    );
    Banner::new(Kind::Bad, format!("You owe {owed}"), text)
        .with(Action::link("Add credits", CREDITS).primary())
}

/// A payment is disputed with the bank.
pub fn disputed(amount: &str) -> Banner {
    let text = "The bank that issued the card is reviewing it. The credits that came with the \
                payment can't be spent until the bank has decided.";
    Banner::new(
        Kind::Warn,
        format!("Your payment of {amount} is disputed"),
        text,
    )
}

/// The collection of the plan's payments is paused.
pub fn collection_paused(plan: &str, brings_credits: bool) -> Banner {
    let credits = if brings_credits {
        "Its monthly credits keep coming."
    } else {
        "Its monthly credits come again once payments continue."
    };
    let text = format!("{plan} keeps working, and nothing is charged for now. {credits}");
    Banner::new(Kind::Info, format!("Payments for {plan} are paused"), text)
}

/// The account is suspended: nothing is spent, bought or charged.
pub fn suspended() -> Banner {
    let text = "Calls are refused, and nothing is charged until your account is active again. \
                Contact support.";
    Banner::new(Kind::Bad, "Your account is suspended", text)
}

/// The calls of this period are used up.
pub fn plan_limit_reached(limit: &str, plan: &str, resets: When) -> Banner {
    let title = format!("All {limit} calls of {plan} are used");
    let text = Prose::new("Calls are refused with HTTP 402 until ")
        .time(resets)
        .text(". A larger plan raises the limit immediately.");
    Banner::new(Kind::Bad, title, text).with(Action::link("Upgrade", UPGRADE).primary())
}

/// The customer paid, and Stripe hasn't confirmed it yet.
pub fn payment_pending(amount: &str, brings: &str, check: &str) -> Banner {
    let title = format!("We are waiting for Stripe to confirm {amount}");
    let text = format!("{brings} as soon as it does, usually within seconds.");
    Banner::new(Kind::Info, title, text).with(Action::link("Check now", check))
}

/// A payment by bank transfer or another delayed method is in progress.
pub fn bank_payment_on_its_way(amount: &str, brings: &str) -> Banner {
    let title = format!("Your bank payment of {amount} is on its way");
    Banner::new(
        Kind::Info,
        title,
        format!("It can take up to 5 days. {brings} when it arrives."),
    )
}

/// A refund was promised and hasn't been made yet.
pub fn refund_owed(amount: &str, is_delayed: bool) -> Banner {
    if is_delayed {
        let text = "Stripe couldn't make it yet. We keep trying and our team has been notified. You \
                    don't need to do anything.";
        return Banner::new(
            Kind::Warn,
            format!("Your refund of {amount} is delayed"),
            text,
        );
    }
    let text = "It usually arrives within a few days.";
    Banner::new(
        Kind::Info,
        format!("A refund of {amount} is on its way"),
        text,
    )
}

/// Stripe is unavailable. `again` is the page to retry.
pub fn stripe_unreachable(again: &str) -> Banner {
    let text = "Stripe is not answering. Your plan, credits and API calls work as usual.";
    Banner::new(Kind::Warn, "Payments are paused for a moment", text)
        .with(Action::link("Try again", again))
}
