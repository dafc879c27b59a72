//! Unusual text, errors of extractors, and unknown URLs.

use super::*;

/// Text that breaks out of its context if it isn't encoded.
const ODD: &[&str] = &[
    "<script>alert(1)</script>",
    "\"><img src=x onerror=y>",
    "'; drop table account; --",
    "${jndi:ldap://x}",
    "{{7*7}}",
    "a\r\nSet-Cookie: evil=1",
    "%00",
    "\u{202e}evil",
    "' or '1'='1",
];

on_both!(case_a12_text_with_markup_is_text_wherever_it_is_shown);
async fn case_a12_text_with_markup_is_text_wherever_it_is_shown(stage: &Stage) {
    let maya = stage.person("maya@example.com").await;
    let olga = stage.person_as("olga@example.com", "admin").await;
    for (number, text) in ODD.iter().filter(|text| !text.contains('\r')).enumerate() {
        maya.post("/api/v1/organisations", json!({ "name": text }))
            .await;
        let name = format!("{number}{text}");
        assert_eq!(
            maya.request(
                Method::POST,
                &format!("/dashboard/keys?account={}", own(&maya).await)
            )
            .form(&[("name", name.as_str())])
            .send()
            .await
            .unwrap()
            .status(),
            200
        );
    }
    for path in [
        "/dashboard/keys",
        "/dashboard/members",
        "/dashboard/billing",
    ] {
        let (status, html) = maya.page(path).await;
        assert_eq!(status, 200, "{path}");
        assert!(
            !html.contains("<script>alert") && !html.contains("<img src=x"),
            "{path}"
        );
    }
    let (status, html) = olga.page("/admin/accounts").await;
    assert_eq!(status, 200);
    assert!(!html.contains("<script>alert") && !html.contains("<img src=x"));
}

async fn own(person: &Person<'_>) -> String {
    let account = person.account;
    let found = person.stage.account(account).await;
    found.public_id
}

on_both!(case_a13_odd_text_in_any_field_is_a_parameter_and_never_our_fault);
#[expect(clippy::too_many_lines, reason = "one story, told in order")]
async fn case_a13_odd_text_in_any_field_is_a_parameter_and_never_our_fault(stage: &Stage) {
    let maya = stage.person("maya@example.com").await;
    let olga = stage.person_as("olga@example.com", "admin").await;
    let before = stage
        .read(|tx| store::accounts::list(tx, None, None, 100))
        .await
        .len();
    for text in ODD {
        let encoded: String = form_urlencoded::byte_serialize(text.as_bytes()).collect();
        for path in [
            "/api/v1/balance?account=",
            "/api/v1/transactions?after=",
            "/dashboard/usage?period=",
            "/dashboard/billing?after=",
            "/login?next=",
            "/invitation?token=",
            "/login/confirm?token=",
        ] {
            let (status, page) = maya.page(&format!("{path}{encoded}")).await;
            assert!(status < 500, "{path}{text}: {page}");
        }
        for path in [
            "/admin/accounts?q=",
            "/admin/accounts?search=",
            "/admin/transactions?account=",
            "/admin/events?type=",
        ] {
            let (status, page) = olga.page(&format!("{path}{encoded}")).await;
            assert!(status < 500, "{path}{text}: {page}");
        }
        for (method, path, body) in [
            (
                Method::POST,
                "/api/stripe/create-checkout-session",
                json!({ "type": text, "planId": text }),
            ),
            (
                Method::POST,
                "/api/auth/link",
                json!({ "email": text, "next": text }),
            ),
            (
                Method::POST,
                "/api/v1/members",
                json!({ "email": text, "role": text }),
            ),
            (Method::PUT, "/api/v1/members/x", json!({ "role": text })),
            (
                Method::POST,
                "/api/v1/keys",
                json!({ "name": text, "scope": text }),
            ),
        ] {
            let (status, answer) = answer(maya.request(method, path).json(&body)).await;
            assert!(status < 500, "{path} {text}: {answer}");
        }
        for path in [
            "/api/v1/members/",
            "/api/v1/sessions/",
            "/api/v1/keys/",
            "/api/v1/invitations/",
        ] {
            let status = maya.delete(&format!("{path}{encoded}")).await;
            assert!((400..500).contains(&status), "{path}{text}: {status}");
        }
    }
    let after = stage
        .read(|tx| store::accounts::list(tx, None, None, 100))
        .await
        .len();
    assert_eq!(after, before);
}

/// An operation with a JSON body: a body with a value for every field, and its text fields.
#[derive(Debug)]
struct Operation {
    method: Method,
    path: String,
    sample: serde_json::Map<String, Value>,
    texts: Vec<String>,
}

/// What a schema of the interface's description refers to.
fn resolved<'a>(document: &'a Value, schema: &'a Value) -> &'a Value {
    let named = schema["$ref"].as_str();
    let first = schema["oneOf"].as_array().and_then(|all| {
        let all = all.iter();
        all.clone().find(|one| one["type"] != "null")
    });
    match (named, first) {
        (Some(name), _) => resolved(document, document.pointer(&name[1..]).unwrap()),
        (_, Some(one)) => resolved(document, one),
        _ => schema,
    }
}

/// A value that a field's schema allows.
fn sample(document: &Value, field: &Value) -> Value {
    if !field["example"].is_null() {
        return field["example"].clone();
    }
    let field = resolved(document, field);
    if let Some(first) = field["enum"].get(0) {
        return first.clone();
    }
    let kind = field["type"].to_string();
    match () {
        () if kind.contains("boolean") => json!(true),
        () if kind.contains("integer") || kind.contains("number") => json!(1),
        () if kind.contains("array") => json!([sample(document, &field["items"])]),
        () if kind.contains("string") => json!("sample"),
        () => json!({}),
    }
}

/// Every operation with a JSON body.
async fn operations_with_text(stage: &Stage) -> Vec<Operation> {
    let document: Value = stage.get("/openapi.json").await.json().await.unwrap();
    let is_text = |field: &Value| {
        let kind = resolved(&document, field)["type"].to_string();
        kind.contains("string") || field["oneOf"].is_array() || field["$ref"].is_string()
    };
    let mut found = Vec::new();
    for (path, operations) in document["paths"].as_object().unwrap() {
        for (verb, operation) in operations.as_object().unwrap() {
            let schema = &operation["requestBody"]["content"]["application/json"]["schema"];
            let fields = resolved(&document, schema)["properties"].as_object();
            let Some(fields) = fields else { continue };
            let named = |(name, field): (&String, &Value)| (name.clone(), sample(&document, field));
            let texts = fields.iter().filter(|(_, field)| is_text(field));
            found.push(Operation {
                method: Method::from_bytes(verb.to_uppercase().as_bytes()).unwrap(),
                path: path.replace(['{', '}'], ""),
                sample: fields.iter().map(named).collect(),
                texts: texts.map(|(name, _)| name.clone()).collect(),
            });
        }
    }
    found
}

/// The bodies with this text in one field beside good values, and in all fields at once.
fn with_text(operation: &Operation, text: &str) -> Vec<Value> {
    let mut all = operation.sample.clone();
    let mut bodies = Vec::new();
    for name in &operation.texts {
        all.insert(name.clone(), json!(text));
        let mut one = operation.sample.clone();
        one.insert(name.clone(), json!(text));
        bodies.push(one.into());
    }
    bodies.push(all.into());
    bodies
}

on_both!(case_a13_odd_text_in_every_field_that_the_interface_describes_is_never_our_fault);
async fn case_a13_odd_text_in_every_field_that_the_interface_describes_is_never_our_fault(
    stage: &Stage,
) {
    let olga = stage.person_as("olga@example.com", "admin").await;
    let key = stage.server_key().await;
    let operations = operations_with_text(stage).await;
    let fields: usize = operations.iter().map(|one| one.texts.len()).sum();
    assert!(fields > 40, "{operations:?}");
    for text in ODD {
        for operation in &operations {
            let (method, path) = (&operation.method, &operation.path);
            for body in with_text(operation, text) {
                let by_key = stage
                    .http
                    .request(method.clone(), format!("{}{path}", stage.base))
                    .bearer_auth(&key);
                for request in [olga.request(method.clone(), path), by_key] {
                    let request = request
                        .header("idempotency-key", crate::stage::fresh_key())
                        .json(&body);
                    let answer = request.send().await.unwrap();
                    let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
                    let said = answer.text().await.unwrap();
                    assert!(status < 500, "{method} {path} {body}: {status} {said}");
                    let mut set = headers.get_all("set-cookie").iter();
                    assert!(
                        set.all(|cookie| !cookie.as_bytes().starts_with(b"evil")),
                        "{method} {path} {body}"
                    );
                }
            }
        }
    }
    stage.audited().await;
}

on_both!(case_a15_what_an_extractor_or_a_layer_refuses_is_a_problem_or_a_page_too);
async fn case_a15_what_an_extractor_or_a_layer_refuses_is_a_problem_or_a_page_too(stage: &Stage) {
    let olga = stage.person_as("olga@example.com", "admin").await;
    for path in [
        "/admin/transactions?limit=x",
        "/admin/accounts/%ff",
        "/dashboard/usage?period=%ff&period=1",
    ] {
        let (status, html) = olga.page(path).await;
        assert!(status == 400 || status == 404, "{path}: {status}");
        assert!(html.starts_with("<!doctype html>"), "{path}: {html}");
        let (status, body) = olga.get(path).await;
        assert!(
            body["code"].is_string() && body["requestId"].is_string(),
            "{path}: {status} {body}"
        );
    }
}

on_both!(case_a17_unknown_methods_and_paths_are_not_found);
async fn case_a17_unknown_methods_and_paths_are_not_found(stage: &Stage) {
    let maya = stage.person("maya@example.com").await;
    for method in ["TRACE", "TRACK", "CONNECTX", "PROPFIND", "DEBUG"] {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        for path in ["/", "/api/dashboard/billing", "/dashboard/billing"] {
            let answer = maya
                .request(method.clone(), path)
                .header("x-echo", "me")
                .send()
                .await
                .unwrap();
            assert_eq!(answer.status(), 405, "{method} {path}");
            assert!(!answer.text().await.unwrap().contains("x-echo"));
        }
    }
    for path in [
        "/_twin",
        "/_twin/mails",
        "/v1/customers",
        "/debug",
        "/actuator",
        "/.git/config",
        "/.env",
        "/server-status",
        "/assets/../Cargo.toml",
        "/assets/%2e%2e/Cargo.toml",
        "/api/v1/noop",
    ] {
        let status = maya.fetch(Method::GET, path).await.status();
        assert_eq!(status, 404, "{path}");
    }
}
