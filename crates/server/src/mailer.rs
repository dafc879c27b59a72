//! Sends emails from the outbox, each once. An email is written to the outbox in the database
//! transaction of the change that it reports.

use std::time::Duration;

use billing::app::App;
use billing::config::Encryption;
use billing::error::Result;
use billing::jobs::outbox;
use billing::jobs::outbox::Sender;
use domain::backoff;
use lettre::message::{Mailbox, MultiPart};
use lettre::transport::smtp::authentication::Credentials;
use lettre::{AsyncSmtpTransport, AsyncTransport, Tokio1Executor};
use secrecy::ExposeSecret;
use store::outbox::{Message, MessageKind};
use tokio::sync::Notify;
use views::emails::{Context, Email};

pub use billing::letters::encode;
pub use domain::letters::Letter;

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
    outbox::run(&app, &Emails { transport }).await;
}

/// Sends emails, one after the other.
struct Emails {
    transport: Transport,
}

impl Sender for Emails {
    const KIND: MessageKind = MessageKind::Mail;
    const BATCH_MAX: i64 = 20;
    const TAKE_SECONDS: i64 = 600;

    fn queued(app: &App) -> &Notify {
        &app.email_due
    }

    async fn send(&self, app: &App, batch: Vec<Message>) -> Result<()> {
        for message in batch {
            let sent = send(app, &self.transport, &message).await;
            settle(app, &message, sent).await?;
        }
        Ok(())
    }
}

type Transport = AsyncSmtpTransport<Tokio1Executor>;

fn transport(app: &App) -> anyhow::Result<Option<Transport>> {
    let mail = &app.settings.mail;
    if mail.host.is_empty() {
        return Ok(None);
    }
    let builder = match mail.encryption() {
        Encryption::Tls => Transport::relay(&mail.host)?,
        Encryption::None => Transport::builder_dangerous(&mail.host),
        Encryption::Starttls => Transport::starttls_relay(&mail.host)?,
    };
    let mut builder = builder.port(mail.port).timeout(Some(SEND_MAX));
    if !mail.user.is_empty() {
        let password = mail.password.expose_secret().to_owned();
        builder = builder.credentials(Credentials::new(mail.user.clone(), password));
    }
    Ok(Some(builder.build()))
}

async fn send(app: &App, transport: &Transport, message: &Message) -> anyhow::Result<()> {
    let letter: Letter = serde_json::from_str(&message.payload)?;
    if !is_wanted(app, message.account_id, &letter).await? {
        return Ok(());
    }
    let account = match message.account_id {
        Some(id) => app.read(move |tx| store::accounts::find(tx, id)).await?,
        None => None,
    };
    let catalog = app.catalog();
    let context = Context {
        product: &app.settings.service.name,
        base_url: &app.settings.service.base_url,
        catalog: &catalog,
        now: app.now(),
        account: account.as_ref().map(|account| account.name.as_str()),
        account_id: account.as_ref().map(|account| account.public_id.as_str()),
    };
    let email = Email::new(&letter, &context);
    let message_id = format!(
        "<{}@localboxs-billing>",
        billing::secrets::hash(&message.key)
            .map(|b| format!("{b:02x}"))
            .concat()
    );
    let message = lettre::Message::builder()
        .from(app.settings.mail.from.parse::<Mailbox>()?)
        .to(message.recipient.parse::<Mailbox>()?)
        .subject(email.subject)
        .message_id(Some(message_id))
        .multipart(MultiPart::alternative_plain_html(email.text, email.html))?;
    transport.send(message).await?;
    Ok(())
}

/// Whether the account receives this kind of email. An email that is turned off counts as sent.
async fn is_wanted(app: &App, account: Option<i64>, letter: &Letter) -> Result<bool> {
    let (Some(account), Some(notice)) = (account, letter.notice()) else {
        return Ok(true);
    };
    app.read(move |tx| billing::accounts::preferences::wants(tx, account, notice))
        .await
}

async fn settle(app: &App, message: &Message, sent: anyhow::Result<()>) -> Result<()> {
    let (id, now) = (message.id, app.real_now());
    match sent {
        Ok(()) => {
            app.db
                .write(0, move |tx| store::outbox::set_sent(tx, id, now))
                .await?;
        }
        Err(error) => {
            tracing::warn!(
                outbox_id = id,
                attempts = message.attempts,
                "An email could not be sent"
            );
            let text = error.to_string();
            let wait = backoff::EMAIL.next_seconds(message.attempts);
            let retry_at = wait.map(|seconds| now.plus_seconds(seconds));
            app.db
                .write(0, move |tx| {
                    store::outbox::set_failed(tx, id, &text, retry_at)
                })
                .await?;
        }
    }
    Ok(())
}
