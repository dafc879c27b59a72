//! The emails about credits.

use crate::mails::Letter;

/// Few credits are left, or none.
#[derive(Clone, Debug)]
pub struct CreditsLow {
    /// The sender's name.
    pub product: String,
    /// For example "Acme Robotics".
    pub account: String,
    /// "498 credits"; none says that they are gone.
    pub left: Option<String>,
    /// The threshold below which this email is sent: "500 credits".
    pub threshold: Option<String>,
    /// "about 2 days", if there is an estimate.
    pub lasts: Option<String>,
    /// The credits page: a whole address.
    pub url: String,
}

impl CreditsLow {
    /// The letter.
    pub fn letter(&self) -> Letter {
        let Self {
            product,
            account,
            left,
            threshold,
            lasts,
            url,
        } = self;
        let footer = "You get this email each time your balance falls below your threshold. You \
                      can change the threshold in your account settings.";
        let letter = match left {
            Some(left) => {
                let pace = lasts
                    .as_deref()
                    .map(|lasts| format!(", {lasts} at your current pace"));
                Letter::new(product, format!("{left} left for {account}"))
                    .say(format!(
                        "{account} has {left} left{}.",
                        pace.unwrap_or_default()
                    ))
                    .say(
                        "At zero, calls are refused with HTTP 402. We never bill you past your \
                          balance.",
                    )
            }
            None => Letter::new(product, format!("No credits left for {account}")).say(
                "API calls are refused with HTTP 402 until credits are added. They work \
                      again within a second.",
            ),
        };
        let letter = match threshold {
            Some(threshold) => letter.fact("Your threshold", threshold.clone()),
            None => letter,
        };
        letter.button("Add credits", url).footer(footer)
    }
}

/// Credits that were bought automatically.
#[derive(Clone, Debug)]
pub struct AutoTopupDone {
    /// The sender's name.
    pub product: String,
    /// For example "Acme Robotics".
    pub account: String,
    /// For example "5,000 credits".
    pub credits: String,
    /// For example "$5.00".
    pub amount: String,
    /// The credits page, where it can be turned off: a whole address.
    pub url: String,
}

impl AutoTopupDone {
    /// The letter.
    pub fn letter(&self) -> Letter {
        let Self {
            product,
            account,
            credits,
            amount,
            url,
        } = self;
        Letter::new(
            product,
            format!("{credits} bought automatically for {account}"),
        )
        .say(format!(
            "The balance fell below your threshold, so we bought {credits} for {amount}."
        ))
        .fact("Credits", credits.clone())
        .fact("Amount", amount.clone())
        .button("See your credits", url)
        .footer(
            "You're receiving this email because automatic top-up is on for this account. You can \
             turn it off on the credits page.",
        )
    }
}

/// Credits that are no longer bought automatically.
#[derive(Clone, Debug)]
pub struct AutoTopupOff {
    /// The sender's name.
    pub product: String,
    /// For example "Acme Robotics".
    pub account: String,
    /// For example "the bank declined the card".
    pub reason: String,
    /// The credits page: a whole address.
    pub url: String,
}

impl AutoTopupOff {
    /// The letter.
    pub fn letter(&self) -> Letter {
        let Self {
            product,
            account,
            reason,
            url,
        } = self;
        Letter::new(product, format!("Automatic top-up is off for {account}"))
            .say(format!(
                "We turned automatic top-up off: {reason}. We won't buy credits automatically any \
                 more."
            ))
            .say("At zero, API calls are refused with HTTP 402 until credits are added.")
            .button("Add credits", url)
    }
}

/// Credits that an operator gave or took.
#[derive(Clone, Debug)]
pub struct Adjusted {
    /// The sender's name.
    pub product: String,
    /// For example "Acme Robotics".
    pub account: String,
    /// For example "+250" or "−12".
    pub change: String,
    /// For example "goodwill".
    pub reason: String,
    /// The credits page: a whole address.
    pub url: String,
}

impl Adjusted {
    /// The letter.
    pub fn letter(&self) -> Letter {
        let Self {
            product,
            account,
            change,
            reason,
            url,
        } = self;
        Letter::new(
            product,
            format!("The credit balance of {account} was adjusted"),
        )
        .say("Your credit balance was adjusted by our support team.")
        .fact("Change", change.clone())
        .fact("Reason", reason.clone())
        .button("See your credits", url)
    }
}
