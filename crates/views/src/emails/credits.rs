//! The emails about credits.

use domain::letters::Letter;

use crate::emails::{Content, Context};
use crate::{format, labels};

pub(super) fn content(letter: &Letter, context: &Context<'_>) -> Content {
    let account = context.account();
    let page = context.page("/dashboard/billing/credits");
    match letter {
        Letter::CreditsLow {
            available,
            threshold,
        } => {
            let left = format::credits_worded(*available);
            context
                .content(format!("{left} left for {account}"))
                .say(format!("{account} has {left} left."))
                .say(
                    "At zero, calls are refused with HTTP 402. We never bill you past your \
                     balance.",
                )
                .fact("Your threshold", format::credits_worded(*threshold))
                .button("Add credits", page)
                .footer(LOW_FOOTER)
        }
        Letter::CreditsGone {} => context
            .content(format!("No credits left for {account}"))
            .say(
                "API calls are refused with HTTP 402 until credits are added. They work again \
                 within a second.",
            )
            .button("Add credits", page)
            .footer(LOW_FOOTER),
        Letter::AutoTopupDone {
            credits,
            amount,
            currency,
        } => {
            let credits = format::credits_worded(*credits);
            let amount = format::money_in(*amount, currency);
            context
                .content(format!("{credits} bought automatically for {account}"))
                .say(format!(
                    "The balance fell below your threshold, so we bought {credits} for {amount}."
                ))
                .fact("Credits", credits)
                .fact("Amount", amount)
                .button("See your credits", page)
                .footer(
                    "You're receiving this email because automatic top-up is on for this account. \
                     You can turn it off on the credits page.",
                )
        }
        Letter::AutoTopupOff { reason } => context
            .content(format!("Automatic top-up is off for {account}"))
            .say(format!(
                "We turned automatic top-up off: {}. We won't buy credits automatically any more.",
                reason.trim_end_matches('.')
            ))
            .say("At zero, API calls are refused with HTTP 402 until credits are added.")
            .button("Add credits", page),
        Letter::Adjusted { credits, reason } => context
            .content(format!("The credit balance of {account} was adjusted"))
            .say("Your credit balance was adjusted by our support team.")
            .fact("Change", format::credits_change(*credits))
            .fact("Reason", labels::adjustment_reason(reason))
            .button("See your credits", page),
        _ => unreachable!("the email is about credits"),
    }
}

const LOW_FOOTER: &str = "You get this email each time your balance falls below your threshold. \
                          You can change the threshold in your account settings.";
