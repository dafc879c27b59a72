//! Measures the time from the arrival of an event until it is applied, with a twin in this process.
//!
//! Users buy packs until the time is up; then the bench waits until every event that the twin sent
//! has been applied. Both times are read from the inbox: the load itself measures nothing. The time
//! includes the responses of Stripe, here of the twin.

use domain::people::UserRole;
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
use store::events::{Event, EventState};
use tokio::net::TcpListener;
use twin::client::{Control, PayBy};

use crate::cli::bench::load::{Connection, Measured, of_latencies};
use crate::cli::twin_config::STRIPE_KEY;
use crate::service::Service;

/// Users who buy. A user may start at most five checkouts per minute.
const USERS: usize = 200;

/// The number of checkouts that each user starts.
const CHECKOUTS_EACH: usize = 5;

/// How many users are in a checkout at the same time.
const BUYERS: usize = 4;

/// Events in one page of the inbox.
const PAGE: i64 = 1_000;

/// The most pages of the inbox that are read.
const PAGES_MAX: usize = 100;

/// The longest wait for the last event.
const DRAIN_MAX: Duration = Duration::from_mins(1);

/// Measures how long events took from their arrival until they were applied.
pub async fn measure(mut settings: Settings, time: Duration) -> anyhow::Result<Measured> {
    let twin = twin::serve(crate::cli::twin_config::config(0, None)).await?;
    settings.stripe.secret_key = STRIPE_KEY.into();
    settings.stripe.api_base = twin.url();
    let measured = with_twin(settings, &twin.url(), time).await;
    twin.shutdown();
    twin.join().await;
    measured
}

async fn with_twin(mut settings: Settings, twin: &str, time: Duration) -> anyhow::Result<Measured> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    settings.service.base_url = format!("http://{}", listener.local_addr()?);
    let app = App::open(settings).await?;
    crate::cli::bench::require_empty_database(&app).await?;
    let service = Service::start(app.clone(), listener)?;
    setup::run(&app, false)
        .await
        .map_err(|error| anyhow::anyhow!("{error}"))?;
    let users = Arc::new(sessions(&app).await?);
    let (next, until) = (Arc::new(AtomicUsize::new(0)), Instant::now() + time);
    let mut buyers = tokio::task::JoinSet::new();
    for _ in 0..BUYERS {
        let (users, next, control) = (users.clone(), next.clone(), Control::new(twin)?);
        let address = service.address;
        buyers.spawn(async move {
            let mut connection = Connection::open(address).await?;
            while Instant::now() < until {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= USERS * CHECKOUTS_EACH {
                    break;
                }
                buy(&mut connection, &control, &users[number % USERS]).await?;
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

/// Creates users with an account each, and returns their session tokens.
async fn sessions(app: &App) -> anyhow::Result<Vec<String>> {
    let mut sessions = Vec::with_capacity(USERS);
    for number in 0..USERS {
        let email = format!("buyer{number}@example.com");
        let user = users::ensure(app, &email, UserRole::User, true).await?;
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
        .context("a Checkout URL contains its session's id")?;
    twin.pay(id, PayBy::Card).await?;
    Ok(())
}

/// Waits until the inbox has had no open event three times in a row, since the twin may still have
/// deliveries to send when it is first empty.
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
            .read(move |tx| {
                store::events::list(tx, &store::events::Filter::default(), before, PAGE)
            })
            .await?;
        let Some(last) = page.last() else { break };
        before = Some(last.n);
        for event in &page {
            match event.processed_at {
                Some(at) if event.state == EventState::Done => {
                    let micros = at.micros().saturating_sub(event.received_at.micros());
                    times.push(u32::try_from(micros).unwrap_or(u32::MAX));
                }
                Some(_) => {}
                None => open += 1,
            }
        }
    }
    let count = times.len();
    let mut measured = of_latencies(times);
    #[expect(clippy::cast_precision_loss, reason = "a rate for users, no money")]
    let per_second = count as f64 / time.as_secs_f64();
    measured.per_second = per_second;
    measured.refused = open;
    measured.first_refusal = (open > 0).then(|| "an event was not applied".to_owned());
    Ok(measured)
}
