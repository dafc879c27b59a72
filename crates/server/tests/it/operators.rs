//! Operators' actions: each requires a role, is previewed, and is recorded in the audit log.

mod accounts;
mod adjustments;
mod figures;
mod lost_refunds;
mod reckoning;
mod records;
mod refunds;

use billing::actors::roles::may;
use domain::people::UserRole;
use reqwest::Method;
use serde_json::{Value, json};
use web::http::roles::needed;

use crate::metering::{Answer, program};
use crate::pages::{hidden, location, send};
use crate::stage::{Person, Stage, eventually, fresh_key, is_tier, on_both, pack};

async fn acts(stage: &Stage, action: &str) -> Vec<store::audit_log::Act> {
    let action = action.to_owned();
    stage
        .read(move |tx| store::audit_log::list(tx, None, None, Some(&action), None, 100))
        .await
}

/// A user who bought 5,000 credits for $5.00, and the payment.
async fn buyer<'a>(stage: &'a Stage, email: &str) -> (Person<'a>, String, String) {
    let person = stage.person(email).await;
    person.buy_pack(5_000).await;
    person.balance_is(5_100).await;
    stage.settled().await;
    let id = stage.public_id(person.account).await;
    let (_, list) = person.get("/api/v1/transactions").await;
    let payment = list["data"][0]["id"].as_str().unwrap().to_owned();
    (person, id, payment)
}

async fn refund(person: &Person<'_>, key: &str, body: Value) -> Answer {
    let request = person
        .request(Method::POST, "/api/admin/refunds")
        .json(&body);
    Answer::of(request.header("idempotency-key", key)).await
}

/// Every operator route of the router, with its methods.
fn operators_routes() -> Vec<(Method, String)> {
    let is_ours = |path: &str| path.starts_with("/admin") || path.starts_with("/api/admin/");
    let routes = crate::access::routes().into_iter();
    let routes = routes.filter(|(path, _)| is_ours(path));
    let routes = routes.flat_map(|(path, methods)| {
        methods.into_iter().map(move |method| {
            let method = Method::from_bytes(method.to_uppercase().as_bytes()).unwrap();
            (method, path.clone())
        })
    });
    routes.collect()
}

on_both!(case_a5_every_operator_route_allows_each_role_what_the_table_says);
async fn case_a5_every_operator_route_allows_each_role_what_the_table_says(stage: &Stage) {
    let mut people = vec![stage.person("maya@example.com").await];
    for role in UserRole::ALL.into_iter().filter(|role| role.is_operator()) {
        let email = format!("{role}@example.com");
        people.push(stage.person_as(&email, role.word()).await);
    }
    let routes = operators_routes();
    assert!(routes.len() > 30, "{routes:?}");

    for (method, route) in routes {
        let right = needed(&method, &route, false);
        let path = route
            .replace("{file}", "nothing.txt")
            .replace(['{', '}'], "");
        for (person, role) in people.iter().zip(UserRole::ALL) {
            let request = person.request(method.clone(), &path);
            let request = request
                .header("content-type", "application/json")
                .body("{}");
            let answer = Answer::of(request).await;
            let code = answer.body["code"].as_str().unwrap_or_default().to_owned();
            let is_refused = matches!(code.as_str(), "role" | "not_an_operator");
            let expected = !may(role, right);
            assert_eq!(
                is_refused, expected,
                "{role} {method} {path}: {} {code}",
                answer.status
            );
            assert_eq!(
                answer.status == 403,
                expected,
                "{role} {method} {path}: {code}"
            );
        }
    }
}
