//! What `deploy/` says fits what the service is.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::stage::on_both;

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../deploy")
        .join(name)
}

fn text(name: &str) -> String {
    std::fs::read_to_string(file(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// Names of ours in a text: `lbx_...`.
fn metrics(text: &str) -> BTreeSet<String> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    text.split(|c| !is_part(c))
        .filter(|word| word.starts_with("lbx_"))
        .map(str::to_owned)
        .collect()
}

on_both! {
fn the_dashboard_and_the_rules_name_only_metrics_that_there_are(stage) {
    let shown = stage.http.get(format!("{}/metrics", stage.base)).send().await.unwrap();
    let shown = metrics(&shown.text().await.unwrap());

    for name in ["grafana/dashboard.json", "prometheus/alerts.yml"] {
        let used = metrics(&text(name));
        assert!(used.len() >= 5, "{name} looks at {used:?}");
        let unknown: Vec<_> = used.difference(&shown).collect();
        assert!(unknown.is_empty(), "{name} names {unknown:?}");
    }
}
}

#[test]
fn the_dashboard_shows_the_five_numbers_of_the_business() {
    let shown = metrics(&text("grafana/dashboard.json"));
    for name in [
        "lbx_payment_success_ratio",
        "lbx_webhook_success_ratio",
        "lbx_balance_average_credits",
        "lbx_churn_ratio",
        "lbx_arpu_minor_units",
    ] {
        assert!(shown.contains(name), "{name}");
    }
}

#[test]
fn the_dashboard_is_json_whose_panels_ask_something_and_do_not_overlap() {
    let dashboard: Value = serde_json::from_str(&text("grafana/dashboard.json")).unwrap();

    let mut places = BTreeSet::new();
    for panel in dashboard["panels"].as_array().unwrap() {
        let title = panel["title"].as_str().unwrap();
        assert!(!panel["targets"].as_array().unwrap().is_empty(), "{title}");
        let number = |name: &str| panel["gridPos"][name].as_u64().unwrap();
        for x in number("x")..number("x") + number("w") {
            for y in number("y")..number("y") + number("h") {
                assert!(
                    x < 24 && places.insert((x, y)),
                    "{title} overlaps at {x}, {y}"
                );
            }
        }
    }
}

#[test]
fn every_file_of_yaml_is_read() {
    let names = [
        "prometheus/alerts.yml",
        "prometheus/prometheus.yml",
        "container/compose.yaml",
    ];
    for name in names {
        let value: Value = serde_norway::from_str(&text(name)).unwrap();
        assert!(value.is_object(), "{name}");
    }
    let rules: Value = serde_norway::from_str(&text("prometheus/alerts.yml")).unwrap();
    for rule in rules["groups"][0]["rules"].as_array().unwrap() {
        let name = rule["alert"].as_str().unwrap();
        assert!(rule["expr"].is_string(), "{name}");
        assert!(rule["annotations"]["summary"].is_string(), "{name}");
        let severity = rule["labels"]["severity"].as_str().unwrap();
        assert!(["warning", "critical"].contains(&severity), "{name}");
    }
}

#[test]
fn containers_have_a_read_only_root_no_rights_and_a_user() {
    let compose: Value = serde_norway::from_str(&text("container/compose.yaml")).unwrap();
    let billing = &compose["services"]["billing"];

    assert_eq!(billing["read_only"], true);
    assert_eq!(billing["cap_drop"][0], "ALL");
    assert_eq!(billing["security_opt"][0], "no-new-privileges:true");
    assert!(
        billing["ports"][0]
            .as_str()
            .unwrap()
            .starts_with("127.0.0.1:")
    );
    assert_eq!(compose["networks"]["back"]["internal"], true);
    let image = text("container/Containerfile");
    let (build, run) = image.rsplit_once("\nFROM ").unwrap();
    assert!(build.contains("--locked --release") && run.contains("\nUSER 10001"));
}

#[test]
fn the_example_of_the_environment_names_only_variables_that_are_read() {
    let known = std::fs::read_to_string(file("../docs/reference/settings.md")).unwrap();
    for line in text("container/env.example").lines() {
        let Some((name, _)) = line.split_once('=') else {
            continue;
        };
        let is_known = name == "POSTGRES_PASSWORD" || known.contains(&format!("`{name}`"));
        assert!(is_known, "{name}");
    }
}

#[test]
fn systemd_takes_the_unit_and_finds_it_hardened() {
    let unit = file("systemd/localboxs-billing.service");
    let analyze = |args: &[&str]| {
        Command::new("systemd-analyze")
            .args(args)
            .arg(&unit)
            .output()
    };
    let Ok(verified) = analyze(&["verify", "--man=no"]) else {
        // Not every machine has systemd; what the unit says is looked at all the same.
        let unit = text("systemd/localboxs-billing.service");
        assert!(unit.contains("ProtectSystem=strict") && unit.contains("DynamicUser=yes"));
        return;
    };
    let said = String::from_utf8_lossy(&verified.stderr).into_owned();
    let faults: Vec<&str> = said
        .lines()
        .filter(|line| line.contains("localboxs-billing"))
        // The program is not installed here.
        .filter(|line| !line.contains("is not executable"))
        .collect();
    assert!(faults.is_empty(), "{faults:?}");
    let rated = analyze(&["security", "--offline=true", "--threshold=20"]).unwrap();
    assert!(
        rated.status.success(),
        "{}",
        String::from_utf8_lossy(&rated.stdout)
    );
}
