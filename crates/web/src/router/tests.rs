//! The routes listed in the router's source match the OpenAPI document.

use std::collections::{BTreeMap, BTreeSet};

use super::*;

const SOURCE: &str = include_str!("../router.rs");

type Addresses = BTreeSet<(String, String)>;

/// Method and path of every endpoint, from the comments above them.
fn noted() -> Addresses {
    let mut noted = Addresses::new();
    let mut lines = SOURCE.lines().map(str::trim).peekable();
    while let Some(line) = lines.next() {
        let note = line.strip_prefix("// ");
        let note = note.filter(|_| {
            lines
                .peek()
                .is_some_and(|next| next.starts_with(".routes("))
        });
        if let Some((methods, path)) = note.and_then(|note| note.rsplit_once(' ')) {
            let methods = methods.split(", ").map(str::to_lowercase);
            noted.extend(methods.map(|method| (method, path.to_owned())));
        }
    }
    noted
}

fn described() -> Addresses {
    let paths = document().json["paths"].as_object().unwrap();
    let all = paths.iter().flat_map(|(path, item)| {
        let methods = item.as_object().unwrap().keys();
        methods.map(move |method| (method.clone(), path.clone()))
    });
    all.collect()
}

#[test]
fn every_endpoint_has_its_address_beside_it() {
    assert!(described().len() > 60);
    assert_eq!(noted(), described());
}

#[test]
fn every_address_under_api_is_in_the_document() {
    // The benchmark's endpoint isn't part of the API contract.
    let undescribed = SOURCE.split(".route(").skip(1);
    let paths = undescribed.filter_map(|piece| piece.split('"').nth(1));
    let of_api: Vec<&str> = paths.filter(|path| path.starts_with("/api/")).collect();

    assert_eq!(of_api, ["/api/v1/noop"]);
}

#[test]
fn a_schemas_name_stands_for_one_schema() {
    let groups = [
        seed(),
        people(),
        metering(),
        resources(),
        notices(),
        administration(),
    ];
    let mut known = BTreeMap::new();
    for group in groups {
        let components = group.into_openapi().components.unwrap();
        for (name, schema) in components.schemas {
            let text = serde_json::to_string(&schema).unwrap();
            let first = known.entry(name.clone()).or_insert_with(|| text.clone());
            assert_eq!(*first, text, "two types are called {name}");
        }
    }
}
