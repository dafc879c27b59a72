//! Samples of each kind of email, typical and worst.

use domain::catalog::Catalog;
use domain::dunning::DunningStep;
use domain::letters::{DisputeOutcome, Letter};
use domain::time::Timestamp;

use super::{Content, Context, content};
use crate::samples::{DAY, EVIL, LONG, NOW};

pub(super) const CATALOG: &str = include_str!("../../../../catalog.toml");

const CREDIT: i64 = 1_000_000;

/// One sample of every email, with its name.
pub(crate) fn all() -> Vec<(&'static str, Content)> {
    let catalog = Catalog::parse(CATALOG).expect("the catalog of the repository is valid");
    let context = Context {
        product: "LocalBoxs",
        base_url: "https://billing.example",
        catalog: &catalog,
        now: Timestamp::from_micros(NOW),
        account: Some("Acme Robotics"),
        account_id: Some("acc_1"),
    };
    let long_name = format!("{LONG} {EVIL}\r\nBcc: x");
    let of_long_name = Context {
        account: Some(&long_name),
        ..context
    };
    let typical = [of_people(), of_payments(), of_plans(), of_credits()].concat();
    let typical = typical
        .iter()
        .map(|(name, letter)| (*name, content(letter, &context)));
    let worst = worst();
    let worst = worst
        .iter()
        .map(|(name, letter)| (*name, content(letter, &of_long_name)));
    typical.chain(worst).collect()
}

type Named = (&'static str, Letter);

fn of_people() -> Vec<Named> {
    let alert = |is_over| Letter::Alert {
        summary: "3 accounts need manual review.".to_owned(),
        is_over,
    };
    let sign_in = Letter::SignIn {
        token: "tok_1".to_owned(),
        minutes: 15,
    };
    let invitation = Letter::Invitation {
        token: "tok_1".to_owned(),
        by: "Maya Kim".to_owned(),
        role: "billing".to_owned(),
        days: 7,
    };
    vec![
        ("sign-in", sign_in),
        ("invitation", invitation),
        ("alert", alert(false)),
        ("alert-over", alert(true)),
    ]
}

fn of_payments() -> Vec<Named> {
    let failed =
        |step: DunningStep, tier: Option<&str>, failure: Option<&str>| Letter::PaymentFailed {
            step,
            tier: tier.map(str::to_owned),
            failure: failure.map(str::to_owned),
            amount: 1900,
            currency: "usd".to_owned(),
            grace_until: NOW + 7 * DAY,
            url: None,
        };
    let refunded = |credits| Letter::Refunded {
        amount: 500,
        currency: "usd".to_owned(),
        credits,
    };
    let disputed = |outcome| Letter::Disputed {
        outcome,
        amount: 4900,
        currency: "usd".to_owned(),
    };
    let recovered = Letter::PaymentRecovered {
        tier: Some("PRO".to_owned()),
    };
    vec![
        ("receipt", receipt("5,000 credits")),
        ("confirm-payment", confirm("5,000 credits")),
        (
            "payment-failed",
            failed(DunningStep::Failed, Some("PRO"), Some("not enough funds")),
        ),
        (
            "payment-failed-last",
            failed(DunningStep::EndingSoon, Some("PRO"), None),
        ),
        (
            "payment-failed-ended",
            failed(DunningStep::Ended, None, None),
        ),
        ("payment-recovered", recovered),
        (
            "purchase-failed",
            purchase_failed("5,000 credits", Some("not enough funds")),
        ),
        ("refunded", refunded(-5_000 * CREDIT)),
        ("refunded-plan", refunded(0)),
        ("dispute-opened", disputed(DisputeOutcome::Opened)),
        ("dispute-won", disputed(DisputeOutcome::Won)),
        ("dispute-lost", disputed(DisputeOutcome::Lost)),
    ]
}

fn of_plans() -> Vec<Named> {
    let tier = || "PRO".to_owned();
    let ending = Letter::PlanEnding {
        tier: tier(),
        at: NOW + 23 * DAY,
    };
    let trial_ending = Letter::TrialEnds {
        tier: tier(),
        at: NOW + 7 * DAY,
        charge: Some((1_900, "usd".to_owned())),
    };
    vec![
        ("plan-ending", ending),
        ("plan-ended", Letter::PlanEnded { tier: tier() }),
        ("trial-ending", trial_ending),
    ]
}

fn of_credits() -> Vec<Named> {
    let done = Letter::AutoTopupDone {
        credits: 5_000 * CREDIT,
        amount: 500,
        currency: "usd".to_owned(),
    };
    let off = Letter::AutoTopupOff {
        reason: "the bank declined the card".to_owned(),
    };
    vec![
        ("credits-low", credits_low()),
        ("credits-gone", Letter::CreditsGone {}),
        ("auto-topup-done", done),
        ("auto-topup-off", off),
        ("adjusted", adjusted("goodwill")),
    ]
}

fn worst() -> Vec<Named> {
    let long = format!("{LONG} {EVIL}");
    vec![
        ("receipt-worst", receipt(EVIL)),
        ("confirm-payment-worst", confirm(&long)),
        ("purchase-failed-worst", purchase_failed(&long, Some(EVIL))),
        ("credits-low-worst", credits_low()),
        ("adjusted-worst", adjusted(EVIL)),
    ]
}

fn receipt(description: &str) -> Letter {
    Letter::Receipt {
        description: description.to_owned(),
        tier: None,
        amount: 500,
        currency: "usd".to_owned(),
        url: Some("https://invoice.stripe.example/i/1".to_owned()),
    }
}

fn confirm(description: &str) -> Letter {
    Letter::ConfirmPayment {
        description: description.to_owned(),
        tier: None,
        amount: 500,
        currency: "usd".to_owned(),
        url: None,
    }
}

fn purchase_failed(description: &str, failure: Option<&str>) -> Letter {
    Letter::PurchaseFailed {
        description: description.to_owned(),
        failure: failure.map(str::to_owned),
        amount: 500,
        currency: "usd".to_owned(),
    }
}

fn credits_low() -> Letter {
    Letter::CreditsLow {
        available: 498 * CREDIT,
        threshold: 500 * CREDIT,
    }
}

fn adjusted(reason: &str) -> Letter {
    Letter::Adjusted {
        credits: 250 * CREDIT,
        reason: reason.to_owned(),
    }
}
