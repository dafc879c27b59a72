//! The emails about plans.

use domain::money::{Currency, MinorUnits};

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

pub(super) fn trial_ending(
    context: &Context<'_>,
    tier: &str,
    at: i64,
    charge: Option<&(i64, String)>,
) -> Content {
    let (plan, ends) = (context.plan(Some(tier)), format::day(at).text);
    let charge = charge
        .and_then(|(minor, currency)| Some(MinorUnits::new(*minor, Currency::parse(currency)?)));
    let then = match charge {
        Some(amount) => format!("The first charge is {} on that day.", offer::money(amount)),
        None => "The first charge is made on that day.".to_owned(),
    };
    context
        .content(format!("Your {plan} trial ends on {ends}"))
        .say(format!(
            "{then} You can cancel before that and pay nothing."
        ))
        .button("See your plan", context.billing())
}
