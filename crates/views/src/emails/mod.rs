//! The emails: each is rendered from the fact stored in the outbox, as a subject, a text and an
//! HTML version of the text. Email programs support neither stylesheets nor scripts, so here, and
//! only here, styles are inline.

mod credits;
mod payments;
mod plans;
#[cfg(any(test, feature = "samples"))]
pub(crate) mod samples;
#[cfg(test)]
mod tests;

use askama::Template;
use domain::catalog::Catalog;
use domain::letters::Letter;
use domain::time::Timestamp;

use crate::components::{Fact, Prose};
use crate::offer;

/// An email, ready to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Email {
    pub subject: String,
    pub text: String,
    /// The HTML version of `text`.
    pub html: String,
}

impl Email {
    /// Renders an email from the fact stored in the outbox.
    pub fn new(letter: &Letter, context: &Context<'_>) -> Self {
        content(letter, context).email()
    }
}

/// What an email is rendered from, besides the fact that it reports.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    pub product: &'a str,
    /// The origin of links: scheme, host and port.
    pub base_url: &'a str,
    pub catalog: &'a Catalog,
    /// The current time of the billing clock.
    pub now: Timestamp,
    /// The account's name, if the email is about an account.
    pub account: Option<&'a str>,
    /// The account's public id.
    pub account_id: Option<&'a str>,
}

impl Context<'_> {
    fn content(&self, subject: impl Into<String>) -> Content {
        let product = self.product;
        Content {
            product: product.to_owned(),
            subject: subject.into(),
            paragraphs: Vec::new(),
            facts: Vec::new(),
            button: None,
            footer: format!("You're receiving this email because you have a {product} account."),
        }
    }

    fn address(&self, path: &str) -> String {
        format!("{}{path}", self.base_url)
    }

    /// The address of a page of the account, with the account in it because its reader may belong
    /// to several.
    fn page(&self, path: &str) -> String {
        match self.account_id {
            Some(id) => self.address(&format!("{path}?account={id}")),
            None => self.address(path),
        }
    }

    fn billing(&self) -> String {
        self.page("/dashboard/billing")
    }

    fn plan(&self, tier: Option<&str>) -> String {
        tier.map_or_else(
            || "your plan".to_owned(),
            |tier| offer::title(self.catalog, tier),
        )
    }

    fn account(&self) -> &str {
        self.account.unwrap_or("your account")
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Content {
    product: String,
    subject: String,
    paragraphs: Vec<Prose>,
    facts: Vec<Fact>,
    /// The main action: the label and the full URL.
    button: Option<(String, String)>,
    /// Why this email was sent, and how to turn such emails off.
    footer: String,
}

#[derive(Template)]
#[template(path = "emails/email.html")]
struct Html<'a> {
    content: &'a Content,
}

#[derive(Template)]
#[template(path = "emails/email.txt", escape = "none")]
struct Text<'a> {
    content: &'a Content,
}

impl Content {
    fn say(mut self, paragraph: impl Into<Prose>) -> Self {
        self.paragraphs.push(paragraph.into());
        self
    }

    fn fact(mut self, name: &str, value: impl Into<Prose>) -> Self {
        self.facts.push(Fact::new(name, value));
        self
    }

    fn button(mut self, label: impl Into<String>, href: String) -> Self {
        self.button = Some((label.into(), href));
        self
    }

    fn footer(mut self, footer: impl Into<String>) -> Self {
        self.footer = footer.into();
        self
    }

    pub(crate) fn email(&self) -> Email {
        let rendered = "text can be written into memory";
        Email {
            subject: one_line(&self.subject),
            text: Text { content: self }.render().expect(rendered),
            html: Html { content: self }.render().expect(rendered),
        }
    }
}

/// A line break in a subject would start another header.
fn one_line(text: &str) -> String {
    let words = text.split(|c: char| c.is_control() || c == ' ');
    let words: Vec<&str> = words.filter(|word| !word.is_empty()).collect();
    words.join(" ")
}

fn content(letter: &Letter, context: &Context<'_>) -> Content {
    match letter {
        Letter::SignIn { token, minutes } => sign_in(context, token, *minutes),
        Letter::Invitation {
            token,
            by,
            role,
            days,
        } => invitation(context, token, by, role, *days),
        Letter::Alert { summary, is_over } => alert(context, summary, *is_over),
        Letter::PaymentFailed { .. } => payments::failed(letter, context),
        Letter::Receipt { .. }
        | Letter::ConfirmPayment { .. }
        | Letter::PurchaseFailed { .. }
        | Letter::Refunded { .. }
        | Letter::Disputed { .. }
        | Letter::PaymentRecovered { .. } => payments::content(letter, context),
        Letter::PlanEnding { tier, at } => plans::ending(context, tier, *at),
        Letter::PlanEnded { tier } => plans::ended(context, Some(tier), "It was canceled."),
        Letter::TrialEnds { tier, at, charge } => {
            plans::trial_ending(context, tier, *at, charge.as_ref())
        }
        Letter::CreditsLow { .. }
        | Letter::CreditsGone {}
        | Letter::AutoTopupDone { .. }
        | Letter::AutoTopupOff { .. }
        | Letter::Adjusted { .. } => credits::content(letter, context),
    }
}

fn sign_in(context: &Context<'_>, token: &str, minutes: i64) -> Content {
    context
        .content(format!("Sign in to {}", context.product))
        .say(format!(
            "Use this link to sign in. It works once and expires in {minutes} minutes."
        ))
        .button(
            "Sign in",
            context.address(&format!("/login/confirm?token={token}")),
        )
        .footer("Didn't request this? You can ignore this email.")
}

fn invitation(context: &Context<'_>, token: &str, by: &str, role: &str, days: i64) -> Content {
    let account = context.account();
    let role = match role {
        "owner" => "an owner",
        "billing" => "a billing member",
        _ => "a member",
    };
    context
        .content(format!("Join {account} on {}", context.product))
        .say(format!(
            "{by} has invited you to join {account} as {role}. The link works once and expires in \
             {days} days."
        ))
        .button(
            "See the invitation",
            context.address(&format!("/invitation?token={token}")),
        )
        .footer("Don't know this person? Ignore this email and you won't be added.")
}

fn alert(context: &Context<'_>, summary: &str, is_over: bool) -> Content {
    let (state, text) = if is_over {
        (
            "Resolved",
            "The problem is resolved. There is nothing to do.",
        )
    } else {
        (
            "Alert",
            "You'll get one email per incident; it closes when the problem is resolved.",
        )
    };
    context
        .content(format!("{state}: {}", summary.trim_end_matches('.')))
        .say(summary)
        .say(text)
        .button("See the alerts", context.address("/admin/alerts"))
        .footer(format!(
            "You're receiving this email because you operate {} Billing.",
            context.product
        ))
}
