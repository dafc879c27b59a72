//! The emails about plans.

use crate::mails::Letter;

/// The plan was cancelled and ends with the period that is paid.
#[derive(Clone, Debug)]
pub struct PlanEnding {
    /// The sender's name.
    pub product: String,
    /// For example "Pro".
    pub plan: String,
    /// For example "15 Dec 2026".
    pub ends: String,
    /// The billing page, where it can be undone: a whole address.
    pub url: String,
}

impl PlanEnding {
    /// The letter.
    pub fn letter(&self) -> Letter {
        let Self {
            product,
            plan,
            ends,
            url,
        } = self;
        Letter::new(product, format!("{plan} ends on {ends}"))
            .say(format!(
                "You keep {plan} until {ends} and won't be charged again."
            ))
            .say("Credits you bought stay and never expire.")
            .button(&format!("Keep {plan}"), url)
    }
}

/// The plan has ended.
#[derive(Clone, Debug)]
pub struct PlanEnded {
    /// The sender's name.
    pub product: String,
    /// For example "Pro".
    pub plan: String,
    /// Why: "You cancelled it on 2 Dec 2026." or "Three payments failed."
    pub because: String,
    /// The plans: a whole address.
    pub url: String,
}

impl PlanEnded {
    /// The letter.
    pub fn letter(&self) -> Letter {
        let Self {
            product,
            plan,
            because,
            url,
        } = self;
        Letter::new(product, format!("Your {plan} plan has ended"))
            .say(format!("{because} You're on Free now."))
            .say("Credits you bought stay. You can start again at any time.")
            .button(&format!("Restart {plan}"), url)
    }
}

/// A trial that ends soon.
#[derive(Clone, Debug)]
pub struct TrialEnding {
    /// The sender's name.
    pub product: String,
    /// For example "Pro".
    pub plan: String,
    /// For example "29 Nov 2026".
    pub ends: String,
    /// What happens then: "Then $19.00 per month on Visa ending 4242."
    pub then: String,
    /// The billing page: a whole address.
    pub url: String,
}

impl TrialEnding {
    /// The letter.
    pub fn letter(&self) -> Letter {
        let Self {
            product,
            plan,
            ends,
            then,
            url,
        } = self;
        Letter::new(product, format!("Your {plan} trial ends on {ends}"))
            .say(format!(
                "{then} You can cancel before that and pay nothing."
            ))
            .button("See your plan", url)
    }
}
