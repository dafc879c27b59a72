//! From an event's arrival to what it made of the account, beside a twin in this process.
//!
//! People buy packs until the time is over; then every event that the twin sent is waited for.
//! Both moments stand in the inbox: the load itself measures nothing. Stripe's answers, here the
//! twin's, are within the time.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use billing::app::App;
use billing::config::Settings;
use billing::people::sign_in::open_session;
use billing::people::users;
use billing::setup;
use serde_json::{Value, json};
use store::events::Event;
use tokio::net::TcpListener;
use twin::client::{Control, PayBy};

use crate::cli::bench::load::{Connection, Measured, of_times};
use crate::cli::twins::STRIPE_KEY;
use crate::service::Service;

/// People who buy; nobody may start more than five checkouts in a minute.
const PEOPLE: usize = 200;

const CHECKOUTS_EACH: usize = 5;

/// How many of them are in a checkout at the same time.
const BUYERS: usize = 4;

/// Events in one page of the inbox, and the most pages that are read.
const PAGE: i64 = 1_000;

const PAGES_MAX: usize = 100;

/// Longest the last event is waited for.
const DRAIN_MAX: Duration = Duration::from_secs(60);

/// Events that were applied, from arrival to effect.
pub async fn measure(mut settings: Settings, time: Duration) -> anyhow::Result<Measured> {
    let twin = twin::serve(crate::cli::twins::config(0, None, STRIPE_KEY)).await?;
    settings.stripe.secret_key = STRIPE_KEY.into();
    settings.stripe.api_base = twin.url();
    let measured = beside(settings, &twin.url(), time).await;
    twin.shutdown();
    twin.join().await;
    measured
}

async fn beside(mut settings: Settings, twin: &str, time: Duration) -> anyhow::Result<Measured> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    settings.service.base_url = format!("http://{}", listener.local_addr()?);
    let app = App::open(settings).await?;
    crate::cli::bench::refuse_a_database_in_use(&app).await?;
    let service = Service::start(app.clone(), listener)?;
    setup::run(&app, false)
        .await
        .map_err(|error| anyhow::anyhow!("{error}"))?;
    let people = Arc::new(sessions(&app).await?);
    let (next, until) = (Arc::new(AtomicUsize::new(0)), Instant::now() + time);
    let mut buyers = tokio::task::JoinSet::new();
    for _ in 0..BUYERS {
        let (people, next, control) = (people.clone(), next.clone(), Control::new(twin)?);
        let address = service.address;
        buyers.spawn(async move {
            let mut connection = Connection::open(address).await?;
            while Instant::now() < until {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= PEOPLE * CHECKOUTS_EACH {
                    break;
                }
                buy(&mut connection, &control, &people[number % PEOPLE]).await?;
            }
            anyhow::Ok(())
        });
    }
    while let Some(ended) = buyers.join_next().await {
        ended??;
    }
    wait_until_applied(&app).await?;
    let measured = applied(&app, time).await;
    service.stop().await;
    measured
}

/// Session tokens of people with an account each.
async fn sessions(app: &App) -> anyhow::Result<Vec<String>> {
    let mut sessions = Vec::with_capacity(PEOPLE);
    for number in 0..PEOPLE {
        let email = format!("buyer{number}@example.com");
        let user = users::ensure(app, &email, "user", true).await?;
        sessions.push(open_session(app, user.id, "bench").await?);
    }
    Ok(sessions)
}

async fn buy(connection: &mut Connection, twin: &Control, session: &str) -> anyhow::Result<()> {
    let cookie = format!("Cookie: lbx_session={session}\r\n");
    let body = json!({ "type": "topup", "amount": 500 }).to_string();
    let path = "/api/stripe/create-checkout-session";
    let (status, body) = connection.post(path, &cookie, &body).await?;
    let answer: Value = serde_json::from_slice(&body)?;
    anyhow::ensure!(status == 200, "a checkout was refused: {answer}");
    let url = answer["checkoutUrl"].as_str().unwrap_or_default();
    let id = url
        .split(['/', '?', '#'])
        .find(|part| part.starts_with("cs_"))
        .context("a Checkout address holds its session's id")?;
    twin.pay(id, PayBy::Card).await?;
    Ok(())
}

/// The twin may still hold deliveries when the inbox has nothing open: looked at thrice.
async fn wait_until_applied(app: &App) -> anyhow::Result<()> {
    let started = Instant::now();
    let mut calm = 0;
    while calm < 3 && started.elapsed() < DRAIN_MAX {
        tokio::time::sleep(Duration::from_millis(200)).await;
        let open = app.read(store::events::oldest_open).await?;
        calm = if open.is_none() { calm + 1 } else { 0 };
    }
    Ok(())
}

async fn applied(app: &App, time: Duration) -> anyhow::Result<Measured> {
    let (mut times, mut open, mut before) = (Vec::new(), 0, None);
    for _ in 0..PAGES_MAX {
        let page: Vec<Event> = app
            .read(move |tx| store::events::list(tx, &Default::default(), before, PAGE))
            .await?;
        let Some(last) = page.last() else { break };
        before = Some(last.n);
        for event in &page {
            match event.processed_at {
                Some(at) if event.state == "done" => {
                    let micros = at.micros().saturating_sub(event.received_at.micros());
                    times.push(u32::try_from(micros).unwrap_or(u32::MAX));
                }
                Some(_) => {}
                None => open += 1,
            }
        }
    }
    let count = times.len();
    let mut measured = of_times(times);
    #[expect(clippy::cast_precision_loss, reason = "a rate for people, no money")]
    let per_second = count as f64 / time.as_secs_f64();
    measured.per_second = per_second;
    measured.refused = open;
    measured.first_refusal = (open > 0).then(|| "an event was not applied".to_owned());
    Ok(measured)
}
