//! `demo`: everything in one process, without an account or a network.

use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use billing::app::App;
use billing::clock::SystemRng;
use billing::config::Fault;
use billing::config::Settings;
use billing::jobs::clock;
use billing::secrets::hash;
use billing::{setup, summary};
use secrecy::ExposeSecret;
use serde::Serialize;
use stripe::Form;
use tokio::net::TcpListener;
use twin::client::Control;

use crate::cli::notes::{DATA, NOTES, Notes, read_notes, write_notes};
use crate::cli::twins::STRIPE_KEY;
use crate::cli::{Context, Ended, access, control, marks, socket};
use crate::service::{Service, stop_signal};

const CUSTOMER: &str = "demo@localboxs.example";

const ADMIN: &str = "admin@localboxs.example";

/// The printed links live for a day: nobody reads the demo's terminal but its owner.
const LINK_MINUTES: i64 = 24 * 60;

const FILES: [&str; 9] = [
    NOTES,
    "billing.db",
    "billing.db-wal",
    "billing.db-shm",
    "billing.db.lock",
    "twin.json",
    "twin.new",
    "demo.new",
    socket::NAME,
];

const ENDPOINTS_MAX: usize = 200;

/// How the demo runs.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Port of the service.
    #[arg(long, default_value_t = 3000)]
    port: u16,
    /// Port of the twin.
    #[arg(long, default_value_t = 12111)]
    twin_port: u16,
    /// Forget everything first.
    #[arg(long)]
    reset: bool,
    /// Use a twin that runs already.
    #[arg(long)]
    twin_url: Option<String>,
}

/// What is printed when everything answers.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Started {
    base_url: String,
    twin_url: String,
    webhook_secret: String,
    api_key: String,
    customer_login_url: String,
    admin_login_url: String,
    database: String,
}

/// Runs until the process is told to stop.
pub async fn run(context: &Context, args: Args) -> Ended {
    let data = context.data.clone().unwrap_or_else(|| DATA.into());
    let listener = listen(args.port, "--port").await?;
    if args.twin_url.is_none() {
        drop(listen(args.twin_port, "--twin-port").await?);
    }
    let mut settings = settings(context, &data, &listener)?;
    crate::telemetry::start_as_text(Some(&settings.telemetry));
    if args.reset {
        reset(&settings, &data).await?;
    }
    store::make_folder(&data)
        .with_context(|| format!("cannot make the folder {}", data.display()))?;

    let mut notes = read_notes(&data)?;
    let secret = notes
        .webhook_secret
        .get_or_insert_with(|| format!("whsec_{}", billing::secrets::new_secret(&SystemRng)));
    let twin = Twin::start(&args, &data, secret).await?;
    twin.aim(&mut settings);
    let started = start(settings, listener, &twin, &data, notes).await;
    let (service, control_socket, started) = match started {
        Ok(started) => started,
        Err(error) => {
            twin.stop().await;
            return Err(error);
        }
    };
    print(context.json, &started);
    stop_signal().await;
    drop(control_socket);
    service.stop().await;
    twin.stop().await;
    Ok(ExitCode::SUCCESS)
}

async fn listen(port: u16, flag: &str) -> anyhow::Result<TcpListener> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    TcpListener::bind(address).await.map_err(|error| {
        if error.kind() == std::io::ErrorKind::AddrInUse {
            anyhow::anyhow!(
                "Port {port} is taken: stop what listens there, or choose another with {flag}."
            )
        } else {
            anyhow::anyhow!("Cannot listen on {address}: {error}")
        }
    })
}

/// The configuration, with everything that reaches outside turned to the twin.
fn settings(context: &Context, data: &Path, listener: &TcpListener) -> anyhow::Result<Settings> {
    let mut settings = context.settings()?;
    settings.database.data = data.to_owned();
    let address = listener.local_addr()?;
    settings.service.listen = address.to_string();
    settings.webhooks.allow_loopback = true;
    settings.service.base_url = format!("http://{address}");
    let named = [
        &mut settings.stripe.price_id_free,
        &mut settings.stripe.price_id_pro,
        &mut settings.stripe.price_id_pro_plus,
        &mut settings.stripe.price_id_enterprise,
        &mut settings.stripe.price_id_credits_500,
        &mut settings.stripe.price_id_credits_1000,
        &mut settings.stripe.price_id_credits_5000,
        &mut settings.stripe.price_id_credits_10000,
        &mut settings.stripe.publishable_key,
        &mut settings.mail.user,
    ];
    named.into_iter().for_each(String::clear);
    settings.mail.password = "".into();
    Ok(settings)
}

/// The twin in this process, or one elsewhere.
struct Twin {
    url: String,
    smtp: Option<SocketAddr>,
    handle: Option<twin::Handle>,
}

impl Twin {
    async fn start(args: &Args, data: &Path, secret: &mut String) -> anyhow::Result<Twin> {
        if let Some(url) = &args.twin_url {
            return Twin::elsewhere(url, secret).await;
        }
        let file = data.join("twin.json");
        let mut config = crate::cli::twins::config(args.twin_port, Some(&file), STRIPE_KEY);
        config.webhook_secret = Some(secret.clone());
        let handle = twin::serve(config).await?;
        Ok(Twin {
            url: handle.url(),
            smtp: handle.smtp_address(),
            handle: Some(handle),
        })
    }

    async fn elsewhere(url: &str, secret: &mut String) -> anyhow::Result<Twin> {
        let url = url.trim_end_matches('/').to_owned();
        // What `stripe listen` signs with there, so that its events are believed too.
        if let Some(theirs) = Control::new(&url)?.cli_secret(STRIPE_KEY).await? {
            *secret = theirs;
        }
        let smtp = crate::cli::twins::smtp(&url).await;
        Ok(Twin {
            url,
            smtp,
            handle: None,
        })
    }

    /// Points the service's settings at it.
    fn aim(&self, settings: &mut Settings) {
        settings.stripe.secret_key = STRIPE_KEY.into();
        settings.stripe.api_base.clone_from(&self.url);
        settings.stripe.webhook_secret = "".into();
        settings.clock.follow.clone_from(&self.url);
        settings.mail.host = self.smtp.map_or_else(String::new, |at| at.ip().to_string());
        settings.mail.port = self.smtp.map_or(0, |at| at.port());
        settings.mail.encryption = "none".to_owned();
    }

    async fn stop(self) {
        if let Some(handle) = self.handle {
            handle.shutdown();
            handle.join().await;
        }
    }
}

/// Starts the service and makes everything that is printed.
async fn start(
    settings: Settings,
    listener: TcpListener,
    twin: &Twin,
    data: &Path,
    mut notes: Notes,
) -> anyhow::Result<(Service, control::ControlSocket, Started)> {
    let faults = settings.check().into_iter().filter(Fault::is_certain);
    let faults: Vec<String> = faults.map(|fault| fault.to_string()).collect();
    anyhow::ensure!(
        faults.is_empty(),
        "The demo cannot start:\n- {}",
        faults.join("\n- ")
    );
    let app = App::open(settings).await?;
    clock::catch_up(&app).await?;
    marks::put(&app).await?;
    let secret = notes.webhook_secret.clone().unwrap_or_default();
    let is_known = !app.webhook_secrets().is_empty();
    app.add_webhook_secret(&secret).await?;
    if !is_known {
        forget_endpoint(&app, &twin.url).await?;
    }
    // Listens before the endpoint is registered: a delivery may follow at once.
    let service = Service::start(app.clone(), listener)?;
    let control_socket = control::open(&app, &data.join(socket::NAME))?;
    let report = setup::run(&app, false)
        .await
        .map_err(|error| anyhow::anyhow!("{error}"))?;
    for warning in &report.warnings {
        tracing::info!("{warning}");
    }
    let (_, customer) = access::user(&app, CUSTOMER, None).await?;
    access::user(&app, ADMIN, Some("admin")).await?;
    // The first look mints the allowance.
    summary::view(&app, customer).await?;
    let api_key = api_key(&app, customer, notes.api_key.take()).await?;
    notes.api_key = Some(api_key.clone());
    notes.twin_url = Some(twin.url.clone());
    write_notes(data, &notes)?;
    let started = Started {
        base_url: app.settings.service.base_url.clone(),
        twin_url: twin.url.clone(),
        webhook_secret: secret,
        api_key,
        customer_login_url: access::login_link(&app, CUSTOMER, LINK_MINUTES).await?,
        admin_login_url: access::login_link(&app, ADMIN, LINK_MINUTES).await?,
        database: database_text(&app.settings)?,
    };
    Ok((service, control_socket, started))
}

/// An endpoint that the twin has from an earlier database, whose secret is lost: made anew.
async fn forget_endpoint(app: &App, twin_url: &str) -> anyhow::Result<()> {
    let url = format!("{}/api/stripe/webhook", app.settings.service.base_url);
    let all = Form::new();
    let known = app
        .stripe
        .list_webhook_endpoints(&all, ENDPOINTS_MAX)
        .await?;
    let control = Control::new(twin_url)?;
    for endpoint in known.data.iter().filter(|one| one.url == url) {
        control.delete_webhook_endpoint(&endpoint.id).await?;
    }
    Ok(())
}

/// The key of the last run while it still opens the account, else a new one.
async fn api_key(app: &App, account: i64, noted: Option<String>) -> anyhow::Result<String> {
    if let Some(secret) = noted {
        let digest = hash(&secret);
        let known = app
            .read(move |tx| store::api_keys::by_secret(tx, &digest))
            .await?;
        if known.is_some_and(|key| key.account_id == Some(account)) {
            return Ok(secret);
        }
    }
    Ok(access::api_key(app, Some(account), "demo").await?)
}

/// The database without its password.
fn database_text(settings: &Settings) -> anyhow::Result<String> {
    match settings.database_url()? {
        store::DatabaseUrl::Sqlite(path) => {
            Ok(format!("sqlite://{}", std::path::absolute(path)?.display()))
        }
        store::DatabaseUrl::Postgres(_) => {
            let url = settings.database.url.expose_secret();
            Ok(match url.split_once("://").zip(url.rsplit_once('@')) {
                Some(((scheme, rest), (_, place))) => {
                    let user = rest.split([':', '@', '/']).next().unwrap_or_default();
                    format!("{scheme}://{user}@{place}")
                }
                None => url.to_owned(),
            })
        }
    }
}

/// Forgets an earlier demo. Only what a demo made is deleted; a folder or a database that holds
/// anything else is left alone.
async fn reset(settings: &Settings, data: &Path) -> anyhow::Result<()> {
    if socket::is_answered(&data.join(socket::NAME)).await {
        anyhow::bail!("A demo runs on {}: stop it first.", data.display());
    }
    let made = made_by_a_demo(data)?;
    if matches!(settings.database_url()?, store::DatabaseUrl::Postgres(_)) {
        marks::forget_database(settings).await?;
    }
    for path in made {
        std::fs::remove_file(&path).with_context(|| format!("cannot delete {}", path.display()))?;
    }
    Ok(())
}

fn made_by_a_demo(data: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let entries = match std::fs::read_dir(data) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error).with_context(|| format!("{}", data.display())),
    };
    let paths: Vec<PathBuf> = entries
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<_, _>>()?;
    let is_known = |path: &PathBuf| {
        let name = path.file_name().and_then(|name| name.to_str());
        name.is_some_and(|name| FILES.contains(&name))
    };
    if let Some(other) = paths.iter().find(|path| !is_known(path)) {
        anyhow::bail!(
            "--reset deletes only what a demo made, and {} is something else: nothing was deleted.",
            other.display()
        );
    }
    if !paths.is_empty() && !data.join(NOTES).exists() {
        anyhow::bail!(
            "{} holds a database but no {NOTES}, so it is not a demo's: nothing was deleted.",
            data.display()
        );
    }
    Ok(paths)
}

fn print(json: bool, started: &Started) {
    let text = if json {
        serde_json::to_string(started).expect("texts are JSON") + "\n"
    } else {
        welcome(started)
    };
    let mut out = std::io::stdout().lock();
    // A reader that went away does not stop the demo.
    let _ = out.write_all(text.as_bytes());
    let _ = out.flush();
}

fn welcome(started: &Started) -> String {
    let Started {
        base_url,
        twin_url,
        api_key,
        customer_login_url,
        admin_login_url,
        database,
        ..
    } = started;
    let auth = format!("-H 'Authorization: Bearer {api_key}'");
    let json = "-H 'Content-Type: application/json'";
    format!(
        "LocalBoxs Billing runs. No money moves: payments go to a Stripe twin on this machine.

  Pricing         {base_url}/pricing
  Stripe twin     {twin_url}/_twin    (clock, faults, events)
  Mailbox         {twin_url}/_twin/mailbox
  Database        {database}

Sign in, each link once, within a day:
  as a customer   {customer_login_url}
  as an operator  {admin_login_url}

Meter calls with the key of {CUSTOMER}:
  curl -s {auth} {base_url}/api/v1/balance
  HOLD=$(curl -s {auth} {json} -H \"Idempotency-Key: hold-$RANDOM\" -d '{{\"credits\":5}}' \\
    {base_url}/api/v1/holds | sed 's/.*\"id\":\"\\([^\"]*\\)\".*/\\1/') &&
    curl -s {auth} {json} -d '{{\"credits\":3}}' {base_url}/api/v1/holds/$HOLD/capture
  curl -s {auth} {json} -H \"Idempotency-Key: debit-$RANDOM\" -d '{{\"credits\":1}}' \\
    {base_url}/api/v1/debits

Pay with card 4242 4242 4242 4242, any future date, any CVC. Stop with Ctrl-C.
"
    )
}
