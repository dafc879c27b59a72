//! Every address of the API on one screen.

use serde_json::Value;

use super::data::paths;
use super::errors::Answer;
use super::{Call, Core, catalog, customers, events};

/// What answers a request.
pub type Handler = fn(&mut Core, &Call) -> Answer<Value>;

const ROUTES: &[(&str, &str, Handler)] = &[
    ("get", "/v1/customers", customers::index),
    ("post", "/v1/customers", customers::create),
    ("get", "/v1/customers/search", customers::search),
    ("get", "/v1/customers/{customer}", customers::show),
    ("post", "/v1/customers/{customer}", customers::update),
    ("delete", "/v1/customers/{customer}", customers::delete),
    ("get", "/v1/products", catalog::products),
    ("post", "/v1/products", catalog::create_product),
    ("get", "/v1/products/search", catalog::search_products),
    ("get", "/v1/products/{id}", catalog::product),
    ("post", "/v1/products/{id}", catalog::update_product),
    ("delete", "/v1/products/{id}", catalog::delete_product),
    ("get", "/v1/prices", catalog::prices),
    ("post", "/v1/prices", catalog::create_price),
    ("get", "/v1/prices/search", catalog::search_prices),
    ("get", "/v1/prices/{price}", catalog::price),
    ("post", "/v1/prices/{price}", catalog::update_price),
    ("get", "/v1/events", events::index),
    ("get", "/v1/events/{id}", events::show),
];

/// The handler of a method and a path template.
pub fn handler(method: &str, template: &str) -> Option<Handler> {
    ROUTES
        .iter()
        .find(|(verb, path, _)| *verb == method && *path == template)
        .map(|(.., handler)| *handler)
}

/// The described path that an address fits, and the ids in it. Literal parts win over ids.
pub fn template_of(path: &str) -> Option<(&'static str, Vec<String>)> {
    let parts: Vec<&str> = path.split('/').collect();
    let mut best: Option<(&'static str, Vec<String>)> = None;
    for template in paths().as_object()?.keys() {
        let Some(ids) = fit(template, &parts) else {
            continue;
        };
        if best
            .as_ref()
            .is_none_or(|(_, others)| ids.len() < others.len())
        {
            best = Some((template, ids));
        }
    }
    best
}

fn fit(template: &str, parts: &[&str]) -> Option<Vec<String>> {
    let mut ids = Vec::new();
    let mut count = 0;
    for (index, wanted) in template.split('/').enumerate() {
        let part = parts.get(index)?;
        count += 1;
        if wanted.starts_with('{') {
            if part.is_empty() {
                return None;
            }
            ids.push((*part).to_owned());
        } else if wanted != *part {
            return None;
        }
    }
    (count == parts.len()).then_some(ids)
}
