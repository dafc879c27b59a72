//! One world: the application, Stripe, clocks, and the people in it.

mod letters;
mod process;
mod state;
mod time;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, OnceLock};

use billing::actors::{KeyCaller, SignedIn};
use billing::app::App;
use billing::config::Settings;
use billing::jobs;
use billing::operators::on_behalf;
use billing::sync::{inbox, worker};
use domain::ledger::Lot;
use domain::letters::Letter;
use domain::plan::AccountStatus;
use domain::time::{ManualClock, Timestamp};
use store::accounts::Account;
use store::transactions::{Cursor, Transaction};
use store::{Db, PostgresAddress};
use twin::core::Core;

use crate::chance::Chance;
use crate::linked::Linked;

/// Where Stripe is; no connection is ever opened to it.
const API_BASE: &str = "http://127.0.0.1:12111";

/// When every story begins: 15 January 2026, 12:00 UTC.
const BEGINNING: i64 = 1_768_478_400;

/// Maximum number of rounds until the application has nothing to do at one moment.
const ROUNDS_MAX: usize = 40;

/// How events travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// At once and once.
    Prompt,
    /// Minutes late and in any order.
    Late,
    /// Twice.
    Twice,
    /// Not at all; Stripe's list of events still has them.
    Lost,
}

/// Where the application keeps its data.
#[derive(Clone, Copy, Debug)]
pub enum Place<'a> {
    /// In SQLite in memory.
    Memory,
    /// In an empty PostgreSQL database, which can't be copied: a story there has no backups.
    Postgres(&'a PostgresAddress),
}

/// Somebody with an account.
#[derive(Clone, Debug, Default)]
pub struct Person {
    /// The address to sign in with.
    pub email: String,
    /// The account, once there is one.
    pub account: Option<i64>,
    /// The promotion code for their next purchase.
    pub code: Option<String>,
    /// The public id of a member of the account, and the member's key.
    pub member: Option<(String, KeyCaller)>,
    /// The key of their program.
    pub key: Option<KeyCaller>,
    /// Holds that their program has not ended yet.
    pub holds: Vec<String>,
    /// Whether they asked to close the account, which is done later if the process ended.
    pub asked_to_close: bool,
    /// Whether the account was closed.
    pub is_closed: bool,
    /// Whether an operator suspended the account.
    pub is_suspended: bool,
    /// When an operator suspended the account, and when that was lifted, in Unix seconds.
    pub suspensions: Vec<(i64, Option<i64>)>,
    /// Whether the program has spent anything, or wanted to, since automatic top-ups brought the
    /// credits above their threshold.
    pub has_spent: bool,
    /// How many automatic top-ups were charged.
    pub topups: u64,
    /// All accounts that the address has had.
    pub lives: Vec<i64>,
    /// How often the program has spent anything, or wanted to.
    pub spends: u64,
    /// Refunds that were confirmed with the end of a plan: the subscription, the amount in minor
    /// units, and how often the program had spent by then.
    pub promised: Vec<(String, i64, u64)>,
}

/// What people asked for, so that everything that happens can be told from what shouldn't.
#[derive(Clone, Debug, Default)]
pub struct Asked {
    /// Checkout sessions that their customer paid.
    pub sessions: BTreeSet<String>,
    /// Hosted invoices that their customer paid, and invoices of confirmed changes.
    pub invoices: BTreeSet<String>,
    /// Prices that a person changed to, which a schedule charges later.
    pub prices: BTreeSet<(usize, String)>,
    /// Charges that were already judged.
    pub charges: BTreeSet<String>,
}

/// The world of one story.
pub struct World {
    /// Stripe.
    pub stripe: Linked,
    /// The application.
    pub app: App,
    /// A second process on the same database, if one runs.
    pub second: Option<App>,
    /// Chance for what isn't an act: the delivery of events, the order of work.
    pub chance: Chance,
    /// The people.
    pub people: Vec<Person>,
    /// How events travel at present.
    pub delivery: Delivery,
    /// What was asked for.
    pub asked: Asked,
    /// What happened, line by line.
    pub trace: Vec<String>,
    /// How often each thing was met.
    pub marks: BTreeMap<String, u64>,
    /// When each account was told of each fact.
    told: BTreeMap<(i64, String), Timestamp>,
    /// The trials that Stripe has had: their customer, start and end in Unix seconds.
    pub(crate) trials: BTreeSet<(String, (i64, i64))>,
    /// The emails that were sent, with their recipients.
    pub letters: Vec<(String, Letter)>,
    /// What an act has found broken.
    pub broken: Vec<String>,
    /// A copy of the database that was set aside.
    pub backup: Option<Db>,
    settings: Settings,
    rng: Arc<Chance>,
    clock: Arc<ManualClock>,
    now: Timestamp,
    /// When Stripe's list of events was read, in Unix seconds.
    polled_at: i64,
    /// When the books were audited, in Unix seconds.
    audited_at: i64,
    /// Events on their way, with the time of their arrival in Unix seconds.
    mail: VecDeque<(i64, String)>,
}

/// A database and a Stripe after `setup`, from which every story begins.
struct Beginning {
    db: Db,
    core: Core,
}

impl World {
    /// A world in which nothing has happened yet but `setup`.
    ///
    /// # Errors
    ///
    /// Fails if the application does not start.
    pub async fn new(seed: u64, people: usize, place: Place<'_>) -> anyhow::Result<World> {
        let mut world = match place {
            Place::Memory => World::in_memory(seed).await?,
            Place::Postgres(address) => {
                let stripe = Linked::new(Core::new(1, BEGINNING), seed);
                let world = World::on(stripe, Db::open_postgres_inline(address)?, seed).await?;
                billing::setup::run(&world.app, false).await?;
                world.stripe.act(|core, _| core.take_new_events());
                world
            }
        };
        world.people = (0..people)
            .map(|number| Person {
                email: format!("person{number}@example.com"),
                ..Person::default()
            })
            .collect();
        Ok(world)
    }

    async fn in_memory(seed: u64) -> anyhow::Result<World> {
        static BEGUN: OnceLock<Beginning> = OnceLock::new();
        let begun = if let Some(begun) = BEGUN.get() {
            begun
        } else {
            let begun = beginning().await?;
            BEGUN.get_or_init(|| begun)
        };
        let stripe = Linked::new(begun.core.clone(), seed);
        let db = begun.db.copy_in_memory()?;
        World::on(stripe, db, seed).await
    }

    async fn on(stripe: Linked, db: Db, seed: u64) -> anyhow::Result<World> {
        let settings = settings()?;
        let (clock, rng) = (
            Arc::new(ManualClock::default()),
            Arc::new(Chance::new(seed)),
        );
        let now = Timestamp::from_seconds(BEGINNING);
        clock.set(now);
        let app = process::open(&settings, &stripe, db, &clock, &rng, now).await?;
        Ok(World {
            stripe,
            app,
            second: None,
            chance: Chance::new(seed ^ 0x5EED),
            people: Vec::new(),
            delivery: Delivery::Prompt,
            asked: Asked::default(),
            trace: Vec::new(),
            marks: BTreeMap::new(),
            told: BTreeMap::new(),
            trials: BTreeSet::new(),
            letters: Vec::new(),
            broken: Vec::new(),
            backup: None,
            settings,
            rng,
            clock,
            now,
            polled_at: BEGINNING,
            audited_at: BEGINNING,
            mail: VecDeque::new(),
        })
    }

    /// The current time.
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// Counts that something was met.
    pub fn mark(&mut self, what: impl Into<String>) {
        *self.marks.entry(what.into()).or_default() += 1;
    }

    /// Adds a line to the trace.
    pub fn note(&mut self, line: impl AsRef<str>) {
        let at = self.now.rfc3339();
        self.trace.push(format!("{at}  {}", line.as_ref()));
    }

    /// The signed-in owner of a person's account.
    pub async fn signed_in(&mut self, who: usize) -> Option<SignedIn> {
        let account = self.account(who).await?;
        let app = self.app.clone();
        on_behalf::owner(&app, account).await.ok()
    }

    /// The account of a person.
    pub async fn account(&mut self, who: usize) -> Option<Account> {
        let id = self.people[who].account?;
        let found = self.app.read(move |tx| store::accounts::find(tx, id)).await;
        found.ok().flatten()
    }

    /// The ids of the person's customers at Stripe, as the application knows them.
    pub async fn customers(&mut self, who: usize) -> Vec<String> {
        let Some(account) = self.people[who].account else {
            return Vec::new();
        };
        let found = self
            .app
            .read(move |tx| store::customers::of_account(tx, account));
        let found = found.await.unwrap_or_default();
        found.into_iter().map(|one| one.customer_id).collect()
    }

    /// After the database was replaced by an earlier one: what happened to the accounts since is
    /// known to no one but Stripe.
    pub(crate) async fn forget_what_was_lost(&mut self) {
        self.told.clear();
        for who in 0..self.people.len() {
            let row = self.account(who).await;
            let owner = self.signed_in(who).await;
            let person = &mut self.people[who];
            let status = row.as_ref().map(|row| row.status);
            person.is_closed = status == Some(AccountStatus::Closed);
            person.is_suspended = status == Some(AccountStatus::Suspended);
            person.account = row.map(|row| row.id);
            person.member = None;
            person.asked_to_close = person.is_closed;
            person.suspensions.clear();
            if let Some(owner) = owner {
                person.email = owner.user.email;
            }
        }
    }

    /// The status of the person's newest subscription at Stripe, or `none`.
    pub async fn plan_state(&mut self, who: usize) -> String {
        let customers = self.customers(who).await;
        self.stripe.read(|core| {
            let all = core.objects("subscription").into_iter().rev();
            let mut theirs =
                all.filter(|one| customers.iter().any(|id| one["customer"] == id.as_str()));
            let status = theirs.next().and_then(|one| one["status"].as_str());
            status.unwrap_or("none").to_owned()
        })
    }

    /// Stripe's id of the subscription that the application counts for the person.
    pub async fn live_subscription(&mut self, who: usize) -> Option<String> {
        let account = self.people[who].account?;
        let app = self.app.clone();
        let live = billing::payments::plan::live(&app, account).await;
        live.ok().flatten().map(|row| row.subscription_id)
    }

    /// All rows of an account's payment history.
    pub async fn transactions(&mut self, account: i64) -> Vec<Transaction> {
        let all = self.app.read(move |tx| {
            let newest = Cursor {
                occurred_at: Timestamp::from_micros(i64::MAX),
                id: i64::MAX,
            };
            store::transactions::of_account(tx, account, newest, 10_000)
        });
        all.await.unwrap_or_default()
    }

    /// All grants of an account.
    pub async fn lots(&mut self, account: i64) -> Vec<Lot> {
        let all = self
            .app
            .read(move |tx| store::ledger::grants(tx, account, i64::MAX, 10_000));
        all.await.unwrap_or_default()
    }

    /// Takes the events that happened at Stripe and sends them on their way.
    pub fn collect_mail(&mut self) {
        let events = self.stripe.act(|core, _| core.take_new_events());
        let now = self.now.seconds();
        for event in events {
            if !stripe::event::is_handled(&event.kind) {
                continue;
            }
            match self.delivery {
                Delivery::Prompt => self.mail.push_back((now, event.id)),
                Delivery::Late => {
                    let at = now + self.chance.between(0, 900);
                    self.mail.push_back((at, event.id));
                }
                Delivery::Twice => {
                    self.mail.push_back((now, event.id.clone()));
                    let at = now + self.chance.between(0, 120);
                    self.mail.push_back((at, event.id));
                }
                Delivery::Lost => {}
            }
        }
    }

    async fn deliver(&mut self) {
        let now = self.now.seconds();
        let (due, later) = std::mem::take(&mut self.mail)
            .into_iter()
            .partition::<VecDeque<_>, _>(|(at, _)| *at <= now);
        self.mail = later;
        for (_, id) in due {
            let Some(event) = self.stripe.read(|core| core.event(&id).cloned()) else {
                continue;
            };
            let (app, body) = (self.app.clone(), event.to_string());
            let received = self.run(async move { inbox::receive(&app, body.as_bytes()).await });
            if let Some(Ok(())) = received.await {
                self.stripe.act(|core, _| {
                    core.set_pending_webhooks(&id, 0);
                    core.set_created_delivery(&id, true);
                });
            } else {
                self.mail.push_back((now + 60, id));
            }
        }
    }

    /// Lets the application do everything that is due now. Returns whether it came to rest.
    pub async fn work(&mut self) -> bool {
        for _ in 0..ROUNDS_MAX {
            self.collect_mail();
            self.deliver().await;
            let app = self.app.clone();
            let synced = self.run(async move { worker::one(&app, true).await }).await;
            if matches!(synced, Some(Ok(true)) | None) {
                continue;
            }
            let app = self.app.clone();
            if self
                .run(async move { jobs::round(&app).await })
                .await
                .is_none()
            {
                continue;
            }
            let app = self.app.clone();
            let idle = self
                .run(async move { jobs::clock::is_idle(&app).await })
                .await;
            let now = self.now.seconds();
            self.send_emails().await;
            if idle.is_some_and(|idle| idle.unwrap_or(false))
                && !self.mail.iter().any(|(at, _)| *at <= now)
            {
                return true;
            }
        }
        false
    }

    /// Takes the queued emails, as the mailer does.
    async fn send_emails(&mut self) {
        let now = self.now;
        let app = self.app.clone();
        let until = now.plus_seconds(60);
        let sent = app.db.write(0, move |tx| {
            let kind = store::outbox::MessageKind::Mail;
            let mails = store::outbox::take_due(tx, kind, now, until, 100)?;
            for mail in &mails {
                store::outbox::set_sent(tx, mail.id, now)?;
            }
            Ok(mails)
        });
        for mail in sent.await.unwrap_or_default() {
            self.mark("email");
            self.note(format!("    email {}", mail.key));
            if let Ok(letter) = serde_json::from_str::<Letter>(&mail.payload) {
                letters::judge(self, &mail, &letter).await;
                self.letters.push((mail.recipient, letter));
            } else {
                self.broken
                    .push(format!("the email {} can't be read", mail.key));
            }
        }
    }
}

fn settings() -> anyhow::Result<Settings> {
    let mut settings =
        Settings::load(None, &|_| None).map_err(|faults| anyhow::anyhow!(faults.join("\n")))?;
    settings.stripe.secret_key = "sk_test_stories".to_owned().into();
    settings.stripe.api_base = API_BASE.to_owned();
    // Stories press buttons far faster than people.
    settings.limits.checkout_per_minute = 1_000;
    settings.limits.portal_per_minute = 1_000;
    Ok(settings)
}

async fn beginning() -> anyhow::Result<Beginning> {
    let core = Core::new(1, BEGINNING);
    let world = World::on(Linked::new(core, 1), Db::open_in_memory_inline()?, 1).await?;
    billing::setup::run(&world.app, false).await?;
    world.stripe.act(|core, _| core.take_new_events());
    Ok(Beginning {
        core: world.stripe.read(Clone::clone),
        db: world.app.db.copy_in_memory()?,
    })
}
