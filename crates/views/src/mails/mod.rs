//! The mails: a subject, a text and the same as HTML. Mail programs know neither stylesheets nor
//! scripts, so here, and only here, styles stand in the tags.

pub mod credits;
pub mod samples;
pub mod words;

use askama::Template;

use crate::components::{Fact, Prose};

pub use crate::mails::credits::Adjusted;
pub use crate::mails::credits::AutoTopupDone;
pub use crate::mails::credits::AutoTopupOff;
pub use crate::mails::credits::CreditsLow;

/// A mail, ready to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mail {
    /// The subject, one line.
    pub subject: String,
    /// The plain text.
    pub text: String,
    /// The same as HTML.
    pub html: String,
}

/// What all mails are made of. Each kind of mail below fills one.
#[derive(Clone, Debug)]
pub struct Letter {
    /// The sender's name: "LocalBoxs".
    pub product: String,
    /// The subject, which is also the heading.
    pub subject: String,
    /// The paragraphs.
    pub paragraphs: Vec<Prose>,
    /// Names and values: amount, date, number.
    pub facts: Vec<Fact>,
    /// The one thing to do: the words and the whole address.
    pub button: Option<(String, String)>,
    /// Why this mail came, and how to get fewer of them.
    pub footer: String,
}

#[derive(Template)]
#[template(path = "mails/letter.html")]
struct LetterHtml<'a> {
    letter: &'a Letter,
}

#[derive(Template)]
#[template(path = "mails/letter.txt", escape = "none")]
struct LetterText<'a> {
    letter: &'a Letter,
}

impl Letter {
    fn new(product: &str, subject: String) -> Self {
        Self {
            product: product.to_owned(),
            subject,
            paragraphs: Vec::new(),
            facts: Vec::new(),
            button: None,
            footer: format!("You're receiving this email because you have a {product} account."),
        }
    }

    fn say(mut self, paragraph: impl Into<Prose>) -> Self {
        self.paragraphs.push(paragraph.into());
        self
    }

    fn fact(mut self, name: &str, value: impl Into<Prose>) -> Self {
        self.facts.push(Fact::new(name, value));
        self
    }

    fn button(mut self, label: &str, href: &str) -> Self {
        self.button = Some((label.to_owned(), href.to_owned()));
        self
    }

    fn footer(mut self, footer: &str) -> Self {
        footer.clone_into(&mut self.footer);
        self
    }

    /// Renders the letter.
    pub fn mail(&self) -> Mail {
        let rendered = "text can be written into memory";
        Mail {
            subject: one_line(&self.subject),
            text: LetterText { letter: self }.render().expect(rendered),
            html: LetterHtml { letter: self }.render().expect(rendered),
        }
    }

    /// Each kind of mail, typical and at its worst.
    pub fn samples() -> Vec<(&'static str, Self)> {
        samples::all()
    }
}

/// A line break in a subject would start another header.
fn one_line(text: &str) -> String {
    let words: Vec<&str> = text.split(|c: char| c.is_control() || c == ' ').collect();
    words
        .into_iter()
        .filter(|word| !word.is_empty())
        .collect::<Vec<_>>()
        .join(" ")
}

/// The sign-in link.
#[derive(Clone, Debug)]
pub struct SignInLink {
    /// The sender's name.
    pub product: String,
    /// The link, a whole address.
    pub url: String,
    /// How long it works: "15 minutes".
    pub lives: String,
}

impl SignInLink {
    /// The letter.
    pub fn letter(&self) -> Letter {
        let Self {
            product,
            url,
            lives,
        } = self;
        Letter::new(product, format!("Sign in to {product}"))
            .say(format!(
                "Use this link to sign in. It works once and expires in {lives}."
            ))
            .button("Sign in", url)
            .footer("Didn't request this? You can ignore this email.")
    }
}

/// An invitation into an account.
#[derive(Clone, Debug)]
pub struct Invitation {
    /// The sender's name.
    pub product: String,
    /// The account.
    pub account: String,
    /// Who invites.
    pub by: String,
    /// As what: "a billing member".
    pub role: String,
    /// The link, a whole address.
    pub url: String,
    /// How long it works: "7 days".
    pub lives: String,
}

impl Invitation {
    /// The letter.
    pub fn letter(&self) -> Letter {
        let subject = format!("Join {} on {}", self.account, self.product);
        Letter::new(&self.product, subject)
            .say(format!(
                "{} has invited you to join {} as {}. The link works once and expires in {}.",
                self.by, self.account, self.role, self.lives
            ))
            .button("See the invitation", &self.url)
            .footer("Don't know this person? Ignore this email and you won't be added.")
    }
}

/// A payment that went through.
#[derive(Clone, Debug)]
pub struct Receipt {
    /// The sender's name.
    pub product: String,
    /// "5,000 credits" or "Pro, 15 Nov to 15 Dec"
    pub what: String,
    /// "$5.00"
    pub amount: String,
    /// "22 Nov 2026"
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
    /// "Pro"
    pub plan: String,
    /// "$19.00"
    pub amount: String,
    /// What the bank said: "not enough funds".
    pub reason: Option<String>,
    /// Until when the plan works: "29 Nov 2026".
    pub works_until: String,
    /// When it is tried again: "24 Nov 2026".
    pub next_try: Option<String>,
    /// Where to pay or to change the card: a whole address.
    pub url: String,
    /// The second mail: the plan is lost in two days.
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
        let subject = match self.last_warning {
            true => format!("{plan} ends on {works_until} unless {amount} is paid"),
            false => format!("Your payment of {amount} did not go through"),
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

/// The plan was cancelled and ends with the period that is paid.
#[derive(Clone, Debug)]
pub struct PlanEnding {
    /// The sender's name.
    pub product: String,
    /// "Pro"
    pub plan: String,
    /// "15 Dec 2026"
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

/// The plan is over.
#[derive(Clone, Debug)]
pub struct PlanEnded {
    /// The sender's name.
    pub product: String,
    /// "Pro"
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
    /// "Pro"
    pub plan: String,
    /// "29 Nov 2026"
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

/// A payment that the bank wants its owner to confirm.
#[derive(Clone, Debug)]
pub struct ConfirmPayment {
    /// The sender's name.
    pub product: String,
    /// "Pro, 15 Nov to 15 Dec"
    pub what: String,
    /// "$19.00"
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

/// Money that went back.
#[derive(Clone, Debug)]
pub struct Refunded {
    /// The sender's name.
    pub product: String,
    /// "$5.00"
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
    /// "Pro"
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

/// An incident, for operators.
#[derive(Clone, Debug)]
pub struct Alert {
    /// The sender's name.
    pub product: String,
    /// "3 accounts need manual review."
    pub summary: String,
    /// Whether it is over.
    pub is_over: bool,
    /// The operators' page: a whole address.
    pub url: String,
}

impl Alert {
    /// The letter.
    pub fn letter(&self) -> Letter {
        let Self {
            product,
            summary,
            is_over,
            url,
        } = self;
        let short = summary.trim_end_matches('.');
        let (subject, text) = if *is_over {
            (
                format!("Resolved: {short}"),
                "The problem is resolved. There is nothing to do.",
            )
        } else {
            (
                format!("Alert: {short}"),
                "You'll get one email per incident; it closes when the problem is resolved.",
            )
        };
        Letter::new(product, subject)
            .say(summary.clone())
            .say(text)
            .button("See the alerts", url)
            .footer(&format!(
                "You're receiving this email because you operate {product} Billing."
            ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_mail_has_a_subject_a_text_and_html_that_say_the_same() {
        for (name, letter) in Letter::samples() {
            let mail = letter.mail();

            assert!(
                !mail.subject.is_empty() && !mail.subject.contains(['\n', '\r']),
                "{name}"
            );
            for paragraph in &letter.paragraphs {
                assert!(
                    mail.text.contains(&paragraph.plain()),
                    "{name}: {}",
                    mail.text
                );
                assert!(mail.html.contains(&paragraph.to_string()), "{name}");
            }
            if let Some((_, href)) = &letter.button {
                assert!(
                    mail.text.contains(href.as_str()),
                    "{name} hides its link in the text"
                );
            }
            assert!(
                mail.html.len() < 20_000,
                "{name} has {} bytes",
                mail.html.len()
            );
        }
    }

    #[test]
    fn markup_in_a_mail_is_text_and_no_mail_loads_anything() {
        for (name, letter) in Letter::samples() {
            let html = letter.mail().html;

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
}
