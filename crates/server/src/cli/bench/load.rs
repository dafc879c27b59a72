//! The load: connections that send a request, wait for the response, and repeat.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use billing::clock::SystemClock;
use domain::time::Clock;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// The longest response that is read, in bytes.
const RESPONSE_BYTES_MAX: usize = 1024 * 1024;

/// The longest wait for a response.
const RESPONSE_MAX: Duration = Duration::from_secs(30);

/// The kind of request that a load sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The reference: parses a small JSON document and responds with one.
    Noop,
    /// Debits spread over all accounts.
    DebitUniform,
    /// Debits of one account.
    DebitHot,
    /// A hold and its capture, counted as one.
    HoldCapture,
    /// A hundred debits in one request, counted as a hundred.
    DebitBatch,
    /// Signed events of known customers.
    Webhook,
    /// The complete billing page of a signed-in user.
    BillingPage,
}

/// Debits in one batch.
pub const BATCH: u64 = 100;

impl Kind {
    /// The reference, and the pages.
    pub const PAGES: [Kind; 2] = [Kind::Noop, Kind::BillingPage];

    /// The reference, and the metering requests.
    pub const METERED: [Kind; 6] = [
        Kind::Noop,
        Kind::DebitUniform,
        Kind::DebitHot,
        Kind::HoldCapture,
        Kind::DebitBatch,
        Kind::Webhook,
    ];

    /// The name of the kind in the table.
    pub fn word(self) -> &'static str {
        match self {
            Kind::Noop => "noop",
            Kind::DebitUniform => "debit",
            Kind::DebitHot => "debit, one account",
            Kind::HoldCapture => "hold and capture",
            Kind::DebitBatch => "debit, batches of 100",
            Kind::Webhook => "webhook",
            Kind::BillingPage => "billing page",
        }
    }

    fn weight(self) -> u64 {
        if self == Kind::DebitBatch { BATCH } else { 1 }
    }
}

/// An account whose credits are spent.
#[derive(Clone, Debug)]
pub struct Spender {
    /// The secret of its API key.
    pub key: String,
    /// The id of the customer at Stripe.
    pub customer: String,
    /// The token of its owner's session.
    pub session: String,
}

/// The service under load.
#[derive(Debug)]
pub struct Target {
    /// The address that the service listens on.
    pub address: SocketAddr,
    /// The accounts whose credits are spent.
    pub spenders: Vec<Spender>,
    /// The secret that events are signed with.
    pub webhook_secret: String,
    /// Gives every request its own number.
    pub counter: AtomicU64,
}

/// The figures of one load.
#[derive(Clone, Debug, Default)]
pub struct Measured {
    /// Successful responses per second.
    pub per_second: f64,
    /// Median latency, in microseconds.
    pub p50_micros: u64,
    /// 95th percentile of the latency, in microseconds.
    pub p95_micros: u64,
    /// 99th percentile of the latency, in microseconds.
    pub p99_micros: u64,
    /// How many responses were refusals or errors.
    pub refused: u64,
    /// The first refusal or error.
    pub first_refusal: Option<String>,
}

/// The shape of a load.
#[derive(Clone, Copy, Debug)]
pub struct Load {
    /// How many connections send requests at the same time.
    pub connections: usize,
    /// How long the load lasts.
    pub time: Duration,
    /// Requests per second of all connections together, however slow the responses are; a latency
    /// counts from when the request was due. Without a rate, each connection sends its next request
    /// as soon as it has a response.
    pub rate: Option<u32>,
}

/// Runs a load and returns its figures.
pub async fn measure(target: &Arc<Target>, kind: Kind, load: Load) -> anyhow::Result<Measured> {
    let mut tasks = tokio::task::JoinSet::new();
    let started = Instant::now();
    for number in 0..load.connections {
        let (target, pace) = (target.clone(), Pace::of(&load, number, started));
        tasks.spawn(async move { one_connection(&target, kind, pace).await });
    }
    let mut all = ConnectionResult::default();
    while let Some(result) = tasks.join_next().await {
        let result = result??;
        all.latencies.extend(result.latencies);
        all.refused += result.refused;
        all.first_refusal = all.first_refusal.or(result.first_refusal);
    }
    let elapsed = started.elapsed().as_secs_f64();
    let answered = u64::try_from(all.latencies.len())? * kind.weight();
    #[expect(clippy::cast_precision_loss, reason = "a rate to display, not money")]
    let per_second = answered as f64 / elapsed;
    Ok(Measured {
        per_second,
        refused: all.refused,
        first_refusal: all.first_refusal,
        ..of_latencies(all.latencies)
    })
}

/// The percentiles of these latencies, which are in microseconds.
pub fn of_latencies(mut latencies: Vec<u32>) -> Measured {
    latencies.sort_unstable();
    let last = latencies.len().saturating_sub(1);
    let at = |percent: usize| {
        let latency = latencies.get(last * percent / 100);
        u64::from(latency.copied().unwrap_or(0))
    };
    Measured {
        p50_micros: at(50),
        p95_micros: at(95),
        p99_micros: at(99),
        ..Measured::default()
    }
}

/// What one connection measured.
#[derive(Debug, Default)]
struct ConnectionResult {
    latencies: Vec<u32>,
    refused: u64,
    first_refusal: Option<String>,
}

/// When a connection sends its requests.
struct Pace {
    next: Instant,
    /// The time between two requests; without it, they follow each other immediately.
    step: Option<Duration>,
    until: Instant,
}

impl Pace {
    /// The pace of one connection. The connections of a load with a rate take turns.
    fn of(load: &Load, number: usize, started: Instant) -> Pace {
        let count = u32::try_from(load.connections).unwrap_or(u32::MAX).max(1);
        let step = load
            .rate
            .map(|rate| Duration::from_secs(1) * count / rate.max(1));
        let turn = u32::try_from(number).unwrap_or(u32::MAX);
        Pace {
            next: started + step.unwrap_or_default() * turn / count,
            step,
            until: started + load.time,
        }
    }

    /// Waits until the next request is due and returns when that was, or `None` after the load's
    /// end.
    async fn due(&mut self) -> Option<Instant> {
        let at = match self.step {
            Some(step) => {
                let at = self.next;
                self.next += step;
                tokio::time::sleep_until(at.into()).await;
                at
            }
            None => Instant::now(),
        };
        (at < self.until).then_some(at)
    }
}

async fn one_connection(
    target: &Target,
    kind: Kind,
    mut pace: Pace,
) -> anyhow::Result<ConnectionResult> {
    let mut connection = Connection::open(target.address).await?;
    let mut result = ConnectionResult::default();
    while let Some(started) = pace.due().await {
        let number = target.counter.fetch_add(1, Ordering::Relaxed);
        let response = request(&mut connection, target, kind, number);
        let (status, body) = tokio::time::timeout(RESPONSE_MAX, response)
            .await
            .context("a response took too long")??;
        if (200..300).contains(&status) {
            let micros = u32::try_from(started.elapsed().as_micros()).unwrap_or(u32::MAX);
            result.latencies.push(micros);
        } else {
            result.refused += 1;
            if result.first_refusal.is_none() {
                let text: String = String::from_utf8_lossy(&body).chars().take(300).collect();
                result.first_refusal = Some(format!("{status} {text}"));
            }
        }
    }
    Ok(result)
}

/// Sends one request and returns the status and body of its response.
async fn request(
    connection: &mut Connection,
    target: &Target,
    kind: Kind,
    number: u64,
) -> anyhow::Result<(u16, Vec<u8>)> {
    let count = u64::try_from(target.spenders.len())?;
    // A stride that is coprime to the count visits all accounts in an order that defeats caches.
    let spender = match kind {
        Kind::DebitHot => &target.spenders[0],
        _ => &target.spenders[usize::try_from(number.wrapping_mul(7_919) % count)?],
    };
    let auth = format!("Authorization: Bearer {}\r\n", spender.key);
    match kind {
        Kind::Noop => {
            let body = format!("{{\"n\":{number}}}");
            connection.post("/api/v1/noop", "", &body).await
        }
        Kind::DebitUniform | Kind::DebitHot => {
            let headers = format!("{auth}Idempotency-Key: bench-{number}\r\n");
            connection
                .post("/api/v1/debits", &headers, "{\"credits\":1}")
                .await
        }
        Kind::HoldCapture => {
            let headers = format!("{auth}Idempotency-Key: bench-{number}\r\n");
            let body = "{\"credits\":2}";
            let (status, body) = connection.post("/api/v1/holds", &headers, body).await?;
            if status != 201 {
                return Ok((status, body));
            }
            let hold: serde_json::Value = serde_json::from_slice(&body)?;
            let id = hold["id"].as_str().context("a hold has an id")?;
            let path = format!("/api/v1/holds/{id}/capture");
            connection.post(&path, &auth, "{\"credits\":1}").await
        }
        Kind::DebitBatch => {
            let debits: Vec<String> = (0..BATCH)
                .map(|part| format!("{{\"credits\":1,\"key\":\"bench-{number}-{part}\"}}"))
                .collect();
            let body = format!("{{\"debits\":[{}]}}", debits.join(","));
            connection.post("/api/v1/debits/batch", &auth, &body).await
        }
        Kind::Webhook => {
            let now = SystemClock.now().seconds();
            let body = event(number, &spender.customer, now);
            let signature = stripe::sign(body.as_bytes(), &target.webhook_secret, now);
            let headers = format!("Stripe-Signature: {signature}\r\n");
            connection
                .post("/api/stripe/webhook", &headers, &body)
                .await
        }
        Kind::BillingPage => {
            connection
                .page("/dashboard/billing", &spender.session)
                .await
        }
    }
}

/// An event as Stripe sends it when a subscription has changed.
fn event(number: u64, customer: &str, now: i64) -> String {
    format!(
        r#"{{"id":"evt_bench{number:020}","object":"event","api_version":"2026-08-26.dahlia","created":{now},"livemode":false,"pending_webhooks":1,"type":"customer.subscription.updated","request":{{"id":null,"idempotency_key":null}},"data":{{"object":{{"id":"sub_bench{customer}","object":"subscription","customer":"{customer}","status":"active","cancel_at_period_end":false,"collection_method":"charge_automatically","currency":"usd","created":{now},"start_date":{now},"billing_cycle_anchor":{now},"livemode":false,"metadata":{{}},"items":{{"object":"list","has_more":false,"data":[{{"id":"si_bench{number}","object":"subscription_item","current_period_start":{now},"current_period_end":{now},"quantity":1,"price":{{"id":"price_bench","object":"price","active":true,"currency":"usd","unit_amount":1900,"type":"recurring","recurring":{{"interval":"month","interval_count":1}}}}}}]}},"latest_invoice":"in_bench{number}"}},"previous_attributes":{{"latest_invoice":"in_bench0"}}}}}}"#
    )
}

/// A persistent HTTP/1.1 connection.
pub struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Connection {
    /// Opens a connection to `address`.
    pub async fn open(address: SocketAddr) -> anyhow::Result<Connection> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Connection {
            stream,
            buffer: Vec::with_capacity(4096),
        })
    }

    /// Posts JSON, and returns the status and the body of the response.
    pub async fn post(
        &mut self,
        path: &str,
        headers: &str,
        body: &str,
    ) -> anyhow::Result<(u16, Vec<u8>)> {
        let length = body.len();
        let request = format!(
            "POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n\
             Content-Length: {length}\r\n{headers}\r\n{body}"
        );
        self.stream.write_all(request.as_bytes()).await?;
        self.response().await
    }

    async fn page(&mut self, path: &str, session: &str) -> anyhow::Result<(u16, Vec<u8>)> {
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: text/html\r\nCookie: lbx_session={session}\r\n\r\n"
        );
        self.stream.write_all(request.as_bytes()).await?;
        self.response().await
    }

    async fn response(&mut self) -> anyhow::Result<(u16, Vec<u8>)> {
        self.buffer.clear();
        let head = loop {
            if let Some(end) = find(&self.buffer, b"\r\n\r\n") {
                break end + 4;
            }
            self.more().await?;
        };
        let text = std::str::from_utf8(&self.buffer[..head])?;
        let status = text
            .get(9..12)
            .context("a response has a status line")?
            .parse()?;
        let length: usize = text
            .lines()
            .filter_map(|line| line.split_once(':'))
            .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
            .context("a response has a Content-Length")?
            .1
            .trim()
            .parse()?;
        anyhow::ensure!(length <= RESPONSE_BYTES_MAX, "a response is too long");
        while self.buffer.len() < head + length {
            self.more().await?;
        }
        Ok((status, self.buffer[head..head + length].to_vec()))
    }

    async fn more(&mut self) -> anyhow::Result<()> {
        let read = self.stream.read_buf(&mut self.buffer).await?;
        anyhow::ensure!(read > 0, "the service closed the connection");
        Ok(())
    }
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes
        .windows(wanted.len())
        .position(|window| window == wanted)
}
