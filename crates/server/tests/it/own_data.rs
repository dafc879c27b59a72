//! Personal data: an account exports all of its own and nothing of others, and deleted data is
//! never stored again.

use billing::config::Settings;
use billing::export::own_data;
use clap::Parser;
use domain::people::MemberRole;
use reqwest::Method;
use secrecy::SecretString;
use serde_json::{Value, json};
use server::cli::export;
use server::cli::export::ExportArgs;
use server::cli::output::Output;

use crate::stage::{Person, Stage, answer, fresh_key, on_both};

const EXPORT: &str = "/api/v1/account/export";

fn sealed(settings: &mut Settings) {
    use base64::Engine;
    let key = base64::engine::general_purpose::STANDARD.encode([7; 32]);
    settings.database.encryption_keys = SecretString::from(format!("one:{key}"));
}

/// Runs `admin export` with these arguments.
#[derive(Parser)]
struct Line {
    #[command(flatten)]
    args: ExportArgs,
}

async fn exported(stage: &Stage, args: &[&str]) {
    let line = [&["export"], args].concat();
    let line = Line::parse_from(line);
    let mut out = Output::new(true);
    export::run(&stage.app, &line.args, &mut out).await.unwrap();
}

/// A user with a plan, a pack, a call, a key, a setting, a limit and an invitation.
async fn busy<'a>(stage: &'a Stage, email: &str) -> Person<'a> {
    let person = stage.person(email).await;
    person.subscribe("PRO").await;
    person.buy_pack(500).await;
    person
        .billing_when(|body| body["credits"]["available"] == 1_600)
        .await;
    let program = person.program().await;
    program.debit(&fresh_key(), 3).await;
    let hold = json!({ "credits": 2 });
    program.post("/api/v1/holds", &fresh_key(), hold).await;
    let limit = json!({ "scope": "account", "window": "day", "credits": 500 });
    let put = |path, body: Value| answer(person.request(Method::PUT, path).json(&body));
    assert_eq!(put("/api/v1/limits", limit).await.0, 200);
    let chosen = json!({ "notifications": { "credits": false } });
    assert_eq!(put("/api/v1/settings", chosen).await.0, 200);
    let invited = json!({ "email": format!("guest-of-{email}"), "role": "member" });
    person.post("/api/v1/members", invited).await;
    stage.settled().await;
    person
}

on_both!(
    case_m7_an_account_exports_all_of_its_own_data_and_nothing_of_others,
    sealed
);
#[expect(clippy::too_many_lines, reason = "one story, told in order")]
async fn case_m7_an_account_exports_all_of_its_own_data_and_nothing_of_others(stage: &Stage) {
    let ann = busy(stage, "ann@people.example").await;
    let ben = busy(stage, "ben@people.example").await;
    let stranger = stage.http.get(format!("{}{EXPORT}", stage.base));
    let account = ann.account;
    let row = stage.account(account).await;
    stage
        .put_member(ben.user, account, MemberRole::Billing)
        .await;
    let of_ann = format!("{EXPORT}?account={}", row.public_id);

    assert_eq!(answer(stranger).await.0, 401);
    assert_eq!(ben.get(&of_ann).await.0, 403, "owners only");
    assert_eq!(ben.get(&format!("{EXPORT}?account=acc_none")).await.0, 404);
    let (_, page) = ann.page("/dashboard/settings").await;
    assert!(
        page.contains(&format!("href=\"{of_ann}\" download")),
        "{page}"
    );
    let request = ann
        .request(Method::GET, EXPORT)
        .header("accept", "text/html");
    let file = request.send().await.unwrap();
    assert_eq!(file.status(), 200);
    let named = file.headers()["content-disposition"]
        .to_str()
        .unwrap()
        .to_owned();
    assert!(
        named.contains(&format!("{}.json", row.public_id)),
        "{named}"
    );
    let text = file.text().await.unwrap();
    let document: Value = serde_json::from_str(&text).unwrap();

    assert_eq!(document["account"], row.public_id.as_str());
    let tables = document["tables"].as_object().unwrap();
    let names: Vec<&str> = own_data::tables().map(|table| table.name).collect();
    let mut wanted = names.clone();
    wanted.sort_unstable();
    let mut found: Vec<&str> = tables.keys().map(String::as_str).collect();
    found.sort_unstable();
    assert_eq!(found, wanted);
    for table in [
        "account",
        "user_account",
        "membership",
        "api_key",
        "journal",
        "wallet",
        "credit_grant",
        "hold",
        "usage_day",
        "stripe_customer",
        "stripe_intent",
        "stripe_event",
        "subscription",
        "invoice",
        "transactions",
        "session",
        "invitation",
        "account_setting",
        "spend_limit",
        "outbox",
        "payment_method",
    ] {
        let rows = tables[table].as_array().unwrap();
        assert!(!rows.is_empty(), "{table} is empty");
        let own = |row: &&Value| row.get("account_id").is_none_or(|id| *id == account);
        assert_eq!(
            rows.iter().filter(own).count(),
            rows.len(),
            "{table} holds another's rows"
        );
    }
    let sessions = tables["session"].as_array().unwrap();
    assert!(
        sessions.iter().all(|row| row["user_id"] == ann.user),
        "another's places: {sessions:?}"
    );
    let entries = stage
        .read(move |tx| store::ledger::journal_after(tx, account, 0, 1_000))
        .await;
    assert_eq!(tables["journal"].as_array().unwrap().len(), entries.len());
    assert_eq!(tables["account"][0]["email"], "ann@people.example");
    assert!(text.contains("guest-of-ann@people.example"));
    for hidden in ["guest-of-ben", "lbx1.", "_hash\"", "lbx_test_0", "whsec_"] {
        assert!(!text.contains(hidden), "{hidden}");
    }
    let cookie = ann.cookie.split_once('=').unwrap().1;
    assert!(!text.contains(cookie), "it opens no door");

    // The command's export is the same, byte for byte except for the time.
    let folder = tempfile::tempdir().unwrap();
    let to = folder.path().to_str().unwrap();
    exported(stage, &["--to", to, "--account", "ann@people.example"]).await;
    let file = folder.path().join(own_data::file_name(&row));
    let by_command: Value = serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
    for name in names
        .iter()
        .filter(|name| **name != "audit_log" && **name != "session")
    {
        assert_eq!(
            by_command["tables"][name], document["tables"][name],
            "{name}"
        );
    }
    let acts = by_command["tables"]["audit_log"].as_array().unwrap();
    let acts: Vec<&str> = acts
        .iter()
        .map(|act| act["action"].as_str().unwrap())
        .collect();
    assert!(
        acts.contains(&"account.export") && acts.contains(&"export"),
        "{acts:?}"
    );
}

on_both!(
    encrypted_addresses_are_exported_in_clear_for_the_holder_of_the_key,
    sealed
);
async fn encrypted_addresses_are_exported_in_clear_for_the_holder_of_the_key(stage: &Stage) {
    stage.person("ann@people.example").await;
    let folder = tempfile::tempdir().unwrap();
    let to = folder.path().to_str().unwrap();

    exported(stage, &["--to", to, "--format", "jsonl"]).await;

    let read = |name: &str| std::fs::read_to_string(folder.path().join(name)).unwrap();
    assert!(read("account.jsonl").contains("\"ann@people.example\""));
    assert!(read("user_account.jsonl").contains("\"ann@people.example\""));
    for table in store::export::TABLES {
        let text = read(&format!("{}.jsonl", table.name));
        assert!(
            !text.contains("lbx1."),
            "{} holds what cannot be read",
            table.name
        );
    }
}

on_both!(case_m6_a_webhook_for_a_deleted_user_is_recorded_and_restores_no_personal_data);
async fn case_m6_a_webhook_for_a_deleted_user_is_recorded_and_restores_no_personal_data(
    stage: &Stage,
) {
    let ann = stage.buyer("planted.marker@people.example", 500).await;
    stage.settled().await;
    let account = ann.account;
    let find = || stage.app.read(move |tx| store::accounts::find(tx, account));
    let customer = find().await.unwrap().unwrap().stripe_customer_id.unwrap();
    let charge = stage.stripe_id("/v1/charges").await;
    let closed = answer(ann.request(Method::DELETE, "/api/v1/account")).await;
    assert_eq!(closed.0, 200, "{}", closed.1);
    stage.settled().await;
    let before = stage.events().await.len();

    // The address is entered at Stripe again, and a refund is made.
    let path = format!("/v1/customers/{customer}");
    let form = [
        ("email", "planted.marker@people.example"),
        ("name", "Planted Marker"),
    ];
    stage.stripe_post(&path, &form).await;
    stage.refund(&charge).await;
    stage.settled().await;
    stage.mark_for_sync(ann.account).await;
    stage.settled().await;

    let events = stage.events().await;
    assert!(events.len() > before, "they arrived");
    for event in &events[..events.len() - before] {
        assert!(
            ["done", "ignored", "parked"].contains(&event.state.word()),
            "{event:?}"
        );
        let n = event.n;
        let payload = stage.read(move |tx| store::events::payload(tx, n)).await;
        let text = payload.map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        assert!(
            text.is_none_or(|text| !text.contains("lanted")),
            "{}",
            event.kind
        );
    }
    let row = find().await.unwrap().unwrap();
    assert_eq!(
        (row.status.word(), row.name.as_str(), row.email),
        ("closed", "", None)
    );
    let refunds = stage.transactions(account).await;
    assert!(
        refunds.iter().any(|(kind, ..)| kind == "REFUND"),
        "booked under its number: {refunds:?}"
    );
    let folder = tempfile::tempdir().unwrap();
    exported(
        stage,
        &["--to", folder.path().to_str().unwrap(), "--format", "jsonl"],
    )
    .await;
    for file in std::fs::read_dir(folder.path()).unwrap() {
        let path = file.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(!text.contains("lanted"), "{}", path.display());
    }
    let of_card = std::fs::read_to_string(folder.path().join("payment_method.jsonl")).unwrap();
    assert_eq!(of_card, "", "nor the card");
}
