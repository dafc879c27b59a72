//! The load: connections that ask, wait for the answer, and ask again.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use billing::clock::SystemClock;
use domain::time::Clock;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Longest answer that is read, in bytes.
const ANSWER_BYTES_MAX: usize = 1024 * 1024;

/// Longest wait for one answer.
const ANSWER_MAX: Duration = Duration::from_secs(30);

/// What is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The reference: parse a small JSON, answer one.
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
    /// The complete billing page of a signed-in person.
    BillingPage,
}

/// Debits in one batch.
pub const BATCH: u64 = 100;

impl Kind {
    /// Pages, beside the reference.
    pub const PAGES: [Kind; 2] = [Kind::Noop, Kind::BillingPage];

    /// What programs call, beside the reference.
    pub const METERED: [Kind; 6] = [
        Kind::Noop,
        Kind::DebitUniform,
        Kind::DebitHot,
        Kind::HoldCapture,
        Kind::DebitBatch,
        Kind::Webhook,
    ];

    /// The name in the table.
    pub fn word(self) -> &'static str {
        match self {
            Kind::Noop => "noop",
            Kind::DebitUniform => "debit",
            Kind::DebitHot => "debit, one account",
            Kind::HoldCapture => "hold and capture",
            Kind::DebitBatch => "debits by the hundred",
            Kind::Webhook => "webhook",
            Kind::BillingPage => "billing page",
        }
    }

    fn weight(self) -> u64 {
        if self == Kind::DebitBatch { BATCH } else { 1 }
    }
}

/// An account to spend for.
#[derive(Clone, Debug)]
pub struct Spender {
    /// The secret of its key.
    pub key: String,
    /// Its Stripe customer.
    pub customer: String,
    /// The token of its owner's session.
    pub session: String,
}

/// Whom to ask.
#[derive(Debug)]
pub struct Target {
    /// Where the service listens.
    pub address: SocketAddr,
    /// Whose credits are spent.
    pub spenders: Vec<Spender>,
    /// What events are signed with.
    pub webhook_secret: String,
    /// Makes every request another.
    pub counter: AtomicU64,
}

/// What a cell of the table came to.
#[derive(Clone, Debug, Default)]
pub struct Measured {
    /// Answers a second.
    pub per_second: f64,
    /// Half of the answers came within so many microseconds.
    pub p50_micros: u64,
    /// All but five in a hundred.
    pub p95_micros: u64,
    /// All but one in a hundred.
    pub p99_micros: u64,
    /// Answers that were refusals or errors.
    pub refused: u64,
    /// The first of them.
    pub first_refusal: Option<String>,
}

/// How a load is put on.
#[derive(Clone, Copy, Debug)]
pub struct Load {
    /// Connections that ask at the same time.
    pub connections: usize,
    /// How long.
    pub time: Duration,
    /// Requests a second of all connections together, come what may: an answer's time counts
    /// from the moment its question was due. Without, each connection asks as soon as it is
    /// answered.
    pub rate: Option<u32>,
}

/// Asks for a while.
pub async fn measure(target: &Arc<Target>, kind: Kind, load: Load) -> anyhow::Result<Measured> {
    let mut tasks = tokio::task::JoinSet::new();
    let started = Instant::now();
    for number in 0..load.connections {
        let (target, pace) = (target.clone(), Pace::of(&load, number, started));
        tasks.spawn(async move { one_connection(&target, kind, pace).await });
    }
    let mut all = Asked::default();
    while let Some(asked) = tasks.join_next().await {
        let asked = asked??;
        all.latencies.extend(asked.latencies);
        all.refused += asked.refused;
        all.first_refusal = all.first_refusal.or(asked.first_refusal);
    }
    let elapsed = started.elapsed().as_secs_f64();
    let answered = u64::try_from(all.latencies.len())? * kind.weight();
    #[expect(clippy::cast_precision_loss, reason = "a rate for people, no money")]
    let per_second = answered as f64 / elapsed;
    Ok(Measured {
        per_second,
        refused: all.refused,
        first_refusal: all.first_refusal,
        ..of_times(all.latencies)
    })
}

/// What these times, in microseconds, come to.
pub fn of_times(mut times: Vec<u32>) -> Measured {
    times.sort_unstable();
    let last = times.len().saturating_sub(1);
    let at = |percent: usize| u64::from(times.get(last * percent / 100).copied().unwrap_or(0));
    Measured {
        p50_micros: at(50),
        p95_micros: at(95),
        p99_micros: at(99),
        ..Measured::default()
    }
}

#[derive(Debug, Default)]
struct Asked {
    latencies: Vec<u32>,
    refused: u64,
    first_refusal: Option<String>,
}

/// When a connection asks.
struct Pace {
    next: Instant,
    /// Between two questions; without, at once.
    step: Option<Duration>,
    until: Instant,
}

impl Pace {
    /// The connections of a load take turns.
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

    /// The moment of the next question, once it is there.
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

async fn one_connection(target: &Target, kind: Kind, mut pace: Pace) -> anyhow::Result<Asked> {
    let mut connection = Connection::open(target.address).await?;
    let mut asked = Asked::default();
    while let Some(started) = pace.due().await {
        let number = target.counter.fetch_add(1, Ordering::Relaxed);
        let answer = ask(&mut connection, target, kind, number);
        let (status, body) = tokio::time::timeout(ANSWER_MAX, answer)
            .await
            .context("an answer did not come")??;
        if (200..300).contains(&status) {
            let micros = u32::try_from(started.elapsed().as_micros()).unwrap_or(u32::MAX);
            asked.latencies.push(micros);
        } else {
            asked.refused += 1;
            if asked.first_refusal.is_none() {
                let text: String = String::from_utf8_lossy(&body).chars().take(300).collect();
                asked.first_refusal = Some(format!("{status} {text}"));
            }
        }
    }
    Ok(asked)
}

async fn ask(
    connection: &mut Connection,
    target: &Target,
    kind: Kind,
    number: u64,
) -> anyhow::Result<(u16, Vec<u8>)> {
    let count = u64::try_from(target.spenders.len())?;
    // A stride that is prime to the count visits all accounts in no order that caches like.
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

/// An event as Stripe sends it when a subscription changed.
fn event(number: u64, customer: &str, now: i64) -> String {
    format!(
        r#"{{"id":"evt_bench{number:020}","object":"event","api_version":"2026-08-26.dahlia","created":{now},"livemode":false,"pending_webhooks":1,"type":"customer.subscription.updated","request":{{"id":null,"idempotency_key":null}},"data":{{"object":{{"id":"sub_bench{customer}","object":"subscription","customer":"{customer}","status":"active","cancel_at_period_end":false,"collection_method":"charge_automatically","currency":"usd","created":{now},"start_date":{now},"billing_cycle_anchor":{now},"livemode":false,"metadata":{{}},"items":{{"object":"list","has_more":false,"data":[{{"id":"si_bench{number}","object":"subscription_item","current_period_start":{now},"current_period_end":{now},"quantity":1,"price":{{"id":"price_bench","object":"price","active":true,"currency":"usd","unit_amount":1900,"type":"recurring","recurring":{{"interval":"month","interval_count":1}}}}}}]}},"latest_invoice":"in_bench{number}"}},"previous_attributes":{{"latest_invoice":"in_bench0"}}}}}}"#
    )
}

/// One HTTP/1.1 connection that is kept.
pub struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Connection {
    /// Opens one.
    pub async fn open(address: SocketAddr) -> anyhow::Result<Connection> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Connection {
            stream,
            buffer: Vec::with_capacity(4096),
        })
    }

    /// Posts JSON; answers the status and the body.
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
        self.answer().await
    }

    async fn page(&mut self, path: &str, session: &str) -> anyhow::Result<(u16, Vec<u8>)> {
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: text/html\r\nCookie: lbx_session={session}\r\n\r\n"
        );
        self.stream.write_all(request.as_bytes()).await?;
        self.answer().await
    }

    async fn answer(&mut self) -> anyhow::Result<(u16, Vec<u8>)> {
        self.buffer.clear();
        let head = loop {
            if let Some(end) = find(&self.buffer, b"\r\n\r\n") {
                break end + 4;
            }
            self.more().await?;
        };
        let text = std::str::from_utf8(&self.buffer[..head])?;
        let status = text.get(9..12).context("a status line")?.parse()?;
        let length: usize = text
            .lines()
            .filter_map(|line| line.split_once(':'))
            .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
            .context("an answer tells its length")?
            .1
            .trim()
            .parse()?;
        anyhow::ensure!(length <= ANSWER_BYTES_MAX, "an answer is too long");
        while self.buffer.len() < head + length {
            self.more().await?;
        }
        Ok((status, self.buffer[head..head + length].to_vec()))
    }

    async fn more(&mut self) -> anyhow::Result<()> {
        let read = self.stream.read_buf(&mut self.buffer).await?;
        anyhow::ensure!(read > 0, "the service hung up");
        Ok(())
    }
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes
        .windows(wanted.len())
        .position(|window| window == wanted)
}
