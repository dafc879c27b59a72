//! The real program, killed without warning: every confirmed write is stored exactly once.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};

const PROGRAM: &str = env!("CARGO_BIN_EXE_localboxs-billing");
/// The kills in one run; `bin/prove` runs many more.
const KILLS: usize = 5;

/// A demo in its own process, killed when dropped.
struct Demo {
    child: Child,
    hello: Value,
}

impl Demo {
    fn start(folder: &Path, twin_port: u16) -> Demo {
        let mut child = Command::new(PROGRAM)
            .args([
                "demo",
                "--json",
                "--port",
                "0",
                "--twin-port",
                &twin_port.to_string(),
            ])
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

/// Case D1 on a small scale; `bin/prove` runs it on a large one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[expect(clippy::cast_precision_loss, reason = "a ratio for people")]
async fn case_d1_a_killed_service_loses_no_confirmed_debit_and_duplicates_none() {
    let folder = tempfile::tempdir().unwrap();
    let http = crate::stage::client();
    let mut answered: Vec<String> = Vec::new();
    let mut unknown: Vec<String> = Vec::new();
    for round in 0..KILLS {
        let demo = Demo::start(folder.path(), 0);
        let at = (demo.text("baseUrl"), demo.text("apiKey"));
        let keys: Vec<String> = (0..20).map(|n| format!("d1-{round}-{n}")).collect();
        let calls = keys.iter().map(|key| debit(&http, &at, key));
        let killer = async {
            tokio::time::sleep(Duration::from_millis(3 + 7 * round as u64)).await;
            demo.kill();
        };
        let (answers, ()) = tokio::join!(futures_util::future::join_all(calls), killer);
        for (key, answer) in keys.into_iter().zip(answers) {
            match answer {
                Some((201, _)) => answered.push(key),
                Some((status, _)) => panic!("a debit was answered {status}"),
                None => unknown.push(key),
            }
        }
    }

    let demo = Demo::start(folder.path(), 0);
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

    let spent = 100.0 - balance(&http, &at).await;
    assert_eq!(spent, (answered.len() + unknown.len()) as f64 * 0.5);
    let audit = Command::new(PROGRAM)
        .arg("audit")
        .arg("--data")
        .arg(folder.path())
        .output()
        .unwrap();
    assert!(
        audit.status.success(),
        "{}",
        String::from_utf8_lossy(&audit.stdout)
    );
}
