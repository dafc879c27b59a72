//! Closed and suspended accounts, and the keys of members who left (G10).

use domain::people::MemberRole;
use reqwest::Method;
use serde_json::{Value, json};
use store::intents::{IntentKind, NewIntent};

use crate::metering::Program;
use crate::pages::send;
use crate::stage::{
    Person, Stage, answer, code, eventually, fresh_key, id_of, on_both, pack, plan_of,
};
use crate::stripe_proxy;

async fn host(stage: &Stage) -> Program<'_> {
    let secret = stage.server_key().await;
    Program { stage, secret }
}

async fn close(person: &Person<'_>) {
    let closed = answer(person.request(Method::DELETE, "/api/v1/account")).await;
    assert_eq!(closed.0, 200, "{}", closed.1);
}

async fn set_status(stage: &Stage, account: &str, status: &str) {
    let admin = stage.person_as("ops@example.com", "admin").await;
    let path = format!("/admin/accounts/{account}/status");
    let form = [("status", status), ("reason", "Abuse, ticket 9")];
    assert_eq!(send(&admin, &path, &form).await.status(), 303);
}

/// Entries of the journal, the balance and the amount set aside.
async fn books(stage: &Stage, account: i64) -> (i64, i64, i64) {
    let wallet = stage
        .read(move |tx| store::ledger::wallet(tx, account))
        .await;
    wallet.map_or((0, 0, 0), |one| (one.seq, one.posted, one.held))
}

/// Every call that spends, earns or buys for the named account, by the host application's key.
async fn calls(host: &Program<'_>, account: &str, hold: &str) -> Vec<(String, u16, String)> {
    let named = json!({ "account": account, "credits": 1 });
    let mut all = Vec::new();
    let mut note = |what: &str, answer: crate::metering::Answer| {
        let text = answer.body["detail"]
            .as_str()
            .unwrap_or_default()
            .to_owned();
        let code = code(&answer.body).to_owned();
        all.push((format!("{what}: {code}: {text}"), answer.status, code));
    };
    for path in ["/api/v1/debits", "/api/v1/holds"] {
        note(path, host.post(path, &fresh_key(), named.clone()).await);
    }
    let capture = format!("/api/v1/holds/{hold}/capture");
    note(
        "capture",
        host.call(Method::POST, &capture, None, "{}").await,
    );
    let check = format!("/api/v1/check?account={account}");
    let asked = host.call(Method::GET, &check, Some(&fresh_key()), "").await;
    note("check", asked);
    let adjust = format!("/api/v1/accounts/{account}/credits/adjustments");
    let up = json!({ "credits": 5, "reason": "goodwill" });
    note("adjust", host.post(&adjust, &fresh_key(), up).await);
    let grants = format!("/api/v1/accounts/{account}/grants");
    note(
        "promote",
        host.post(&grants, &fresh_key(), json!({ "credits": 5 }))
            .await,
    );
    let key = json!({ "name": "late", "account": account });
    note(
        "key",
        host.call(Method::POST, "/api/v1/keys", None, &key.to_string())
            .await,
    );
    all
}

on_both!(a_closed_account_spends_earns_and_buys_nothing_by_any_key_or_path);
async fn a_closed_account_spends_earns_and_buys_nothing_by_any_key_or_path(stage: &Stage) {
    let maya = stage.buyer("maya@example.com", 500).await;
    stage.settled().await;
    let (host, own) = (host(stage).await, maya.program().await);
    let account = maya.account_id().await;
    let (pending, late) = (own.hold(40).await, own.hold(7).await);
    let admin = stage.person_as("boss@example.com", "admin").await;
    let before = books(stage, maya.account).await;
    assert_eq!((before.1, before.2), (600_000_000, 47_000_000));

    close(&maya).await;

    // Its calls in flight are released with it.
    let closed = books(stage, maya.account).await;
    assert_eq!((closed.1, closed.2), (600_000_000, 0));
    let path = format!("/api/v1/holds/{pending}");
    let receipt = host.get(&path).await;
    assert_eq!(receipt.body["state"], "released", "{}", receipt.body);
    for (what, status, code) in calls(&host, &account, &late).await {
        if what.starts_with("capture") {
            assert_eq!((status, &*code), (409, "hold_settled"), "{what}");
        } else {
            assert_eq!((status, &*code), (403, "account_not_active"), "{what}");
            assert!(what.contains("This account is closed"), "{what}");
        }
    }
    let batch = json!({ "debits": [{ "key": "a", "account": account, "credits": 1 }] });
    let batch = host.post("/api/v1/debits/batch", &fresh_key(), batch).await;
    assert_eq!(batch.body["results"][0]["status"], 403, "{}", batch.body);
    let access = host.get(&format!("/api/v1/access?account={account}")).await;
    assert_eq!(
        (&access.body["allowed"], &access.body["reason"]),
        (&json!(false), &json!("account_not_active"))
    );
    let refused = own.debit(&fresh_key(), 1).await;
    assert_eq!(refused.refusal(), (401, "not_signed_in"));
    let said = refused.body["detail"].as_str().unwrap();
    assert!(said.contains("its account was closed"), "{said}");
    for purchase in [pack(500), plan_of("PRO")] {
        let mut body = purchase;
        body["reason"] = json!("they asked by phone");
        let path = format!("/api/admin/accounts/{account}/checkout-sessions");
        let (status, said) = admin.post(&path, body).await;
        assert_eq!((status, code(&said)), (403, "account_not_active"), "{said}");
    }
    let raise = [("tier", "PRO"), ("reason", "Partner"), ("until", "")];
    let path = format!("/admin/accounts/{account}/tier");
    assert_ne!(send(&admin, &path, &raise).await.status(), 303);
    // Neither a month nor a year brings anything, and nothing is charged.
    for _ in 0..2 {
        stage.twin.advance("32d").await.unwrap();
        stage.settled().await;
        host.get(&format!("/api/v1/balance?account={account}"))
            .await;
    }
    // Only what was left of the last allowance expired with its month.
    let after = books(stage, maya.account).await;
    assert_eq!(after, (closed.0 + 1, 500_000_000, 0));
    assert_eq!(stage.stripe_list("/v1/charges").await.len(), 1);
    stage.audited().await;
}

on_both!(
    a_payment_that_arrives_after_closing_is_unusable_and_refunded,
    stripe_proxy::install
);
async fn a_payment_that_arrives_after_closing_is_unusable_and_refunded(stage: &Stage) {
    let maya = stage.person("maya@example.com").await;
    let session = maya.session(pack(500)).await;
    // A bank debit takes days: it succeeds after the account was closed.
    stage.pay_later(&session).await;
    stage.settled().await;
    let (account, number) = (maya.account_id().await, maya.account);
    close(&maya).await;
    let admin = stage.person_as("boss@example.com", "admin").await;
    let busy = json!({ "error": { "type": "invalid_request_error",
        "code": "balance_insufficient", "message": "Too little." } });
    stripe_proxy::of(stage).answer("POST", "/v1/refunds", 1, 400, &busy);

    stage.twin.settle(&session, true).await.unwrap();
    stage.settled().await;

    let host = host(stage).await;
    let spent = json!({ "account": account, "credits": 1 });
    let refused = host.post("/api/v1/debits", &fresh_key(), spent).await;
    assert_eq!(refused.refusal(), (403, "account_not_active"));
    let open = async || {
        billing::jobs::alerts::once(&stage.app).await.unwrap();
        let (_, alerts) = admin.get("/api/admin/alerts?state=open").await;
        let all = alerts["data"].as_array().unwrap().clone();
        let mine = all.iter().filter(|one| one["rule"] == "closed-account");
        mine.map(|one| one["subject"].clone())
            .collect::<Vec<Value>>()
    };
    let paid = async || stage.transactions(number).await;
    let is_paid =
        |rows: &Vec<crate::stage::Row>| rows.iter().any(|row| row.1 == "COMPLETED" && row.2 == 50);
    eventually(paid, is_paid).await;
    assert_eq!(open().await, [json!(account)]);

    stage.twin.advance("1m").await.unwrap();
    stage.settled().await;
    billing::jobs::unfinished::once(&stage.app).await;
    stage.settled().await;

    let refunds = stage.stripe_list("/v1/refunds").await;
    assert_eq!(refunds.len(), 1, "{refunds:?}");
    assert_eq!(refunds[0]["amount"], 50);
    assert_eq!(eventually(open, Vec::is_empty).await, Vec::<Value>::new());
    stage.sync(number).await;
    assert_eq!(stage.stripe_list("/v1/refunds").await.len(), 1);
    stage.audited().await;
}

on_both!(a_plans_bank_debit_that_arrives_after_closing_is_refunded);
async fn a_plans_bank_debit_that_arrives_after_closing_is_refunded(stage: &Stage) {
    let maya = stage.person("maya@example.com").await;
    let session = maya.session(plan_of("PRO")).await;
    stage.pay_later(&session).await;
    stage.settled().await;
    let number = maya.account;
    let before = stage.transactions(number).await;
    assert_eq!((&*before[0].1, before[0].2), ("PENDING", 1_900));

    close(&maya).await;
    stage.twin.settle(&session, true).await.unwrap();
    stage.settled().await;

    let refunds = async || stage.stripe_list("/v1/refunds").await;
    let refunds = eventually(refunds, |all| all.len() == 1).await;
    assert_eq!(refunds[0]["amount"], 1_900);
    assert_eq!(refunds[0]["reason"], "requested_by_customer");
    stage.settled().await;
    stage.sync(number).await;
    assert_eq!(stage.stripe_list("/v1/refunds").await.len(), 1);
    stage.audited().await;
}

on_both!(a_top_up_that_was_made_without_a_page_and_arrives_after_closing_is_refunded_too);
async fn a_top_up_that_was_made_without_a_page_and_arrives_after_closing_is_refunded_too(
    stage: &Stage,
) {
    let maya = stage.person("maya@example.com").await;
    let session = maya.session(pack(500)).await;
    stage.pay_later(&session).await;
    stage.settled().await;
    let account = maya.account;
    let payment = stage.stripe_id("/v1/payment_intents").await;
    let now = stage.app.now();
    // An automatic top-up's own request names its payment.
    stage
        .write(account, move |tx| {
            let new = NewIntent::new("int_auto", account, IntentKind::AutoTopup, "");
            store::intents::insert(tx, &new, now)?;
            store::intents::set_done(tx, "int_auto", &payment, None, None, now)
        })
        .await;
    close(&maya).await;

    stage.twin.settle(&session, true).await.unwrap();
    stage.settled().await;

    let refunds = async || stage.stripe_list("/v1/refunds").await;
    let refunds = eventually(refunds, |all| all.len() == 1).await;
    assert_eq!(refunds[0]["amount"], 50);
}

on_both!(a_suspended_account_is_neither_spent_nor_charged_and_is_told_so);
async fn a_suspended_account_is_neither_spent_nor_charged_and_is_told_so(stage: &Stage) {
    let maya = stage.buyer("maya@example.com", 500).await;
    stage.settled().await;
    let (host, own) = (host(stage).await, maya.program().await);
    let account = maya.account_id().await;
    let hold = own.hold(40).await;
    let session = maya.session(pack(500)).await;
    let before = books(stage, maya.account).await;

    set_status(stage, &account, "suspended").await;

    for (what, status, code) in calls(&host, &account, &hold).await {
        if let Some("adjust" | "promote") = what.split(':').next() {
            // Support may still give credits.
            assert_eq!(status, 201, "{what}");
        } else {
            assert_eq!((status, &*code), (403, "account_not_active"), "{what}");
            assert!(what.contains("This account is suspended"), "{what}");
        }
    }
    assert_eq!(own.debit(&fresh_key(), 1).await.status, 403);
    let (_, _, held) = books(stage, maya.account).await;
    assert_eq!(held, before.2, "what was set aside stays so");
    let (status, said) = maya.checkout(pack(500)).await;
    assert_eq!((status, code(&said)), (403, "account_not_active"));
    let page = stage
        .stripe_get(&format!("/v1/checkout/sessions/{session}"))
        .await;
    assert_eq!(page["status"], "expired", "an open page can't be paid");

    set_status(stage, &account, "active").await;

    let captured = own.capture(&hold, json!({})).await;
    assert_eq!(captured.status, 200, "{}", captured.body);
    assert_eq!(captured.body["captured"], 40);
    stage.audited().await;
}

/// A key of the organization, created by this member.
async fn key_of<'a>(member: &Person<'a>, place: &str) -> Program<'a> {
    let path = format!("/api/v1/keys?account={place}");
    let (status, made) = member.post(&path, json!({ "name": "mine" })).await;
    assert_eq!(status, 201, "{made}");
    let secret = made["secret"].as_str().unwrap().to_owned();
    let stage = member.stage;
    Program { stage, secret }
}

on_both!(a_members_keys_stop_when_they_leave_are_removed_or_lose_the_right_to_make_keys);
async fn a_members_keys_stop_when_they_leave_are_removed_or_lose_the_right_to_make_keys(
    stage: &Stage,
) {
    let maya = stage.person("maya@example.com").await;
    let (_, made) = maya
        .post("/api/v1/organisations", json!({ "name": "Acme" }))
        .await;
    let place = id_of(&made);
    let name = place.clone();
    let number = stage
        .read(move |tx| Ok(store::accounts::named(tx, &name)?.unwrap().id))
        .await;
    let host = host(stage).await;
    let given = format!("/api/v1/accounts/{place}/grants");
    host.post(&given, &fresh_key(), json!({ "credits": 100 }))
        .await;
    let owners = key_of(&maya, &place).await;
    let mut gone = Vec::new();
    for (email, how, because) in [
        ("noah@example.com", "removed", "member_left"),
        ("eve@example.com", "leaves", "member_left"),
        ("ann@example.com", "lowered", "role_changed"),
    ] {
        let member = stage.person(email).await;
        stage
            .put_member(member.user, number, MemberRole::Billing)
            .await;
        let key = key_of(&member, &place).await;
        assert_eq!(key.debit(&fresh_key(), 1).await.status, 201, "{how}");
        let path = format!("/api/v1/members/{}?account={place}", member.user_id().await);
        let done = match how {
            "removed" => maya.delete(&path).await,
            "leaves" => member.delete(&path).await,
            _ => maya.put(&path, json!({ "role": "member" })).await.0,
        };
        assert!((200..300).contains(&done), "{how}: {done}");

        let refused = key.debit(&fresh_key(), 1).await;

        assert_eq!(refused.refusal(), (401, "not_signed_in"), "{how}");
        let said = refused.body["detail"].as_str().unwrap();
        assert!(said.contains("This API key has stopped"), "{said}");
        gone.push((key, because));
    }
    assert_eq!(
        owners.debit(&fresh_key(), 1).await.status,
        201,
        "others go on"
    );
    let (_, listed) = maya.get(&format!("/api/v1/keys?account={place}")).await;
    let rows = listed["data"].as_array().unwrap();
    let mut reasons: Vec<&str> = rows
        .iter()
        .filter_map(|row| row["revokedBecause"].as_str())
        .collect();
    reasons.sort_unstable();
    assert_eq!(reasons, ["member_left", "member_left", "role_changed"]);
    let (_, page) = maya.page(&format!("/dashboard/keys?account={place}")).await;
    assert!(page.contains("its creator left"), "{page}");
    // Coming back doesn't revive a key.
    let noah = stage.person("noah@example.com").await;
    stage.put_member(noah.user, number, MemberRole::Owner).await;
    assert_eq!(gone[0].0.debit(&fresh_key(), 1).await.status, 401);
}

on_both!(a_server_key_stays_when_its_administrator_goes_and_a_disabled_users_meter_key_stops);
async fn a_server_key_stays_when_its_administrator_goes_and_a_disabled_users_meter_key_stops(
    stage: &Stage,
) {
    let boss = stage.person_as("boss@example.com", "admin").await;
    let (_, made) = boss
        .post("/api/v1/keys", json!({ "name": "host", "scope": "server" }))
        .await;
    let secret = made["secret"].as_str().unwrap().to_owned();
    let server = Program { stage, secret };
    let own = boss.account_id().await;
    let meter = key_of(&boss, &own).await;
    let debit = json!({ "account": own, "credits": 1 });
    assert_eq!(
        server
            .post("/api/v1/debits", "a", debit.clone())
            .await
            .status,
        201
    );

    let (user, now) = (boss.user, stage.app.now());
    stage
        .write(0, move |tx| store::users::set_disabled(tx, user, Some(now)))
        .await;
    stage.app.keys.clear();

    assert_eq!(server.post("/api/v1/debits", "b", debit).await.status, 201);
    assert_eq!(meter.debit(&fresh_key(), 1).await.status, 401);
}
