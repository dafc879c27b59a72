//! The control page.

use super::*;

/// Pays a session with a working card and returns the charge.
async fn paid_charge(twin: &Running) -> String {
    let (id, _) = payment_session(twin).await;
    let path = format!("/_twin/checkout/sessions/{id}/pay");
    twin.control(&path, json!({})).await;
    let charges = twin.api_get("/v1/charges").await;
    charges["data"][0]["id"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn the_control_page_links_back_to_the_shop_and_offers_its_forms() {
    let twin = start().await;
    let (_, empty) = twin.page("/_twin").await;
    let charge = paid_charge(&twin).await;

    let (status, page) = twin.page("/_twin").await;

    assert_eq!(status, 200);
    assert!(!empty.contains("Back to the shop"));
    assert!(page.contains("<a href=\"http://127.0.0.1:9/\">Back to the shop</a>"));
    assert!(page.contains(&charge));
    for form in [
        "clock", "webhooks", "faults", "chaos", "decline", "tax", "dispute",
    ] {
        assert!(
            page.contains(&format!("action=\"/_twin/board/{form}\"")),
            "{form}"
        );
    }
}

#[tokio::test]
async fn the_control_page_declines_the_next_payment_and_only_that_one() {
    let twin = start().await;
    let form = [("code", "insufficient_funds")];
    let set = twin.post_form("/_twin/board/decline", &form).await;
    let (_, path) = payment_session(&twin).await;

    let declined = twin.post_form(&path, &card(GOOD)).await;
    let paid = twin.post_form(&path, &card(GOOD)).await;

    assert_eq!(set.status(), 303);
    assert_eq!(declined.status(), 402);
    assert!(
        declined
            .text()
            .await
            .unwrap()
            .contains("insufficient funds")
    );
    assert_eq!(paid.status(), 303);
}

#[tokio::test]
async fn the_control_page_opens_a_dispute_and_decides_it() {
    let twin = start().await;
    let charge = paid_charge(&twin).await;

    let opened = twin
        .post_form("/_twin/board/dispute", &[("charge", &charge)])
        .await;
    let dispute = twin.api_get("/v1/disputes").await["data"][0].clone();
    let id = dispute["id"].as_str().unwrap();
    let (_, page) = twin.page("/_twin").await;
    let form = [("dispute", id), ("outcome", "won")];
    let closed = twin.post_form("/_twin/board/dispute/close", &form).await;
    let again = twin.post_form("/_twin/board/dispute/close", &form).await;

    assert_eq!(opened.status(), 303);
    assert_eq!(dispute["status"], "needs_response");
    assert!(page.contains(id) && page.contains("disputed"));
    assert_eq!(closed.status(), 303);
    assert_eq!(again.status(), 409);
    assert_eq!(
        twin.api_get(&format!("/v1/disputes/{id}")).await["status"],
        "won"
    );
}

#[tokio::test]
async fn the_control_page_sets_and_removes_a_tax() {
    let twin = start().await;
    let tax = |percentage: &'static str| {
        [
            ("country", "de"),
            ("state", ""),
            ("percentage", percentage),
            ("inclusive", "true"),
        ]
    };

    twin.post_form("/_twin/board/tax", &tax("19")).await;
    let set = twin.control_get("/_twin/tax").await;
    let (_, page) = twin.page("/_twin").await;
    let wrong = twin.post_form("/_twin/board/tax", &tax("much")).await;
    twin.post_form("/_twin/board/tax", &tax("")).await;

    assert_eq!(set["data"][0]["country"], "DE");
    assert_eq!(set["data"][0]["inclusive"], true);
    assert!(page.contains("DE: 19%, inclusive"));
    assert_eq!(wrong.status(), 409);
    assert_eq!(twin.control_get("/_twin/tax").await["data"], json!([]));
}

#[tokio::test]
async fn the_control_page_sets_faults_and_chaos() {
    let twin = start().await;

    let fault = [
        ("mode", "status"),
        ("when", "during"),
        ("status", "500"),
        ("count", "2"),
        ("seconds", ""),
    ];
    twin.post_form("/_twin/board/faults", &fault).await;
    let chaos = [
        ("drop", "12.5"),
        ("duplicate", "2"),
        ("delay", "30s"),
        ("reorder", "true"),
    ];
    twin.post_form("/_twin/board/chaos", &chaos).await;
    let wrong = twin
        .post_form("/_twin/board/chaos", &[("delay", "soon")])
        .await;

    let fault = twin.control_get("/_twin/faults").await;
    let chaos = twin.control_get("/_twin/chaos").await;
    assert_eq!(
        (&fault["when"], &fault["count"]),
        (&json!("during"), &json!(2))
    );
    assert_eq!(
        (&chaos["drop"], &chaos["duplicate"]),
        (&json!(0.125), &json!(2))
    );
    assert_eq!(wrong.status(), 400);
}

#[tokio::test]
async fn the_default_portal_configuration_can_be_taken_away_and_saved_again() {
    let twin = start().await;
    let customer = twin.customer("ada@example.com").await;
    let open = || {
        let request = twin.http.post(twin.url("/v1/billing_portal/sessions"));
        let request = request.bearer_auth(KEY).form(&[("customer", &customer)]);
        async { request.send().await.unwrap().status().as_u16() }
    };

    let at_first = open().await;
    twin.control("/_twin/portal-configuration", json!({"enabled": false}))
        .await;
    let without = open().await;
    twin.control("/_twin/portal-configuration", json!({"enabled": true}))
        .await;
    let again = open().await;
    let (status, _) = twin
        .control("/_twin/portal-configuration", json!({"enabled": 1}))
        .await;

    assert_eq!((at_first, without, again), (200, 400, 200));
    assert_eq!(status, 400);
}
