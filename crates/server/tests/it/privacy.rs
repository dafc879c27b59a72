//! Personal data is encrypted at rest and appears in no log, metric or error.

use domain::people::UserRole;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;

use billing::app::App;
use billing::config::Settings;
use secrecy::SecretString;
use serde_json::{Value, json};
use server::cli::keys;
use server::cli::keys::Keys;
use server::cli::output::Output;
use store::testing::TestDatabase;

use crate::stage::{Stage, on_both, pack};

/// A key of 32 equal bytes, as base64.
fn key(name: &str, letter: u8) -> String {
    use base64::Engine;
    let bytes = [letter; 32];
    let text = base64::engine::general_purpose::STANDARD.encode(bytes);
    format!("{name}:{text}")
}

fn sealed_with(settings: &mut Settings, keys: &[String]) {
    settings.database.encryption_keys = SecretString::from(keys.join(","));
}

/// Every byte that the database stores: the files of SQLite, all text of all tables of PostgreSQL.
async fn raw(database: &TestDatabase) -> Vec<u8> {
    match &database.url {
        store::DatabaseUrl::Sqlite(path) => files(path),
        store::DatabaseUrl::Postgres(_) => tokio::task::block_in_place(|| dump(database)),
    }
}

fn files(path: &Path) -> Vec<u8> {
    let folder = path.parent().unwrap();
    let mut all = Vec::new();
    for file in std::fs::read_dir(folder).unwrap() {
        let file = file.unwrap().path();
        // The folder also contains the twin's data, which a real Stripe would store.
        let is_ours = file.to_string_lossy().starts_with(&*path.to_string_lossy());
        if file.is_file() && is_ours {
            all.extend(std::fs::read(file).unwrap());
        }
    }
    assert!(!all.is_empty());
    all
}

/// All rows as text, read without a key.
fn dump(database: &TestDatabase) -> Vec<u8> {
    let db = database.open();
    let tables = "select table_name::text from information_schema.tables
                   where table_schema = 'public' and table_type = 'BASE TABLE'";
    let names: Vec<String> = db.read_blocking(|tx| tx.query(tables, &[])).unwrap();
    assert!(names.len() > 20, "{names:?}");
    let mut all = String::new();
    for name in names {
        let sql: &'static str = format!("select coalesce(t::text, '') from {name} t").leak();
        let rows: Vec<String> = db.read_blocking(move |tx| tx.query(sql, &[])).unwrap();
        all.push_str(&rows.join("\n"));
    }
    db.close();
    all.into_bytes()
}

fn holds(bytes: &[u8], text: &str) -> bool {
    // PostgreSQL dumps bytes as hexadecimal.
    let hexed = hex::encode(text);
    let has = |wanted: &[u8]| bytes.windows(wanted.len()).any(|part| part == wanted);
    has(text.as_bytes()) || has(hexed.as_bytes())
}

const MARK: &str = "zqx-marker";
/// The domain of every email address here. Names of users, which rows may contain, don't have it.
const DOMAIN: &str = "@people.example";

/// A user buys a pack, subscribes, requests a sign-in link and opens the portal.
async fn live(stage: &Stage) {
    let email = format!("{MARK}@people.example");
    let ann = stage.person(&email).await;
    ann.buy_pack(500).await;
    ann.subscribe("PRO").await;
    stage.settled().await;
    let asked = stage.http.post(format!("{}/api/auth/link", stage.base));
    let asked = asked.json(&json!({ "email": email })).send().await.unwrap();
    assert!(asked.status().is_success());
    let operator = stage
        .person_as(&format!("{MARK}-boss@people.example"), "admin")
        .await;
    let (status, found) = operator
        .get(&format!("/api/admin/accounts?q={email}"))
        .await;
    assert_eq!(
        (status, found["data"].as_array().unwrap().len()),
        (200, 1),
        "{found}"
    );
    let made = json!({ "name": "Acme", "email": format!("{MARK}-host@people.example") });
    let server = server_key(stage).await;
    let put = stage
        .http
        .put(format!("{}/api/v1/accounts/host-1", stage.base));
    let put = put.bearer_auth(server).json(&made).send().await.unwrap();
    assert!(put.status().is_success());
    stage.settled().await;
}

async fn server_key(stage: &Stage) -> String {
    let made = billing::keys::make(&stage.app, None, "host", "test").await;
    made.unwrap().1
}

async fn no_address_is_in_the_raw_database(database: TestDatabase) {
    let database = Arc::new(database);
    let stage = Stage::shared(database.clone(), |settings| {
        sealed_with(settings, &[key("one", b'a')]);
    })
    .await;
    live(&stage).await;
    let people = stage
        .read(|tx| store::users::list(tx, Some(DOMAIN), None, 10))
        .await;
    assert!(people.is_empty(), "a part of an address is not found");
    let whole = format!("{MARK}@people.example");
    let found = stage
        .read({
            let whole = whole.clone();
            move |tx| store::users::by_email(tx, &whole)
        })
        .await;
    assert_eq!(found.unwrap().email, whole, "and is read as ever");
    let subjects = stage.mail_subjects().await;
    assert!(
        subjects.iter().any(|one| one.starts_with("Receipt")),
        "{subjects:?}"
    );
    stage.close().await;

    let bytes = raw(&database).await;
    assert!(holds(&bytes, "lbx1.one."), "something was sealed");
    assert!(!holds(&bytes, DOMAIN), "{}", around(&bytes, DOMAIN));
}

/// The text around the first occurrence, to locate a leak.
fn around(bytes: &[u8], text: &str) -> String {
    let at = bytes
        .windows(text.len())
        .position(|part| part == text.as_bytes());
    let at = at.unwrap_or(0);
    let part = &bytes[at.saturating_sub(300)..(at + 200).min(bytes.len())];
    String::from_utf8_lossy(part).into_owned()
}

async fn keys_are_rolled_and_left(database: TestDatabase) {
    let database = Arc::new(database);
    // Without a key, everything is stored unencrypted.
    let stage = Stage::shared(database.clone(), |_| {}).await;
    live(&stage).await;
    stage.close().await;
    assert!(holds(&raw(&database).await, DOMAIN));

    // Then with one key, then with a second key added, then with only the second key.
    let (one, two) = (key("one", b'a'), key("two", b'b'));
    for (configured, prefix) in [
        (vec![one.clone()], "lbx1.one."),
        (vec![two.clone(), one.clone()], "lbx1.two."),
    ] {
        let mut settings = bare(&database);
        sealed_with(&mut settings, &configured);
        let app = App::open(settings).await.unwrap();
        let whole = format!("{MARK}@people.example");
        let lookup = whole.clone();
        let found = app
            .read(move |tx| store::users::by_email(tx, &lookup))
            .await
            .unwrap();
        assert_eq!(found.unwrap().email, whole, "before the turn");
        let again = billing::people::users::ensure(&app, &whole, UserRole::User, true)
            .await
            .unwrap();
        let mut out = Output::new(true);
        assert_eq!(keys::run(&app, &Keys::Rotate, &mut out).await.unwrap(), 0);
        let told: Value = serde_json::from_str(&out.text).unwrap();
        assert!(
            told["sealed"]["user_account.email"].as_i64().unwrap() >= 2,
            "{told}"
        );
        let lookup = whole.clone();
        let found = app
            .read(move |tx| store::users::by_email(tx, &lookup))
            .await
            .unwrap();
        assert_eq!(found.unwrap().id, again.id, "the same user after it");
        let mut out = Output::new(true);
        keys::run(&app, &Keys::Rotate, &mut out).await.unwrap();
        let told: Value = serde_json::from_str(&out.text).unwrap();
        let left: i64 = told["sealed"]
            .as_object()
            .unwrap()
            .values()
            .filter_map(Value::as_i64)
            .sum();
        assert_eq!(left, 0, "a second run finds nothing: {told}");
        let db = app.db.clone();
        tokio::task::spawn_blocking(move || db.close())
            .await
            .unwrap();
        drop(app);
        assert!(holds(&raw(&database).await, prefix));
    }
    let mut settings = bare(&database);
    sealed_with(&mut settings, &[one]);
    let refused = App::open(settings)
        .await
        .err()
        .expect("the key in use is missing");
    assert!(
        refused.to_string().contains("LBX_ENCRYPTION_KEYS"),
        "{refused}"
    );
    let mut settings = bare(&database);
    sealed_with(&mut settings, &[two]);
    App::open(settings)
        .await
        .expect("the former key is not needed any more");
}

/// Settings with only the database.
fn bare(database: &TestDatabase) -> Settings {
    let mut settings = Settings::load(None, &|_| None).unwrap();
    settings.database.url = SecretString::from(database.url_text.clone());
    settings
}

macro_rules! on_each {
    ($($name:ident)+) => {$(
        mod $name {
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn on_sqlite() {
                super::$name(store::testing::sqlite()).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn on_postgres() {
                let database = tokio::task::spawn_blocking(store::testing::postgres).await.unwrap();
                super::$name(database).await;
            }
        }
    )+};
}
on_each! {
    no_address_is_in_the_raw_database
    keys_are_rolled_and_left
}

on_both!(an_error_is_logged_with_the_request_id_that_the_response_has);
async fn an_error_is_logged_with_the_request_id_that_the_response_has(stage: &Stage) {
    let ann = stage.person("ann@example.com").await;

    let answer = ann.fetch(reqwest::Method::GET, "/api/admin/events").await;
    let header = answer.headers()["x-request-id"]
        .to_str()
        .unwrap()
        .to_owned();
    let body: Value = answer.json().await.unwrap();

    assert_eq!(body["requestId"], header.as_str());
    assert!(header.starts_with("req_"), "{header}");
}

const PROGRAM: &str = env!("CARGO_BIN_EXE_localboxs-billing");

/// A demo that logs everything to a file. It is killed when dropped.
struct Talkative {
    child: std::process::Child,
    hello: Value,
    folder: tempfile::TempDir,
}

impl Talkative {
    fn start() -> Talkative {
        use std::io::BufRead;
        let folder = tempfile::tempdir().unwrap();
        let log = std::fs::File::create(folder.path().join("log")).unwrap();
        let mut child = std::process::Command::new(PROGRAM)
            .args([
                "demo",
                "--json",
                "--port",
                "0",
                "--twin-port",
                "0",
                "--data",
            ])
            .arg(folder.path().join("data"))
            .env_remove("DATABASE_URL")
            .env("RUST_LOG", "debug")
            .env("LBX_ENCRYPTION_KEYS", key("one", b'a'))
            .stdout(std::process::Stdio::piped())
            .stderr(log)
            .spawn()
            .unwrap();
        let mut line = String::new();
        let output = child.stdout.take().unwrap();
        std::io::BufReader::new(output)
            .read_line(&mut line)
            .unwrap();
        let hello = serde_json::from_str(&line).unwrap_or_else(|_| panic!("{line:?}"));
        Talkative {
            child,
            hello,
            folder,
        }
    }

    fn text(&self, name: &str) -> String {
        self.hello[name]
            .as_str()
            .unwrap_or_else(|| panic!("{name}"))
            .to_owned()
    }

    /// The cookie of a user.
    fn session(&self, email: &str) -> String {
        let output = std::process::Command::new(PROGRAM)
            .args(["admin", "session", email, "--json", "--data"])
            .arg(self.folder.path().join("data"))
            .env_remove("DATABASE_URL")
            .env("LBX_ENCRYPTION_KEYS", key("one", b'a'))
            .output()
            .unwrap();
        let said: Value = serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)));
        said["headers"]["Cookie"].as_str().unwrap().to_owned()
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap()
    }
}

impl Drop for Talkative {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[expect(clippy::too_many_lines, reason = "one story, told in order")]
async fn case_m8_m9_no_personal_data_or_secret_is_in_logs_metrics_or_the_raw_database() {
    let demo = Talkative::start();
    let (base, http) = (demo.text("baseUrl"), crate::stage::client());
    let email = format!("{MARK}@people.example");
    let cookie = demo.session(&email);
    let post = |path: &str, body: Value| {
        let request = http.post(format!("{base}{path}")).header("cookie", &cookie);
        request.json(&body).send()
    };

    let buy = pack(500);
    let made: Value = post("/api/stripe/create-checkout-session", buy)
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    let page = made["checkoutUrl"].as_str().unwrap().to_owned();
    let twin = twin::client::Control::new(&demo.text("twinUrl")).unwrap();
    let session = crate::stage::session_id(&page);
    twin.pay(&session, twin::client::PayBy::Card).await.unwrap();
    post("/api/auth/link", json!({ "email": email }))
        .await
        .unwrap();
    let opened: Value = post("/api/stripe/customer-portal", json!({}))
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    let portal = opened["url"].as_str().unwrap_or("no portal yet").to_owned();
    // Errors are reported without the data that was sent.
    let wrong = format!("{base}/api/auth/link/{MARK}-token");
    http.get(wrong).send().await.unwrap();
    http.get(format!("{base}/api/v1/balance?account={MARK}"))
        .bearer_auth(format!("lbx_test_{MARK}"))
        .send()
        .await
        .unwrap();
    http.post(format!("{base}/api/stripe/webhook"))
        .header("stripe-signature", format!("t=1,v1={MARK}"))
        .body(format!(
            "{{\"email\":\"{email}\",\"number\":\"4242424242424242\"}}"
        ))
        .send()
        .await
        .unwrap();
    post("/api/v1/keys", json!({ "name": 17, "email": email }))
        .await
        .unwrap();
    tokio::time::sleep(std::time::Duration::from_secs(3)).await;

    let metrics = http.get(format!("{base}/metrics")).send().await.unwrap();
    let metrics = metrics.text().await.unwrap();
    let (log, token) = (demo.log(), cookie.split_once('=').unwrap().1.to_owned());
    let pay_page = page
        .split_once('#')
        .map_or(page.as_str(), |(start, _)| start);
    let secrets = [
        MARK,
        "4242424242424242",
        &token,
        &demo.text("apiKey"),
        &demo.text("webhookSecret"),
        pay_page,
        &portal,
        "sk_test_",
        "whsec_",
    ];
    assert!(log.lines().count() > 20, "there is a log: {log}");
    for secret in secrets {
        let line = log.lines().find(|line| line.contains(secret));
        assert_eq!(line, None, "{secret} is in the log");
        assert!(!metrics.contains(secret), "{secret} is in the metrics");
    }
    for (name, wanted) in [
        ("data", 0o700),
        ("data/billing.db", 0o600),
        ("data/billing.db-wal", 0o600),
    ] {
        let rights = std::fs::metadata(demo.folder.path().join(name))
            .unwrap()
            .permissions();
        assert_eq!(rights.mode() & 0o777, wanted, "{name}");
    }
    let kept = files(&demo.folder.path().join("data/billing.db"));
    for secret in [DOMAIN, "4242424242424242", &token, &demo.text("apiKey")] {
        assert!(!holds(&kept, secret), "{}", around(&kept, secret));
    }
}
