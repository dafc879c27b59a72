//! The emails about payments.

use crate::mails::Letter;

/// A payment that went through.
#[derive(Clone, Debug)]
pub struct Receipt {
    /// The sender's name.
    pub product: String,
    /// For example "5,000 credits" or "Pro, 15 Nov to 15 Dec".
    pub what: String,
    /// For example "$5.00".
    pub amount: String,
    /// For example "22 Nov 2026".
    pub date: String,
    /// Stripe's number of the invoice or receipt.
    pub number: Option<String>,
    /// What the account has now: "Your balance is 6,228 credits."
    pub effect: String,
    /// Stripe's receipt, or the billing page: a whole address.
    pub url: String,
}

impl Receipt {
    /// The letter.
    pub fn letter(&self) -> Letter {
        let letter = Letter::new(&self.product, format!("Receipt: {}", self.what))
            .say(format!(
                "Thank you. Your payment of {} went through.",
                self.amount
            ))
            .say(self.effect.clone())
            .fact("What", self.what.clone())
            .fact("Amount", self.amount.clone())
            .fact("Date", self.date.clone());
        let letter = match &self.number {
            Some(number) => letter.fact("Number", number.clone()),
            None => letter,
        };
        letter.button("See the receipt", &self.url)
    }
}

/// A payment that did not go through.
#[derive(Clone, Debug)]
pub struct PaymentFailed {
    /// The sender's name.
    pub product: String,
    /// For example "Pro".
    pub plan: String,
    /// For example "$19.00".
    pub amount: String,
    /// What the bank said: "not enough funds".
    pub reason: Option<String>,
    /// Until when the plan works: "29 Nov 2026".
    pub works_until: String,
    /// When it is tried again: "24 Nov 2026".
    pub next_try: Option<String>,
    /// Where to pay or to change the card: a whole address.
    pub url: String,
    /// Whether this is the second email: the plan ends in two days.
    pub last_warning: bool,
}

impl PaymentFailed {
    /// The letter.
    pub fn letter(&self) -> Letter {
        let Self {
            product,
            plan,
            amount,
            works_until,
            ..
        } = self;
        let subject = if self.last_warning {
            format!("{plan} ends on {works_until} unless {amount} is paid")
        } else {
            format!("Your payment of {amount} did not go through")
        };
        let reason = match &self.reason {
            Some(reason) => format!("Your bank said: {reason}."),
            None => "Your bank didn't say why.".to_owned(),
        };
        let next = match &self.next_try {
            Some(day) => format!(" We'll try again on {day}."),
            None => String::new(),
        };
        Letter::new(product, subject)
            .say(format!("We couldn't collect {amount} for {plan}. {reason}"))
            .say(format!(
                "{plan} keeps working until {works_until}.{next} After that you're on Free. \
                 Credits you bought stay."
            ))
            .button("Fix the payment", &self.url)
    }
}

/// A payment that the bank wants its owner to confirm.
#[derive(Clone, Debug)]
pub struct ConfirmPayment {
    /// The sender's name.
    pub product: String,
    /// For example "Pro, 15 Nov to 15 Dec".
    pub what: String,
    /// For example "$19.00".
    pub amount: String,
    /// Where it is confirmed: a whole address.
    pub url: String,
}

impl ConfirmPayment {
    /// The letter.
    pub fn letter(&self) -> Letter {
        let Self {
            product,
            what,
            amount,
            url,
        } = self;
        Letter::new(product, format!("Confirm your payment of {amount}"))
            .say(format!(
                "Your bank asks you to confirm the payment of {amount} for {what}. Nothing is \
                 charged until you do."
            ))
            .button("Confirm the payment", url)
    }
}

/// Money that was refunded.
#[derive(Clone, Debug)]
pub struct Refunded {
    /// The sender's name.
    pub product: String,
    /// For example "$5.00".
    pub amount: String,
    /// "5,000 credits"; none for a payment that brought none.
    pub credits: Option<String>,
    /// Whether those were given rather than taken.
    pub gives: bool,
    /// The billing page: a whole address.
    pub url: String,
}

impl Refunded {
    /// The letter.
    pub fn letter(&self) -> Letter {
        let letter = Letter::new(&self.product, format!("We refunded {}", self.amount)).say(
            "We've refunded your original payment method. It can take up to 10 days to appear.",
        );
        let letter = match (&self.credits, self.gives) {
            (Some(credits), false) => letter.say(format!(
                "This payment had added credits, so {credits} were taken from your balance."
            )),
            (Some(credits), true) => letter.say(format!("{credits} came back to your balance.")),
            (None, _) => letter,
        };
        letter
            .fact("Refunded", self.amount.clone())
            .button("See your billing page", &self.url)
    }
}

/// A payment that had failed and went through after all.
#[derive(Clone, Debug)]
pub struct PaymentRecovered {
    /// The sender's name.
    pub product: String,
    /// For example "Pro".
    pub plan: String,
    /// The billing page: a whole address.
    pub url: String,
}

impl PaymentRecovered {
    /// The letter.
    pub fn letter(&self) -> Letter {
        let Self { product, plan, url } = self;
        Letter::new(product, "Your payment went through".to_owned())
            .say(format!(
                "{plan} is paid and continues. There is nothing left to do."
            ))
            .button("See your billing page", url)
    }
}
