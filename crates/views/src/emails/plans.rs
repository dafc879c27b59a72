//! The emails about plans.

use crate::emails::{Content, Context};
use crate::{format, offer};

/// The plan was canceled and ends with the paid period.
pub(super) fn ending(context: &Context<'_>, tier: &str, at: i64) -> Content {
    let (plan, ends) = (context.plan(Some(tier)), format::day(at).text);
    context
        .content(format!("{plan} ends on {ends}"))
        .say(format!(
            "You keep {plan} until {ends} and won't be charged again."
        ))
        .say("Credits you bought stay and never expire.")
        .button(format!("Keep {plan}"), context.billing())
}

pub(super) fn ended(context: &Context<'_>, tier: Option<&str>, because: &str) -> Content {
    let plan = context.plan(tier);
    let subject = match tier {
        Some(_) => format!("Your {plan} plan has ended"),
        None => "Your plan has ended".to_owned(),
    };
    context
        .content(subject)
        .say(format!("{because} You're on Free now."))
        .say("Credits you bought stay. You can start again at any time.")
        .button(format!("Restart {plan}"), context.billing())
}

pub(super) fn trial_ending(context: &Context<'_>, tier: &str, at: i64) -> Content {
    let (plan, ends) = (context.plan(Some(tier)), format::day(at).text);
    let price = context.catalog.tier(tier).and_then(|tier| tier.price);
    let then = match price {
        Some(price) => format!("Then it costs {} per month.", offer::short(price)),
        None => "Then it costs the price agreed with you.".to_owned(),
    };
    context
        .content(format!("Your {plan} trial ends on {ends}"))
        .say(format!(
            "{then} You can cancel before that and pay nothing."
        ))
        .button("See your plan", context.billing())
}
