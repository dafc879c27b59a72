//! What operators do: by their role, with a look before each act and a line in the audit log after.

use billing::actors::roles::ROLES;
use billing::actors::roles::may;
use reqwest::{Method, Response};
use serde_json::{Value, json};
use web::http::roles::needed;

use crate::metering::{Answer, program};
use crate::stage::{Person, Stage, fresh_key, on_both};

async fn public_id(stage: &Stage, account: i64) -> String {
    let found = stage.app.read(move |tx| store::accounts::find(tx, account));
    found.await.unwrap().unwrap().public_id
}

/// Sends a form as a browser does.
async fn send(person: &Person<'_>, path: &str, form: &[(&str, &str)]) -> Response {
    let request = person.request(Method::POST, path);
    let request = request.header("accept", "text/html").form(form);
    request.send().await.expect("the service answers")
}

fn location(answer: &Response) -> String {
    let to = answer.headers().get("location");
    to.map(|to| to.to_str().unwrap().to_owned())
        .unwrap_or_default()
}

/// The value of a hidden field of a page.
fn hidden<'a>(html: &'a str, name: &str) -> &'a str {
    let mark = format!("name=\"{name}\" value=\"");
    let start = html
        .find(&mark)
        .unwrap_or_else(|| panic!("no {name} in {html}"))
        + mark.len();
    let end = start + html[start..].find('"').unwrap();
    &html[start..end]
}

async fn acts(stage: &Stage, action: &str) -> Vec<store::audit_log::Act> {
    let action = action.to_owned();
    let acts = stage
        .app
        .read(move |tx| store::audit_log::list(tx, None, None, Some(&action), None, 100));
    acts.await.unwrap()
}

/// Somebody who bought 5,000 credits for $5.00, and the payment.
async fn buyer<'a>(stage: &'a Stage, email: &str) -> (Person<'a>, String, String) {
    let person = stage.person(email).await;
    person.buy_pack(5_000).await;
    person
        .billing_when(|body| body["credits"]["balance"] == 5_100)
        .await;
    stage.settled().await;
    let id = public_id(stage, person.account).await;
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

async fn audit_is_clean(stage: &Stage) {
    let report = billing::books::audit::run(&stage.app, billing::books::audit::Scope::Everything)
        .await
        .unwrap();
    assert!(report.findings.is_empty(), "{:?}", report.findings);
}

/// Every operators' address of the router with its methods.
fn operators_routes() -> Vec<(Method, String)> {
    let source = include_str!("../../../web/src/router.rs");
    let mut routes = Vec::new();
    for piece in source.split(".route(").skip(1) {
        let path = piece.split('"').nth(1).unwrap();
        let handlers = piece.split(path).nth(1).unwrap();
        let end = handlers.find("\n        .").unwrap_or(handlers.len());
        for (word, method) in [
            ("get(", Method::GET),
            ("post(", Method::POST),
            ("put(", Method::PUT),
            ("delete(", Method::DELETE),
        ] {
            let is_ours = path.starts_with("/admin") || path.starts_with("/api/admin/");
            if is_ours && handlers[..end].contains(word) {
                routes.push((method.clone(), path.to_owned()));
            }
        }
    }
    routes
}

on_both!(case_a5_every_operators_address_lets_each_role_do_what_the_table_says);
async fn case_a5_every_operators_address_lets_each_role_do_what_the_table_says(stage: &Stage) {
    let mut people = vec![stage.person("maya@example.com").await];
    for (role, _) in ROLES {
        people.push(stage.person_as(&format!("{role}@example.com"), role).await);
    }
    let routes = operators_routes();
    assert!(routes.len() > 30, "{routes:?}");

    for (method, route) in routes {
        let right = needed(&method, &route, false);
        let path = route
            .replace("{file}", "nothing.txt")
            .replace(['{', '}'], "");
        for (person, role) in people
            .iter()
            .zip(["user", "viewer", "support", "finance", "admin"])
        {
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

on_both!(support_adjusts_up_to_its_limit_and_finance_beyond);
async fn support_adjusts_up_to_its_limit_and_finance_beyond(stage: &Stage) {
    let maya = stage.person("maya@example.com").await;
    let support = stage.person_as("support@example.com", "support").await;
    let finance = stage.person_as("finance@example.com", "finance").await;
    let id = public_id(stage, maya.account).await;
    let path = format!("/api/v1/accounts/{id}/credits/adjustments");
    let give = |person: &'_ Person<'_>, key: &str, credits: i64| {
        let body = json!({ "credits": credits, "reason": "goodwill" });
        let request = person.request(Method::POST, &path).json(&body);
        Answer::of(request.header("idempotency-key", key.to_owned()))
    };

    let first = give(&support, "a", 3_000).await;
    let beyond = give(&support, "b", 2_001).await;
    let again = give(&support, "a", 3_000).await;
    let rest = give(&support, "c", -2_000).await;
    let over = give(&support, "d", -1).await;
    let by_finance = give(&finance, "e", 50_000).await;

    assert_eq!(
        (first.status, rest.status, by_finance.status),
        (201, 201, 201)
    );
    assert_eq!(
        (beyond.status, &beyond.body["code"]),
        (403, &json!("credits_limit"))
    );
    assert_eq!(
        (again.status, again.header("idempotency-replayed")),
        (201, Some("true"))
    );
    assert_eq!(
        (over.status, &over.body["code"]),
        (403, &json!("credits_limit"))
    );
    assert_eq!(maya.billing().await["credits"]["balance"], 51_100);
    assert_eq!(acts(stage, "credits.adjust").await.len(), 3);
    stage.settled().await;
    let subjects = stage.mail_subjects().await;
    assert_eq!(subjects.len(), 3, "{subjects:?}");
}

on_both!(an_adjustment_on_the_page_is_looked_at_first_made_once_and_undone_by_its_opposite);
async fn an_adjustment_on_the_page_is_looked_at_first_made_once_and_undone_by_its_opposite(
    stage: &Stage,
) {
    let maya = stage.person("maya@example.com").await;
    let admin = stage.person_as("ops@example.com", "admin").await;
    let id = public_id(stage, maya.account).await;
    maya.billing().await;
    let home = format!("/admin/accounts/{id}");
    let credits = format!("{home}/credits");

    let wrong = send(
        &admin,
        &credits,
        &[("credits", "many"), ("reason", "goodwill"), ("note", "")],
    )
    .await;
    let wrong = (wrong.status().as_u16(), wrong.text().await.unwrap());
    let below = send(
        &admin,
        &credits,
        &[("credits", "-500"), ("reason", "goodwill"), ("note", "T1")],
    )
    .await;
    let below = (below.status().as_u16(), below.text().await.unwrap());
    let look = send(
        &admin,
        &credits,
        &[
            ("credits", "250"),
            ("reason", "goodwill"),
            ("note", "Ticket 1"),
        ],
    )
    .await;
    let look = look.text().await.unwrap();
    assert_eq!(maya.billing().await["credits"]["balance"], 100);
    let attempt = hidden(&look, "attempt").to_owned();
    let form = [
        ("credits", "250"),
        ("reason", "goodwill"),
        ("note", "Ticket 1"),
        ("attempt", &attempt),
        ("confirm", "yes"),
    ];
    let made = send(&admin, &credits, &form).await;
    let twice = send(&admin, &credits, &form).await;

    assert_eq!(wrong.0, 422);
    assert!(wrong.1.contains("id=\"credits-error\"") && wrong.1.contains("id=\"note-error\""));
    assert_eq!(below.0, 422);
    assert!(
        below.1.contains("The lowest you can enter is"),
        "{}",
        below.1
    );
    assert!(
        look.contains("Adjust by +250 credits?") && look.contains(">350<"),
        "{look}"
    );
    assert_eq!(
        (made.status(), twice.status()),
        (303.try_into().unwrap(), 303.try_into().unwrap())
    );
    assert_eq!(location(&made), format!("{home}?done=adjusted"));
    assert_eq!(maya.billing().await["credits"]["balance"], 350);

    let (_, journal) = admin.page(&format!("{home}/journal")).await;
    assert!(journal.contains("Undo entry 2"), "{journal}");
    let (_, undo) = admin.page(&format!("{home}/undo?entry=2")).await;
    let fields = ["credits", "reason", "note", "attempt", "confirm"];
    let form: Vec<(&str, &str)> = fields
        .iter()
        .map(|name| (*name, hidden(&undo, name)))
        .collect();
    assert_eq!(send(&admin, &credits, &form).await.status(), 303);
    assert_eq!(send(&admin, &credits, &form).await.status(), 303);
    assert_eq!(maya.billing().await["credits"]["balance"], 100);
    assert_eq!(admin.page(&format!("{home}/undo?entry=1")).await.0, 404);
    assert_eq!(acts(stage, "credits.adjust").await.len(), 2);
    audit_is_clean(stage).await;
}

on_both!(a_refund_says_what_it_takes_is_made_once_and_its_webhook_changes_nothing_more);
async fn a_refund_says_what_it_takes_is_made_once_and_its_webhook_changes_nothing_more(
    stage: &Stage,
) {
    let (maya, id, payment) = buyer(stage, "maya@example.com").await;
    let program = program(stage, "maya@example.com").await;
    let finance = stage.person_as("finance@example.com", "finance").await;
    let support = stage.person_as("support@example.com", "support").await;
    // The allowance of 100 goes first: 1,000 of the 5,000 that were bought are spent.
    program.debit(&fresh_key(), 1_100).await;

    let (_, part) = finance
        .post(
            "/api/admin/refunds/preview",
            json!({ "payment": payment, "amount": "2.00" }),
        )
        .await;
    let (_, whole) = finance
        .post("/api/admin/refunds/preview", json!({ "payment": payment }))
        .await;
    let body = json!({ "payment": payment, "amount": "2.00", "reason": "requested_by_customer", "note": "Ticket 7", "refunded": "0.00" });
    let made = refund(&finance, "r1", body.clone()).await;
    let again = refund(&finance, "r1", body.clone()).await;
    let outdated = refund(&finance, "r2", body.clone()).await;
    let by_support = refund(&support, "r3", body.clone()).await;
    stage.settled().await;

    assert_eq!(
        (&part["amount"], &part["creditsTaken"], &part["debtAfter"]),
        (&json!("2.00"), &json!(2_000), &json!(0)),
        "{part}"
    );
    assert_eq!(
        (
            &whole["amount"],
            &whole["creditsTaken"],
            &whole["debtAfter"]
        ),
        (&json!("5.00"), &json!(4_000), &json!(1_000))
    );
    assert_eq!(
        (made.status, &made.body["amount"]),
        (201, &json!("2.00")),
        "{}",
        made.body
    );
    assert_eq!((again.status, &again.body["id"]), (201, &made.body["id"]));
    assert_eq!(again.header("idempotency-replayed"), Some("true"));
    assert_eq!(
        (outdated.status, &outdated.body["code"]),
        (409, &json!("changed_meanwhile"))
    );
    assert_eq!(by_support.status, 403);
    assert_eq!(maya.billing().await["credits"]["balance"], 2_000);
    let refunds = stage.stripe_get("/v1/refunds?limit=10").await;
    assert_eq!(refunds["data"].as_array().unwrap().len(), 1);
    let events = stage.stripe_events("charge.refunded").await;
    let outcomes: Vec<_> = stage
        .events()
        .await
        .into_iter()
        .filter(|event| event.kind == "charge.refunded")
        .collect();
    assert_eq!((events.len(), outcomes.len()), (1, 1));
    let seq = |account: i64| {
        stage
            .app
            .read(move |tx| Ok(store::ledger::wallet(tx, account)?.unwrap().seq))
    };
    let before = seq(maya.account).await.unwrap();
    stage.deliver(&events[0]).await;
    billing::sync::account(&stage.app, maya.account)
        .await
        .unwrap();
    assert_eq!(seq(maya.account).await.unwrap(), before);
    let acts = acts(stage, "payment.refund").await;
    assert_eq!((acts.len(), &acts[0].subject), (1, &id));
    assert!(acts[0].detail.contains("requested_by_customer") && !acts[0].detail.contains("Ticket"));
    let subjects = stage.mail_subjects().await;
    assert_eq!(
        subjects
            .iter()
            .filter(|subject| subject.to_lowercase().contains("refund"))
            .count(),
        1,
        "{subjects:?}"
    );

    let rest = refund(
        &finance,
        "r4",
        json!({ "payment": payment, "reason": "duplicate" }),
    )
    .await;
    let nothing = refund(
        &finance,
        "r5",
        json!({ "payment": payment, "reason": "duplicate" }),
    )
    .await;
    stage.settled().await;
    assert_eq!((rest.status, &rest.body["amount"]), (201, &json!("3.00")));
    assert_eq!(
        (nothing.status, &nothing.body["code"]),
        (409, &json!("already_refunded"))
    );
    let (_, balance) = maya.get("/api/v1/balance").await;
    assert_eq!(balance["debt"], 1_000, "{balance}");
    audit_is_clean(stage).await;
}

on_both!(a_refund_of_a_wrong_amount_or_an_unpaid_thing_is_refused_with_a_reason);
async fn a_refund_of_a_wrong_amount_or_an_unpaid_thing_is_refused_with_a_reason(stage: &Stage) {
    let (maya, _, payment) = buyer(stage, "maya@example.com").await;
    let admin = stage.person_as("ops@example.com", "admin").await;
    maya.session(json!({ "type": "topup", "amount": 500 }))
        .await;
    billing::sync::account(&stage.app, maya.account)
        .await
        .unwrap();
    let (_, list) = maya.get("/api/v1/transactions?status=PENDING").await;
    let pending = list["data"][0]["id"].as_str().unwrap();

    for amount in ["5.01", "0", "-1", "1e2", "1.005", "all"] {
        let body = json!({ "payment": payment, "amount": amount, "reason": "duplicate" });
        let answer = refund(&admin, &fresh_key(), body).await;
        assert_eq!(
            (answer.status, &answer.body["field"]),
            (400, &json!("amount")),
            "{amount}: {}",
            answer.body
        );
    }
    let unpaid = refund(
        &admin,
        "u",
        json!({ "payment": pending, "reason": "duplicate" }),
    )
    .await;
    let unknown = refund(
        &admin,
        "x",
        json!({ "payment": "txn_none", "reason": "duplicate" }),
    )
    .await;
    let why = refund(
        &admin,
        "w",
        json!({ "payment": payment, "reason": "because" }),
    )
    .await;

    assert_eq!(
        (unpaid.status, &unpaid.body["code"]),
        (409, &json!("nothing_paid"))
    );
    assert_eq!((unknown.status, why.status), (404, 400));
    assert_eq!(stage.stripe_get("/v1/refunds").await["data"], json!([]));
    assert_eq!(maya.billing().await["credits"]["balance"], 5_100);
}

on_both!(case_m2_a_disputed_payment_is_not_refunded_by_hand);
async fn case_m2_a_disputed_payment_is_not_refunded_by_hand(stage: &Stage) {
    let (maya, _, payment) = buyer(stage, "maya@example.com").await;
    let admin = stage.person_as("ops@example.com", "admin").await;
    let charge = stage.stripe_get("/v1/charges").await["data"][0]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    stage
        .twin
        .dispute(&charge, Some("fraudulent"))
        .await
        .unwrap();
    maya.billing_when(|body| body["credits"]["available"] == 100)
        .await;
    stage.settled().await;

    let answer = refund(
        &admin,
        "d",
        json!({ "payment": payment, "reason": "fraudulent" }),
    )
    .await;
    let (status, page) = admin.page(&format!("/admin/refunds/{payment}")).await;

    assert_eq!(
        (answer.status, &answer.body["code"]),
        (409, &json!("disputed")),
        "{}",
        answer.body
    );
    assert_eq!(status, 409);
    assert!(page.contains("the bank decides"), "{page}");
    assert_eq!(stage.stripe_get("/v1/refunds").await["data"], json!([]));
    assert_eq!(maya.billing().await["credits"]["available"], 100);
}

on_both!(case_d6_a_refund_whose_answer_was_lost_is_made_once);
async fn case_d6_a_refund_whose_answer_was_lost_is_made_once(stage: &Stage) {
    let (maya, _, payment) = buyer(stage, "maya@example.com").await;
    let admin = stage.person_as("ops@example.com", "admin").await;
    let body = json!({ "payment": payment, "amount": "1.00", "reason": "duplicate" });
    // As it stands when the answer to the call was lost: written down, called, not known.
    let digest = billing::secrets::hash(&format!("{payment}\nsame"));
    let id: String = digest[..16]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let id = format!("rfd_{id}");
    let intent = stage.stripe_get("/v1/payment_intents").await["data"][0]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let form = [
        ("payment_intent", intent.as_str()),
        ("amount", "100"),
        ("reason", "duplicate"),
        ("metadata[intent]", &id),
    ];
    let sent = stage
        .http
        .post(format!("{}/v1/refunds", stage.twin_url))
        .bearer_auth("sk_test_stage");
    let sent = sent
        .header("idempotency-key", &id)
        .form(&form)
        .send()
        .await
        .unwrap();
    assert_eq!(sent.status(), 200);
    let (account, now) = (maya.account, stage.app.now());
    let params = form
        .iter()
        .fold(stripe::Form::new(), |all, (name, value)| {
            all.push(*name, value)
        })
        .encode();
    stage
        .app
        .write(account, move |tx| {
            let new = store::intents::NewIntent {
                id: &id,
                account_id: account,
                kind: "refund",
                params: &params,
                credits_micros: Some(1_000_000_000),
                amount_minor: Some(100),
                currency: Some("usd"),
                ..Default::default()
            };
            store::intents::insert(tx, &new, now)?;
            store::intents::set_calling(tx, new.id, now)
        })
        .await
        .unwrap();

    let other = refund(&admin, "other", body.clone()).await;
    let again = refund(&admin, "same", body.clone()).await;
    stage.settled().await;

    assert_eq!(
        (other.status, &other.body["code"]),
        (409, &json!("refund_under_way")),
        "{}",
        other.body
    );
    assert_eq!(again.status, 201, "{}", again.body);
    let refunds = stage.stripe_get("/v1/refunds").await;
    assert_eq!(refunds["data"].as_array().unwrap().len(), 1);
    assert_eq!(maya.billing().await["credits"]["balance"], 4_100);
    audit_is_clean(stage).await;
}

on_both!(case_d6_a_refund_that_was_given_up_for_a_later_one_is_not_made_after_all);
async fn case_d6_a_refund_that_was_given_up_for_a_later_one_is_not_made_after_all(stage: &Stage) {
    let (maya, _, payment) = buyer(stage, "maya@example.com").await;
    let admin = stage.person_as("ops@example.com", "admin").await;
    let body = json!({ "payment": payment, "amount": "1.00", "reason": "duplicate" });
    let digest = billing::secrets::hash(&format!("{payment}\nfirst"));
    let id: String = digest[..16]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let id = format!("rfd_{id}");
    let intent = stage.stripe_get("/v1/payment_intents").await["data"][0]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let params = stripe::Form::new()
        .push("payment_intent", &intent)
        .push("amount", 100)
        .push("reason", "duplicate")
        .push("metadata[intent]", &id)
        .encode();
    let (account, before) = (maya.account, stage.app.now().plus_seconds(-120));
    stage
        .app
        .write(account, move |tx| {
            let new = store::intents::NewIntent {
                id: &id,
                account_id: account,
                kind: "refund",
                params: &params,
                credits_micros: Some(1_000_000_000),
                amount_minor: Some(100),
                currency: Some("usd"),
                ..Default::default()
            };
            store::intents::insert(tx, &new, before)?;
            store::intents::set_calling(tx, new.id, before)
        })
        .await
        .unwrap();

    let later = refund(&admin, "later", body.clone()).await;
    let first = refund(&admin, "first", body.clone()).await;
    stage.settled().await;

    assert_eq!(later.status, 201, "{}", later.body);
    assert_eq!(
        (first.status, &first.body["code"]),
        (409, &json!("refund_failed")),
        "{}",
        first.body
    );
    let refunds = stage.stripe_get("/v1/refunds").await;
    assert_eq!(refunds["data"].as_array().unwrap().len(), 1);
    audit_is_clean(stage).await;
}

on_both!(case_d6_a_refund_that_was_lost_for_long_is_found_before_another_begins);
async fn case_d6_a_refund_that_was_lost_for_long_is_found_before_another_begins(stage: &Stage) {
    let (maya, id, payment) = buyer(stage, "maya@example.com").await;
    let admin = stage.person_as("ops@example.com", "admin").await;
    let intent = stage.stripe_get("/v1/payment_intents").await["data"][0]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let form = [
        ("payment_intent", intent.as_str()),
        ("amount", "100"),
        ("reason", "duplicate"),
        ("metadata[intent]", "rfd_lost"),
    ];
    stage.webhooks(false).await;
    let sent = stage
        .http
        .post(format!("{}/v1/refunds", stage.twin_url))
        .bearer_auth("sk_test_stage");
    assert_eq!(
        sent.header("idempotency-key", "rfd_lost")
            .form(&form)
            .send()
            .await
            .unwrap()
            .status(),
        200
    );
    let (account, operator, before) =
        (maya.account, admin.user, stage.app.now().plus_seconds(-120));
    let params = form
        .iter()
        .fold(stripe::Form::new(), |all, (name, value)| {
            all.push(*name, value)
        })
        .encode();
    stage
        .app
        .write(account, move |tx| {
            let new = store::intents::NewIntent {
                id: "rfd_lost",
                account_id: account,
                user_id: Some(operator),
                kind: "refund",
                params: &params,
                credits_micros: Some(1_000_000_000),
                amount_minor: Some(100),
                currency: Some("usd"),
                ..Default::default()
            };
            store::intents::insert(tx, &new, before)?;
            store::intents::set_calling(tx, "rfd_lost", before)
        })
        .await
        .unwrap();

    let body = json!({ "payment": payment, "amount": "2.00", "reason": "duplicate" });
    let found = refund(&admin, "next", body.clone()).await;
    let next = refund(&admin, "next", body.clone()).await;
    stage.settled().await;

    assert_eq!(
        (found.status, &found.body["code"]),
        (409, &json!("changed_meanwhile")),
        "{}",
        found.body
    );
    assert_eq!(next.status, 201, "{}", next.body);
    let acts = acts(stage, "payment.refund").await;
    assert_eq!(acts.len(), 2);
    assert!(
        acts.iter()
            .all(|act| act.subject == id && act.actor.starts_with("usr_"))
    );
    assert_eq!(maya.billing().await["credits"]["balance"], 2_100);
    audit_is_clean(stage).await;
}

on_both!(a_refund_on_the_page_is_reviewed_before_money_moves);
async fn a_refund_on_the_page_is_reviewed_before_money_moves(stage: &Stage) {
    let (maya, id, payment) = buyer(stage, "maya@example.com").await;
    let finance = stage.person_as("finance@example.com", "finance").await;
    let path = format!("/admin/refunds/{payment}");

    let (_, list) = finance.page("/admin/transactions").await;
    let (_, form) = finance.page(&path).await;
    let (wrong, told) = finance
        .page(&format!("{path}?review=1&amount=9.00&reason=duplicate"))
        .await;
    let (_, review) = finance
        .page(&format!(
            "{path}?review=1&amount=5.00&reason=duplicate&note=T"
        ))
        .await;
    let blind = send(
        &finance,
        &path,
        &[("amount", "5.00"), ("reason", "duplicate")],
    )
    .await;
    assert_eq!(maya.billing().await["credits"]["balance"], 5_100);
    let fields = ["amount", "reason", "note", "refunded", "attempt"];
    let sent: Vec<(&str, &str)> = fields
        .iter()
        .map(|name| (*name, hidden(&review, name)))
        .collect();
    let made = send(&finance, &path, &sent).await;
    let twice = send(&finance, &path, &sent).await;
    stage.settled().await;

    assert!(list.contains(&path), "{list}");
    assert!(form.contains("value=\"5.00\""), "{form}");
    assert_eq!(wrong, 422);
    assert!(told.contains("id=\"amount-error\""));
    assert!(review.contains("Refund $5.00?") && review.contains("Credits taken"));
    assert_eq!(blind.status(), 200);
    assert_eq!(
        (made.status(), twice.status()),
        (303.try_into().unwrap(), 303.try_into().unwrap())
    );
    assert_eq!(
        location(&made),
        format!("/admin/accounts/{id}?done=refunded")
    );
    assert_eq!(maya.billing().await["credits"]["balance"], 100);
    assert_eq!(
        stage.stripe_get("/v1/refunds").await["data"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
}

on_both!(the_overview_and_metrics_say_the_same_and_lead_to_the_rows);
async fn the_overview_and_metrics_say_the_same_and_lead_to_the_rows(stage: &Stage) {
    let (_maya, _, _) = buyer(stage, "maya@example.com").await;
    let noah = stage.person("noah@example.com").await;
    noah.subscribe("PRO").await;
    noah.billing_when(|body| body["subscription"]["tier"] == "PRO")
        .await;
    stage.settled().await;
    let viewer = stage.person_as("looks@example.com", "viewer").await;

    let (status, page) = viewer.page("/admin").await;
    let metrics = stage
        .http
        .get(format!("{}/metrics", stage.base))
        .send()
        .await
        .unwrap();
    let metrics = metrics.text().await.unwrap();

    assert_eq!(status, 200);
    // $5.00 and $19.00 by two accounts; one subscription of $19.00.
    for text in ["100.00%", "$12.00", "$19.00"] {
        assert!(page.contains(text), "{text} in {page}");
    }
    for line in [
        "lbx_payment_success_ratio 1.0000",
        "lbx_webhook_success_ratio 1.0000",
        "lbx_arpu_minor_units{currency=\"usd\"} 1200",
        "lbx_mrr_minor_units{currency=\"usd\"} 1900",
    ] {
        assert!(metrics.contains(line), "{line} in {metrics}");
    }
    assert!(metrics.contains("lbx_balance_average_credits"), "{metrics}");
    for (start, _) in page.match_indices("<dd><a href=\"") {
        let rest = &page[start + 13..];
        let href = rest[..rest.find('"').unwrap()].replace("&#38;", "&");
        let (status, rows) = viewer.page(&href).await;
        assert_eq!(status, 200, "{href}");
        assert!(
            rows.contains("<table") || href.contains("churned"),
            "{href}"
        );
    }
    let (_, subscribed) = viewer.page("/admin/accounts?view=subscribed").await;
    assert!(subscribed.contains("noah") && !subscribed.contains("maya@"));
    assert_eq!(viewer.page("/admin/export").await.0, 403);
}

on_both!(churn_arpu_and_mrr_are_what_a_hand_computes);
async fn churn_arpu_and_mrr_are_what_a_hand_computes(stage: &Stage) {
    // Five accounts: ann pays $19 a month, ben $190 a year, cid left 10 days ago, dee tries,
    // eve left 50 days ago. Payments of 30 days: $19.00, $190.00 of which $40.00 went back, and
    // one that failed.
    let now = stage.app.now();
    let mut accounts = Vec::new();
    for name in ["ann", "ben", "cid", "dee", "eve"] {
        accounts.push(stage.person(&format!("{name}@example.com")).await.account);
    }
    let row = move |place: usize, account: i64| store::subscriptions::Subscription {
        subscription_id: format!("sub_{place}"),
        account_id: account,
        customer_id: format!("cus_{place}"),
        status: if matches!(place, 2 | 4) {
            "canceled"
        } else {
            "active"
        }
        .to_owned(),
        tier: Some("PRO".to_owned()),
        price_id: None,
        currency: Some("usd".to_owned()),
        amount_minor: Some(if place == 1 { 19_000 } else { 1_900 }),
        billing_interval: Some(if place == 1 { "year" } else { "month" }.to_owned()),
        period_start: None,
        period_end: None,
        cancel_at: None,
        cancel_at_period_end: false,
        canceled_at: None,
        ended_at: match place {
            2 => Some(now.plus_days(-10)),
            4 => Some(now.plus_days(-50)),
            _ => None,
        },
        trial_end: (place == 3).then(|| now.plus_days(5)),
        paused: false,
        past_due_since: None,
        pending_change: None,
        schedule_id: None,
        live: !matches!(place, 2 | 4),
        created_at: now.plus_days(-100),
        synced_at: now,
        items: None,
    };
    stage
        .app
        .write(0, move |tx| {
            for (place, account) in accounts.iter().enumerate() {
                store::subscriptions::put(tx, &row(place, *account))?;
            }
            for (key, account, status, minor, back, day) in [
                ("p1", accounts[0], "COMPLETED", 1_900, 0, -3),
                ("p2", accounts[1], "COMPLETED", 19_000, 4_000, -20),
                ("p3", accounts[0], "FAILED", 1_900, 0, -5),
                ("p4", accounts[4], "COMPLETED", 1_900, 0, -60),
            ] {
                let new = store::transactions::NewTransaction {
                    public_id: key,
                    account_id: account,
                    natural_key: key,
                    kind: "SUBSCRIPTION_PAYMENT",
                    status,
                    amount_minor: minor,
                    refunded_minor: back,
                    currency: "usd",
                    product_type: "subscription",
                    occurred_at: now.plus_days(day),
                    ..Default::default()
                };
                store::transactions::put(tx, &new, now)?;
            }
            Ok(())
        })
        .await
        .unwrap();

    let figures = billing::books::figures::read(&stage.app).await.unwrap();

    // Subscribed 30 days ago: ann, ben, cid. Of these cid left: 1 of 3.
    assert_eq!((figures.churn.part, figures.churn.whole), (1, 3));
    // 19.00 + 150.00 by two accounts.
    assert_eq!(figures.revenue.amount, 16_900);
    assert_eq!((figures.paying, figures.arpu.unwrap().amount), (2, 8_450));
    // 19.00 and a twelfth of 190.00.
    assert_eq!(
        (figures.mrr.amount, figures.subscriptions),
        (1_900 + 1_583, 2)
    );
    assert_eq!((figures.payments.part, figures.payments.whole), (2, 3));
}

on_both!(transactions_add_up_to_the_ledger_and_are_saved_as_views_and_files);
async fn transactions_add_up_to_the_ledger_and_are_saved_as_views_and_files(stage: &Stage) {
    let (maya, _, payment) = buyer(stage, "maya@example.com").await;
    maya.buy_pack(1_000).await;
    maya.billing_when(|body| body["credits"]["balance"] == 6_100)
        .await;
    let finance = stage.person_as("finance@example.com", "finance").await;
    refund(
        &finance,
        "r",
        json!({ "payment": payment, "amount": "1.00", "reason": "duplicate" }),
    )
    .await;
    stage.settled().await;
    let session = stage.stripe_get("/v1/checkout/sessions").await["data"][0]["id"]
        .as_str()
        .unwrap()
        .to_owned();

    let (_, all) = finance.page("/admin/transactions").await;
    let (_, found) = finance
        .page(&format!("/admin/transactions?q={session}"))
        .await;
    let (bad, _) = finance.page("/admin/transactions?after=nonsense").await;
    let saved = send(
        &finance,
        "/admin/transactions/views",
        &[
            ("name", "Packs <b>"),
            ("query", "type=CREDIT_TOPUP&evil=//x"),
        ],
    )
    .await;
    let (_, with_view) = finance.page("/admin/transactions?type=CREDIT_TOPUP").await;
    let (_, of_others) = stage
        .person_as("ops@example.com", "admin")
        .await
        .page("/admin/transactions")
        .await;
    let csv = finance
        .request(Method::GET, "/admin/transactions.csv?type=PAYMENT")
        .send()
        .await
        .unwrap();
    let csv_type = csv.headers()["content-type"].to_str().unwrap().to_owned();
    let csv = csv.text().await.unwrap();

    assert!(all.contains("$6.00") && all.contains("$1.00"), "{all}");
    assert!(
        found.contains(&session[..20]) || found.matches("<tr>").count() == 2,
        "{found}"
    );
    assert_eq!(bad, 400);
    assert_eq!(location(&saved), "/admin/transactions?type=CREDIT_TOPUP");
    assert!(with_view.contains("Packs &#60;b&#62;") && with_view.contains("Remove the view"));
    assert!(!of_others.contains("Packs"));
    assert!(csv_type.starts_with("text/csv"));
    assert_eq!(csv.lines().count(), 3, "{csv}");
    let remove = with_view
        .split("/admin/transactions/views/")
        .nth(1)
        .unwrap();
    let remove = format!(
        "/admin/transactions/views/{}/remove",
        remove.split('/').next().unwrap()
    );
    let ops = stage.person_as("ops@example.com", "admin").await;
    send(&ops, &remove, &[]).await;
    assert!(
        finance
            .page("/admin/transactions")
            .await
            .1
            .contains("Packs")
    );
    send(&finance, &remove, &[]).await;
    assert!(
        !finance
            .page("/admin/transactions")
            .await
            .1
            .contains("Packs")
    );
    let empty = send(
        &finance,
        "/admin/transactions/views",
        &[("name", "All"), ("query", "")],
    )
    .await;
    assert_eq!(empty.status(), 400);
}

on_both!(an_account_shows_ours_beside_stripes_and_says_when_stripe_does_not_answer);
async fn an_account_shows_ours_beside_stripes_and_says_when_stripe_does_not_answer(stage: &Stage) {
    let (maya, id, _) = buyer(stage, "maya@example.com").await;
    maya.subscribe("PRO").await;
    maya.billing_when(|body| body["subscription"]["tier"] == "PRO")
        .await;
    stage.settled().await;
    let viewer = stage.person_as("looks@example.com", "viewer").await;
    let support = stage.person_as("support@example.com", "support").await;
    let home = format!("/admin/accounts/{id}");

    let (_, agreed) = viewer.page(&home).await;
    stage.webhooks(false).await;
    let subscription = stage.stripe_get("/v1/subscriptions").await["data"][0]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    stage
        .stripe_post(
            &format!("/v1/subscriptions/{subscription}"),
            &[("cancel_at_period_end", "true")],
        )
        .await;
    let (_, differs) = viewer.page(&home).await;
    let synced = send(&support, &format!("{home}/sync"), &[]).await;
    let (_, mended) = viewer.page(&location(&synced)).await;
    stage
        .twin
        .faults(&json!({ "mode": "status", "count": 1_000 }))
        .await
        .unwrap();
    let (status, silent) = viewer.page(&home).await;
    stage.twin.faults(&json!({ "mode": "none" })).await.unwrap();

    assert!(
        agreed.contains("In step") && agreed.contains("Paid in all"),
        "{agreed}"
    );
    assert!(!agreed.contains("Sync from Stripe") && !agreed.contains("Refund txn"));
    assert!(
        differs.contains(">Differs<") && differs.contains('\u{2260}'),
        "{differs}"
    );
    assert_eq!(location(&synced), format!("{home}?done=synced"));
    assert!(mended.contains("In step") && mended.contains("Something differed and was mended"));
    assert_eq!(status, 200);
    assert!(silent.contains("Not reachable"), "{silent}");
    assert_eq!(acts(stage, "account.sync").await.len(), 1);
}

on_both!(a_plan_by_hand_has_a_reason_and_an_end_and_survives_every_sync);
async fn a_plan_by_hand_has_a_reason_and_an_end_and_survives_every_sync(stage: &Stage) {
    let maya = stage.person("maya@example.com").await;
    let admin = stage.person_as("ops@example.com", "admin").await;
    let id = public_id(stage, maya.account).await;
    maya.billing().await;
    let path = format!("/admin/accounts/{id}/plan");

    let silent = send(&admin, &path, &[("tier", "PRO_PLUS"), ("reason", " ")]).await;
    let past = send(
        &admin,
        &path,
        &[
            ("tier", "PRO_PLUS"),
            ("reason", "Partner"),
            ("until", "2020-01-01"),
        ],
    )
    .await;
    let wrong = send(&admin, &path, &[("tier", "GOLD"), ("reason", "Partner")]).await;
    let set = send(
        &admin,
        &path,
        &[
            ("tier", "PRO_PLUS"),
            ("reason", "Partner"),
            ("until", "2100-01-01"),
        ],
    )
    .await;
    billing::sync::account(&stage.app, maya.account)
        .await
        .unwrap();

    assert_eq!(
        (silent.status(), past.status()),
        (422.try_into().unwrap(), 422.try_into().unwrap())
    );
    assert_eq!(wrong.status(), 422);
    assert_eq!(set.status(), 303);
    assert_eq!(
        maya.billing().await["subscription"]["accessTier"],
        "PRO_PLUS"
    );
    let (_, page) = admin.page(&format!("/admin/accounts/{id}")).await;
    assert!(page.contains("PRO_PLUS, Partner, until"), "{page}");
    let cleared = send(&admin, &path, &[("tier", ""), ("reason", "Over")]).await;
    assert_eq!(cleared.status(), 303);
    assert_eq!(maya.billing().await["subscription"]["accessTier"], "FREE");
    let acts = acts(stage, "account.tier_override").await;
    assert_eq!(acts.len(), 2);
    assert!(acts[1].detail.contains("Partner") && acts[1].actor.starts_with("usr_"));
    audit_is_clean(stage).await;
}

on_both!(a_suspended_account_spends_nothing_until_it_goes_on);
async fn a_suspended_account_spends_nothing_until_it_goes_on(stage: &Stage) {
    let program = program(stage, "maya@example.com").await;
    let maya = stage.person("maya@example.com").await;
    let admin = stage.person_as("ops@example.com", "admin").await;
    let id = public_id(stage, maya.account).await;
    let path = format!("/admin/accounts/{id}/status");

    let asked = admin.page(&path).await;
    send(
        &admin,
        &path,
        &[("status", "suspended"), ("reason", "Abuse, ticket 9")],
    )
    .await;
    let refused = program.debit(&fresh_key(), 1).await;
    let (_, page) = admin
        .page(&format!("/admin/accounts/{id}?done=suspended"))
        .await;
    send(
        &admin,
        &path,
        &[("status", "active"), ("reason", "Sorted out")],
    )
    .await;
    let answered = program.debit(&fresh_key(), 1).await;

    assert!(asked.1.contains("Suspend this account?"));
    assert_eq!(
        (refused.status, &refused.body["code"]),
        (403, &json!("account_not_active"))
    );
    assert!(page.contains("This account is suspended"), "{page}");
    assert_eq!(answered.status, 201, "{}", answered.body);
    assert_eq!(acts(stage, "account.suspend").await.len(), 1);
    assert_eq!(acts(stage, "account.resume").await.len(), 1);
}

on_both!(debt_is_forgiven_with_a_reason_and_a_grant_is_ended);
async fn debt_is_forgiven_with_a_reason_and_a_grant_is_ended(stage: &Stage) {
    let (maya, id, payment) = buyer(stage, "maya@example.com").await;
    let program = program(stage, "maya@example.com").await;
    program.debit(&fresh_key(), 2_000).await;
    let finance = stage.person_as("finance@example.com", "finance").await;
    refund(
        &finance,
        "r",
        json!({ "payment": payment, "reason": "duplicate" }),
    )
    .await;
    stage.settled().await;
    let home = format!("/admin/accounts/{id}");
    let forgive = format!("{home}/forgive");
    let debt = maya.get("/api/v1/balance").await.1["debt"].clone();

    let (_, asked) = finance.page(&forgive).await;
    let attempt = hidden(&asked, "attempt").to_owned();
    let too_much = send(
        &finance,
        &forgive,
        &[
            ("credits", "99999"),
            ("reason", "goodwill"),
            ("attempt", &attempt),
        ],
    )
    .await;
    let owed = debt.to_string();
    let form = [
        ("credits", owed.as_str()),
        ("reason", "goodwill"),
        ("note", "T"),
        ("attempt", &attempt),
    ];
    let done = send(&finance, &forgive, &form).await;

    assert_eq!(debt, 1_900);
    assert_eq!(too_much.status(), 422);
    assert_eq!(location(&done), format!("{home}?done=forgiven"));
    assert_eq!(maya.get("/api/v1/balance").await.1["debt"], 0);
    assert_eq!(finance.page(&forgive).await.0, 409);
    assert_eq!(acts(stage, "debt.forgive").await.len(), 1);

    let host = crate::metering::host(stage).await;
    let given = host
        .post(
            &format!("/api/v1/accounts/{id}/grants"),
            "p",
            json!({ "credits": 40 }),
        )
        .await;
    let lot = given.body["id"]
        .as_str()
        .unwrap()
        .trim_start_matches("grant_")
        .to_owned();
    let (_, page) = finance.page(&home).await;
    let void = page
        .split("void?grant=")
        .nth(1)
        .unwrap()
        .split('"')
        .next()
        .unwrap()
        .to_owned();
    let (_, asked) = finance.page(&format!("{home}/void?grant={void}")).await;
    let attempt = hidden(&asked, "attempt");
    let form = [
        ("grant", void.as_str()),
        ("reason", "whim"),
        ("note", "T"),
        ("attempt", attempt),
    ];
    let unknown_reason = send(&finance, &format!("{home}/void"), &form).await;
    let form = [
        ("grant", void.as_str()),
        ("reason", "correction"),
        ("note", "T"),
        ("attempt", attempt),
    ];
    let ended = send(&finance, &format!("{home}/void"), &form).await;
    let twice = send(&finance, &format!("{home}/void"), &form).await;
    let form = [
        ("grant", void.as_str()),
        ("reason", "correction"),
        ("note", "T"),
        ("attempt", "other"),
    ];
    let again = send(&finance, &format!("{home}/void"), &form).await;
    let api = host
        .post(
            &format!("/api/v1/accounts/{id}/grants/grant_{void}/void"),
            "v",
            json!({ "reason": "other" }),
        )
        .await;
    assert!(asked.contains(">40<"), "{asked} {lot}");
    assert_eq!(unknown_reason.status(), 422);
    assert_eq!(location(&ended), format!("{home}?done=voided"));
    assert_eq!(
        location(&twice),
        format!("{home}?done=voided"),
        "a double click acts once"
    );
    assert_eq!(
        (again.status().as_u16(), api.status),
        (409, 409),
        "it was voided before"
    );
    assert_eq!(maya.get("/api/v1/balance").await.1["available"], 0);
    assert_eq!(acts(stage, "grant.void").await.len(), 1);
    audit_is_clean(stage).await;
}

on_both!(a_history_that_is_longer_than_one_look_is_compared_as_far_as_it_was_read);
async fn a_history_that_is_longer_than_one_look_is_compared_as_far_as_it_was_read(stage: &Stage) {
    let (maya, id, _) = buyer(stage, "maya@example.com").await;
    let admin = stage.person_as("ops@example.com", "admin").await;
    stage.twin.advance("10d").await.unwrap();
    stage.settled().await;
    stage.webhooks(false).await;
    let account = maya.account;
    let row = stage
        .app
        .read(move |tx| store::accounts::find(tx, account))
        .await
        .unwrap()
        .unwrap();
    let customer = row.stripe_customer_id.unwrap();
    // What somebody else sold to the same customer: more than one look reads.
    let form = [
        ("amount", "100"),
        ("currency", "usd"),
        ("customer", customer.as_str()),
        ("payment_method", "pm_card_visa"),
        ("confirm", "true"),
        ("automatic_payment_methods[enabled]", "true"),
        ("automatic_payment_methods[allow_redirects]", "never"),
    ];
    for _ in 0..1_001 {
        stage.stripe_post("/v1/payment_intents", &form).await;
    }

    let compared = billing::sync::compare::account(&stage.app, account)
        .await
        .unwrap();
    let (_, page) = admin.page(&format!("/admin/accounts/{id}")).await;

    assert!(compared.since.is_some(), "{compared:?}");
    assert!(
        compared.agrees(),
        "what was not read is no difference: {compared:?}"
    );
    assert!(
        page.contains("Payments compared since") || page.contains("did not answer in time"),
        "{page}"
    );
}

on_both!(
    case_m1_credits_by_hand_have_a_reason_an_actor_and_a_key_and_one_name_wherever_they_are_made
);
async fn case_m1_credits_by_hand_have_a_reason_an_actor_and_a_key_and_one_name_wherever_they_are_made(
    stage: &Stage,
) {
    let (maya, id, _) = buyer(stage, "maya@example.com").await;
    let finance = stage.person_as("finance@example.com", "finance").await;
    let api = format!("/api/v1/accounts/{id}/credits/adjustments");
    let page = format!("/admin/accounts/{id}/credits");
    let actor = finance.user_id().await;
    let by_api = |key: Option<&'static str>, body: Value| {
        let request = finance.request(Method::POST, &api).json(&body);
        let request = match key {
            Some(key) => request.header("idempotency-key", key),
            None => request,
        };
        crate::stage::answer(request)
    };

    let no_key = by_api(None, json!({ "credits": 5, "reason": "goodwill" })).await;
    let no_reason = by_api(Some("k0"), json!({ "credits": 5 })).await;
    let odd_reason = by_api(
        Some("k0"),
        json!({ "credits": 5, "reason": "update wallet" }),
    )
    .await;
    let made = by_api(
        Some("k1"),
        json!({ "credits": 5, "reason": "goodwill", "note": "T1" }),
    )
    .await;
    let again = by_api(
        Some("k1"),
        json!({ "credits": 5, "reason": "goodwill", "note": "T1" }),
    )
    .await;
    let other = by_api(
        Some("k1"),
        json!({ "credits": 6, "reason": "goodwill", "note": "T1" }),
    )
    .await;
    let form = [
        ("credits", "-7"),
        ("reason", "correction"),
        ("note", "T2"),
        ("attempt", "a1"),
        ("confirm", "yes"),
    ];
    send(&finance, &page, &form).await;
    send(&finance, &page, &form).await;
    let form = [
        ("credits", "-7"),
        ("reason", "correction"),
        ("note", "T2"),
        ("confirm", "yes"),
    ];
    let unnamed = send(&finance, &page, &form).await;

    assert_eq!(
        (
            no_key.0,
            no_reason.0,
            odd_reason.0,
            unnamed.status().as_u16()
        ),
        (400, 400, 400, 400)
    );
    assert_eq!((made.0, again.0, other.0), (201, 201, 409));
    assert_eq!(maya.get("/api/v1/balance").await.1["available"], 5_098);
    let account = maya.account;
    let journal = stage
        .app
        .read(move |tx| store::ledger::journal_after(tx, account, 0, 100))
        .await
        .unwrap();
    let by_hand: Vec<_> = journal
        .iter()
        .filter(|entry| entry.context.actor.is_some())
        .collect();
    let said: Vec<_> = by_hand
        .iter()
        .map(|entry| {
            (
                entry.context.actor.as_deref().unwrap(),
                entry.context.reason.as_deref().unwrap(),
                entry.key.is_some(),
                entry.posted_delta.to_string(),
            )
        })
        .collect();
    let wanted = [("goodwill", "5"), ("correction", "-7")]
        .map(|(why, by)| (actor.as_str(), why, true, by.to_owned()));
    assert_eq!(said, wanted);
    let acts = acts(stage, "credits.adjust").await;
    assert_eq!(acts.len(), 2, "page and API under one name: {acts:?}");
    assert!(
        acts.iter()
            .all(|act| act.actor == actor && act.subject == id)
    );
    audit_is_clean(stage).await;
}

on_both!(everything_that_failed_is_replayed_at_once_after_a_look);
async fn everything_that_failed_is_replayed_at_once_after_a_look(stage: &Stage) {
    let (_, _, _) = buyer(stage, "maya@example.com").await;
    let admin = stage.person_as("ops@example.com", "admin").await;
    let events = stage.events().await;
    let parked: Vec<i64> = events.iter().take(2).map(|event| event.n).collect();
    let numbers = parked.clone();
    let now = stage.app.real_now();
    stage
        .app
        .write(0, move |tx| {
            for n in &numbers {
                store::events::settle(tx, *n, "parked", "a person must look", now)?;
            }
            Ok(())
        })
        .await
        .unwrap();

    let (_, list) = admin.page("/admin/events").await;
    let (_, asked) = admin.page("/admin/events/replay").await;
    let (_, look) = admin
        .page(&format!("/admin/events/{}/replay", events[0].event_id))
        .await;
    let done = send(&admin, "/admin/events/replay", &[]).await;
    stage.settled().await;

    assert!(list.contains("Replay failed (2)"), "{list}");
    assert!(asked.contains("Replay 2 failed events?") && asked.contains(&events[1].event_id));
    assert!(look.contains("everything agrees already"), "{look}");
    assert_eq!(done.status(), 303);
    assert!(
        stage
            .events()
            .await
            .iter()
            .all(|event| event.state == "done")
    );
    assert_eq!(acts(stage, "event.replay").await.len(), 2);
    let (_, from) = admin.page("/admin/events?from=2100-01-01").await;
    assert!(from.contains("No events"));
}

on_both!(the_books_are_checked_from_their_page_in_the_background);
async fn the_books_are_checked_from_their_page_in_the_background(stage: &Stage) {
    let (_, _, _) = buyer(stage, "maya@example.com").await;
    let finance = stage.person_as("finance@example.com", "finance").await;

    let (_, before) = finance.page("/admin/audit").await;
    let started = send(&finance, "/admin/audit/run", &[]).await;
    let soon = send(&finance, "/admin/audit/run", &[]).await;
    let mut page = String::new();
    for _ in 0..400 {
        page = finance.page("/admin/audit").await.1;
        if page.contains("The books agree") {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(25)).await;
    }

    assert!(before.contains("No result yet"));
    assert_eq!(
        (started.status(), soon.status()),
        (303.try_into().unwrap(), 409.try_into().unwrap())
    );
    assert!(page.contains("The books agree"), "{page}");
    assert_eq!(acts(stage, "audit.run").await.len(), 1);
}

on_both!(the_catalog_is_shown_with_its_prices_and_what_stripe_says);
async fn the_catalog_is_shown_with_its_prices_and_what_stripe_says(stage: &Stage) {
    let viewer = stage.person_as("looks@example.com", "viewer").await;

    let (_, agrees) = viewer.page("/admin/plans").await;
    let price = stage.app.prices().price_of_tier["PRO"].clone();
    stage
        .twin
        .faults(&json!({ "mode": "status", "count": 1_000 }))
        .await
        .unwrap();
    let (status, silent) = viewer.page("/admin/plans").await;
    stage.twin.faults(&json!({ "mode": "none" })).await.unwrap();

    assert!(
        agrees.contains("Stripe agrees") && agrees.contains(&price),
        "{agrees}"
    );
    assert!(agrees.contains("15%") || agrees.contains("fee"), "{agrees}");
    assert_eq!(status, 200);
    assert!(silent.contains("Stripe does not answer") && silent.contains(&price));
}

on_both!(the_audit_log_is_read_narrowed_and_taken_as_a_file);
async fn the_audit_log_is_read_narrowed_and_taken_as_a_file(stage: &Stage) {
    let maya = stage.person("maya@example.com").await;
    let admin = stage.person_as("ops@example.com", "admin").await;
    let id = public_id(stage, maya.account).await;
    let path = format!("/admin/accounts/{id}/status");
    send(
        &admin,
        &path,
        &[
            ("status", "suspended"),
            ("reason", "=HYPERLINK(\"x\") <script>"),
        ],
    )
    .await;
    send(&admin, &path, &[("status", "active"), ("reason", "Fine")]).await;

    let (_, page) = admin.page("/admin/log?action=account.suspend").await;
    let (_, list) = admin
        .get(&format!("/api/admin/audit?subject={id}&limit=1"))
        .await;
    let next = list["next"].as_str().unwrap();
    let (_, older) = admin
        .get(&format!("/api/admin/audit?subject={id}&after={next}"))
        .await;
    let csv = admin
        .request(Method::GET, "/admin/log.csv")
        .send()
        .await
        .unwrap()
        .text()
        .await
        .unwrap();
    let api_csv = admin
        .request(Method::GET, "/api/admin/audit")
        .header("accept", "text/csv");
    let api_csv = Answer::of(api_csv).await;
    let viewer = stage.person_as("looks@example.com", "viewer").await;
    let refused = viewer
        .request(Method::GET, "/api/admin/audit")
        .header("accept", "text/csv");
    let refused = Answer::of(refused).await;

    assert!(
        page.contains("&#60;script&#62;") && !page.contains("<script> "),
        "{page}"
    );
    assert!(!page.contains("account.resume</code>"));
    assert_eq!(
        (&list["data"][0]["action"], &list["data"][0]["reason"]),
        (&json!("account.resume"), &json!("Fine"))
    );
    assert_eq!(older["data"][0]["action"], "account.suspend");
    assert!(
        csv.contains("'=HYPERLINK") && csv.lines().count() == 3,
        "{csv}"
    );
    assert_eq!(api_csv.status, 200);
    assert_eq!(
        (refused.status, viewer.get("/api/admin/audit").await.0),
        (403, 200)
    );
}

on_both!(every_table_leaves_as_a_file_without_what_opens_doors);
async fn every_table_leaves_as_a_file_without_what_opens_doors(stage: &Stage) {
    let (maya, _, _) = buyer(stage, "maya@example.com").await;
    maya.meter_key().await;
    let finance = stage.person_as("finance@example.com", "finance").await;
    let (_, page) = finance.page("/admin/export").await;

    for table in store::export::TABLES {
        let csv = finance.request(Method::GET, &format!("/admin/export/{}.csv", table.name));
        let csv = csv.send().await.unwrap();
        assert_eq!(csv.status(), 200, "{}", table.name);
        let csv = csv.text().await.unwrap();
        let lines = finance.request(Method::GET, &format!("/admin/export/{}.jsonl", table.name));
        let lines = lines.send().await.unwrap().text().await.unwrap();
        assert!(page.contains(&format!("/admin/export/{}.csv", table.name)));
        assert_eq!(
            csv.split("\r\n").next().unwrap().split(',').count(),
            table.columns.len()
        );
        for line in lines.lines() {
            let row: Value = serde_json::from_str(line).unwrap();
            assert_eq!(
                row.as_object().unwrap().len(),
                table.columns.len(),
                "{}",
                table.name
            );
        }
        if [
            "account",
            "journal",
            "credit_grant",
            "transactions",
            "api_key",
            "usage_day",
        ]
        .contains(&table.name)
            && table.name != "usage_day"
        {
            assert!(lines.lines().count() > 0, "{}", table.name);
        }
    }
    let keys = finance
        .request(Method::GET, "/admin/export/api_key.csv")
        .send()
        .await
        .unwrap();
    assert!(!keys.text().await.unwrap().contains("hash"));
    for secret in [
        "setting",
        "login_link",
        "stripe_event_payload",
        "refinery_schema_history",
    ] {
        let (status, _) = finance.page(&format!("/admin/export/{secret}.csv")).await;
        assert_eq!(status, 404, "{secret}");
    }
    for (table, door) in [
        ("session", "token_hash"),
        ("outbox", "payload"),
        ("webhook_endpoint", "secret"),
    ] {
        let (_, file) = finance.page(&format!("/admin/export/{table}.csv")).await;
        let head = file.lines().next().unwrap();
        assert!(
            head.contains("created_at") && !head.split(',').any(|name| name == door),
            "{head}"
        );
    }
    assert!(acts(stage, "export").await.len() >= store::export::TABLES.len());
}

on_both!(case_a13_strings_of_other_languages_stay_strings_in_every_search);
async fn case_a13_strings_of_other_languages_stay_strings_in_every_search(stage: &Stage) {
    let admin = stage.person_as("ops@example.com", "admin").await;
    for evil in [
        "' or 1=1 --",
        "%00",
        "\u{202e}x",
        "${7*7}",
        "a%0d%0aset-cookie: x=1",
        "\\' union select *",
    ] {
        let q: String = form_urlencoded_of(evil);
        for path in [
            "/admin/transactions?q=",
            "/admin/accounts?q=",
            "/admin/events?q=",
            "/admin/log?actor=",
            "/api/admin/accounts?q=",
        ] {
            let request = admin
                .request(Method::GET, &format!("{path}{q}"))
                .header("accept", "text/html");
            let answer = request.send().await.unwrap();
            assert!(answer.headers().get("set-cookie").is_none());
            assert!(
                matches!(answer.status().as_u16(), 200 | 400),
                "{path}{q}: {}",
                answer.status()
            );
        }
    }
}

on_both!(case_a15_a_fault_in_an_operators_address_is_a_page_without_insides);
async fn case_a15_a_fault_in_an_operators_address_is_a_page_without_insides(stage: &Stage) {
    let admin = stage.person_as("ops@example.com", "admin").await;
    for path in [
        "/admin/transactions?after=x",
        "/admin/accounts?after=x",
        "/admin/log?after=x",
        "/admin/accounts/acc_none",
        "/admin/accounts/acc_none/journal",
        "/admin/events/evt_none",
        "/admin/events/evt_none/replay",
        "/admin/refunds/txn_none",
        "/admin/export/none.csv",
        "/admin/accounts/acc_none/undo?entry=x",
    ] {
        let (status, page) = admin.page(path).await;
        assert!(matches!(status, 400 | 404), "{path}: {status}");
        assert!(page.starts_with("<!doctype html>"), "{path}: {page}");
        for inside in ["panicked", "select ", ".rs:", "sqlite", "postgres"] {
            assert!(!page.contains(inside), "{path}: {inside}");
        }
    }
}

fn form_urlencoded_of(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

/// Fifty-five rows of everything that operators' lists show.
async fn crowded(stage: &Stage, account: i64) {
    let now = stage.app.real_now();
    let made = stage.app.write(account, move |tx| {
        let new = store::webhook_endpoints::NewEndpoint {
            public_id: "we_crowd",
            url: "https://hooks.example.com/",
            description: "",
            events: "no.event",
            secret: "whsec_x",
            created_by: "test",
        };
        store::webhook_endpoints::insert(tx, &new, now)?;
        for number in 0..55 {
            let name = format!("crowd{number:02}");
            let event = store::events::NewEvent {
                event_id: &name,
                kind: "invoice.paid",
                state: "ignored",
                account_id: Some(account),
                ..store::events::NewEvent::default()
            };
            store::events::insert(tx, &event, now)?;
            store::audit_log::append(tx, "crowd", "crowd.act", &name, "{}", None, now)?;
            let alert = store::alerts::NewAlert {
                public_id: &name,
                rule: "crowd",
                subject: &name,
                severity: "warning",
                summary: "Crowded.",
            };
            store::alerts::open(tx, &alert, now)?;
            let message = store::outbox::NewMessage {
                key: &name,
                kind: "webhook",
                account_id: None,
                recipient: "we_crowd",
                payload: "{}",
            };
            store::outbox::enqueue(tx, &message, now)?;
            let account = store::accounts::NewAccount {
                public_id: &format!("acc_{name}"),
                external_id: None,
                kind: "organisation",
                name: "Crowd",
                email: None,
                tier: "FREE",
                subscription_status: "NONE",
                email_verified_at: None,
            };
            store::accounts::insert(tx, &account, now)?;
        }
        Ok(())
    });
    made.await.unwrap();
    for number in 0..55 {
        crate::alerts::paid(stage, account, 20_000, number, 100).await;
    }
}

on_both!(every_list_is_cut_at_fifty_and_leads_on_with_its_filters);
async fn every_list_is_cut_at_fifty_and_leads_on_with_its_filters(stage: &Stage) {
    let admin = stage.person_as("ops@example.com", "admin").await;
    let maya = stage.person("maya@example.com").await;
    crowded(stage, maya.account).await;
    let host = crate::metering::host(stage).await;
    let id = public_id(stage, maya.account).await;
    for number in 0..55 {
        let key = format!("j{number}");
        let body = json!({ "credits": 1, "reason": "other" });
        host.post(
            &format!("/api/v1/accounts/{id}/credits/adjustments"),
            &key,
            body,
        )
        .await;
    }
    let lists = [
        ("/admin/accounts".to_owned(), "q=Crowd", 55),
        ("/admin/transactions".to_owned(), "type=CREDIT_TOPUP", 55),
        ("/admin/events".to_owned(), "state=ignored", 55),
        ("/admin/log".to_owned(), "action=crowd.act", 55),
        ("/admin/alerts".to_owned(), "state=open", 55),
        ("/admin/webhooks/we_crowd".to_owned(), "", 55),
        (format!("/admin/accounts/{id}/journal"), "", 56),
    ];
    for (path, filter, count) in lists {
        let mut next = format!("{path}?{filter}");
        let mut rows = Vec::new();
        while !next.is_empty() {
            let (status, html) = admin.page(&next).await;
            assert_eq!(status, 200, "{next}");
            assert!(next.contains(filter), "{next}");
            let body = html
                .split("<tbody>")
                .nth(1)
                .unwrap_or_else(|| panic!("{next}: {html}"));
            rows.push(
                body.split("</tbody>")
                    .next()
                    .unwrap()
                    .matches("<tr")
                    .count(),
            );
            next = match html
                .split("rel=\"next\"")
                .next()
                .filter(|before| before.len() < html.len())
            {
                None => String::new(),
                Some(before) => {
                    let href = before.rsplit("href=\"").next().unwrap();
                    href.split('"')
                        .next()
                        .unwrap()
                        .replace("&#38;", "&")
                        .replace("&amp;", "&")
                }
            };
        }
        assert_eq!(rows, [50, count - 50], "{path}");
    }
}
