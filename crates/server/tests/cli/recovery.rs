//! Mistakes of an operator, and a restored backup.

use std::path::Path;

use serde_json::Value;

use crate::buy;
use crate::demo::*;

#[test]
fn the_configuration_check_lists_every_fault_and_refuses_what_is_no_signing_secret() {
    let folder = tempfile::tempdir().unwrap();
    let output = program()
        .env("STRIPE_SECRET_KEY", "not a key")
        .env("STRIPE_WEBHOOK_SECRET", "foo")
        .env("SMTP_PORT", "many")
        .env("NEXTAUTH_URL", "https://one.example")
        .env("NEXT_PUBLIC_BASE_URL", "https://two.example")
        .args(["config", "check", "--json", "--data"])
        .arg(folder.path())
        .output()
        .unwrap();
    let checked: Value = serde_json::from_slice(&output.stdout).unwrap();

    assert_eq!(output.status.code(), Some(1));
    let faults = checked["faults"].to_string();
    for named in [
        "STRIPE_SECRET_KEY",
        "STRIPE_WEBHOOK_SECRET",
        "SMTP_PORT",
        "NEXTAUTH_URL and NEXT_PUBLIC_BASE_URL",
    ] {
        assert!(faults.contains(named), "{named}: {faults}");
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

/// G2: the whole way, with the real commands and a real backup.
#[test]
fn what_was_bought_after_a_backup_is_there_again_after_its_restore() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("demo");
    let copy = folder.path().join("copy.db");
    let copy = copy.to_str().unwrap();
    let demo = Demo::start(&data, &[]);
    let session = json(&data, &["admin", "session", "new@localboxs.example"]);
    let cookie = session["headers"]["Cookie"].as_str().unwrap().to_owned();
    json(&data, &["backup", copy]);
    let before = json(&data, &["balance", "new@localboxs.example"])["at"].clone();
    let checkout = buy(&data, &demo, &cookie, 5_000);
    let balance =
        |data: &Path| json(data, &["balance", "new@localboxs.example"])["balance"].clone();
    assert_eq!(balance(&data), 5_100);
    drop(demo);

    json(&data, &["restore", copy, "--replace"]);
    let demo = Demo::start(&data, &[]);
    let since = before.as_str().unwrap();
    json(&data, &["sync", "--since", since]);
    json(&data, &["sync", "--all"]);
    let audited = json(&data, &["audit", "--stripe"]);
    let repaired = json(&data, &["repair"]);

    assert_eq!(balance(&data), 5_100);
    assert_eq!(audited["ok"], true, "{audited}");
    assert_eq!(repaired["payments"], Value::Array(vec![]), "{repaired}");
    let refund = json(&data, &["admin", "refund", &checkout, "--dry-run"]);
    assert_eq!(refund["creditsTaken"], 5_000);
    // The next purchase is made by the same customer.
    buy(&data, &demo, &cookie, 500);
    assert_eq!(balance(&data), 5_600);
    assert_eq!(json(&data, &["audit", "--stripe"])["ok"], true);
}

/// G1: a twin that lost its state is another Stripe account.
#[test]
fn a_demo_whose_twin_lost_its_state_refuses_to_start_and_says_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    drop(Demo::start(folder.path(), &[]));
    let twin = folder.path().join("twin.json");
    assert!(twin.exists());
    std::fs::remove_file(&twin).unwrap();

    let refused = run(folder.path(), &["demo", "--port", "0", "--twin-port", "0"]);

    let said = String::from_utf8(refused.stderr).unwrap();
    assert_eq!(refused.status.code(), Some(1), "{said}");
    assert!(
        said.contains("belongs to the Stripe account acct_"),
        "{said}"
    );
    assert!(said.contains("saved state"), "{said}");
    drop(Demo::start(folder.path(), &["--reset"]));
}
