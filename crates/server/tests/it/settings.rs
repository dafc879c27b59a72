//! Every setting is documented, and every setting has an effect.

use std::path::{Path, PathBuf};

use toml::Table;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn text(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap()
}

fn settings() -> Vec<(String, String)> {
    let table: Table = text("billing.default.toml").parse().unwrap();
    let all = table.iter().flat_map(|(section, values)| {
        let values = values.as_table().unwrap();
        values.keys().map(|name| (section.clone(), name.clone()))
    });
    all.collect()
}

/// Collects all sources of the program without whitespace, so that a call chain that spans several
/// lines is found.
fn sources(folder: &Path, all: &mut String) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, all);
        } else if path.extension().is_some_and(|kind| kind == "rs") {
            let source = std::fs::read_to_string(&path).unwrap();
            all.extend(source.chars().filter(|c| !c.is_whitespace()));
        }
    }
}

fn is_named(source: &str, wanted: &str) -> bool {
    source.match_indices(wanted).any(|(at, _)| {
        let next = source[at + wanted.len()..].chars().next();
        !next.is_some_and(|c| c.is_alphanumeric() || c == '_')
    })
}

#[test]
fn every_setting_is_described_under_its_section() {
    let reference = text("docs/reference/settings.md");
    for (section, name) in settings() {
        let start = reference.find(&format!("\n## {section}\n"));
        let start = start.unwrap_or_else(|| panic!("no section {section}"));
        let part = &reference[start + 4..];
        let part = &part[..part.find("\n## ").unwrap_or(part.len())];
        assert!(
            part.contains(&format!("\n| `{name}` |")),
            "{section}.{name}"
        );
    }
}

#[test]
fn every_setting_is_read_somewhere() {
    let mut source = String::new();
    for name in ["billing", "views", "web", "server"] {
        sources(&root().join("crates").join(name).join("src"), &mut source);
    }
    for (section, name) in settings() {
        let ways = [
            format!("{section}.{name}"),
            format!("settings.{name}"),
            format!("self.{name}"),
        ];
        let is_read = ways.iter().any(|way| is_named(&source, way));
        assert!(is_read, "{section}.{name} has no effect");
    }
}
