//! The text of an email, from the fact that the outbox keeps.

use domain::catalog::Catalog;
use domain::letters::Letter;
use domain::money::Currency;
use domain::time::Timestamp;

use crate::mails::credits;
use crate::{format, mails, words};

/// What words need beside the letter itself.
pub struct About<'a> {
    /// The product's name, as configured.
    pub product: &'a str,
    /// The origin of links, as configured: scheme, host and port.
    pub base_url: &'a str,
    /// What is sold.
    pub catalog: &'a Catalog,
    /// The billing clock's time.
    pub now: Timestamp,
    /// The account's name, where the letter is about one.
    pub account: Option<&'a str>,
    /// The account's id at the edge.
    pub account_id: Option<&'a str>,
}

impl About<'_> {
    fn product(&self) -> String {
        self.product.to_owned()
    }

    fn address(&self, path: &str) -> String {
        format!("{}{path}", self.base_url)
    }

    /// A page of the account: its reader may belong to several.
    fn page(&self, path: &str) -> String {
        match self.account_id {
            Some(id) => self.address(&format!("{path}?account={id}")),
            None => self.address(path),
        }
    }

    fn billing(&self) -> String {
        self.page("/dashboard/billing")
    }

    fn credits(&self) -> String {
        self.page("/dashboard/billing/credits")
    }

    fn title(&self, tier: &str) -> String {
        let known = self.catalog.tier(tier);
        known.map_or_else(|| tier.to_owned(), |tier| tier.title.clone())
    }

    fn plan(&self, tier: Option<&str>) -> String {
        tier.map_or_else(|| "Your plan".to_owned(), |tier| self.title(tier))
    }

    fn account(&self) -> String {
        self.account.unwrap_or("your account").to_owned()
    }
}

/// A role as an invitation names it.
fn as_role(role: &str) -> String {
    match role {
        "owner" => "an owner".to_owned(),
        "billing" => "a billing member".to_owned(),
        _ => format!("a {role}"),
    }
}

/// The words of a letter.
pub fn word(letter: &Letter, about: &About<'_>) -> mails::Letter {
    match letter {
        Letter::SignIn { token, minutes } => mails::SignInLink {
            product: about.product(),
            url: about.address(&format!("/login/confirm?token={token}")),
            lives: format!("{minutes} minutes"),
        }
        .letter(),
        Letter::Invitation {
            token,
            by,
            role,
            days,
        } => mails::Invitation {
            product: about.product(),
            account: about.account(),
            by: by.clone(),
            role: as_role(role),
            url: about.address(&format!("/invitation?token={token}")),
            lives: format!("{days} days"),
        }
        .letter(),
        Letter::Alert { summary, is_over } => mails::Alert {
            product: about.product(),
            summary: summary.clone(),
            is_over: *is_over,
            url: about.address("/admin/alerts"),
        }
        .letter(),
        Letter::Receipt { .. }
        | Letter::PaymentFailed { .. }
        | Letter::ConfirmPayment { .. }
        | Letter::Refunded { .. }
        | Letter::PaymentRecovered { .. } => of_a_payment(letter, about),
        Letter::PlanEnding { .. } | Letter::PlanEnded { .. } | Letter::TrialEnds { .. } => {
            of_a_plan(letter, about)
        }
        Letter::CreditsLow { .. }
        | Letter::CreditsGone {}
        | Letter::AutoTopupDone { .. }
        | Letter::AutoTopupOff { .. }
        | Letter::Adjusted { .. } => of_credits(letter, about),
    }
}

fn of_a_payment(letter: &Letter, about: &About<'_>) -> mails::Letter {
    let product = about.product();
    match letter.clone() {
        Letter::Receipt {
            description,
            tier,
            amount,
            currency,
            url,
        } => mails::Receipt {
            product,
            what: match tier {
                Some(tier) => words::plan_payment(&description, &about.title(&tier)),
                None => description,
            },
            amount: money(amount, &currency),
            date: format::day(about.now.micros()).text,
            number: None,
            effect: "Your updated plan and credits are on your billing page.".to_owned(),
            url: url.unwrap_or_else(|| about.billing()),
        }
        .letter(),
        Letter::ConfirmPayment {
            description,
            amount,
            currency,
            url,
        } => mails::ConfirmPayment {
            product,
            what: description,
            amount: money(amount, &currency),
            url: url.unwrap_or_else(|| about.billing()),
        }
        .letter(),
        Letter::Refunded {
            amount,
            currency,
            credits,
        } => mails::Refunded {
            product,
            amount: money(amount, &currency),
            credits: (credits != 0).then(|| format::credits_worded(credits.saturating_abs())),
            gives: credits > 0,
            url: about.billing(),
        }
        .letter(),
        Letter::PaymentRecovered { tier } => mails::PaymentRecovered {
            product,
            plan: about.plan(tier.as_deref()),
            url: about.billing(),
        }
        .letter(),
        _ => of_a_failure(letter, about),
    }
}

fn of_a_failure(letter: &Letter, about: &About<'_>) -> mails::Letter {
    let Letter::PaymentFailed {
        step,
        tier,
        failure,
        amount,
        currency,
        grace_until,
        url,
    } = letter.clone()
    else {
        unreachable!("payments that went well have words of their own");
    };
    let (product, plan) = (about.product(), about.plan(tier.as_deref()));
    if step == "ended" {
        return mails::PlanEnded {
            product,
            plan,
            because: "We couldn't collect the payment in time.".to_owned(),
            url: about.billing(),
        }
        .letter();
    }
    mails::PaymentFailed {
        product,
        plan,
        amount: money(amount, &currency),
        reason: failure.map(|text| text.trim_end_matches('.').to_owned()),
        works_until: format::day(grace_until).text,
        next_try: None,
        url: url.unwrap_or_else(|| about.billing()),
        last_warning: step == "ending-soon",
    }
    .letter()
}

fn of_a_plan(letter: &Letter, about: &About<'_>) -> mails::Letter {
    let (product, url) = (about.product(), about.billing());
    match letter {
        Letter::PlanEnding { tier, at } => mails::PlanEnding {
            product,
            plan: about.title(tier),
            ends: format::day(*at).text,
            url,
        }
        .letter(),
        Letter::TrialEnds { tier, at } => mails::TrialEnding {
            product,
            plan: about.title(tier),
            ends: format::day(*at).text,
            then: after_the_trial(about, tier),
            url,
        }
        .letter(),
        Letter::PlanEnded { tier } => mails::PlanEnded {
            product,
            plan: about.title(tier),
            because: "It was canceled.".to_owned(),
            url,
        }
        .letter(),
        _ => unreachable!("the letter is of a plan"),
    }
}

fn of_credits(letter: &Letter, about: &About<'_>) -> mails::Letter {
    let (product, account, url) = (about.product(), about.account(), about.credits());
    match letter.clone() {
        Letter::CreditsLow {
            available,
            threshold,
        } => credits::CreditsLow {
            product,
            account,
            threshold: Some(format::credits_worded(threshold)),
            left: Some(format::credits_worded(available)),
            lasts: None,
            url,
        }
        .letter(),
        Letter::CreditsGone {} => credits::CreditsLow {
            product,
            account,
            threshold: None,
            left: None,
            lasts: None,
            url,
        }
        .letter(),
        Letter::AutoTopupDone {
            credits,
            amount,
            currency,
        } => credits::AutoTopupDone {
            product,
            account,
            credits: format::credits_worded(credits),
            amount: money(amount, &currency),
            url,
        }
        .letter(),
        Letter::AutoTopupOff { reason } => credits::AutoTopupOff {
            product,
            account,
            reason: reason.trim_end_matches('.').to_owned(),
            url,
        }
        .letter(),
        Letter::Adjusted { credits, reason } => credits::Adjusted {
            product,
            account,
            change: format::credits_change(credits),
            reason,
            url,
        }
        .letter(),
        _ => unreachable!("the letter is of credits"),
    }
}

/// What a trial turns into: the price, where the catalog names one.
fn after_the_trial(about: &About<'_>, tier: &str) -> String {
    match about.catalog.tier(tier).and_then(|tier| tier.price) {
        Some(price) => {
            let price = format::price(
                price.amount,
                price.currency.code(),
                price.currency.exponent(),
            );
            format!("Then it costs {price} per month.")
        }
        None => "Then it costs the price agreed with you.".to_owned(),
    }
}

fn money(amount: i64, currency: &str) -> String {
    let currency = Currency::parse(currency).unwrap_or(Currency::USD);
    format::money(amount, currency.code(), currency.exponent())
}

#[cfg(test)]
mod tests {
    use super::*;

    const CREDIT: i64 = 1_000_000;
    const CATALOG: &str = include_str!("../../../../catalog.toml");

    fn written(letter: &Letter) -> mails::Mail {
        let catalog = Catalog::parse(CATALOG).unwrap();
        let about = About {
            product: "LocalBoxs",
            base_url: "http://127.0.0.1:3000",
            catalog: &catalog,
            now: Timestamp::from_micros(0),
            account: Some("Acme Robotics"),
            account_id: Some("acc_1"),
        };
        word(letter, &about).mail()
    }

    fn says(letter: &Letter, parts: &[&str]) {
        let mail = written(letter);
        let text = format!("{}\n{}", mail.subject, mail.text);
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
        let letter = Letter::ConfirmPayment {
            description: "5,000 credits".to_owned(),
            amount: 500,
            currency: "usd".to_owned(),
            url: Some("https://stripe.example/confirm".to_owned()),
        };

        says(
            &letter,
            &["$5.00", "5,000 credits", "https://stripe.example/confirm"],
        );
    }

    #[test]
    fn a_trial_that_ends_names_the_day_and_the_price() {
        let at = 1_795_910_400 * 1_000_000;
        let letter = Letter::TrialEnds {
            tier: "PRO".to_owned(),
            at,
        };

        says(&letter, &["Pro", &format::day(at).text, "$19 per month"]);
    }

    #[test]
    fn letters_about_credits_name_the_account_and_the_credits() {
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
        says(&adjusted, &["Acme Robotics", "12", "correction"]);
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
    fn a_payment_that_recovered_says_that_the_plan_goes_on() {
        let letter = Letter::PaymentRecovered {
            tier: Some("PRO".to_owned()),
        };

        says(&letter, &["Pro is paid"]);
    }

    #[test]
    fn a_mails_link_leads_to_the_account_it_is_about() {
        says(
            &Letter::CreditsGone {},
            &["/dashboard/billing/credits?account=acc_1"],
        );
    }
}
