//! A service with its twin and its own database, and users of it.

mod dashboard;
mod person;
mod rows;

use domain::people::UserRole;
use domain::time::Timestamp;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use billing::app::App;
use billing::config::Settings;
use billing::people::users as people;
use billing::secrets::hash;
use billing::setup;
use secrecy::SecretString;
use serde_json::{Value, json};
use server::service::Service;
use store::api_keys::{KeyMode, KeyScope};
use store::testing::TestDatabase;
use tokio::net::TcpListener;

pub use dashboard::*;
pub use person::*;
pub use rows::*;

/// The longest time that a test waits for a condition.
pub const PATIENCE: Duration = Duration::from_mins(1);

/// Creates two tests of `async fn name(stage: &Stage)`, one for each database: `on_both!(name);`. A
/// second argument changes the settings: `on_both!(name, shop);` where `shop` is a `fn(&mut
/// Settings)`.
macro_rules! on_both {
    ($name:ident) => {
        $crate::stage::on_both!($name, |_| {});
    };
    ($name:ident, $change:expr) => {
        mod $name {
            use super::*;

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn on_sqlite() {
                let database = store::testing::sqlite();
                let stage = $crate::stage::Stage::with(database, $change).await;
                $name(&stage).await;
                stage.close().await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn on_postgres() {
                let database = tokio::task::spawn_blocking(store::testing::postgres)
                    .await
                    .unwrap();
                let stage = $crate::stage::Stage::with(database, $change).await;
                $name(&stage).await;
                stage.close().await;
            }
        }
    };
}
pub(crate) use on_both;

/// The environment of one test.
pub struct Stage {
    pub app: App,
    pub base: String,
    pub twin: twin::client::Control,
    pub twin_url: String,
    pub http: reqwest::Client,
    service: Option<Service>,
    twin_handle: Option<twin::Handle>,
    database: Arc<TestDatabase>,
}

/// When a test's billing clock starts, so that no outcome depends on the day on which it runs. The
/// month has 30 days, and the day is far from its ends.
const BEGINNING: &str = "2029-11-10T12:00:00Z";

/// `STAGE_START`, an RFC 3339 time, or [`BEGINNING`].
#[expect(clippy::disallowed_methods, reason = "a test's own switch")]
fn beginning() -> Timestamp {
    let text = std::env::var("STAGE_START");
    let text = text.as_deref().unwrap_or(BEGINNING);
    domain::time::parse(text).expect("a time")
}

/// The settings of a test: everything runs on loopback.
pub fn settings(base: &str, twin: &twin::Handle, database_url: &str) -> Settings {
    let mut settings = Settings::load(None, &|_| None).expect("the defaults are valid");
    settings.service.base_url = base.to_owned();
    settings.database.url = SecretString::from(database_url.to_owned());
    settings.stripe.secret_key = SecretString::from("sk_test_stage");
    settings.stripe.api_base = twin.url();
    // Off, because tests that switch webhooks off expect events to be lost. The poll's tests enable
    // it.
    settings.stripe.events_poll_seconds = 0;
    settings.clock.follow = twin.url();
    let smtp = twin.smtp_address().expect("the twin has a mailbox");
    settings.mail.host = smtp.ip().to_string();
    settings.mail.port = smtp.port();
    settings.mail.encryption = "none".to_owned();
    settings
}

/// The product's catalog.
pub const CATALOG: &str = include_str!("../../../../catalog.toml");

/// A catalog in a file that the test may change.
pub fn own_catalog(settings: &mut Settings, text: &str) {
    let file = tempfile::NamedTempFile::new().expect("a file");
    let (_, path) = file.keep().expect("a file");
    std::fs::write(&path, text).expect("a file");
    settings.billing.catalog = path.to_str().expect("a path").to_owned();
}

/// The catalog with a trial of 14 days before the first payment of the plan PRO.
pub fn with_trial(settings: &mut Settings) {
    let trial = "price = \"19.00\"\ntrial_days = 14";
    own_catalog(settings, &CATALOG.replace("price = \"19.00\"", trial));
}

impl Stage {
    /// A new environment on this database, with these changes to the settings.
    pub async fn with(database: TestDatabase, change: impl FnOnce(&mut Settings)) -> Stage {
        Stage::shared(Arc::new(database), change).await
    }

    /// Creates an environment on a database that the test reads afterwards.
    #[expect(clippy::disallowed_methods, reason = "a test's own switch")]
    pub async fn shared(database: Arc<TestDatabase>, change: impl FnOnce(&mut Settings)) -> Stage {
        if std::env::var_os("RUST_LOG").is_some() {
            server::telemetry::start_as_json(None);
        }
        let loopback = "127.0.0.1:0".parse().expect("an address");
        let mut twin_config = twin::Config::at(loopback);
        twin_config.start_seconds = Some(beginning().seconds());
        let twin_handle = twin::serve(twin_config).await.expect("the twin starts");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let base = format!("http://{}", listener.local_addr().expect("an address"));
        let mut settings = settings(&base, &twin_handle, &database.url_text);
        change(&mut settings);
        let app = App::open(settings).await.expect("the database opens");
        let service = Service::start(app.clone(), listener).expect("the service starts");
        setup::run(&app, false).await.expect("setup succeeds");
        Stage {
            app,
            base,
            twin: twin::client::Control::new(&twin_handle.url()).expect("an address"),
            twin_url: twin_handle.url(),
            http: client(),
            service: Some(service),
            twin_handle: Some(twin_handle),
            database,
        }
    }

    /// Restarts the service with other settings. The twin keeps running, and the URL stays the
    /// same.
    pub async fn restarted(self, change: impl FnOnce(&mut Settings)) -> Stage {
        let mut settings = self.app.settings.clone();
        change(&mut settings);
        let Stage {
            app,
            base,
            twin,
            twin_url,
            http,
            service,
            twin_handle,
            database,
        } = self;
        // Only one process can open an embedded database, so the first must close it before the
        // second opens it.
        drop(app);
        let service = service.expect("it runs");
        let address = service.address;
        service.stop().await;
        let started = Instant::now();
        let app = loop {
            match App::open(settings.clone()).await {
                Ok(app) => break app,
                Err(error) => assert!(started.elapsed() < PATIENCE, "it does not open: {error}"),
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        };
        let listener = TcpListener::bind(address).await.expect("the port is free");
        let service = Service::start(app.clone(), listener).expect("the service starts");
        Stage {
            app,
            base,
            twin,
            twin_url,
            http,
            service: Some(service),
            twin_handle,
            database,
        }
    }

    /// Stops the service and the twin.
    pub async fn close(mut self) {
        if let Some(service) = self.service.take() {
            service.stop().await;
        }
        if let Some(twin) = self.twin_handle.take() {
            twin.shutdown();
            twin.join().await;
        }
    }

    /// A user with a session and their own account.
    pub async fn person(&self, email: &str) -> Person<'_> {
        self.person_as(email, "user").await
    }

    /// A user with this plan, which is active.
    pub async fn subscriber(&self, email: &str, plan: &str) -> Person<'_> {
        let person = self.person(email).await;
        person.subscribe(plan).await;
        person.billing_when(is(plan, "ACTIVE")).await;
        person
    }

    /// A user with a pack in addition to the 100 free credits.
    pub async fn buyer(&self, email: &str, credits: i64) -> Person<'_> {
        let person = self.person(email).await;
        person.buy_pack(credits).await;
        person
            .billing_when(|body| body["credits"]["balance"] == credits + 100)
            .await;
        person
    }

    /// A user with a role, a session and their own account.
    pub async fn person_as(&self, email: &str, role: &str) -> Person<'_> {
        let user = people::ensure(
            &self.app,
            email,
            UserRole::from_word(role).expect("a role"),
            true,
        )
        .await
        .expect("a user");
        let token = billing::people::sign_in::open_session(&self.app, user.id, "test")
            .await
            .expect("a session");
        let id = user.id;
        let memberships = self.read(move |tx| store::users::memberships(tx, id)).await;
        let account = memberships[0].account_id;
        Person {
            stage: self,
            cookie: format!("lbx_session={token}"),
            account,
            user: user.id,
        }
    }

    /// A server key of the host application.
    pub async fn server_key(&self) -> String {
        self.key(None, KeyScope::Server).await
    }

    async fn key(&self, account: Option<i64>, scope: KeyScope) -> String {
        let secret = format!("lbx_test_{}", billing::secrets::new_secret(&*self.app.rng));
        let (stored, id, now) = (hash(&secret), self.app.new_id("key"), self.app.now());
        let made = self.write(account.unwrap_or(0), move |tx| {
            let new = store::api_keys::NewApiKey {
                public_id: &id,
                account_id: account,
                name: "test",
                prefix: "lbx_test_",
                secret_hash: &stored,
                scope,
                mode: KeyMode::Test,
                created_by: "test",
            };
            store::api_keys::insert(tx, &new, now)
        });
        made.await;
        secret
    }

    /// Requests a URL as a signed-out program does.
    pub async fn get(&self, path: &str) -> reqwest::Response {
        let sent = self.http.get(format!("{}{path}", self.base)).send().await;
        sent.expect("the service answers")
    }

    /// The signing secret of the webhook endpoint.
    pub fn webhook_secret(&self) -> String {
        use secrecy::ExposeSecret;
        self.app.webhook_secrets()[0].expose_secret().to_owned()
    }

    /// Posts a signed event to the webhook.
    pub async fn deliver(&self, event: &Value) -> reqwest::Response {
        self.deliver_bytes(event.to_string().into_bytes()).await
    }

    /// Posts signed bytes to the webhook.
    pub async fn deliver_bytes(&self, body: Vec<u8>) -> reqwest::Response {
        let now = self.app.real_now().seconds();
        let signature = stripe::sign(&body, &self.webhook_secret(), now);
        self.deliver_signed(body, &signature).await
    }

    /// Posts bytes with this signature header to the webhook.
    pub async fn deliver_signed(&self, body: Vec<u8>, signature: &str) -> reqwest::Response {
        self.http
            .post(format!("{}/api/stripe/webhook", self.base))
            .header("stripe-signature", signature)
            .header("content-type", "application/json")
            .body(body)
            .send()
            .await
            .expect("the service answers")
    }

    /// Events that the inbox holds.
    pub async fn events(&self) -> Vec<store::events::Event> {
        let all = store::events::Filter::default();
        self.read(move |tx| store::events::list(tx, &all, None, 1_000))
            .await
    }

    /// Waits until neither the service nor the twin has work left.
    pub async fn settled(&self) {
        let started = Instant::now();
        let mut calm = 0;
        while calm < 3 {
            assert!(
                started.elapsed() < PATIENCE,
                "the service does not come to rest"
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
            let is_idle = billing::jobs::clock::is_idle(&self.app)
                .await
                .unwrap_or(false)
                && self.has_no_webhook_due().await;
            calm = if is_idle { calm + 1 } else { 0 };
        }
    }

    async fn has_no_webhook_due(&self) -> bool {
        let next = self.app.read(|tx| {
            let next = store::outbox::next_due(tx, store::outbox::MessageKind::Webhook)?;
            Ok(next)
        });
        let now = self.app.real_now();
        next.await
            .is_ok_and(|next| next.is_none_or(|due| due > now))
    }

    /// Makes every write fail until the guard is dropped.
    pub async fn block_writes(&self) -> store::testing::Blocked {
        let database = self.database.clone();
        tokio::task::spawn_blocking(move || database.block_writes())
            .await
            .expect("blocked")
    }
}

static NEXT_KEY: AtomicU64 = AtomicU64::new(1);

/// A fresh idempotency key.
pub fn fresh_key() -> String {
    format!("key-{}", NEXT_KEY.fetch_add(1, Ordering::Relaxed))
}

/// An HTTP client that follows no redirects.
#[expect(clippy::disallowed_methods, reason = "a test's own client")]
pub fn client() -> reqwest::Client {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let builder = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none());
    builder
        .timeout(Duration::from_secs(40))
        .build()
        .expect("a client")
}
