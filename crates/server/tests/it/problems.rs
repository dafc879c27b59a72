//! Errors: a problem document with its media type, whoever refuses the request.

use reqwest::{Method, RequestBuilder};
use serde_json::Value;

use crate::metering::host;
use crate::stage::{Stage, on_both};

/// Asserts that an error is a problem document with a code and a request id. Returns its status.
async fn problem(request: RequestBuilder, what: &str) -> u16 {
    let answer = request.send().await.expect("the service answers");
    let status = answer.status().as_u16();
    if status < 400 {
        return status;
    }
    let kind = answer.headers().get("content-type").cloned();
    let kind = kind.map(|kind| kind.to_str().unwrap().to_owned());
    let text = answer.text().await.unwrap();
    assert_eq!(
        kind.as_deref(),
        Some("application/problem+json"),
        "{what}: {status} {text}"
    );
    let body: Value = serde_json::from_str(&text).unwrap_or_else(|_| panic!("{what}: {text}"));
    assert_eq!(body["status"], status, "{what}: {body}");
    for field in ["type", "title", "code", "detail", "error", "requestId"] {
        let is_said = body[field].as_str().is_some_and(|text| !text.is_empty());
        assert!(is_said, "{what}: {field} of {body}");
    }
    assert!(
        !text.contains("deserialize") && !text.contains("axum"),
        "{what}: the framework's own words: {body}"
    );
    status
}

/// What a client may send instead of a body: media type and bytes.
fn bodies() -> Vec<(Option<&'static str>, Vec<u8>)> {
    let json = Some("application/json");
    let form = Some("application/x-www-form-urlencoded");
    vec![
        (None, Vec::new()),
        (json, Vec::new()),
        (json, b"{".to_vec()),
        (json, b"[]".to_vec()),
        (json, b"{\"credits\":{},\"name\":[],\"email\":7}".to_vec()),
        (json, b"\xff\xfe".to_vec()),
        (form, b"a=%FF&b".to_vec()),
        (Some("text/plain"), b"hello".to_vec()),
        (Some("multipart/form-data"), b"--".to_vec()),
    ]
}

on_both!(every_error_of_the_api_is_a_problem_document_also_those_of_the_framework);
async fn every_error_of_the_api_is_a_problem_document_also_those_of_the_framework(stage: &Stage) {
    let document: Value = stage.get("/openapi.json").await.json().await.unwrap();
    let host = host(stage).await;
    let olga = stage.person_as("olga@example.com", "admin").await;
    let mut asked = 0;
    for (path, methods) in document["paths"].as_object().unwrap() {
        let bad_id = path
            .split('/')
            .map(|part| if part.starts_with('{') { "%FF" } else { part });
        let bad_id = bad_id.collect::<Vec<_>>().join("/");
        for name in methods.as_object().unwrap().keys() {
            let method = Method::from_bytes(name.to_uppercase().as_bytes()).unwrap();
            let garbage = "?limit=x&units=x&deny=x&from=x&account=%FF&state=%FF";
            for address in [path.clone(), format!("{path}{garbage}"), bad_id.clone()] {
                let what = format!("{method} {address}");
                problem(host.request(method.clone(), &address), &what).await;
                problem(olga.request(method.clone(), &address), &what).await;
            }
            if method == Method::GET {
                continue;
            }
            for (kind, body) in bodies() {
                let what = format!("{method} {path} {kind:?} {} bytes", body.len());
                for request in [
                    host.request(method.clone(), path),
                    olga.request(method.clone(), path),
                ] {
                    let request = match kind {
                        Some(kind) => request.header("content-type", kind),
                        None => request,
                    };
                    problem(request.body(body.clone()), &what).await;
                    asked += 1;
                }
            }
        }
        let what = format!("PATCH {path}");
        problem(host.request(Method::PATCH, path), &what).await;
    }
    assert!(asked > 500, "{asked} requests");
}

on_both!(an_error_of_a_form_or_an_address_has_its_status_and_its_media_type);
async fn an_error_of_a_form_or_an_address_has_its_status_and_its_media_type(stage: &Stage) {
    let maya = stage.person("maya@example.com").await;
    let form = "application/x-www-form-urlencoded";
    let post = |path: &str, kind: &str, body: Vec<u8>| {
        let request = maya.request(Method::POST, path).body(body);
        request.header("content-type", kind)
    };
    let settings = "/dashboard/settings/limits";
    let get = |path: &str| maya.request(Method::GET, path);

    for (request, status) in [
        (post(settings, form, vec![b'a'; 1_100_000]), 413),
        (post(settings, "application/json", b"{}".to_vec()), 415),
        (post(settings, form, b"x=1".to_vec()), 400),
        (get("/dashboard/usage/calls/abc"), 400),
        (get("/dashboard/usage/calls/%FF"), 400),
        (get("/no/such/page"), 404),
        (maya.request(Method::PUT, "/dashboard/usage"), 405),
        (maya.request(Method::DELETE, "/api/v1/debits"), 405),
        (get("/api/v1/check"), 401),
        (
            post(
                "/api/stripe/webhook",
                "application/json",
                vec![b'a'; 1_100_000],
            ),
            413,
        ),
        (
            post("/api/v1/debits", "application/json", vec![b' '; 9])
                .header("origin", "https://evil.example"),
            403,
        ),
    ] {
        let what = format!("{request:?}");
        assert_eq!(problem(request, &what).await, status, "{what}");
    }
}
