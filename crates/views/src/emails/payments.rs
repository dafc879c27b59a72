//! The emails about payments.

use domain::dunning::DunningStep;
use domain::letters::{DisputeOutcome, Letter};

use crate::emails::{Content, Context, plans};
use crate::{format, labels};

pub(super) fn content(letter: &Letter, context: &Context<'_>) -> Content {
    match letter {
        Letter::Receipt {
            description,
            tier,
            amount,
            currency,
            url,
        } => {
            let amount = format::money_in(*amount, currency);
            let what = bought(description, tier.as_deref(), context);
            context
                .content(format!("Receipt: {what}"))
                .say(format!("Thank you. Your payment of {amount} went through."))
                .say("Your updated plan and credits are on your billing page.")
                .fact("What", what)
                .fact("Amount", amount)
                .fact("Date", format::day(context.now.micros()).text)
                .button("See the receipt", or_billing(url.as_deref(), context))
        }
        Letter::ConfirmPayment {
            description,
            tier,
            amount,
            currency,
            url,
        } => {
            let amount = format::money_in(*amount, currency);
            let what = bought(description, tier.as_deref(), context);
            context
                .content(format!("Confirm your payment of {amount}"))
                .say(format!(
                    "Your bank asks you to confirm the payment of {amount} for {what}. \
                     Nothing is charged until you do."
                ))
                .button("Confirm the payment", or_billing(url.as_deref(), context))
        }
        Letter::PurchaseFailed {
            description,
            failure,
            amount,
            currency,
        } => {
            let amount = format::money_in(*amount, currency);
            let what = bought(description, None, context);
            purchase_failed(context, &amount, &what, failure.as_deref())
        }
        Letter::Refunded {
            amount,
            currency,
            credits,
        } => refunded(context, &format::money_in(*amount, currency), *credits),
        Letter::Disputed {
            outcome,
            amount,
            currency,
        } => disputed(context, *outcome, &format::money_in(*amount, currency)),
        Letter::PaymentRecovered { tier } => context
            .content("Your payment went through")
            .say(format!(
                "{} is paid and continues. There is nothing left to do.",
                first_upper(&context.plan(tier.as_deref()))
            ))
            .button("See your billing page", context.billing()),
        _ => unreachable!("the email is about a payment"),
    }
}

fn purchase_failed(
    context: &Context<'_>,
    amount: &str,
    what: &str,
    failure: Option<&str>,
) -> Content {
    let reason = said(failure);
    context
        .content(not_gone_through(amount))
        .say(format!("We couldn't collect {amount} for {what}. {reason}"))
        .say("No credits were added. You can buy them again with this or another payment method.")
        .button("Add credits", context.page("/dashboard/billing/credits"))
}

/// `credits` is the signed change of the balance, in micro-credits.
fn refunded(context: &Context<'_>, amount: &str, credits: i64) -> Content {
    let content = context
        .content(format!("We refunded {amount}"))
        .say("We've refunded your original payment method. It can take up to 10 days to appear.");
    let moved = format::credits_worded(credits.saturating_abs());
    let content = match credits {
        0 => content,
        ..0 => content.say(format!(
            "This payment had added credits, so {moved} were taken from your balance."
        )),
        _ => content.say(format!("{moved} came back to your balance.")),
    };
    content
        .fact("Refunded", amount)
        .button("See your billing page", context.billing())
}

fn disputed(context: &Context<'_>, outcome: DisputeOutcome, amount: &str) -> Content {
    let content = match outcome {
        DisputeOutcome::Opened => context
            .content(format!("Your payment of {amount} is disputed"))
            .say(format!(
                "The cardholder's bank is reviewing your payment of {amount}. The credits that came \
                 with it can't be spent until the bank has decided."
            ))
            .say(
                "If you didn't open this dispute or want to withdraw it, contact your bank and reply \
                 to this email.",
            ),
        DisputeOutcome::Won => context
            .content(format!("The dispute about {amount} has ended"))
            .say(
                "The bank decided that the payment stands. The credits that came with it can be \
                 spent again unless they have expired.",
            ),
        DisputeOutcome::Lost => context
            .content(format!("Your payment of {amount} was returned by your bank"))
            .say("The bank decided the dispute for the cardholder and returned the payment.")
            .say(
                "The credits that came with it were taken back. If some of them had been spent, \
                 your next credits make up for them first.",
            ),
    };
    content
        .fact("Disputed", amount)
        .button("See your billing page", context.billing())
}

pub(super) fn failed(letter: &Letter, context: &Context<'_>) -> Content {
    let Letter::PaymentFailed {
        step,
        tier,
        failure,
        amount,
        currency,
        grace_until,
        url,
    } = letter
    else {
        unreachable!("the payment failed");
    };
    if *step == DunningStep::Ended {
        let because = "We couldn't collect the payment in time.";
        return plans::ended(context, tier.as_deref(), because);
    }
    let amount = format::money_in(*amount, currency);
    let plan = context.plan(tier.as_deref());
    let works_until = format::day(*grace_until).text;
    let subject = if *step == DunningStep::EndingSoon {
        let plan = first_upper(&plan);
        format!("{plan} ends on {works_until} unless {amount} is paid")
    } else {
        not_gone_through(&amount)
    };
    let reason = said(failure.as_deref());
    context
        .content(subject)
        .say(format!("We couldn't collect {amount} for {plan}. {reason}"))
        .say(format!(
            "{} keeps working until {works_until}. After that you're on Free. Credits you bought \
             stay.",
            first_upper(&plan)
        ))
        .button("Fix the payment", or_billing(url.as_deref(), context))
}

fn not_gone_through(amount: &str) -> String {
    format!("Your payment of {amount} did not go through")
}

/// Why a payment failed, as a sentence.
fn said(failure: Option<&str>) -> String {
    match failure {
        Some(reason) => format!("Your bank said: {}.", reason.trim_end_matches('.')),
        None => "Your bank didn't say why.".to_owned(),
    }
}

/// What a payment was for, in a customer's words.
fn bought(description: &str, tier: Option<&str>, context: &Context<'_>) -> String {
    match tier {
        Some(_) => labels::plan_payment(description, &context.plan(tier)),
        None => labels::with_days(description),
    }
}

fn or_billing(url: Option<&str>, context: &Context<'_>) -> String {
    url.map_or_else(|| context.billing(), str::to_owned)
}

/// Capitalizes `text` for the beginning of a sentence.
fn first_upper(text: &str) -> String {
    let mut rest = text.chars();
    let first = rest.next().map(char::to_uppercase);
    first.into_iter().flatten().chain(rest).collect()
}
