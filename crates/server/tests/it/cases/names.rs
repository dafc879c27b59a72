//! Customer names at Stripe, responses that arrive out of order, and bursts of events.

use super::*;

on_both!(case_k23_a_name_changed_between_two_attempts_is_sent_to_stripe_afterwards);
async fn case_k23_a_name_changed_between_two_attempts_is_sent_to_stripe_afterwards(stage: &Stage) {
    let maya = stage.person("maya@example.com").await;
    stage
        .faults(json!({ "mode": "cut_after", "count": 20 }))
        .await;
    assert_eq!(maya.checkout(pack(500)).await.0, 503);
    stage.no_faults().await;
    let (account, now) = (maya.account, stage.app.now());
    stage
        .write(account, move |tx| {
            store::accounts::rename(tx, account, "Maya & Sons", Some("maya@example.com"), now)
        })
        .await;

    let (status, answer) = maya.checkout(pack(500)).await;

    assert_eq!(
        status, 200,
        "the same key came with the same parameters: {answer}"
    );
    let customers = customers_of(&maya).await;
    assert_eq!(customers.len(), 1);
    assert_eq!(customers[0]["name"], "Maya & Sons");
}

on_both!(case_k23_a_customer_has_the_name_that_the_host_gives_its_account);
async fn case_k23_a_customer_has_the_name_that_the_host_gives_its_account(stage: &Stage) {
    let maya = stage.person("maya@example.com").await;
    maya.buy_pack(500).await;
    let key = stage.server_key().await;
    let name = customers_of(&maya).await[0]["metadata"]["accountId"]
        .as_str()
        .unwrap()
        .to_owned();
    let put = stage
        .http
        .put(format!("{}/api/v1/accounts/{name}", stage.base))
        .bearer_auth(key);

    let (status, answer) =
        crate::stage::answer(put.json(&json!({ "name": "Acme", "email": "pay@acme.example" })))
            .await;

    assert_eq!(status, 200, "{answer}");
    let customer = async || customers_of(&maya).await.remove(0);
    eventually(customer, |customer| {
        customer["name"] == "Acme" && customer["email"] == "pay@acme.example"
    })
    .await;
}

on_both!(
    case_w14_an_older_response_from_stripe_never_overwrites_a_newer_one,
    stripe_proxy::install
);
async fn case_w14_an_older_response_from_stripe_never_overwrites_a_newer_one(stage: &Stage) {
    let maya = stage.subscriber("maya@example.com", "PRO").await;
    stage.settled().await;
    stage.webhooks(false).await;
    let (proxy, account) = (stripe_proxy::of(stage), maya.account);
    let sync = || {
        let app = stage.app.clone();
        tokio::spawn(async move { billing::sync::account(&app, account).await })
    };

    // A worker has fetched from Stripe and loses its lease before it writes.
    let last_call = proxy.hold("GET", "/v1/payment_methods/");
    let older = sync();
    last_call.reached().await;
    move_to(stage, "PRO_PLUS").await;
    let late = stage.app.real_now().plus_seconds(600);
    let taken = stage
        .write(account, move |tx| {
            store::sync::lease_account(tx, account, late, late.plus_seconds(-1_200))
        })
        .await;
    assert!(taken.is_some());
    sync().await.unwrap().unwrap();
    assert!(is("PRO_PLUS", "ACTIVE")(&maya.billing().await));
    last_call.open();
    assert!(older.await.unwrap().is_err(), "its token is old");
    assert!(
        is("PRO_PLUS", "ACTIVE")(&maya.billing().await),
        "what it had fetched is dropped"
    );

    // Two live workers take turns: the newer one fetches after the older one has written.
    let last_call = proxy.hold("GET", "/v1/payment_methods/");
    let older = sync();
    last_call.reached().await;
    move_to(stage, "PRO").await;
    let newer = sync();
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(!newer.is_finished(), "one worker an account");
    last_call.open();
    older.await.unwrap().unwrap();
    newer.await.unwrap().unwrap();
    assert!(is("PRO", "ACTIVE")(&maya.billing().await));
}

/// The events of a burst, and how many of them are sent concurrently.
const BURST: usize = 1_500;
const AT_ONCE: usize = 50;

on_both!(
    case_w31_a_burst_of_events_is_stored_completely_and_synced_with_few_calls,
    stripe_proxy::install
);
async fn case_w31_a_burst_of_events_is_stored_completely_and_synced_with_few_calls(stage: &Stage) {
    let mut customers = Vec::new();
    for number in 0..6 {
        let person = stage.person(&format!("person{number}@example.com")).await;
        person.buy_pack(500).await;
        customers.push(customers_of(&person).await.remove(0));
    }
    stage.settled().await;
    let proxy = stripe_proxy::of(stage);
    proxy.concurrent_max();
    let looks_before = proxy.calls("GET", "/v1/customers/");
    let version = stage.app.settings.stripe.api_version.clone();
    let now = stage.app.now().seconds();
    let event = |number: usize| {
        json!({
            "id": format!("evt_burst_{number}"), "object": "event", "type": "customer.updated",
            "created": now, "livemode": false, "api_version": version,
            "data": { "object": customers[number % customers.len()] },
        })
    };

    let all: Vec<usize> = (0..BURST).collect();
    for part in all.chunks(AT_ONCE) {
        let events: Vec<Value> = part.iter().map(|number| event(*number)).collect();
        let answers = join_all(events.iter().map(|event| stage.deliver(event))).await;
        assert!(
            answers.iter().all(|answer| answer.status() == 200),
            "every one is accepted"
        );
    }
    stage.settled().await;

    let kept = stage.read(tx_count).await;
    assert_eq!(
        kept,
        i64::try_from(BURST).unwrap(),
        "each is done, none waits"
    );
    let looks = proxy.calls("GET", "/v1/customers/") - looks_before;
    assert!(looks < BURST / 2, "{looks} looks for {BURST} events");
    assert!(
        proxy.concurrent_max() <= 8,
        "four workers ask, one thing at a time"
    );
}
