//! `GET /docs`: the API reference as a page, rendered from the OpenAPI document.

use axum::Extension;
use axum::extract::State;
use axum::response::Html;
use billing::app::App;
use serde_json::{Map, Value};
use views::docs::{DocsPage, Group, Input, Operation};
use views::layout::Nav;

use crate::api::openapi::Document;
use crate::frame;
use crate::http::callers::MaybeVisitor;
use crate::http::error::HttpResult;

/// The page of all operations.
pub async fn show(
    State(app): State<App>,
    MaybeVisitor(visitor): MaybeVisitor,
    Extension(document): Extension<&'static Document>,
) -> HttpResult<Html<String>> {
    let page = DocsPage {
        shell: frame::public_shell(&app, visitor.as_ref(), Nav::None),
        base_url: app.settings.service.base_url.clone(),
        groups: groups(&document.json),
    };
    frame::html(&page)
}

/// A text of the document without backticks.
fn text(value: &Value) -> String {
    value.as_str().unwrap_or("").replace('`', "")
}

fn members(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flat_map(Map::iter)
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

/// Groups in the order of the document's tags.
fn groups(document: &Value) -> Vec<Group> {
    let mut groups: Vec<Group> = list(&document["tags"])
        .map(|tag| Group {
            name: text(&tag["name"]),
            title: text(&tag["description"]),
            operations: Vec::new(),
        })
        .collect();
    for (path, item) in members(&document["paths"]) {
        for (method, operation) in members(item) {
            let tag = text(&operation["tags"][0]);
            if let Some(group) = groups.iter_mut().find(|group| group.name == tag) {
                let read = operation_of(document, method, path, operation);
                group.operations.push(read);
            }
        }
    }
    groups
}

/// One operation of the document as the page shows it.
fn operation_of(document: &Value, method: &str, path: &str, operation: &Value) -> Operation {
    let mut inputs: Vec<Input> = list(&operation["parameters"])
        .map(|parameter| Input {
            name: text(&parameter["name"]),
            place: match parameter["in"].as_str() {
                Some("path") => "path",
                Some("header") => "header",
                _ => "query",
            },
            kind: kind_of(&parameter["schema"]),
            is_required: parameter["required"] == true,
            about: text(&parameter["description"]),
        })
        .collect();
    let body = &operation["requestBody"]["content"]["application/json"]["schema"];
    inputs.extend(fields(document, body, "body"));
    let answers = || members(&operation["responses"]);
    let outputs = answers()
        .filter(|(status, _)| status.starts_with('2'))
        .map(|(_, answer)| &answer["content"]["application/json"]["schema"])
        .find(|schema| !schema.is_null());
    let statuses = answers().map(|(status, _)| status.as_str());
    let statuses: Vec<&str> = statuses.filter(|status| *status != "default").collect();
    Operation {
        id: format!("{method}{}", path.replace(['/', '{', '}'], "-")),
        method: method.to_uppercase(),
        path: path.to_owned(),
        summary: text(&operation["summary"]),
        description: text(&operation["description"]),
        inputs,
        outputs: outputs.map_or_else(Vec::new, |schema| fields(document, schema, "answer")),
        statuses: statuses.join(", "),
    }
}

/// Resolves a `$ref`.
fn resolved<'a>(document: &'a Value, schema: &'a Value) -> &'a Value {
    let name = schema["$ref"]
        .as_str()
        .and_then(|name| name.rsplit('/').next());
    match name {
        Some(name) => &document["components"]["schemas"][name],
        None => schema,
    }
}

/// Fields of an object, one level deep; for a page of a list, the fields of its rows.
fn fields(document: &Value, schema: &Value, place: &'static str) -> Vec<Input> {
    let some = |part: &&Value| part["type"] != "null";
    let schema = list(&schema["oneOf"]).find(some).unwrap_or(schema);
    let schema = resolved(document, schema);
    let parts: Vec<&Value> = match schema["allOf"].as_array() {
        Some(parts) => parts.iter().map(|part| resolved(document, part)).collect(),
        None => vec![schema],
    };
    let mut found = Vec::new();
    for part in parts {
        let required: Vec<&str> = list(&part["required"]).filter_map(Value::as_str).collect();
        for (name, field) in members(&part["properties"]) {
            found.push(Input {
                name: name.clone(),
                place,
                kind: kind_of(field),
                is_required: required.contains(&name.as_str()),
                about: text(&field["description"]),
            });
        }
    }
    found
}

/// The type of a value as a word.
fn kind_of(schema: &Value) -> String {
    if let Some(name) = schema["$ref"].as_str() {
        let name = name.rsplit('/').next().unwrap_or(name);
        return if name == "Credits" { "number" } else { name }.to_owned();
    }
    let kinds = match &schema["type"] {
        Value::String(kind) => vec![kind.as_str()],
        kinds => list(kinds)
            .filter_map(Value::as_str)
            .filter(|kind| *kind != "null")
            .collect(),
    };
    match kinds.as_slice() {
        ["array"] => format!("list of {}", kind_of(&schema["items"])),
        [] => {
            let inner = list(&schema["oneOf"]).find(|part| part["type"] != "null");
            inner.map_or_else(|| "object".to_owned(), kind_of)
        }
        kinds => kinds.join(" or "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::router::document;
    use views::Template;
    use views::layout::Shell;

    #[test]
    fn every_operation_of_the_document_is_on_the_page() {
        let document = &document().json;

        let groups = groups(document);

        let shown: usize = groups.iter().map(|group| group.operations.len()).sum();
        let all: usize = members(&document["paths"])
            .map(|(_, item)| item.as_object().map_or(0, Map::len))
            .sum();
        assert_eq!(shown, all);
        assert!(groups.iter().all(|group| !group.operations.is_empty()));
    }

    #[test]
    fn the_reference_tells_fields_and_statuses() {
        let document = &document().json;
        let page = DocsPage {
            shell: Shell::public("LocalBoxs"),
            base_url: "http://127.0.0.1:3000".to_owned(),
            groups: groups(document),
        };

        let html = page.render().unwrap();

        for part in [
            "/api/v1/holds/{id}/capture",
            "ttlSeconds",
            "Idempotency-Key",
            "uncollected",
        ] {
            assert!(html.contains(part), "{part}");
        }
        assert!(!html.contains("<script>"));
    }
}
