//! The audit finds differences from Stripe, and a separate step repairs them.

use clap::Parser;
use serde_json::{Value, json};
use server::cli::database_command;
use server::cli::database_command::DatabaseCommand;
use server::cli::output::Output;

use crate::stage::{Stage, balance, id_of, on_both, pack};

/// A command line without the program's name.
#[derive(Parser)]
#[command(no_binary_name = true)]
struct Line {
    #[command(subcommand)]
    command: DatabaseCommand,
}

/// Runs a command as the control socket does, and returns its exit code and its JSON.
async fn run(stage: &Stage, line: &[&str]) -> (u8, Value) {
    run_on(&stage.app, line).await
}

/// Runs a command on any app.
pub async fn run_on(app: &billing::app::App, line: &[&str]) -> (u8, Value) {
    let command = Line::try_parse_from(line).unwrap().command;
    let mut out = Output::new(true);
    let code = database_command::run(app, command, &mut out).await;
    let value = serde_json::from_str(&out.text).unwrap_or(Value::Null);
    (code, value)
}

/// All rows that mirror Stripe, without their row ids.
async fn mirror(stage: &Stage, account: i64) -> Vec<String> {
    stage
        .read(move |tx| {
            let mut lines = Vec::new();
            let start = store::transactions::Cursor::START;
            for row in store::transactions::of_account(tx, account, start, 1_000)? {
                let row = store::transactions::Transaction {
                    id: 0,
                    public_id: String::new(),
                    created_at: domain::time::Timestamp::default(),
                    updated_at: domain::time::Timestamp::default(),
                    ..row
                };
                lines.push(format!("{row:?}"));
            }
            for row in store::subscriptions::of_account(tx, account)? {
                let synced_at = domain::time::Timestamp::default();
                lines.push(format!(
                    "{:?}",
                    store::subscriptions::Subscription { synced_at, ..row }
                ));
            }
            for row in store::invoices::of_account(tx, account, 1_000)? {
                lines.push(format!("{row:?}"));
            }
            let account = store::accounts::find(tx, account)?.unwrap();
            lines.push(format!(
                "{} {}",
                account.subscription_tier, account.subscription_status
            ));
            lines.sort();
            Ok(lines)
        })
        .await
}

/// A customer who has used most of the features.
async fn eventful(stage: &Stage) -> i64 {
    let maya = stage.person("maya@example.com").await;
    maya.buy_pack(5_000).await;
    maya.subscribe("PRO").await;
    let topup = stage.charge_of(500).await;
    stage.refund_part(&topup, "250").await;
    maya.session(pack(500)).await;
    stage.twin.advance("32d").await.unwrap();
    stage.settled().await;
    stage.sync(maya.account).await;
    maya.account
}

on_both!(a_full_sync_restores_emptied_mirror_tables_exactly);
async fn a_full_sync_restores_emptied_mirror_tables_exactly(stage: &Stage) {
    let account = eventful(stage).await;
    let before = mirror(stage, account).await;
    assert!(before.len() >= 6, "{before:?}");
    stage.write(0, store::testing::forget_mirror).await;
    assert_ne!(mirror(stage, account).await, before);

    let (code, report) = run(stage, &["sync", "--all"]).await;

    assert_eq!(code, 0, "{report}");
    assert_eq!(mirror(stage, account).await, before);
    assert_eq!(run(stage, &["audit", "--stripe"]).await.0, 0);
}

on_both!(case_m10_an_audit_reports_differences_from_stripe_and_a_repair_fixes_them);
async fn case_m10_an_audit_reports_differences_from_stripe_and_a_repair_fixes_them(stage: &Stage) {
    let maya = stage.buyer("maya@example.com", 500).await;
    stage.settled().await;
    let (code, report) = run(stage, &["audit", "--stripe"]).await;
    assert_eq!((code, &report["ok"]), (0, &json!(true)), "{report}");
    stage.webhooks(false).await;
    maya.buy_pack(5_000).await;

    let (code, report) = run(stage, &["audit", "--stripe"]).await;
    assert_eq!(code, 3, "{report}");
    let lines = report["stripe"]["differs"][0]["lines"].to_string();
    assert!(
        lines.contains("transaction topup:") && lines.contains("ledger: grant"),
        "{lines}"
    );
    let last = stage
        .read(|tx| store::settings::get(tx, "audit_last"))
        .await;
    let last: Value = serde_json::from_str(&last.unwrap()).unwrap();
    assert_eq!(last["differences"], 1);

    let (code, dry) = run(stage, &["repair"]).await;
    assert_eq!((code, &dry["applied"]), (3, &json!(false)), "{dry}");
    assert_eq!(
        balance(&maya.billing().await),
        600.0,
        "nothing was changed yet"
    );

    let (code, done) = run(stage, &["repair", "--apply"]).await;
    assert_eq!((code, &done["differs"]), (0, &json!(0)), "{done}");
    assert_eq!(balance(&maya.billing().await), 5_600.0);
    assert_eq!(run(stage, &["audit", "--stripe"]).await.0, 0);
}

on_both!(a_plan_override_is_reported_as_intended_and_not_as_a_difference);
async fn a_plan_override_is_reported_as_intended_and_not_as_a_difference(stage: &Stage) {
    let maya = stage.person("maya@example.com").await;
    let account = maya.account;
    let now = stage.app.now();
    stage
        .write(account, move |tx| {
            let set = store::accounts::TierOverride {
                tier: "PRO",
                reason: "a friend of the house",
                actor: "cli",
                until: None,
            };
            store::accounts::set_tier_override(tx, account, Some(&set), now)
        })
        .await;

    let (code, report) = run(stage, &["audit", "--stripe"]).await;

    assert_eq!(code, 0, "{report}");
    assert_eq!(report["stripe"]["intended"][0]["tier"], "PRO");
    assert_eq!(
        report["stripe"]["intended"][0]["reason"],
        "a friend of the house"
    );
}

on_both!(the_nightly_audit_finds_a_refund_and_a_dispute_without_events);
async fn the_nightly_audit_finds_a_refund_and_a_dispute_without_events(stage: &Stage) {
    let maya = stage.person("maya@example.com").await;
    maya.buy_pack(5_000).await;
    maya.buy_pack(1_000).await;
    maya.balance_is(6_100).await;
    stage.twin.advance("60d").await.unwrap();
    stage.sync(maya.account).await;
    stage.settled().await;
    stage.webhooks(false).await;
    let charges = stage.stripe_get("/v1/charges").await;
    let of = |amount: i64| {
        let charges = charges["data"].as_array().unwrap();
        let charge = charges.iter().find(|one| one["amount"] == amount).unwrap();
        id_of(charge)
    };
    stage.refund(&of(500)).await;
    stage.twin.dispute(&of(100), None).await.unwrap();

    let found = billing::jobs::nightly::once(&stage.app).await.unwrap();

    assert_eq!(found, 2);
    maya.billing_when(|body| body["credits"]["available"] == 100.0)
        .await;
    stage.settled().await;
    assert_eq!(
        billing::jobs::nightly::once(&stage.app).await.unwrap(),
        0,
        "repaired"
    );
    let last = stage
        .read(|tx| store::settings::get(tx, "audit_last"))
        .await;
    assert!(last.unwrap().contains("\"differences\":0"));
}

on_both!(existing_customers_are_adopted_by_metadata_or_a_verified_address);
async fn existing_customers_are_adopted_by_metadata_or_a_verified_address(stage: &Stage) {
    let maya = stage.person("maya@example.com").await;
    let noah = stage.person("noah@example.com").await;
    let account = maya.account;
    let name = stage.account(account).await;
    let name = name.public_id;
    let price = stage.price("PRO");
    let old = |form: Vec<(&'static str, String)>| {
        let price = price.clone();
        async move {
            let form: Vec<(&str, &str)> = form.iter().map(|(k, v)| (*k, v.as_str())).collect();
            let made = stage.stripe_post("/v1/customers", &form).await;
            let id = id_of(&made);
            let trial = [
                ("customer", id.as_str()),
                ("items[0][price]", &price),
                ("trial_period_days", "14"),
            ];
            stage.stripe_post("/v1/subscriptions", &trial).await;
            id
        }
    };
    stage.webhooks(false).await;
    let by_metadata = old(vec![("metadata[accountId]", name)]).await;
    let by_mail = old(vec![("email", "Noah@example.com".to_owned())]).await;
    old(vec![("email", "stranger@example.com".to_owned())]).await;

    let (code, dry) = run(stage, &["sync", "--adopt"]).await;
    assert_eq!((code, &dry["applied"]), (0, &json!(false)));
    assert_eq!(dry["linked"].as_array().unwrap().len(), 2, "{dry}");
    assert_eq!(dry["unknown"], 1);
    assert_eq!(maya.billing().await["subscription"]["tier"], "FREE");

    let (code, done) = run(stage, &["sync", "--adopt", "--apply"]).await;

    assert_eq!((code, &done["applied"]), (0, &json!(true)), "{done}");
    for person in [&maya, &noah] {
        let body = person.billing().await;
        assert_eq!(body["subscription"]["tier"], "PRO", "{body}");
    }
    let customers = stage
        .read(move |tx| store::customers::current(tx, account))
        .await;
    assert_eq!(customers, Some(by_metadata));
    assert_ne!(by_mail, "");
    let (_, again) = run(stage, &["sync", "--adopt"]).await;
    assert_eq!(again["linked"], json!([]));
    assert_eq!(
        run(stage, &["admin", "adopt"]).await,
        run(stage, &["sync", "--adopt"]).await
    );
}

on_both!(case_w30_a_sync_since_a_given_time_recovers_lost_events);
async fn case_w30_a_sync_since_a_given_time_recovers_lost_events(stage: &Stage) {
    let maya = stage.buyer("maya@example.com", 5_000).await;
    stage.twin.advance("80d").await.unwrap();
    stage.sync(maya.account).await;
    let since = stage.app.now().rfc3339();
    stage.webhooks(false).await;
    stage.twin.advance("1h").await.unwrap();
    stage.refund_newest().await;

    let (code, report) = run(stage, &["sync", "--since", &since]).await;

    assert_eq!(code, 0, "{report}");
    assert_eq!(balance(&maya.billing().await), 100.0);
}

/// Corruptions of rows that are derived from the journal, each in another table.
const DAMAGES: [(&str, &str); 5] = [
    (
        "wallet",
        "update wallet set posted = posted + 1000000 where account_id = $1",
    ),
    (
        "grant",
        "update credit_grant set used = 0, amount = amount + 1 where account_id = $1",
    ),
    (
        "hold",
        "update hold set captured = 0, state = 'released' where account_id = $1 and state = 'captured'",
    ),
    ("usage", "delete from usage_day where account_id = $1"),
    (
        "limit",
        "update spend_limit set used = 0 where account_id = $1",
    ),
];

on_both!(rows_that_differ_from_the_journal_are_reported_and_then_rebuilt_from_it);
#[expect(clippy::too_many_lines, reason = "one story, told in order")]
async fn rows_that_differ_from_the_journal_are_reported_and_then_rebuilt_from_it(stage: &Stage) {
    let account = eventful(stage).await;
    let maya = stage.person("maya@example.com").await;
    let limit = json!({ "scope": "account", "window": "lifetime", "credits": 90_000 });
    assert_eq!(maya.put("/api/v1/limits", limit).await.0, 200);
    let program = maya.program().await;
    program.debit("d", 30).await;
    let held = program
        .post("/api/v1/holds", "h", json!({ "credits": 20 }))
        .await;
    let path = format!(
        "/api/v1/holds/{}/capture",
        held.body["id"].as_str().unwrap()
    );
    assert_eq!(
        program
            .post(&path, "c", json!({ "credits": 12 }))
            .await
            .status,
        200
    );
    program
        .post(
            "/api/v1/holds",
            "open",
            json!({ "credits": 5, "ttlSeconds": 80_000 }),
        )
        .await;
    stage.settled().await;
    let books = |table: &'static str| async move {
        let table = store::export::table(table).unwrap();
        stage
            .read(move |tx| store::export::page(tx, table, Some(account), None, 1_000))
            .await
    };
    let tables = ["credit_grant", "hold", "usage_day"];
    let before = [
        books(tables[0]).await,
        books(tables[1]).await,
        books(tables[2]).await,
    ];
    let balance_before = maya.get("/api/v1/balance").await.1;
    assert_eq!(run(stage, &["repair"]).await.1["rebuilds"], json!([]));

    for (row, damage) in DAMAGES {
        stage
            .write(account, move |tx| tx.execute(damage, store::args![account]))
            .await;
        assert_eq!(run(stage, &["audit"]).await.0, 3, "{row}");

        let (code, dry) = run(stage, &["repair"]).await;
        let said = dry["rebuilds"][0]["rows"].to_string();
        assert_eq!((code, &dry["applied"]), (3, &json!(false)), "{row}: {dry}");
        assert!(said.contains(row), "{row}: {said}");
        assert_eq!(
            run(stage, &["audit"]).await.0,
            3,
            "{row}: nothing was changed yet"
        );
        let (code, done) = run(stage, &["repair", "--apply"]).await;

        assert_eq!((code, &done["failed"]), (0, &json!([])), "{row}: {done}");
        assert_eq!(run(stage, &["audit"]).await.0, 0, "{row}");
    }
    let after = [
        books(tables[0]).await,
        books(tables[1]).await,
        books(tables[2]).await,
    ];
    assert_eq!(after, before, "row for row");
    let mut balance_after = maya.get("/api/v1/balance").await.1;
    balance_after["updatedAt"] = balance_before["updatedAt"].clone();
    assert_eq!(balance_after, balance_before);
    assert_eq!(program.debit("continues", 1).await.status, 201);
    assert_eq!(run(stage, &["audit"]).await.0, 0);
    let acts = stage
        .read(|tx| store::audit_log::list(tx, None, None, Some("account.rebuild"), None, 100))
        .await;
    assert_eq!(acts.len(), DAMAGES.len());
}
