use super::*;
use crate::harness::*;

#[tokio::test]
async fn the_portal_asks_before_it_cancels_and_can_resume() {
    let twin = start().await;
    let (customer, portal) = subscriber(&twin).await;
    let id = subscription_of(&twin, &customer).await["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let (_, page) = twin.page(&portal).await;
    assert!(
        page.contains("Pro plan") && page.contains("$10.00 per month"),
        "{page}"
    );
    assert!(page.contains("http://127.0.0.1:9/home"));

    let (_, question) = twin
        .page(&format!("{portal}/cancel?subscription={id}"))
        .await;
    assert!(question.contains("Cancel Pro plan?"));
    assert_eq!(
        subscription_of(&twin, &customer).await["cancel_at_period_end"],
        false
    );
    twin.post_form(&format!("{portal}/cancel"), &[("subscription", &id)])
        .await;
    assert!(subscription_of(&twin, &customer).await["cancel_at"].is_i64());
    assert!(twin.page(&portal).await.1.contains("Don't cancel"));
    twin.post_form(&format!("{portal}/resume"), &[("subscription", &id)])
        .await;

    assert!(subscription_of(&twin, &customer).await["cancel_at"].is_null());
}

#[tokio::test]
async fn the_portal_switches_to_a_plan_that_the_configuration_allows() {
    let twin = start().await;
    let (customer, portal) = subscriber(&twin).await;
    let subscription = subscription_of(&twin, &customer).await;
    let id = subscription["id"].as_str().unwrap();
    let prices = twin.api_get("/v1/prices").await;
    let prices = prices["data"].as_array().unwrap();
    let dearer = prices
        .iter()
        .find(|price| price["unit_amount"] == 3000)
        .unwrap();
    let (_, page) = twin.page(&format!("{portal}/plan?subscription={id}")).await;
    assert!(
        page.contains("$30.00 per month") && page.contains("(current)"),
        "{page}"
    );

    let form = [
        ("subscription", id),
        ("price", dearer["id"].as_str().unwrap()),
    ];
    let switched = twin.post_form(&format!("{portal}/plan"), &form).await;

    assert_eq!(switched.status(), 303);
    let subscription = subscription_of(&twin, &customer).await;
    assert_eq!(
        subscription["items"]["data"][0]["price"]["unit_amount"],
        3000
    );
}

#[tokio::test]
async fn the_portal_accepts_a_new_card_and_refuses_a_declined_one() {
    let twin = start().await;
    let (_, portal) = subscriber(&twin).await;

    let bad = twin
        .post_form(&format!("{portal}/card"), &card(DECLINED))
        .await;
    assert_eq!(bad.status(), 402);
    let good = twin
        .post_form(&format!("{portal}/card"), &card("5555 5555 5555 4444"))
        .await;

    assert_eq!(good.status(), 303);
    assert!(twin.page(&portal).await.1.contains("ending in 4444"));
}
