//! The files in `deploy/` match the service.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::stage::{Stage, on_both};

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../deploy")
        .join(name)
}

fn text(name: &str) -> String {
    std::fs::read_to_string(file(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// The names of our metrics in a text: `lbx_...`.
fn metrics(text: &str) -> BTreeSet<String> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    text.split(|c| !is_part(c))
        .filter(|word| word.starts_with("lbx_"))
        .map(str::to_owned)
        .collect()
}

on_both!(the_dashboard_and_the_rules_name_only_metrics_that_there_are);
async fn the_dashboard_and_the_rules_name_only_metrics_that_there_are(stage: &Stage) {
    let shown = stage.get("/metrics").await;
    let shown = metrics(&shown.text().await.unwrap());

    for name in ["grafana/dashboard.json", "prometheus/alerts.yml"] {
        let used = metrics(&text(name));
        assert!(used.len() >= 5, "{name} looks at {used:?}");
        let unknown: Vec<_> = used.difference(&shown).collect();
        assert!(unknown.is_empty(), "{name} names {unknown:?}");
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
        // Not every machine has systemd, so without it only the text of the unit is checked.
        let unit = text("systemd/localboxs-billing.service");
        assert!(unit.contains("ProtectSystem=strict") && unit.contains("DynamicUser=yes"));
        return;
    };
    let said = String::from_utf8_lossy(&verified.stderr).into_owned();
    let faults: Vec<&str> = said
        .lines()
        .filter(|line| line.contains("localboxs-billing"))
        // The program is not installed on the test machine.
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

/// Values as an operator would fill them in.
fn filled(name: &str) -> &'static str {
    match name {
        "STRIPE_SECRET_KEY" => "sk_test_filled",
        "STRIPE_WEBHOOK_SECRET" => "whsec_filled",
        "SMTP_HOST" => "mail.example.com",
        "SMTP_PORT" => "587",
        "SMTP_FROM" => "billing@example.com",
        "NEXTAUTH_URL" => "https://billing.example.com",
        "LBX_ADMINS" => "admin@example.com",
        _ => "",
    }
}

fn program(args: &[&str], variables: &[(&str, &str)]) -> std::process::Output {
    let folder = tempfile::tempdir().unwrap();
    Command::new(env!("CARGO_BIN_EXE_localboxs-billing"))
        .args(args)
        .env_clear()
        .current_dir(folder.path())
        .envs(variables.iter().copied())
        .output()
        .unwrap()
}

#[test]
#[expect(clippy::too_many_lines, reason = "one story, told in order")]
fn the_image_the_compose_file_and_the_unit_match_the_program() {
    let root = file("..");
    let image = text("container/Containerfile");
    let compose: Value = serde_norway::from_str(&text("container/compose.yaml")).unwrap();
    let billing = &compose["services"]["billing"];
    let unit = text("systemd/localboxs-billing.service");

    // Paths: the build's context and Dockerfile, and the program that it builds.
    let build = &billing["build"];
    let context = file("container").join(build["context"].as_str().unwrap());
    assert!(context.join("Cargo.lock").exists());
    assert!(context.join(build["dockerfile"].as_str().unwrap()).exists());
    let ignored = std::fs::read_to_string(root.join(".dockerignore")).unwrap();
    for needed in [
        "crates",
        "Cargo.toml",
        "Cargo.lock",
        "billing.default.toml",
        "catalog.toml",
    ] {
        assert!(root.join(needed).exists());
        assert!(
            !ignored.lines().any(|line| line == needed),
            "{needed} is left out"
        );
    }
    let manifest = std::fs::read_to_string(root.join("crates/server/Cargo.toml")).unwrap();
    assert!(manifest.contains("name = \"localboxs-billing\""));
    assert!(
        image.contains("--bin localboxs-billing")
            && image.contains("release/localboxs-billing /usr")
    );
    let rust = std::fs::read_to_string(root.join("Cargo.toml")).unwrap();
    let (_, version) = rust.split_once("rust-version = \"").unwrap();
    let version = version.split('"').next().unwrap();
    assert!(
        image.contains(&format!("rust:{version}-bookworm")),
        "{version}"
    );

    // Ports, folders and users are the same in all files.
    let port =
        |text: &str| text.contains(":3000") || text.contains(" 3000") || text.contains("/3000");
    for line in [
        "EXPOSE 3000",
        "ENV LISTEN=0.0.0.0:3000 LBX_DATA=/data",
        "VOLUME /data",
    ] {
        assert!(image.contains(line), "{line}");
    }
    assert!(port(billing["ports"][0].as_str().unwrap()));
    assert!(billing["volumes"][0].as_str().unwrap().ends_with(":/data"));
    assert!(image.contains("--uid 10001 ") && image.contains("USER 10001:10001"));
    let readme = text("README.md");
    assert!(unit.contains("ExecStart=/usr/local/bin/localboxs-billing serve"));
    assert!(unit.contains("EnvironmentFile=/etc/localboxs-billing/env"));
    assert!(
        readme.contains("localboxs-billing /usr/local/bin/")
            && readme.contains("/etc/localboxs-billing/env")
    );

    // The commands exist.
    for command in [
        &["serve"][..],
        &["setup"],
        &["doctor"],
        &["config", "check"],
    ] {
        let help = [command, &["--help"]].concat();
        assert!(program(&help, &[]).status.success(), "{command:?}");
        assert!(
            readme.contains(&command.join(" ")) || image.contains(command[0]),
            "{command:?}"
        );
    }

    // The example configuration is valid when filled in as for the container and the unit.
    let example = text("container/env.example");
    let given = example.lines().filter(|line| !line.starts_with('#'));
    let given = given.filter_map(|line| line.split_once('='));
    let mut variables: Vec<(&str, &str)> = given.map(|(name, _)| (name, filled(name))).collect();
    variables.extend([("LISTEN", "0.0.0.0:3000"), ("LBX_DATA", "data")]);
    let embedded = program(&["config", "check"], &variables);
    let said = String::from_utf8_lossy(&embedded.stdout);
    assert!(
        embedded.status.success(),
        "{said} {}",
        String::from_utf8_lossy(&embedded.stderr)
    );
    let url = billing["environment"]["DATABASE_URL"].as_str().unwrap();
    let (before, rest) = url.split_once("${").unwrap();
    let url = format!("{before}secret{}", rest.split_once('}').unwrap().1);
    variables.push(("DATABASE_URL", &url));
    let postgres = program(&["config", "check"], &variables);
    assert!(
        postgres.status.success(),
        "{}",
        String::from_utf8_lossy(&postgres.stderr)
    );
    variables.retain(|(name, _)| *name != "SMTP_PORT");
    variables.push(("SMTP_PORT", "no port"));
    assert!(!program(&["config", "check"], &variables).status.success());
}

/// Whether a rewrite source of Next.js matches a path: `:path*` matches zero or more segments.
fn takes(source: &str, path: &str) -> bool {
    match source.strip_suffix("/:path*") {
        Some(start) => path
            .strip_prefix(start)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/')),
        None => source == path,
    }
}

#[test]
fn the_rewrites_of_the_guide_take_every_address_that_people_and_operators_use() {
    let guide = std::fs::read_to_string(file("../docs/developer-guide.md")).unwrap();
    let (_, code) = guide.split_once("async rewrites()").unwrap();
    let code = code.split("```").next().unwrap();
    let mut sources = Vec::new();
    for (name, prefix) in [
        ("api", "/api/"),
        ("dashboard", "/dashboard/"),
        ("pages", "/"),
    ] {
        let (_, list) = code.split_once(&format!("const {name} = [")).unwrap();
        let list = list.split(']').next().unwrap();
        let quoted = list.split('\'').skip(1).step_by(2);
        sources.extend(quoted.map(|path| format!("{prefix}{path}")));
    }
    // Gateways and machines call the service directly; the host application has its own home page and
    // dashboard.
    let apart = ["/metrics", "/healthz", "/readyz"];
    let own = ["/", "/dashboard", "/api/v1/noop"];
    for (path, _) in crate::access::routes() {
        let is_apart =
            apart.iter().any(|start| path.starts_with(start)) || own.contains(&path.as_str());
        assert!(
            is_apart || sources.iter().any(|source| takes(source, &path)),
            "{path} is not rewritten"
        );
    }
    for source in [
        "/api/auth/signin",
        "/api/auth/callback/github",
        "/api/auth/session",
        "/api/auth/csrf",
    ] {
        assert!(
            !sources.iter().any(|known| takes(known, source)),
            "{source} is Auth.js's own"
        );
    }
}
