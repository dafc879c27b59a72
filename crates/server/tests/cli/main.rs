//! The command line as users run it: a demo in its own process, and commands that run next to it.

#![expect(clippy::unwrap_used, reason = "a helper of a test fails the test")]

mod demo;
mod recovery;

use std::path::Path;

use serde_json::Value;

use demo::*;

#[test]
fn commands_beside_a_running_demo_need_nothing_but_its_folder() {
    let folder = tempfile::tempdir().unwrap();
    // The path is longer than the limit for a socket address.
    let data = folder.path().join("a-folder-with-a-long-name".repeat(6));
    let demo = Demo::start(&data, &[]);

    let session = json(
        &data,
        &["admin", "session", "new@localboxs.example", "--with-key"],
    );
    let cookie = session["headers"]["Cookie"].as_str().unwrap();
    let key = session["headers"]["Authorization"].as_str().unwrap();
    let billing = get(
        &format!("{}/api/dashboard/billing", demo.text("baseUrl")),
        ("cookie", cookie),
    );
    let balance = get(
        &format!("{}/api/v1/balance", demo.text("baseUrl")),
        ("authorization", key),
    );
    let synced = json(&data, &["sync", "--all"]);
    let audited = json(&data, &["audit"]);

    assert_eq!(billing.0, 200);
    assert_eq!(balance.0, 200, "{}", balance.1);
    assert_eq!(synced["differs"], Value::Array(vec![]));
    assert_eq!(audited["findingsCount"], 0);
    assert_eq!(audited["accounts"], 3);
    assert_eq!(run(&data, &["setup", "--check"]).status.code(), Some(0));
    assert_eq!(run(&data, &["migrate", "down"]).status.code(), Some(1));
}

#[test]
fn a_demo_that_starts_again_keeps_its_key_its_clock_and_its_books() {
    let folder = tempfile::tempdir().unwrap();
    let (key, advanced) = {
        let demo = Demo::start(folder.path(), &[]);
        let advanced = json(folder.path(), &["twin", "advance", "3d"]);
        (
            demo.text("apiKey").to_owned(),
            advanced["now"].as_i64().unwrap(),
        )
    };
    let demo = Demo::start(folder.path(), &[]);

    let balance = json(folder.path(), &["balance", "demo@localboxs.example"]);
    let now = domain::time::parse(balance["at"].as_str().unwrap()).unwrap();

    assert_eq!(demo.text("apiKey"), key);
    assert!(now.seconds() >= advanced);
    assert_eq!(balance["available"], 100);
    assert_eq!(run(folder.path(), &["sync"]).status.code(), Some(0));
}

#[test]
fn a_printed_link_signs_in_once() {
    let folder = tempfile::tempdir().unwrap();
    let demo = Demo::start(folder.path(), &[]);
    let link = demo.text("adminLoginUrl");

    let first = get(link, ("accept", "application/json"));
    let second = get(link, ("accept", "application/json"));

    assert_ne!(first.0, 400);
    assert_eq!(second.0, 400);
}

#[test]
fn a_reset_deletes_what_a_demo_made_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    drop(Demo::start(folder.path(), &[]));
    let other = folder.path().join("letter.txt");
    std::fs::write(&other, "mine").unwrap();
    let reset = ["demo", "--port", "0", "--twin-port", "0", "--reset"];

    let refused = run(folder.path(), &reset);
    std::fs::remove_file(&other).unwrap();
    let running = Demo::start(folder.path(), &["--reset"]);
    let while_running = run(folder.path(), &reset);

    assert_eq!(refused.status.code(), Some(1));
    assert!(folder.path().join("billing.db").exists());
    assert_eq!(while_running.status.code(), Some(1));
    drop(running);
}

#[test]
fn wrong_usage_failure_and_success_have_their_exit_codes() {
    let folder = tempfile::tempdir().unwrap();

    assert_eq!(
        run(folder.path(), &["audit", "--no-such-flag"])
            .status
            .code(),
        Some(2)
    );
    for line in [
        &["balance", "nobody"][..],
        &["doctor"],
        &["audit"],
        &["repair"],
        &["sync"],
        &["admin", "refund", "pi_1"],
    ] {
        let failed = run(folder.path(), line);
        let said = String::from_utf8(failed.stderr).unwrap();
        assert_eq!(failed.status.code(), Some(1), "{line:?}");
        assert!(said.contains("There is no database at"), "{line:?}: {said}");
    }
    let made = std::fs::read_dir(folder.path()).unwrap().count();
    assert_eq!(made, 0, "a mistyped path makes no database");
    json(folder.path(), &["migrate", "up"]);
    assert_eq!(
        run(folder.path(), &["balance", "nobody"]).status.code(),
        Some(1)
    );
    assert_eq!(run(folder.path(), &["audit"]).status.code(), Some(0));
    assert_eq!(
        run(folder.path(), &["config", "check"]).status.code(),
        Some(1)
    );
    assert_eq!(
        run(folder.path(), &["migrate", "down", "--steps", "1"])
            .status
            .code(),
        Some(0)
    );
}

#[test]
fn a_correction_with_an_idempotency_key_is_made_once() {
    let folder = tempfile::tempdir().unwrap();
    json(folder.path(), &["admin", "user", "a@localboxs.example"]);
    let adjust = |key: &str| {
        let args = [
            "admin",
            "credits",
            "adjust",
            "a@localboxs.example",
            "-2.5",
            "--reason",
            "correction",
            "--note",
            "a test",
            "--key",
            key,
        ];
        json(folder.path(), &args)
    };

    assert_eq!(adjust("one")["adjusted"], true);
    assert_eq!(adjust("one")["adjusted"], false);
    assert_eq!(adjust("two")["available"], 95);
}

#[test]
fn a_backup_beside_a_running_demo_is_restored_elsewhere() {
    let folder = tempfile::tempdir().unwrap();
    let demo = Demo::start(&folder.path().join("demo"), &[]);
    let (file, other) = (folder.path().join("copy.db"), folder.path().join("other"));
    let copy = file.to_str().unwrap();
    json(&folder.path().join("demo"), &["backup", copy]);
    drop(demo);

    let verified = json(&other, &["restore", copy, "--verify"]);
    assert_eq!(
        (&verified["accounts"], &verified["differences"]),
        (&2.into(), &0.into())
    );
    assert!(
        !other.join("billing.db").exists(),
        "verifying restores nothing"
    );
    let restored = json(&other, &["restore", copy]);
    let again = run(&other, &["restore", copy]);
    std::fs::write(&file, "no database").unwrap();
    let broken = run(&other, &["restore", copy, "--replace"]);
    let unfit = run(&other, &["restore", copy, "--verify"]);

    assert_eq!(restored["lastAccount"], 2);
    assert_eq!(again.status.code(), Some(1));
    assert_eq!(broken.status.code(), Some(1));
    assert_eq!(unfit.status.code(), Some(1));
    assert_eq!(json(&other, &["audit"])["accounts"], 2);
}

#[test]
fn a_database_named_by_its_url_is_reached_through_its_service_too() {
    let folder = tempfile::tempdir().unwrap();
    let _demo = Demo::start(folder.path(), &[]);
    let url = format!("sqlite://{}/billing.db", folder.path().display());

    let by_address = program()
        .env("DATABASE_URL", &url)
        .arg("audit")
        .status()
        .unwrap();
    let other = format!("sqlite://{}/other.db", folder.path().display());
    let at_other = |args: &[&str]| {
        let mut command = program();
        command.env("DATABASE_URL", &other).args(args);
        command.output().unwrap()
    };
    let absent = at_other(&["audit", "--json"]);
    at_other(&["migrate", "up"]);
    let another = at_other(&["audit", "--json"]);
    let another: Value = serde_json::from_slice(&another.stdout).unwrap();

    assert_eq!(by_address.code(), Some(0));
    assert_eq!(absent.status.code(), Some(1));
    assert_eq!(another["accounts"], 0);
}

/// Buys a pack as the user of a session; returns the Checkout session.
#[expect(clippy::disallowed_methods, reason = "a test's own client")]
fn buy(data: &Path, demo: &Demo, cookie: &str, credits: i64) -> String {
    let url = format!(
        "{}/api/stripe/create-checkout-session",
        demo.text("baseUrl")
    );
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let body = serde_json::json!({ "type": "topup", "amount": credits }).to_string();
    let answer: String = runtime.block_on(async {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let request = client.post(url).header("cookie", cookie);
        let request = request.header("content-type", "application/json");
        let answer = request.body(body).send().await.unwrap();
        answer.text().await.unwrap()
    });
    let start = answer.find("cs_test_").unwrap();
    let rest = &answer[start..];
    let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    let session = rest[..end.unwrap()].to_owned();
    run(data, &["twin", "pay", &session]);
    json(data, &["sync", "--all"]);
    session
}

#[test]
fn a_refund_is_previewed_and_made_once_and_all_tables_are_exported() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("demo");
    let demo = Demo::start(&data, &[]);
    let session = json(&data, &["admin", "session", "new@localboxs.example"]);
    let cookie = session["headers"]["Cookie"].as_str().unwrap();
    let checkout = buy(&data, &demo, cookie, 5_000);
    let refund = |more: &[&str]| {
        let start = ["admin", "refund", &checkout, "--amount", "2.00"];
        json(&data, &[&start, more].concat())
    };

    let look = refund(&["--dry-run"]);
    let made = refund(&["--key", "one", "--reason", "duplicate"]);
    let again = refund(&["--key", "one", "--reason", "duplicate"]);
    let balance = json(&data, &["balance", "new@localboxs.example"]);
    let files = folder.path().join("files");
    let files = files.to_str().unwrap();
    let exported = json(
        &data,
        &["admin", "export", "--to", files, "--format", "jsonl"],
    );
    let failed = json(
        &data,
        &["admin", "events", "replay", "--failed", "--dry-run"],
    );

    assert_eq!(
        (&look["creditsTaken"], &look["made"]),
        (&2_000.into(), &false.into())
    );
    assert_eq!(
        (&made["made"], &again["made"]),
        (&true.into(), &false.into())
    );
    assert_eq!(made["refund"], again["refund"]);
    assert_eq!(balance["available"], 3_100);
    assert_eq!(failed["events"], Value::Array(vec![]));
    assert_eq!(
        exported["files"].as_array().unwrap().len(),
        store::export::TABLES.len()
    );
    let rows = std::fs::read_to_string(Path::new(files).join("transactions.jsonl")).unwrap();
    assert!(
        rows.lines().any(|line| line.contains("\"REFUND\"")),
        "{rows}"
    );
    assert_eq!(
        run(&data, &["admin", "refund", "txn_none", "--dry-run"])
            .status
            .code(),
        Some(1)
    );
    assert_eq!(
        run(&data, &["admin", "events", "replay"]).status.code(),
        Some(1)
    );
    assert_eq!(json(&data, &["audit"])["findingsCount"], 0);
}

#[test]
fn the_deferred_report_of_a_month_reconciles_with_the_ledger_and_an_unknown_grant_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let demo = Demo::start(folder.path(), &[]);
    let now = get(
        &format!("{}/api/pricing", demo.text("baseUrl")),
        ("accept", "*/*"),
    );
    assert_eq!(now.0, 200);
    let at = |month: &str| json(folder.path(), &["report", "deferred", "--month", month]);

    let early = at("2001-01");
    let wrong = run(folder.path(), &["report", "deferred", "--month", "2026-1"]);

    assert_eq!(early["ties"], true);
    assert_eq!(early["ledger"], 0);
    assert_eq!(wrong.status.code(), Some(1));
    let absent = [
        "admin",
        "credits",
        "void",
        "new@localboxs.example",
        "grant_99",
        "--reason",
        "other",
        "--note",
        "x",
    ];
    assert_ne!(run(folder.path(), &absent).status.code(), Some(0));
}

#[test]
fn requirement_13_2_seeding_twice_creates_nothing_twice_and_changes_no_credits() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("demo");
    let demo = Demo::start(&data, &[]);
    let file = folder.path().join("people.jsonl");
    let mut lines: Vec<_> = (0..600)
        .map(|number| format!("{{\"id\":\"user-{number}\",\"name\":\"Person {number}\"}}"))
        .collect();
    std::fs::write(&file, lines.join("\n")).unwrap();
    let file = file.to_str().unwrap();
    let counted = |value: Value| (value["made"].as_i64(), value["known"].as_i64());

    let looked = json(&data, &["admin", "seed", file, "--dry-run"]);
    assert_eq!(counted(looked), (Some(600), Some(0)));
    let made = json(&data, &["admin", "seed", file]);
    assert_eq!(counted(made), (Some(600), Some(0)));
    let given = ["user-7", "25", "--reason", "migration", "--note", "moved"];
    json(
        &data,
        &[&["admin", "credits", "adjust"], &given[..]].concat(),
    );
    let before = json(&data, &["balance", "user-7"])["available"].clone();
    let again = json(&data, &["admin", "seed", file]);
    assert_eq!(counted(again), (Some(0), Some(600)));
    assert_eq!(json(&data, &["balance", "user-7"])["available"], before);
    assert_eq!(before, 125);

    let rest = folder.path().join("rest.jsonl");
    let pair = ["user-700", "user-701"]
        .map(|id| format!("{{\"id\":\"{id}\",\"name\":\"A\",\"email\":\"a@example.com\"}}"));
    std::fs::write(&rest, pair.join("\n")).unwrap();
    let rest = rest.to_str().unwrap();
    for options in [&["--dry-run"][..], &[]] {
        let seed = [&["admin", "seed", rest, "--json"], options].concat();
        let refused = run(&data, &seed);
        let said = String::from_utf8(refused.stderr).unwrap();
        assert!(
            said.contains("user-701") && !said.contains("user-700"),
            "{said}"
        );
    }

    lines.push("{\"id\":\"user-600\",\"name\":\"New\"}".to_owned());
    lines.push("{\"id\":\"user-601\",\"nmae\":\"Wrong\"}".to_owned());
    std::fs::write(file, lines.join("\n")).unwrap();
    let refused = run(&data, &["admin", "seed", file]);
    let said = String::from_utf8(refused.stderr).unwrap();
    assert_eq!(refused.status.code(), Some(1));
    assert!(said.contains("Line 602") && said.contains("nmae"), "{said}");
    let unknown = run(&data, &["balance", "user-600"]);
    assert_eq!(
        unknown.status.code(),
        Some(1),
        "nothing of a wrong file is made"
    );
    drop(demo);
}

#[test]
fn requirement_c17_a_past_balance_is_computed_from_the_journal_up_to_that_time() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("demo");
    let _demo = Demo::start(&data, &[]);
    let adjust = |credits: &str| {
        let given = [
            "demo@localboxs.example",
            credits,
            "--reason",
            "other",
            "--note",
            "test",
        ];
        json(
            &data,
            &[&["admin", "credits", "adjust"], &given[..]].concat(),
        );
        let now = json(&data, &["balance", "demo@localboxs.example"]);
        json(&data, &["twin", "advance", "1h"]);
        now
    };

    let told: Vec<Value> = ["25", "-40.5", "3"].map(adjust).to_vec();

    let balances: Vec<_> = told.iter().map(|one| one["balance"].clone()).collect();
    assert_eq!(balances, [125.into(), Value::from(84.5), Value::from(87.5)]);
    for then in told {
        let at = then["at"].as_str().unwrap();
        let replayed = json(&data, &["balance", "demo@localboxs.example", "--at", at]);
        assert_eq!(replayed, then);
    }
}

/// N3: the service and the twin in one process, after a start on an empty folder.
#[test]
fn requirement_n3_an_idle_demo_needs_less_than_a_hundred_megabytes() {
    let folder = tempfile::tempdir().unwrap();
    let demo = Demo::start(&folder.path().join("demo"), &[]);
    let path = format!("/proc/{}/status", demo.process.id());
    let status = std::fs::read_to_string(path).unwrap();
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kilobytes: u64 = resident
        .unwrap()
        .trim()
        .trim_end_matches(" kB")
        .parse()
        .unwrap();
    assert!(kilobytes < 100_000, "{kilobytes} kB");
}

#[test]
fn the_bench_serves_a_small_load_on_both_databases_and_the_audit_finds_no_difference() {
    let folder = tempfile::tempdir().unwrap();
    let postgres = store::testing::postgres();
    for database in ["", &postgres.url_text] {
        let mut args = vec!["bench", "--seconds", "1", "--accounts", "100"];
        args.extend(["--connections", "8"]);
        if !database.is_empty() {
            args.extend(["--database-url", database]);
        }
        let value = json(folder.path(), &args);
        for part in ["cells", "steady"] {
            for figure in value[part].as_array().unwrap() {
                assert_eq!(figure["refused"], 0, "{figure}");
                assert!(figure["perSecond"].as_f64().unwrap() > 0.0, "{figure}");
            }
        }
        assert!(value["applied"]["perSecond"].as_f64().unwrap() > 0.0);
        assert_eq!(value["applied"]["refused"], 0, "{}", value["applied"]);
        assert_eq!(value["audit"]["findings"], 0);
        assert!(value["audit"]["entries"].as_i64().unwrap() > 100);
    }

    let args = ["bench", "--quick", "--database-url", &postgres.url_text];
    let refused = run(folder.path(), &args);
    assert!(!refused.status.success());
    let said = String::from_utf8(refused.stderr).unwrap();
    assert!(said.contains("must name an empty one"), "{said}");
}
