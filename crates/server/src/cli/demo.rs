//! `demo`: the service and a Stripe twin in one process. It needs neither a Stripe account nor a
//! network.

use domain::people::UserRole;
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
use tokio::net::TcpListener;
use twin::client::Control;

use crate::cli::demo_state::DemoState;
use crate::cli::twin_config::STRIPE_KEY;
use crate::cli::{
    CommandResult, Context, access, control, demo_database, demo_state, serve, socket, twin_config,
};
use crate::service::{Service, stop_signal};

const CUSTOMER: &str = "demo@localboxs.example";

const ADMIN: &str = "admin@localboxs.example";

/// The printed links are valid for a day, since only the demo's owner reads its terminal.
const LINK_MINUTES: i64 = 24 * 60;

/// The files that a demo creates in its folder; `--reset` deletes these and no others.
const FILES: [&str; 10] = [
    demo_state::FILE,
    "billing.db",
    "billing.db-wal",
    "billing.db-shm",
    "billing.db.lock",
    "twin.json",
    "twin.lock",
    "twin.new",
    "demo.new",
    socket::NAME,
];

/// The command-line options of `demo`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Port of the service.
    #[arg(long, default_value_t = 3000)]
    port: u16,
    /// Port of the twin.
    #[arg(long, default_value_t = 12111)]
    twin_port: u16,
    /// Deletes existing data first.
    #[arg(long)]
    reset: bool,
    /// URL of a running twin to use instead of starting one.
    #[arg(long)]
    twin_url: Option<String>,
}

/// What is printed once the service and the twin are running.
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

/// Runs the demo until the process receives SIGTERM or an interrupt.
pub async fn run(context: &Context, args: Args) -> CommandResult {
    let data = context
        .data
        .clone()
        .unwrap_or_else(|| demo_state::DEFAULT_FOLDER.into());
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
        .with_context(|| format!("cannot create the folder {}", data.display()))?;

    let mut state = demo_state::read(&data)?;
    let secret = state
        .webhook_secret
        .get_or_insert_with(|| format!("whsec_{}", billing::secrets::new_secret(&SystemRng)));
    let twin = Twin::start(&args, &data, secret).await?;
    twin.configure(&mut settings);
    let started = start(settings, listener, &twin, &data, state).await;
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
                "Port {port} is in use: stop the program that uses it, or choose another port with \
                 {flag}."
            )
        } else {
            anyhow::anyhow!("Cannot listen on {address}: {error}")
        }
    })
}

/// The configuration of the demo. Everything that would reach other systems is cleared; the twin is
/// set later.
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

/// The twin in this process, or one that runs elsewhere.
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
        let mut config = twin_config::config(args.twin_port, Some(&file));
        config.product_key = Some(STRIPE_KEY.to_owned());
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
        // The secret with which `stripe listen` signs that twin's events, so that they are
        // accepted too.
        if let Some(theirs) = Control::new(&url)?.cli_secret(STRIPE_KEY).await? {
            *secret = theirs;
        }
        let smtp = twin_config::smtp_address(&url).await;
        Ok(Twin {
            url,
            smtp,
            handle: None,
        })
    }

    /// Points the service's settings at the twin.
    fn configure(&self, settings: &mut Settings) {
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

/// Starts the service and creates everything that is printed: users, links and a key.
async fn start(
    settings: Settings,
    listener: TcpListener,
    twin: &Twin,
    data: &Path,
    mut state: DemoState,
) -> anyhow::Result<(Service, control::ControlSocket, Started)> {
    let faults = settings.check().into_iter().filter(Fault::is_certain);
    let faults: Vec<String> = faults.map(|fault| fault.to_string()).collect();
    anyhow::ensure!(
        faults.is_empty(),
        "The demo cannot start:\n- {}",
        faults.join("\n- ")
    );
    let app = App::open(settings).await?;
    serve::check_account(&app).await?;
    clock::catch_up(&app).await?;
    demo_database::mark(&app).await?;
    let secret = state.webhook_secret.clone().unwrap_or_default();
    let is_known = !app.webhook_secrets().is_empty();
    app.add_webhook_secret(&secret).await?;
    if !is_known {
        delete_endpoint(&app, &twin.url).await?;
    }
    // The service listens before its endpoint is registered, since a delivery may follow
    // immediately.
    let service = Service::start(app.clone(), listener)?;
    let control_socket = control::open(&app, &data.join(socket::NAME))?;
    let report = setup::run(&app, false)
        .await
        .map_err(|error| anyhow::anyhow!("{error}"))?;
    for warning in &report.warnings {
        tracing::info!("{warning}");
    }
    let (_, customer) = access::user(&app, CUSTOMER, None).await?;
    access::user(&app, ADMIN, Some(UserRole::Admin)).await?;
    // Reading the summary for the first time grants the allowance.
    summary::view(&app, customer).await?;
    let api_key = api_key(&app, customer, state.api_key.take()).await?;
    state.api_key = Some(api_key.clone());
    state.twin_url = Some(twin.url.clone());
    demo_state::write(data, &state)?;
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

/// Deletes an endpoint that the twin has from an earlier database. Its secret is lost, so `setup`
/// must create it again.
async fn delete_endpoint(app: &App, twin_url: &str) -> anyhow::Result<()> {
    let control = Control::new(twin_url)?;
    for endpoint in setup::registered_endpoints(app).await? {
        control.delete_webhook_endpoint(&endpoint.id).await?;
    }
    Ok(())
}

/// The API key of the last run if it is still valid for the account, otherwise a new one.
async fn api_key(app: &App, account: i64, previous: Option<String>) -> anyhow::Result<String> {
    if let Some(secret) = previous {
        let digest = hash(&secret);
        let known = app
            .read(move |tx| store::api_keys::by_secret(tx, &digest))
            .await?;
        if known.is_some_and(|key| key.account_id == Some(account)) {
            return Ok(secret);
        }
    }
    Ok(billing::keys::make(app, Some(account), "demo", "cli")
        .await?
        .1)
}

/// The URL of the database, without its password.
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

/// Deletes an earlier demo. Fails without deleting anything if the folder or the database contains
/// something that no demo created.
async fn reset(settings: &Settings, data: &Path) -> anyhow::Result<()> {
    if socket::is_listening(&data.join(socket::NAME)).await {
        anyhow::bail!("A demo is using {}; stop it first.", data.display());
    }
    let files = demo_files(data)?;
    if matches!(settings.database_url()?, store::DatabaseUrl::Postgres(_)) {
        demo_database::drop_tables(settings).await?;
    }
    for path in files {
        std::fs::remove_file(&path).with_context(|| format!("cannot delete {}", path.display()))?;
    }
    Ok(())
}

/// All files in the folder of a demo. Fails if the folder contains anything else.
fn demo_files(data: &Path) -> anyhow::Result<Vec<PathBuf>> {
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
            "--reset only deletes files that a demo created, and {} is another file: nothing was \
             deleted.",
            other.display()
        );
    }
    if !paths.is_empty() && !data.join(demo_state::FILE).exists() {
        anyhow::bail!(
            "{} has no {}, so it isn't the folder of a demo: nothing was deleted.",
            data.display(),
            demo_state::FILE
        );
    }
    Ok(paths)
}

fn print(json: bool, started: &Started) {
    let text = if json {
        serde_json::to_string(started).expect("strings serialize as JSON") + "\n"
    } else {
        welcome(started)
    };
    let mut out = std::io::stdout().lock();
    // The demo keeps running if the reader of its output closes the pipe.
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
        "LocalBoxs Billing is running. No real money moves: payments go to a local Stripe twin.

  Pricing         {base_url}/pricing
  Stripe twin     {twin_url}/_twin    (clock, faults, events)
  Mailbox         {twin_url}/_twin/mailbox
  Database        {database}

Sign in (each link works once, within a day):
  as a customer   {customer_login_url}
  as an operator  {admin_login_url}

Meter calls with the API key of {CUSTOMER}:
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
