//! Closing an account: first at Stripe, then here. The journal is kept.

use domain::people::MemberRole;
use domain::plan::AccountStatus;
use reqwest::Method;
use serde_json::{Value, json};
use store::args;

use crate::stage::{Person, Stage, answer, id_of, is, on_both};

async fn close(person: &Person<'_>) -> (u16, Value) {
    answer(person.request(Method::DELETE, "/api/v1/account")).await
}

async fn account(stage: &Stage, account: i64) -> store::accounts::Account {
    stage.account(account).await
}

/// The statuses of the subscriptions that this account's customer has at the twin.
async fn at_stripe(stage: &Stage, customer: &str) -> Vec<String> {
    let listed = stage
        .stripe_get(&format!("/v1/subscriptions?customer={customer}&status=all"))
        .await;
    let rows = listed["data"].as_array().unwrap().iter();
    rows.map(|row| row["status"].as_str().unwrap().to_owned())
        .collect()
}

/// The kinds of the entries of an account's journal, oldest first.
async fn entries(stage: &Stage, account: i64) -> Vec<&'static str> {
    let entries = stage.read(move |tx| store::ledger::journal_after(tx, account, 0, 100));
    let entries = entries.await.into_iter();
    entries.map(|one| one.kind.word()).collect()
}

on_both!(case_m4_an_account_with_a_plan_is_closed_after_the_plan_is_ended_at_stripe);
#[expect(clippy::too_many_lines, reason = "one story, told in order")]
async fn case_m4_an_account_with_a_plan_is_closed_after_the_plan_is_ended_at_stripe(stage: &Stage) {
    let maya = stage.subscriber("maya@example.com", "PRO").await;
    maya.buy_pack(500).await;
    maya.billing_when(|body| body["credits"]["balance"].as_f64() >= Some(1_500.0))
        .await;
    stage.settled().await;
    let key = maya.meter_key().await;
    let host = crate::metering::host(stage).await;
    let named = json!({ "account": maya.account_id().await, "credits": 1 });
    assert_eq!(
        host.post("/api/v1/debits", "early", named.clone())
            .await
            .status,
        201
    );
    let before = stage.transactions(maya.account).await;
    let customer = account(stage, maya.account)
        .await
        .stripe_customer_id
        .unwrap();

    let (status, body) = close(&maya).await;

    assert_eq!(status, 200, "{body}");
    assert_eq!(at_stripe(stage, &customer).await, ["canceled"]);
    let closed = account(stage, maya.account).await;
    assert_eq!(
        (closed.status.word(), closed.name.as_str(), closed.email),
        ("closed", "", None)
    );
    assert_eq!(
        maya.get("/api/dashboard/billing").await.0,
        401,
        "its sessions are over"
    );
    let debit = stage
        .http
        .post(format!("{}/api/v1/debits", stage.base))
        .bearer_auth(key);
    let debit = debit
        .header("idempotency-key", "late")
        .json(&json!({ "credits": 1 }));
    assert_eq!(answer(debit).await.0, 401, "its keys open nothing");
    let refused = host.post("/api/v1/debits", "late", named.clone()).await;
    assert_eq!(refused.refusal(), (403, "account_not_active"));
    stage.settled().await;
    let after = stage.transactions(maya.account).await;
    assert_eq!(after[..before.len()], before[..], "the money rows stay");
    let canceled = ("SUBSCRIPTION_CANCEL".to_owned(), "COMPLETED".to_owned(), 0);
    assert_eq!(
        after[before.len()..],
        [canceled],
        "and the plan's end is recorded"
    );
    assert!(stage.stripe_list("/v1/refunds").await.is_empty());
    let moved = entries(stage, maya.account).await;
    stage.twin.advance("32d").await.unwrap();
    stage.settled().await;
    let refused = host.post("/api/v1/debits", "next month", named).await;
    assert_eq!(refused.refusal(), (403, "account_not_active"));
    let later = entries(stage, maya.account).await;
    assert_eq!(later[..moved.len()], moved[..], "the journal stays");
    let later = &later[moved.len()..];
    assert!(
        later.iter().all(|kind| *kind == "expire"),
        "the next month brings nothing: {later:?}"
    );
    assert_eq!(
        stage.transactions(maya.account).await,
        after,
        "nothing renews"
    );
    assert!(
        stage.stripe_get(&format!("/v1/customers/{customer}")).await["email"]
            .as_str()
            .is_none_or(str::is_empty)
    );
}

on_both!(a_closed_accounts_unpaid_invoices_are_voided_so_that_nobody_pays_them);
async fn a_closed_accounts_unpaid_invoices_are_voided_so_that_nobody_pays_them(stage: &Stage) {
    let maya = stage.subscriber("maya@example.com", "PRO").await;
    stage.decline_next("insufficient_funds").await;
    stage.twin.advance("31d").await.unwrap();
    stage.twin.advance("2h").await.unwrap();
    maya.billing_when(is("PRO", "PAST_DUE")).await;
    let invoice = stage.subscription().await["latest_invoice"]
        .as_str()
        .unwrap()
        .to_owned();

    let (status, body) = close(&maya).await;

    assert_eq!(status, 200, "{body}");
    let invoice = stage.stripe_get(&format!("/v1/invoices/{invoice}")).await;
    assert_eq!(invoice["status"], "void");
    let rows = stage.transactions(maya.account).await;
    // The plan's end may be recorded by now, too.
    let voided = (
        "SUBSCRIPTION_PAYMENT".to_owned(),
        "CANCELLED".to_owned(),
        1_900,
    );
    assert_eq!(rows[1], voided, "{rows:?}");
}

on_both!(case_m4_when_stripe_fails_nothing_is_deleted_and_the_next_attempt_continues);
async fn case_m4_when_stripe_fails_nothing_is_deleted_and_the_next_attempt_continues(
    stage: &Stage,
) {
    let maya = stage.subscriber("maya@example.com", "PRO").await;
    stage.settled().await;
    stage.answers(500, 1_000).await;

    let (status, body) = close(&maya).await;

    assert!(status == 502 || status == 503, "{status} {body}");
    let kept = account(stage, maya.account).await;
    assert_eq!(kept.status, AccountStatus::Active);
    assert!(kept.email.is_some());
    stage.no_faults().await;
    stage.settled().await;
    let customer = kept.stripe_customer_id.unwrap();
    assert_eq!(at_stripe(stage, &customer).await, ["active"]);
    assert_eq!(maya.billing().await["credits"]["balance"], 1_100);
    assert_eq!(close(&maya).await.0, 200);
    assert_eq!(
        account(stage, maya.account).await.status,
        AccountStatus::Closed
    );
    stage.settled().await;
    assert_eq!(at_stripe(stage, &customer).await, ["canceled"]);
}

/// All text in all tables, to search for personal data.
pub async fn everything(stage: &Stage) -> String {
    stage
        .read(|tx| {
            let mut text = String::new();
            for statement in [
                "select coalesce(name, '') || coalesce(email, '') from account",
                "select email || name from user_account",
                "select coalesce(email, '') from invitation",
                "select email from login_link",
                "select recipient || payload from outbox",
                "select params from stripe_intent",
                "select key from rate_limit",
                "select actor || subject || detail from audit_log",
            ] {
                for row in tx.query::<String>(statement, args![])? {
                    text.push_str(&row);
                    text.push('\n');
                }
            }
            Ok(text)
        })
        .await
}

on_both!(case_m5_personal_data_of_a_deleted_user_is_found_nowhere);
async fn case_m5_personal_data_of_a_deleted_user_is_found_nowhere(stage: &Stage) {
    let maya = stage.person("planted.marker@example.com").await;
    stage
        .http
        .post(format!("{}/api/auth/link", stage.base))
        .json(&json!({ "email": "planted.marker@example.com" }))
        .send()
        .await
        .unwrap();
    maya.buy_pack(500).await;
    maya.balance_is(600).await;
    stage.settled().await;
    assert!(everything(stage).await.contains("planted.marker"));
    // The change by the host application is also recorded to be sent to Stripe.
    let host = stage.server_key().await;
    let name = account(stage, maya.account).await.public_id;
    let put = || {
        let body = json!({ "name": "Planted Renamed", "email": "planted.renamed@example.com" });
        let url = format!("{}/api/v1/accounts/{name}", stage.base);
        answer(stage.http.put(url).bearer_auth(&host).json(&body))
    };
    assert_eq!(put().await.0, 200);
    stage.settled().await;

    assert_eq!(close(&maya).await.0, 200);

    stage.settled().await;
    assert_eq!(
        put().await.0,
        404,
        "what was forgotten is not written again"
    );
    let all = everything(stage).await;
    let line = all.lines().find(|line| line.contains("planted"));
    assert_eq!(line, None);
    // The same address signs up again, as a new user.
    let again = stage.person("planted.marker@example.com").await;
    assert_ne!(again.account, maya.account);
    let free = &again.billing().await["credits"]["balance"];
    assert_eq!(*free, 0, "its free credits come once a month");
}

on_both!(an_organization_closes_for_all_and_its_members_keep_their_own_accounts);
async fn an_organization_closes_for_all_and_its_members_keep_their_own_accounts(stage: &Stage) {
    let maya = stage.person("maya@example.com").await;
    let noah = stage.person("noah@example.com").await;
    let (_, made) = maya
        .post("/api/v1/organisations", json!({ "name": "Acme" }))
        .await;
    let place = id_of(&made);
    let (user, now, name) = (noah.user, stage.app.now(), place.clone());
    stage
        .write(0, move |tx| {
            let account = store::accounts::named(tx, &name)?.unwrap();
            store::users::put_member(tx, user, account.id, MemberRole::Member, now)
        })
        .await;
    let path = format!("/api/v1/account?account={place}");
    assert_eq!(answer(noah.request(Method::DELETE, &path)).await.0, 403);
    assert_eq!(close(&maya).await.0, 409, "which one is not said");

    assert_eq!(answer(maya.request(Method::DELETE, &path)).await.0, 200);

    for person in [&maya, &noah] {
        assert_eq!(
            person
                .get(&format!("/api/v1/balance?account={place}"))
                .await
                .0,
            404
        );
        assert_eq!(person.get("/api/v1/balance").await.0, 200);
    }
}
