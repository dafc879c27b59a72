use domain::catalog::Catalog;
use domain::dunning::DunningStep;
use domain::letters::Letter;
use domain::time::Timestamp;

use super::{Context, Email, one_line, samples};
use crate::format;

const CREDIT: i64 = 1_000_000;

#[test]
fn every_email_has_a_subject_a_text_and_html_that_say_the_same() {
    for (name, content) in samples::all() {
        let email = content.email();

        assert!(
            !email.subject.is_empty() && !email.subject.contains(['\n', '\r']),
            "{name}"
        );
        for paragraph in &content.paragraphs {
            assert!(
                email.text.contains(&paragraph.plain()),
                "{name}: {}",
                email.text
            );
            assert!(email.html.contains(&paragraph.to_string()), "{name}");
        }
        if let Some((_, href)) = &content.button {
            assert!(
                email.text.contains(href.as_str()),
                "{name} hides its link in the text"
            );
        }
        assert!(
            email.html.len() < 20_000,
            "{name} has {} bytes",
            email.html.len()
        );
    }
}

#[test]
fn markup_in_an_email_is_text_and_no_email_loads_anything() {
    for (name, content) in samples::all() {
        let html = content.email().html;

        for tag in ["<script", "<img", "<link", "<iframe"] {
            assert!(!html.contains(tag), "{name} has {tag}");
        }
    }
}

#[test]
fn a_line_break_cannot_add_a_header() {
    let subject = one_line("Hello\r\nBcc: all@example.org");

    assert_eq!(subject, "Hello Bcc: all@example.org");
}

fn written(letter: &Letter) -> Email {
    let catalog = Catalog::parse(samples::CATALOG).unwrap();
    let context = Context {
        product: "LocalBoxs",
        base_url: "http://127.0.0.1:3000",
        catalog: &catalog,
        now: Timestamp::from_micros(0),
        account: Some("Acme Robotics"),
        account_id: Some("acc_1"),
    };
    Email::new(letter, &context)
}

fn says(letter: &Letter, parts: &[&str]) {
    let email = written(letter);
    let text = format!("{}\n{}", email.subject, email.text);
    for part in parts {
        assert!(text.contains(part), "{part} is not in {text}");
    }
    assert_eq!(
        serde_json::from_str::<Letter>(&serde_json::to_string(letter).unwrap()).unwrap(),
        *letter,
        "the outbox keeps it"
    );
}

#[test]
fn a_payment_to_confirm_names_its_amount_and_leads_to_where_it_is_confirmed() {
    let letter = |description: &str, tier: Option<&str>| Letter::ConfirmPayment {
        description: description.to_owned(),
        tier: tier.map(str::to_owned),
        amount: 500,
        currency: "usd".to_owned(),
        url: Some("https://stripe.example/confirm".to_owned()),
    };

    says(
        &letter("5,000 credits", None),
        &["$5.00", "5,000 credits", "https://stripe.example/confirm"],
    );
    let renewal = "Plan, renewal, 2026-12-29 to 2027-01-29";
    says(
        &letter(renewal, Some("PRO")),
        &["$5.00 for Pro plan, 29 Dec 2026 to 29 Jan 2027."],
    );
}

#[test]
fn a_trial_that_ends_names_the_day_and_the_price() {
    let at = 1_795_910_400 * 1_000_000;
    let letter = Letter::TrialEnds {
        tier: "PRO".to_owned(),
        at,
        charge: Some((950, "usd".to_owned())),
    };

    says(
        &letter,
        &["Pro", &format::day(at).text, "The first charge is $9.50"],
    );
}

#[test]
fn emails_about_credits_name_the_account_and_the_credits() {
    let low = Letter::CreditsLow {
        available: 12 * CREDIT,
        threshold: 50 * CREDIT,
    };
    let done = Letter::AutoTopupDone {
        credits: 5_000 * CREDIT,
        amount: 500,
        currency: "usd".to_owned(),
    };
    let off = Letter::AutoTopupOff {
        reason: "the bank declined the card.".to_owned(),
    };
    let adjusted = Letter::Adjusted {
        credits: -12 * CREDIT,
        reason: "correction".to_owned(),
    };

    says(&low, &["Acme Robotics", "12 credits left", "50 credits"]);
    says(&Letter::CreditsGone {}, &["Acme Robotics", "402"]);
    says(&done, &["Acme Robotics", "5,000 credits", "$5.00"]);
    says(
        &off,
        &["Acme Robotics", "the bank declined the card. We won't buy"],
    );
    says(&adjusted, &["Acme Robotics", "12", "Correction"]);
}

#[test]
fn a_refund_says_whether_credits_were_taken_came_back_or_stayed() {
    let refunded = |credits| Letter::Refunded {
        amount: 500,
        currency: "usd".to_owned(),
        credits,
    };

    says(
        &refunded(-5_000 * CREDIT),
        &["$5.00", "5,000 credits were taken"],
    );
    says(&refunded(5_000 * CREDIT), &["5,000 credits came back"]);
    assert!(!written(&refunded(0)).text.contains("credits"));
}

#[test]
fn a_purchase_that_failed_says_why_and_speaks_of_no_plan() {
    let failed = |failure: Option<&str>| Letter::PurchaseFailed {
        description: "5,000 credits".to_owned(),
        failure: failure.map(str::to_owned),
        amount: 500,
        currency: "usd".to_owned(),
    };

    let parts = [
        "Your payment of $5.00 did not go through",
        "$5.00 for 5,000 credits. ",
    ];
    says(
        &failed(None),
        &[
            parts[0],
            parts[1],
            "didn't say why",
            "No credits were added",
        ],
    );
    says(&failed(Some("No funds.")), &["Your bank said: No funds.\n"]);
    let text = written(&failed(None)).text.to_lowercase();
    assert!(!text.contains("plan") && !text.contains("free"), "{text}");
}

#[test]
fn a_payment_that_recovered_says_that_the_plan_continues() {
    let letter = Letter::PaymentRecovered {
        tier: Some("PRO".to_owned()),
    };

    says(&letter, &["Pro is paid"]);
}

#[test]
fn an_emails_link_leads_to_the_account_it_is_about() {
    says(
        &Letter::CreditsGone {},
        &["/dashboard/billing/credits?account=acc_1"],
    );
}

#[test]
fn an_email_about_an_unknown_plan_reads_as_a_sentence() {
    let failed = |step: DunningStep| Letter::PaymentFailed {
        step,
        tier: None,
        failure: None,
        amount: 1900,
        currency: "usd".to_owned(),
        grace_until: 0,
        url: None,
    };

    says(
        &failed(DunningStep::Failed),
        &["$19.00 for your plan. ", "\nYour plan keeps working"],
    );
    says(
        &failed(DunningStep::Ended),
        &["Your plan has ended", "Restart your plan: "],
    );
    says(
        &Letter::PaymentRecovered { tier: None },
        &["Your plan is paid"],
    );
}
