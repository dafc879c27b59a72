//! Each kind of email, typical and at its worst.

use crate::mails::*;
use crate::samples::{EVIL, LONG};

const BILLING: &str = "https://billing.example/dashboard/billing";

/// One sample of every email, with its name.
pub fn all() -> Vec<(&'static str, Letter)> {
    let mut all = typical();
    all.push(("receipt-worst", receipt(EVIL, EVIL).letter()));
    let low = CreditsLow {
        account: format!("{LONG} {EVIL}\r\nBcc: x"),
        ..credits_low()
    };
    all.push(("credits-low-worst", low.letter()));
    all
}

fn typical() -> Vec<(&'static str, Letter)> {
    let ending = PlanEnding {
        product: "LocalBoxs".to_owned(),
        plan: "Pro".to_owned(),
        ends: "15 Dec 2026".to_owned(),
        url: BILLING.to_owned(),
    };
    let ended = PlanEnded {
        product: "LocalBoxs".to_owned(),
        plan: "Pro".to_owned(),
        because: "Three payments failed.".to_owned(),
        url: BILLING.to_owned(),
    };
    let trial = TrialEnding {
        product: "LocalBoxs".to_owned(),
        plan: "Pro".to_owned(),
        ends: "29 Nov 2026".to_owned(),
        then: "Then $19.00 per month on Visa ending 4242.".to_owned(),
        url: BILLING.to_owned(),
    };
    let failed = payment_failed();
    let last = PaymentFailed {
        last_warning: true,
        reason: None,
        next_try: None,
        ..failed.clone()
    };
    let gone = CreditsLow {
        left: None,
        threshold: None,
        lasts: None,
        ..credits_low()
    };
    [
        ("sign-in", sign_in().letter()),
        ("invitation", invitation().letter()),
        ("receipt", receipt("5,000 credits", "$5.00").letter()),
        ("payment-failed", failed.letter()),
        ("payment-failed-last", last.letter()),
        ("plan-ending", ending.letter()),
        ("plan-ended", ended.letter()),
        ("trial-ending", trial.letter()),
        ("credits-low", credits_low().letter()),
        ("credits-gone", gone.letter()),
    ]
    .into_iter()
    .chain(of_payments())
    .chain(of_credits())
    .collect()
}

fn of_payments() -> Vec<(&'static str, Letter)> {
    let refunded = Refunded {
        product: "LocalBoxs".to_owned(),
        amount: "$5.00".to_owned(),
        credits: Some("5,000 credits".to_owned()),
        gives: false,
        url: BILLING.to_owned(),
    };
    let plan_refunded = Refunded {
        credits: None,
        ..refunded.clone()
    };
    let confirm = ConfirmPayment {
        product: "LocalBoxs".to_owned(),
        what: "5,000 credits".to_owned(),
        amount: "$5.00".to_owned(),
        url: BILLING.to_owned(),
    };
    let confirm_worst = ConfirmPayment {
        what: format!("{LONG} {EVIL}"),
        ..confirm.clone()
    };
    let recovered = PaymentRecovered {
        product: "LocalBoxs".to_owned(),
        plan: "Pro".to_owned(),
        url: BILLING.to_owned(),
    };
    let alert = Alert {
        product: "LocalBoxs".to_owned(),
        summary: "3 accounts need manual review.".to_owned(),
        is_over: false,
        url: "https://billing.example/admin/alerts".to_owned(),
    };
    let over = Alert {
        is_over: true,
        ..alert.clone()
    };
    vec![
        ("alert", alert.letter()),
        ("alert-over", over.letter()),
        ("confirm-payment", confirm.letter()),
        ("confirm-payment-worst", confirm_worst.letter()),
        ("refunded", refunded.letter()),
        ("refunded-plan", plan_refunded.letter()),
        ("payment-recovered", recovered.letter()),
    ]
}

fn of_credits() -> Vec<(&'static str, Letter)> {
    let credits_page = "https://billing.example/dashboard/billing/credits";
    let done = AutoTopupDone {
        product: "LocalBoxs".to_owned(),
        account: "Acme Robotics".to_owned(),
        credits: "5,000 credits".to_owned(),
        amount: "$5.00".to_owned(),
        url: credits_page.to_owned(),
    };
    let off = AutoTopupOff {
        product: "LocalBoxs".to_owned(),
        account: "Acme Robotics".to_owned(),
        reason: "the bank declined the card".to_owned(),
        url: credits_page.to_owned(),
    };
    let adjusted = Adjusted {
        product: "LocalBoxs".to_owned(),
        account: "Acme Robotics".to_owned(),
        change: "+250".to_owned(),
        reason: "goodwill".to_owned(),
        url: credits_page.to_owned(),
    };
    let adjusted_worst = Adjusted {
        account: format!("{LONG} {EVIL}"),
        reason: EVIL.to_owned(),
        ..adjusted.clone()
    };
    vec![
        ("auto-topup-done", done.letter()),
        ("auto-topup-off", off.letter()),
        ("adjusted", adjusted.letter()),
        ("adjusted-worst", adjusted_worst.letter()),
    ]
}

fn sign_in() -> SignInLink {
    SignInLink {
        product: "LocalBoxs".to_owned(),
        url: "https://billing.example/login/confirm?token=tok_1".to_owned(),
        lives: "15 minutes".to_owned(),
    }
}

fn invitation() -> Invitation {
    Invitation {
        product: "LocalBoxs".to_owned(),
        account: "Acme Robotics".to_owned(),
        by: "Maya Kim".to_owned(),
        role: "a billing member".to_owned(),
        url: "https://billing.example/invitation?token=tok_1".to_owned(),
        lives: "7 days".to_owned(),
    }
}

fn receipt(what: &str, amount: &str) -> Receipt {
    Receipt {
        product: "LocalBoxs".to_owned(),
        what: what.to_owned(),
        amount: amount.to_owned(),
        date: "22 Nov 2026".to_owned(),
        number: Some("A-0001".to_owned()),
        effect: "Your balance is 6,228 credits.".to_owned(),
        url: "https://invoice.stripe.example/i/1".to_owned(),
    }
}

fn payment_failed() -> PaymentFailed {
    PaymentFailed {
        product: "LocalBoxs".to_owned(),
        plan: "Pro".to_owned(),
        amount: "$19.00".to_owned(),
        reason: Some("not enough funds".to_owned()),
        works_until: "29 Nov 2026".to_owned(),
        next_try: Some("24 Nov 2026".to_owned()),
        url: BILLING.to_owned(),
        last_warning: false,
    }
}

fn credits_low() -> CreditsLow {
    CreditsLow {
        product: "LocalBoxs".to_owned(),
        account: "Acme Robotics".to_owned(),
        left: Some("498 credits".to_owned()),
        threshold: Some("500 credits".to_owned()),
        lasts: Some("about 2 days".to_owned()),
        url: "https://billing.example/dashboard/billing/credits".to_owned(),
    }
}
