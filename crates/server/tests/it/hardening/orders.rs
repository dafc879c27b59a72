//! Events in every order (case W12).

use super::*;
use store::events::EventState;

/// All permutations of three.
const ORDERS: [[usize; 3]; 6] = [
    [0, 1, 2],
    [0, 2, 1],
    [1, 0, 2],
    [1, 2, 0],
    [2, 0, 1],
    [2, 1, 0],
];

on_both!(case_w12_every_order_duplicates_and_twelve_concurrent_events_end_in_stripes_state);
async fn case_w12_every_order_duplicates_and_twelve_concurrent_events_end_in_stripes_state(
    stage: &Stage,
) {
    let maya = stage.subscriber("maya@example.com", "PRO").await;
    let old = stage.stripe_id("/v1/subscriptions").await;
    let path = format!("/v1/subscriptions/{old}");
    stage
        .stripe_post(&path, &[("metadata[note]", "changed")])
        .await;
    stage.stripe_delete(&path).await;
    maya.billing_when(is_tier("FREE")).await;
    maya.subscribe("PRO_PLUS").await;
    maya.billing_when(is_tier("PRO_PLUS")).await;
    stage.settled().await;
    stage.webhooks(false).await;
    let of_old = async |kind: &str| {
        let all = stage.stripe_events(kind).await;
        all.into_iter()
            .find(|event| event["data"]["object"]["id"] == json!(old))
            .unwrap()
    };
    let events = [
        of_old("customer.subscription.created").await,
        of_old("customer.subscription.updated").await,
        of_old("customer.subscription.deleted").await,
    ];
    let named = |number: usize, id: &str| -> Value {
        let mut event = events[number].clone();
        event["id"] = json!(id);
        event
    };
    for (round, order) in ORDERS.iter().enumerate() {
        // Each event twice with the same id, one after the other.
        for number in order {
            let event = named(*number, &format!("evt_{round}_{number}"));
            for _ in 0..2 {
                assert_eq!(stage.deliver(&event).await.status(), 200);
            }
        }
        // Then twelve concurrently: each event with two ids, each sent twice.
        let all = order.iter().flat_map(|number| {
            let ids =
                ["a", "b"].map(|name| named(*number, &format!("evt_{round}_{number}_{name}")));
            ids.into_iter().flat_map(|event| [event.clone(), event])
        });
        let sent: Vec<Value> = all.collect();
        assert_eq!(sent.len(), 12);
        let answers =
            futures_util::future::join_all(sent.iter().map(|event| stage.deliver(event))).await;
        assert!(answers.iter().all(|answer| answer.status() == 200));
    }
    stage.settled().await;

    let (_, body) = maya.get("/api/dashboard/billing").await;
    assert_eq!(body["subscription"]["tier"], "PRO_PLUS", "{body}");
    let events = stage.events().await;
    assert!(
        events
            .iter()
            .all(|event| event.state == EventState::Done || event.state == EventState::Ignored),
        "{events:?}"
    );
    let payments = stage.transactions(maya.account).await;
    let paid = payments
        .iter()
        .filter(|row| row.0 == "SUBSCRIPTION_PAYMENT")
        .count();
    assert_eq!(paid, 2, "{payments:?}");
}
