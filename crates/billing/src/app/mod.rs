//! The state shared by every use case: database, Stripe client, catalog, clocks, caches.

pub mod coupons;
pub mod figures;
pub mod keys;
pub mod mailboxes;
mod prices;

use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use domain::catalog::Catalog;
use domain::ids::{Rng, new_id};
use domain::ledger::{Outcome, Refusal, Request};
use domain::time::{Clock, Timestamp};
use secrecy::ExposeSecret;
use sha2::{Digest, Sha256};
use store::accounts::Account;
use store::ledger::{Decision, Rules};
use store::{Db, Tx};
use tokio::sync::Notify;

use crate::app::keys::KeyCache;
use crate::clock::{BillingClock, ClockDoubt, SystemClock, SystemRng};
use crate::config::Settings;
use crate::error::{Error, Result};
use crate::links::{self, AccountLinks};
use crate::tracing::within;

pub use crate::app::prices::{PackPrice, Prices};

/// The application's state; clones share it.
#[derive(Clone)]
pub struct App(Arc<Inner>);

/// The fields of [`App`], which dereferences to this type.
pub struct Inner {
    /// The database. Only the command line and tests may write to it directly; everything else
    /// calls a function of this crate, and `bin/walls` checks that `web` does.
    pub db: Db,
    /// The Stripe client; it may point at the twin.
    pub(crate) stripe: stripe::Client,
    /// The settings, as configured.
    pub settings: Settings,
    /// The billing clock: periods, trials, expiry, grace periods and emails.
    pub clock: Arc<BillingClock>,
    /// The security clock: sessions, links, signatures, rate limits and the audit log.
    pub security_clock: Arc<dyn Clock>,
    /// The source of randomness for ids, tokens and jitter.
    pub rng: Arc<dyn Rng>,
    /// Notified when an account is marked for sync.
    pub sync_due: Notify,
    /// Notified when an email is queued.
    pub email_due: Notify,
    /// Notified when an outgoing webhook is queued.
    pub webhook_due: Notify,
    /// A cache of recently used API keys.
    pub keys: KeyCache,
    /// A cache of the business metrics, at most a minute old.
    pub figures: figures::Cache,
    /// The coupons of discounts that were read.
    pub(crate) coupons: coupons::Cache,
    /// The number of tasks that background jobs are working on; zero means idle.
    pub busy: AtomicI64,
    /// The number of database reads since startup. A test counts the reads of each page.
    pub reads: AtomicU64,
    /// Webhook deliveries that failed signature verification and aren't yet added to the tally.
    pub bad_signatures: AtomicI64,
    /// Set when the process is asked to stop.
    pub is_stopping: AtomicBool,
    /// The random id of this database, made once. A restored copy keeps it.
    pub instance: String,
    /// Whether this process has checked that the database belongs to the key's Stripe account.
    pub(crate) is_bound: AtomicBool,
    /// Why the system clock is in doubt: the billing clock continues from the last commit.
    clock_doubt: Mutex<Option<ClockDoubt>>,
    /// The twin's address when a demo or test runs one; shown in the test-mode strip.
    pub twin_url: Option<String>,
    webhook_secrets: RwLock<Vec<secrecy::SecretString>>,
    rules: RwLock<Arc<Rules>>,
    prices: RwLock<Arc<Prices>>,
}

/// What the application runs on, besides its settings.
#[expect(
    missing_debug_implementations,
    reason = "clocks and randomness have none"
)]
pub struct Parts {
    /// The open database.
    pub db: Db,
    /// The Stripe client.
    pub stripe: stripe::Client,
    /// The billing clock.
    pub clock: BillingClock,
    /// The security clock.
    pub security_clock: Arc<dyn Clock>,
    /// The source of randomness.
    pub rng: Arc<dyn Rng>,
}

impl std::ops::Deref for App {
    type Target = Inner;
    fn deref(&self) -> &Inner {
        &self.0
    }
}

impl App {
    /// Opens the database, appends the catalog and loads the state that requests need.
    pub async fn open(settings: Settings) -> anyhow::Result<App> {
        let url = settings.database_url()?;
        settings.vault().map_err(anyhow::Error::msg)?;
        if let store::DatabaseUrl::Sqlite(path) = &url
            && let Some(folder) = path.parent()
        {
            store::make_folder(folder)?;
        }
        let options = settings.database_options();
        let db = tokio::task::spawn_blocking(move || Db::open(&url, &options)).await??;
        App::with_db(settings, db).await
    }

    /// Builds the application state on an open database, with the system's clock and randomness.
    pub async fn with_db(settings: Settings, db: Db) -> anyhow::Result<App> {
        let system = SystemClock.now();
        let doubt = if settings.clock.follow.is_empty() && !settings.clock.accept {
            let last = db.read(store::clock::last_commit).await?;
            ClockDoubt::of(last, system)
        } else {
            None
        };
        let parts = Parts {
            stripe: stripe_client(&settings)?,
            clock: BillingClock::new(doubt.map_or(system, |doubt| doubt.last_commit)),
            security_clock: Arc::new(SystemClock),
            rng: Arc::new(SystemRng),
            db,
        };
        let app = App::of_parts(settings, parts).await?;
        app.set_clock_doubt(doubt);
        Ok(app)
    }

    /// Builds the application state on the given parts; a simulation brings its own.
    pub async fn of_parts(settings: Settings, parts: Parts) -> anyhow::Result<App> {
        let Parts {
            db,
            stripe,
            clock,
            security_clock,
            rng,
        } = parts;
        let catalog = settings
            .catalog()
            .map_err(|faults| anyhow::anyhow!(faults.join("\n")))?;
        let rules = Rules {
            catalog,
            plan: settings.billing.plan_rules(),
            listener: crate::reactions::listener(security_clock.clone()),
            mailboxes: mailboxes::mailboxes(&settings, &db, (&security_clock, &rng)).await?,
        };
        let instance = instance(&db, &security_clock, &rng).await?;
        let twin_url =
            Some(settings.stripe.api_base.clone()).filter(|base| !base.contains("api.stripe.com"));
        let app = App(Arc::new(Inner {
            db,
            stripe,
            webhook_secrets: RwLock::new(settings.stripe.webhook_secrets()),
            settings,
            clock: Arc::new(clock),
            security_clock,
            rng,
            sync_due: Notify::new(),
            email_due: Notify::new(),
            webhook_due: Notify::new(),
            keys: KeyCache::default(),
            figures: figures::Cache::default(),
            coupons: coupons::Cache::default(),
            busy: AtomicI64::new(0),
            reads: AtomicU64::new(0),
            bad_signatures: AtomicI64::new(0),
            is_stopping: AtomicBool::new(false),
            instance,
            is_bound: AtomicBool::new(false),
            clock_doubt: Mutex::new(None),
            twin_url,
            rules: RwLock::new(Arc::new(rules)),
            prices: RwLock::new(Arc::new(Prices::default())),
        }));
        anyhow::ensure!(
            !app.db.read(store::vault::is_missing_a_key).await?,
            "The database holds addresses sealed with a key that LBX_ENCRYPTION_KEYS does not name."
        );
        app.load_catalog().await?;
        mailboxes::carry_over(&app).await?;
        app.load_prices().await?;
        app.load_webhook_secret().await?;
        Ok(app)
    }

    /// The current time of the billing clock.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// The current time of the security clock.
    pub fn real_now(&self) -> Timestamp {
        self.security_clock.now()
    }

    /// Why the system clock is in doubt; `None` if it isn't.
    pub fn clock_doubt(&self) -> Option<ClockDoubt> {
        *self
            .clock_doubt
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Records that the system clock is in doubt, or no longer is.
    pub fn set_clock_doubt(&self, doubt: Option<ClockDoubt>) {
        *self
            .clock_doubt
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = doubt;
    }

    /// Creates an id such as `acc_01jd...`.
    pub fn new_id(&self, prefix: &str) -> String {
        new_id(prefix, self.now(), &*self.rng)
    }

    /// The number of Stripe calls that failed since the process started.
    pub fn stripe_failures(&self) -> u64 {
        self.stripe.failures()
    }

    /// The prices, allowances and grace period in force.
    pub fn rules(&self) -> Arc<Rules> {
        self.rules
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// The catalog in force.
    pub fn catalog(&self) -> Catalog {
        self.rules().catalog.clone()
    }

    /// What Stripe's price ids mean at present.
    pub fn prices(&self) -> Arc<Prices> {
        self.prices
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// The secrets that an event may be signed with.
    pub fn webhook_secrets(&self) -> Vec<secrecy::SecretString> {
        self.webhook_secrets
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Reads a consistent snapshot of the database.
    pub async fn read<T, F>(&self, job: F) -> Result<T>
    where
        F: FnMut(&mut Tx<'_>) -> store::Result<T> + Send + 'static,
        T: Send + 'static,
    {
        self.reads.fetch_add(1, Ordering::Relaxed);
        Ok(within("database read", self.db.read(job)).await?)
    }

    /// Writes, and returns once the commit is on disk. Jobs with the same `account` run in order.
    /// Visible only in this crate; handlers call a use case.
    pub(crate) async fn write<T, F>(&self, account: i64, job: F) -> Result<T>
    where
        F: FnMut(&mut Tx<'_>) -> store::Result<T> + Send + 'static,
        T: Send + 'static,
    {
        Ok(within("database write", self.db.write(account, job)).await?)
    }

    /// Marks an account for sync and wakes a worker. Returns the generation to sync.
    pub async fn mark_for_sync(&self, account: i64) -> Result<i64> {
        let now = self.real_now();
        let mark = move |tx: &mut Tx<'_>| store::sync::mark_for_sync(tx, account, now);
        let generation = self.write(account, mark).await?;
        self.sync_due.notify_one();
        Ok(generation)
    }

    /// Writes, marks the account for sync in the same commit, and wakes a worker.
    pub async fn write_and_sync<T, F>(&self, account: i64, mut job: F) -> Result<T>
    where
        F: FnMut(&mut Tx<'_>) -> store::Result<T> + Send + 'static,
        T: Send + 'static,
    {
        let now = self.real_now();
        let both = move |tx: &mut Tx<'_>| {
            let written = job(tx)?;
            store::sync::mark_for_sync(tx, account, now)?;
            Ok(written)
        };
        let written = self.write(account, both).await?;
        self.sync_due.notify_one();
        Ok(written)
    }

    /// Sends one command to the ledger. A refusal is returned as a value, not as an error.
    pub(crate) async fn ledger(&self, account: i64, request: Request) -> Result<Decision> {
        let judged = self.db.ledger(self.rules(), account, request, self.now());
        Ok(within("ledger", judged).await?)
    }

    /// Sends one command to the ledger and turns a refusal into an error for the caller.
    pub(crate) async fn ledger_or_refuse(
        &self,
        account: i64,
        request: Request,
    ) -> std::result::Result<Outcome, Error> {
        let decision: std::result::Result<Outcome, Refusal> = self.ledger(account, request).await?;
        match decision {
            Ok(outcome) => Ok(outcome),
            Err(refusal) => Err(self.refused(account, &refusal).await?),
        }
    }

    /// The error that a caller gets for a refusal, with links to the account's own pages.
    pub async fn refused(&self, account: i64, refusal: &Refusal) -> Result<Error> {
        let name = self.public_id(account).await?;
        Ok(Error::refused(refusal, &self.links_of(&name)))
    }

    /// An account's public id.
    pub async fn public_id(&self, account: i64) -> Result<String> {
        let found = self
            .read(move |tx| store::accounts::find(tx, account))
            .await?;
        let found = found.ok_or_else(|| Error::bug("an account without a row"))?;
        Ok(found.public_id)
    }

    /// The pages where an account's members can resolve a refused call. `account` is its public id.
    pub fn links_of(&self, account: &str) -> AccountLinks {
        AccountLinks {
            top_up: self.page_of(account, links::TOP_UP),
            upgrade: self.page_of(account, links::UPGRADE),
        }
    }

    /// The URL of a page about an account.
    pub fn page_of(&self, account: &str, path: &str) -> String {
        format!("{}{path}?account={account}", self.settings.service.base_url)
    }

    /// Returns an error if billing is off for the account (requirement 16.2).
    pub fn billing_is_on_for(&self, account: &Account) -> Result<()> {
        if self.settings.billing.is_on_for(account) {
            return Ok(());
        }
        Err(Error::billing_is_off())
    }

    /// Counts as work in progress until the guard is dropped, so that a clock that moves in steps
    /// can wait for it.
    pub fn busy(&self) -> Busy {
        self.busy.fetch_add(1, Ordering::SeqCst);
        Busy(self.clone())
    }

    /// Loads the signing secret that `setup` stored, unless one is configured.
    pub async fn load_webhook_secret(&self) -> anyhow::Result<()> {
        if !self.settings.stripe.webhook_secrets().is_empty() {
            return Ok(());
        }
        let stored = self
            .db
            .read(|tx| store::settings::get(tx, WEBHOOK_SECRET))
            .await?;
        if let Some(secret) = stored {
            let mut secrets = self
                .webhook_secrets
                .write()
                .unwrap_or_else(PoisonError::into_inner);
            *secrets = secret.split(',').map(Into::into).collect();
        }
        Ok(())
    }

    /// Stores an additional signing secret and accepts it from now on. The most recent few are
    /// kept, since a re-registered endpoint may still deliver events signed with an earlier secret.
    pub async fn add_webhook_secret(&self, secret: &str) -> anyhow::Result<()> {
        let (secret, now) = (secret.to_owned(), self.real_now());
        self.db
            .write(0, move |tx| {
                let stored = store::settings::get(tx, WEBHOOK_SECRET)?.unwrap_or_default();
                let older = stored
                    .split(',')
                    .filter(|old| !old.is_empty() && *old != secret);
                let all: Vec<&str> = std::iter::once(secret.as_str())
                    .chain(older)
                    .take(WEBHOOK_SECRETS_MAX)
                    .collect();
                store::settings::put(tx, WEBHOOK_SECRET, &all.join(","), now)
            })
            .await?;
        self.load_webhook_secret().await
    }

    /// Puts the catalog text in force if it has changed; a text that hasn't been seen before
    /// becomes a new version. Returns whether anything changed. A text with faults changes nothing.
    pub async fn load_catalog(&self) -> anyhow::Result<bool> {
        let text = self.settings.catalog_text().map_err(anyhow::Error::msg)?;
        let mut catalog =
            Catalog::parse(&text).map_err(|faults| anyhow::anyhow!(faults.join("\n")))?;
        let digest = hex::encode(Sha256::digest(text.as_bytes()));
        let wanted = digest.clone();
        let known = self
            .db
            .read(move |tx| store::catalog::by_digest(tx, &wanted))
            .await?;
        let in_force = self.rules().catalog.version;
        if known.is_some_and(|known| known.version == in_force) {
            return Ok(false);
        }
        let now = self.now();
        let put_in_force = move |tx: &mut Tx<'_>| {
            store::catalog::append(tx, &digest, &text, now)?;
            let row = store::catalog::by_digest(tx, &digest)?;
            let version = row.ok_or(store::Error::NotFound)?.version;
            let before = store::settings::get(tx, CATALOG_VERSION)?;
            if before.as_ref() != Some(&version.to_string()) {
                store::settings::put(tx, CATALOG_VERSION, &version.to_string(), now)?;
                store::ledger::expire_plans(tx, now)?;
            }
            Ok(version)
        };
        catalog.version = self.db.write(0, put_in_force).await?;
        let mut rules = self.rules.write().unwrap_or_else(PoisonError::into_inner);
        *rules = Arc::new(Rules {
            catalog,
            ..(**rules).clone()
        });
        Ok(true)
    }
}

/// The random id of the database. The first process makes it; all others get the same.
async fn instance(db: &Db, clock: &Arc<dyn Clock>, rng: &Arc<dyn Rng>) -> anyhow::Result<String> {
    let stored = db.read(|tx| store::settings::get(tx, INSTANCE)).await?;
    if let Some(stored) = stored {
        return Ok(stored);
    }
    let now = clock.now();
    let id = new_id("inst", now, &**rng);
    let made = db.write(0, move |tx| {
        store::settings::put_once(tx, INSTANCE, &id, now)
    });
    Ok(made.await?)
}

/// Name of the setting that holds the database's own id.
const INSTANCE: &str = "install.id";

/// Name of the setting that holds the catalog version in force.
const CATALOG_VERSION: &str = "catalog.version";

/// Name of the setting with the stored signing secrets, newest first, separated by commas.
pub const WEBHOOK_SECRET: &str = "stripe.webhook_secret";

/// Number of stored signing secrets that are accepted.
const WEBHOOK_SECRETS_MAX: usize = 4;

/// A guard that counts as work in progress until it is dropped; returned by [`App::busy`].
pub struct Busy(App);

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.busy.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Creates a Stripe client with the configured timeouts.
pub fn stripe_client(settings: &Settings) -> anyhow::Result<stripe::Client> {
    let key = match settings.stripe.secret_key.expose_secret() {
        // Commands that never call Stripe work without a key; Stripe rejects this placeholder.
        "" => "sk_test_not_configured",
        key => key,
    };
    let mut config = stripe::ClientConfig::new(&settings.stripe.api_base, key);
    config.api_version = settings.stripe.api_version.clone();
    config.call_timeout = Duration::from_secs(settings.stripe.call_seconds_max);
    config.deadline = Duration::from_secs(settings.stripe.deadline_seconds);
    Ok(stripe::Client::new(config)?)
}
