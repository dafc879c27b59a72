//! The real program, killed without warning: every confirmed write is stored exactly once.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};

const PROGRAM: &str = env!("CARGO_BIN_EXE_localboxs-billing");
/// The kills in one run; `bin/prove` runs many more.
const KILLS: usize = 12;

/// A demo in its own process, killed when dropped.
struct Demo {
    child: Child,
    hello: Value,
}

impl Demo {
    fn start(folder: &Path, twin_url: &str) -> Demo {
        let mut child = Command::new(PROGRAM)
            .args(["demo", "--json", "--port", "0", "--twin-url", twin_url])
            .arg("--data")
            .arg(folder)
            .env_remove("DATABASE_URL")
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .expect("the program starts");
        let mut line = String::new();
        let output = child.stdout.take().expect("its output is piped");
        BufReader::new(output)
            .read_line(&mut line)
            .expect("it says where it is");
        let hello = serde_json::from_str(&line).unwrap_or_else(|_| panic!("not a hello: {line:?}"));
        Demo { child, hello }
    }

    fn text(&self, name: &str) -> String {
        self.hello[name]
            .as_str()
            .unwrap_or_else(|| panic!("{name} in {}", self.hello))
            .to_owned()
    }

    /// Sends SIGKILL, so that the process can't clean up or flush.
    fn kill(mut self) {
        self.child.kill().expect("it runs");
        self.child.wait().expect("it ended");
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

async fn debit(http: &reqwest::Client, demo: &(String, String), key: &str) -> Option<(u16, bool)> {
    let (base, api_key) = demo;
    let request = http
        .post(format!("{base}/api/v1/debits"))
        .bearer_auth(api_key)
        .header("idempotency-key", key)
        .json(&json!({ "credits": 0.5 }));
    let answer = request.send().await.ok()?;
    let replayed = answer.headers().contains_key("idempotency-replayed");
    let status = answer.status().as_u16();
    // A response counts once it has arrived completely.
    answer.bytes().await.ok()?;
    Some((status, replayed))
}

async fn balance(http: &reqwest::Client, demo: &(String, String)) -> f64 {
    let (base, api_key) = demo;
    let answer = http
        .get(format!("{base}/api/v1/balance"))
        .bearer_auth(api_key)
        .send()
        .await
        .unwrap();
    let body: Value = answer.json().await.unwrap();
    body["balance"].as_f64().unwrap_or_else(|| panic!("{body}"))
}

/// The statuses of a hold and of its capture; `None` where no answer arrived.
type Told = (Option<u16>, Option<u16>);

/// Sets a credit aside and charges it; what the caller was told of both.
async fn hold_and_capture(http: &reqwest::Client, demo: &(String, String), key: &str) -> Told {
    let (base, api_key) = demo;
    let post = async |path: String, key: String, body: Value| {
        let request = http.post(format!("{base}{path}")).bearer_auth(api_key);
        let request = request.header("idempotency-key", key).json(&body);
        let answer = request.send().await.ok()?;
        let status = answer.status().as_u16();
        let body: Value = answer.json().await.ok()?;
        Some((status, body))
    };
    let ttl = json!({ "credits": 1, "ttlSeconds": 80_000 });
    let Some((held, body)) = post("/api/v1/holds".to_owned(), format!("{key}-h"), ttl).await else {
        return (None, None);
    };
    let path = format!("/api/v1/holds/{}/capture", body["id"].as_str().unwrap());
    let captured = post(path, format!("{key}-c"), json!({ "credits": 0.5 })).await;
    (Some(held), captured.map(|(status, _)| status))
}

/// Opens a Checkout page for a pack of 500 credits; `None` if the service was killed meanwhile.
async fn open_page(http: &reqwest::Client, base: &str, cookie: &str) -> Option<String> {
    let body = json!({ "type": "topup", "amount": 500 });
    let request = http.post(format!("{base}/api/stripe/create-checkout-session"));
    let answer = request.header("cookie", cookie).json(&body).send().await;
    let body: Value = answer.ok()?.json().await.ok()?;
    Some(crate::stage::session_id(body["checkoutUrl"].as_str()?))
}

/// A command beside the demo, with JSON output.
fn command(folder: &Path, args: &[&str]) -> Value {
    let output = Command::new(PROGRAM)
        .args(args)
        .args(["--json", "--data"])
        .arg(folder)
        .env_remove("DATABASE_URL")
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{args:?}: {errors}");
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Case D1 on a small scale; `bin/prove` runs it on a large one. Kills fall among debits, holds,
/// captures and payments of packs.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[expect(clippy::cast_precision_loss, reason = "a ratio for people")]
#[expect(clippy::too_many_lines, reason = "one story, told in order")]
async fn case_d1_a_killed_service_loses_no_confirmed_debit_and_duplicates_none() {
    let folder = tempfile::tempdir().unwrap();
    let http = crate::stage::client();
    let twin = twin::serve(twin::Config::at("127.0.0.1:0".parse().unwrap()));
    let twin = twin.await.unwrap();
    let stripe = twin::client::Control::new(&twin.url()).unwrap();
    let mut answered: Vec<String> = Vec::new();
    let mut unknown: Vec<String> = Vec::new();
    let mut holds: Vec<(String, Told)> = Vec::new();
    let mut paid = 0;
    for round in 0..KILLS {
        let demo = Demo::start(folder.path(), &twin.url());
        let at = (demo.text("baseUrl"), demo.text("apiKey"));
        let session = ["admin", "session", "demo@localboxs.example"];
        let cookie = command(folder.path(), &session)["headers"]["Cookie"].clone();
        // Not in each round: a user may open five pages a minute.
        let page = if round % 3 == 0 {
            open_page(&http, &at.0, cookie.as_str().unwrap()).await
        } else {
            None
        };
        let keys: Vec<String> = (0..20).map(|n| format!("d1-{round}-{n}")).collect();
        let calls = keys.iter().map(|key| debit(&http, &at, key));
        let names: Vec<String> = (0..5).map(|n| format!("d1-{round}-{n}")).collect();
        let held = names.iter().map(|key| hold_and_capture(&http, &at, key));
        let pays = async {
            if let Some(page) = &page {
                stripe.pay(page, twin::client::PayBy::Card).await.unwrap();
                paid += 1;
            }
        };
        let killer = async {
            // From before the first answers to after the last ones and the events of the payment.
            tokio::time::sleep(Duration::from_millis(3 + 17 * round as u64)).await;
            demo.kill();
        };
        let (answers, told, (), ()) = tokio::join!(
            futures_util::future::join_all(calls),
            futures_util::future::join_all(held),
            pays,
            killer
        );
        holds.extend(names.into_iter().zip(told));
        for (key, answer) in keys.into_iter().zip(answers) {
            match answer {
                Some((201, _)) => answered.push(key),
                Some((status, _)) => panic!("a debit was answered {status}"),
                None => unknown.push(key),
            }
        }
    }

    let demo = Demo::start(folder.path(), &twin.url());
    let at = (demo.text("baseUrl"), demo.text("apiKey"));
    for key in &answered {
        let (status, replayed) = debit(&http, &at, key).await.unwrap();
        assert_eq!(
            (status, replayed),
            (201, true),
            "{key} was answered, and lost"
        );
    }
    for key in &unknown {
        assert_eq!(debit(&http, &at, key).await.unwrap().0, 201);
    }
    for (key, (held, captured)) in &holds {
        assert!(held.is_none_or(|status| status == 201), "{key}: {held:?}");
        assert!(
            captured.is_none_or(|status| status == 200),
            "{key}: {captured:?}"
        );
        let again = hold_and_capture(&http, &at, key).await;
        assert_eq!(again, (Some(201), Some(200)), "{key} again");
    }
    // The lease of a sync that was killed lasts up to 90 seconds; then the service syncs again.
    let bought = f64::from(500 * u32::try_from(paid).unwrap());
    let spent = (answered.len() + unknown.len() + holds.len()) as f64 * 0.5;
    let expected = 100.0 + bought - spent;
    let is_there = |left: &f64| (*left - expected).abs() < f64::EPSILON;
    for _ in 0..120 {
        if is_there(&balance(&http, &at).await) {
            break;
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }

    // While a killed sync has its lease, a page that was paid can't be replaced by another.
    assert!(paid >= 1, "{paid} packs");
    assert!(
        !answered.is_empty() && !unknown.is_empty(),
        "the kills fall among the calls"
    );
    let left = balance(&http, &at).await;
    assert!(is_there(&left), "{left}, not {expected}");
    let audited = command(folder.path(), &["audit", "--stripe"]);
    assert_eq!(audited["ok"], true, "{audited}");
    drop(demo);
    twin.shutdown();
    twin.join().await;
}
