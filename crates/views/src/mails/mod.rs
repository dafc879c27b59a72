//! The emails: a subject, a text and the same as HTML. Mail programs know neither stylesheets nor
//! scripts, so here, and only here, styles stand in the tags.

pub mod credits;
pub mod payments;
pub mod plans;
#[cfg(any(test, feature = "samples"))]
pub mod samples;
pub mod words;

use askama::Template;

use crate::components::{Fact, Prose};

pub use crate::mails::credits::Adjusted;
pub use crate::mails::credits::AutoTopupDone;
pub use crate::mails::credits::AutoTopupOff;
pub use crate::mails::credits::CreditsLow;
pub use crate::mails::payments::ConfirmPayment;
pub use crate::mails::payments::PaymentFailed;
pub use crate::mails::payments::PaymentRecovered;
pub use crate::mails::payments::Receipt;
pub use crate::mails::payments::Refunded;
pub use crate::mails::plans::PlanEnded;
pub use crate::mails::plans::PlanEnding;
pub use crate::mails::plans::TrialEnding;

/// An email, ready to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mail {
    /// The subject, one line.
    pub subject: String,
    /// The plain text.
    pub text: String,
    /// The same as HTML.
    pub html: String,
}

/// What all emails are made of. Each kind of email below fills one.
#[derive(Clone, Debug)]
pub struct Letter {
    /// The sender's name: "`LocalBoxs`".
    pub product: String,
    /// The subject, which is also the heading.
    pub subject: String,
    /// The paragraphs.
    pub paragraphs: Vec<Prose>,
    /// Names and values: amount, date, number.
    pub facts: Vec<Fact>,
    /// The one thing to do: the words and the whole address.
    pub button: Option<(String, String)>,
    /// Why this email was sent, and how to get fewer of them.
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

    /// Each kind of email, typical and at its worst.
    #[cfg(any(test, feature = "samples"))]
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

/// An incident, for operators.
#[derive(Clone, Debug)]
pub struct Alert {
    /// The sender's name.
    pub product: String,
    /// For example "3 accounts need manual review.".
    pub summary: String,
    /// Whether the problem is resolved.
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
