//! Mails: written to the outbox in the commit of what they tell of, sent from there once each.

use std::sync::atomic::Ordering;
use std::time::Duration;

use domain::money::{Currency, MinorUnits};
use domain::projection::MailContent;
use domain::time::Timestamp;
use lettre::message::{Mailbox, MultiPart};
use lettre::transport::smtp::authentication::Credentials;
use lettre::{AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor};
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};
use store::outbox;

use crate::app::App;
use crate::http::error::Result;
use crate::pages::mails::{self, Mail};
use crate::pages::{format, words};

/// Mails taken in one round, and how long a round may take before another may take them.
const MAILS_MAX: i64 = 20;
const TAKE_SECONDS: i64 = 600;
/// Tries before a mail is given up.
const ATTEMPTS_MAX: i64 = 10;
/// How often the outbox is looked at without a bell.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// Longest a try may take.
const SEND_MAX: Duration = Duration::from_secs(20);

/// What the outbox keeps of a mail: facts; words are found when it is sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "mail", rename_all = "kebab-case")]
pub enum Letter {
    /// A sign-in link.
    SignIn {
        /// The link's token.
        token: String,
        /// How long it works, in minutes.
        minutes: i64,
    },
    /// A payment arrived.
    Receipt {
        /// For what.
        description: String,
        /// For which plan, if for one.
        #[serde(default)]
        tier: Option<String>,
        /// Minor units.
        amount: i64,
        /// Their currency.
        currency: String,
        /// Stripe's page of it.
        url: Option<String>,
    },
    /// A payment failed.
    PaymentFailed {
        /// failed, ending-soon or ended.
        step: String,
        /// Of which plan, where it is known.
        #[serde(default)]
        tier: Option<String>,
        /// What the bank said, in Stripe's words.
        #[serde(default)]
        failure: Option<String>,
        /// Minor units.
        amount: i64,
        /// Their currency.
        currency: String,
        /// When access ends, in microseconds.
        grace_until: i64,
        /// Where it can be paid.
        url: Option<String>,
    },
    /// A plan will end.
    PlanEnding {
        /// Which.
        tier: String,
        /// When, in microseconds.
        at: i64,
    },
    /// A plan ended.
    PlanEnded {
        /// Which.
        tier: String,
    },
}

/// The payload of a mail that a projection asks for.
pub fn payload(content: &MailContent) -> String {
    let letter = match content.clone() {
        MailContent::Receipt {
            description,
            tier,
            amount,
            url,
        } => Letter::Receipt {
            description,
            tier,
            amount: amount.amount,
            currency: amount.currency.code().to_owned(),
            url,
        },
        MailContent::PaymentFailed {
            step,
            tier,
            failure,
            amount,
            grace_until,
            url,
        } => Letter::PaymentFailed {
            step: step.word().to_owned(),
            tier,
            failure,
            amount: amount.amount,
            currency: amount.currency.code().to_owned(),
            grace_until: grace_until.micros(),
            url,
        },
        MailContent::PlanEnding { tier, at } => Letter::PlanEnding {
            tier,
            at: at.micros(),
        },
        MailContent::PlanEnded { tier } => Letter::PlanEnded { tier },
    };
    encode(&letter)
}

/// A letter as the outbox keeps it.
pub fn encode(letter: &Letter) -> String {
    serde_json::to_string(letter).expect("a letter is plain data")
}

/// Sends until the program stops.
pub async fn run(app: App) {
    let transport = match transport(&app) {
        Ok(transport) => transport,
        Err(error) => {
            tracing::error!(%error, "Mails cannot be sent as configured; they wait in the outbox");
            return;
        }
    };
    let Some(transport) = transport else {
        tracing::warn!("No mail server is configured; mails wait in the outbox");
        return;
    };
    while !app.is_stopping.load(Ordering::SeqCst) {
        match round(&app, &transport).await {
            Ok(0) => {}
            Ok(_) => continue,
            Err(error) => tracing::warn!(%error, "The outbox could not be read"),
        }
        tokio::select! {
            () = app.mail_bell.notified() => {}
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
    }
}

type Transport = AsyncSmtpTransport<Tokio1Executor>;

fn transport(app: &App) -> anyhow::Result<Option<Transport>> {
    let mail = &app.settings.mail;
    if mail.host.is_empty() {
        return Ok(None);
    }
    let builder = match mail.encryption.as_str() {
        "tls" => Transport::relay(&mail.host)?,
        "none" => Transport::builder_dangerous(&mail.host),
        _ => Transport::starttls_relay(&mail.host)?,
    };
    let mut builder = builder.port(mail.port).timeout(Some(SEND_MAX));
    if !mail.user.is_empty() {
        let password = mail.password.expose_secret().to_owned();
        builder = builder.credentials(Credentials::new(mail.user.clone(), password));
    }
    Ok(Some(builder.build()))
}

/// Sends what is due; answers how many were tried.
async fn round(app: &App, transport: &Transport) -> Result<usize> {
    let now = app.real_now();
    let next = app.read(outbox::next_due).await?;
    if next.is_none_or(|due| due > now) {
        return Ok(0);
    }
    let until = now.plus_seconds(TAKE_SECONDS);
    let _busy = app.busy();
    let taken = app
        .write(0, move |tx| {
            outbox::take_due(tx, "mail", now, until, MAILS_MAX)
        })
        .await?;
    let count = taken.len();
    for message in taken {
        let sent = send(app, transport, &message).await;
        settle(app, &message, sent).await?;
    }
    Ok(count)
}

async fn send(app: &App, transport: &Transport, message: &outbox::Message) -> anyhow::Result<()> {
    let letter: Letter = serde_json::from_str(&message.payload)?;
    let mail = write(app, &letter);
    let message_id = format!(
        "<{}@localboxs-billing>",
        crate::http::keys::hash(&message.key)
            .map(|b| format!("{b:02x}"))
            .concat()
    );
    let email = Message::builder()
        .from(app.settings.mail.from.parse::<Mailbox>()?)
        .to(message.recipient.parse::<Mailbox>()?)
        .subject(mail.subject)
        .message_id(Some(message_id))
        .multipart(MultiPart::alternative_plain_html(mail.text, mail.html))?;
    transport.send(email).await?;
    Ok(())
}

async fn settle(app: &App, message: &outbox::Message, sent: anyhow::Result<()>) -> Result<()> {
    let (id, now) = (message.id, app.real_now());
    match sent {
        Ok(()) => {
            app.write(0, move |tx| outbox::set_sent(tx, id, now))
                .await?;
        }
        Err(error) => {
            tracing::warn!(
                mail = id,
                attempts = message.attempts,
                "A mail could not be sent"
            );
            let text = error.to_string();
            let exponent = u32::try_from(message.attempts.clamp(0, 12)).expect("clamped");
            let retry_at = now.plus_seconds((5_i64 << exponent).min(3_600));
            let is_last = message.attempts + 1 >= ATTEMPTS_MAX;
            app.write(0, move |tx| {
                outbox::set_failed(tx, id, &text, (!is_last).then_some(retry_at))
            })
            .await?;
        }
    }
    Ok(())
}

/// The words of a letter.
fn write(app: &App, letter: &Letter) -> Mail {
    let product = app.settings.service.name.clone();
    let origin = &app.settings.service.base_url;
    let billing = format!("{origin}/dashboard/billing");
    let title = |tier: &str| {
        app.catalog()
            .tier(tier)
            .map_or_else(|| tier.to_owned(), |tier| tier.title.clone())
    };
    match letter.clone() {
        Letter::SignIn { token, minutes } => mails::SignInLink {
            product,
            url: format!("{origin}/login/confirm?token={token}"),
            lives: format!("{minutes} minutes"),
        }
        .letter(),
        Letter::Receipt {
            description,
            tier,
            amount,
            currency,
            url,
        } => mails::Receipt {
            product,
            what: match tier {
                Some(tier) => words::with_plan(&description, &title(&tier)),
                None => description,
            },
            amount: money(amount, &currency),
            date: format::day(app.now().micros()).text,
            number: None,
            effect: "Your billing page shows what it brought.".to_owned(),
            url: url.unwrap_or(billing),
        }
        .letter(),
        Letter::PaymentFailed {
            step,
            tier,
            failure,
            amount,
            currency,
            grace_until,
            url,
        } => {
            let plan = tier.map_or_else(|| "Your plan".to_owned(), |tier| title(&tier));
            let works_until = format::day(grace_until).text;
            if step == "ended" {
                mails::PlanEnded {
                    product,
                    plan,
                    because: "its payment failed and was not mended in time".to_owned(),
                    url: billing,
                }
                .letter()
            } else {
                mails::PaymentFailed {
                    product,
                    plan,
                    amount: money(amount, &currency),
                    reason: failure.map(|text| text.trim_end_matches('.').to_owned()),
                    works_until,
                    next_try: None,
                    url: url.unwrap_or(billing),
                    last_warning: step == "ending-soon",
                }
                .letter()
            }
        }
        Letter::PlanEnding { tier, at } => mails::PlanEnding {
            product,
            plan: title(&tier),
            ends: format::day(at).text,
            url: billing,
        }
        .letter(),
        Letter::PlanEnded { tier } => mails::PlanEnded {
            product,
            plan: title(&tier),
            because: "it was cancelled".to_owned(),
            url: billing,
        }
        .letter(),
    }
    .mail()
}

fn money(amount: i64, currency: &str) -> String {
    let currency = Currency::parse(currency).unwrap_or(Currency::USD);
    let money = MinorUnits::new(amount, currency);
    format::money(
        money.amount,
        money.currency.code(),
        money.currency.exponent(),
    )
}

/// Writes a letter to the outbox, once per key.
pub fn enqueue(
    tx: &mut store::Tx<'_>,
    key: &str,
    account: Option<i64>,
    recipient: &str,
    letter: &Letter,
    now: Timestamp,
) -> store::Result<bool> {
    let payload = encode(letter);
    let new = outbox::NewMessage {
        key,
        kind: "mail",
        account_id: account,
        recipient,
        payload: &payload,
    };
    outbox::enqueue(tx, &new, now)
}
