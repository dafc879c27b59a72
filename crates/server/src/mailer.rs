//! Sends emails from the outbox, each once. An email is written to the outbox in the database
//! transaction of the change that it reports.

use std::sync::atomic::Ordering;
use std::time::Duration;

use billing::app::App;
use billing::error::Result;
use lettre::message::{Mailbox, MultiPart};
use lettre::transport::smtp::authentication::Credentials;
use lettre::{AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor};
use secrecy::ExposeSecret;
use store::outbox;
use views::mails::words::{About, word};

pub use billing::letters::encode;
pub use billing::letters::payload;
pub use domain::letters::Letter;

/// The most emails that are sent in one round.
const EMAILS_MAX: i64 = 20;

/// Seconds after which an email that a round has taken may be taken by another.
const TAKE_SECONDS: i64 = 600;

/// Attempts after which an email counts as failed.
const ATTEMPTS_MAX: i64 = 10;

/// How often the outbox is checked when no new email is signaled.
const CHECK_EVERY: Duration = Duration::from_secs(2);

/// The longest that an attempt may take.
const SEND_MAX: Duration = Duration::from_secs(20);

/// Sends emails until the program stops.
pub async fn run(app: App) {
    let transport = match transport(&app) {
        Ok(transport) => transport,
        Err(error) => {
            tracing::error!(%error, "The [mail] settings are invalid; emails stay in the outbox");
            return;
        }
    };
    let Some(transport) = transport else {
        tracing::warn!("No SMTP server is configured; emails stay in the outbox");
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
            () = tokio::time::sleep(CHECK_EVERY) => {}
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

/// Sends the emails that are due, and returns how many were attempted.
async fn round(app: &App, transport: &Transport) -> Result<usize> {
    let now = app.real_now();
    let next = app.read(|tx| outbox::next_due(tx, "mail")).await?;
    if next.is_none_or(|due| due > now) {
        return Ok(0);
    }
    let until = now.plus_seconds(TAKE_SECONDS);
    let _busy = app.busy();
    let taken = app
        .write(0, move |tx| {
            outbox::take_due(tx, "mail", now, until, EMAILS_MAX)
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
    if !is_wanted(app, message.account_id, &letter).await? {
        return Ok(());
    }
    let account = match message.account_id {
        Some(id) => app.read(move |tx| store::accounts::find(tx, id)).await?,
        None => None,
    };
    let catalog = app.catalog();
    let about = About {
        product: &app.settings.service.name,
        base_url: &app.settings.service.base_url,
        catalog: &catalog,
        now: app.now(),
        account: account.as_ref().map(|account| account.name.as_str()),
        account_id: account.as_ref().map(|account| account.public_id.as_str()),
    };
    let mail = word(&letter, &about).mail();
    let message_id = format!(
        "<{}@localboxs-billing>",
        billing::secrets::hash(&message.key)
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

/// Whether the account's members want this kind of email. One that they turned off counts as sent.
async fn is_wanted(app: &App, account: Option<i64>, letter: &Letter) -> Result<bool> {
    let (Some(account), Some(notice)) = (account, letter.notice()) else {
        return Ok(true);
    };
    app.read(move |tx| billing::accounts::preferences::wants(tx, account, notice))
        .await
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
                outbox_id = id,
                attempts = message.attempts,
                "An email could not be sent"
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
