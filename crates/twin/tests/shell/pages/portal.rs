use super::*;
use crate::harness::*;

#[tokio::test]
async fn the_portal_asks_before_it_cancels_and_can_resume() {
    let twin = start().await;
    let (customer, portal) = subscriber(&twin).await;
    let id = subscription_id(&twin, &customer).await;
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

async fn subscription_id(twin: &Running, customer: &str) -> String {
    let subscription = subscription_of(twin, customer).await;
    subscription["id"].as_str().unwrap().to_owned()
}

/// Opens a portal session with a flow for a subscriber. Returns its path.
async fn open_flow(twin: &Running, customer: &str, portal: &str, more: &[(&str, &str)]) -> String {
    let id = twin
        .api_get("/v1/billing_portal/configurations?is_default=false")
        .await;
    let configuration = id["data"][0]["id"].as_str().unwrap().to_owned();
    let mut form = vec![
        ("customer", customer),
        ("configuration", &configuration),
        ("return_url", "http://127.0.0.1:9/home"),
    ];
    form.extend(more);
    let made = twin.api("/v1/billing_portal/sessions", &form).await;
    let path = made["url"]
        .as_str()
        .unwrap()
        .strip_prefix(&twin.handle.url());
    let path = path.unwrap().to_owned();
    assert_ne!(path, portal);
    path
}

#[tokio::test]
async fn a_flow_shows_only_its_task_and_then_redirects() {
    let twin = start().await;
    let (customer, portal) = subscriber(&twin).await;
    let id = subscription_id(&twin, &customer).await;
    let flow = [
        ("flow_data[type]", "subscription_cancel"),
        ("flow_data[subscription_cancel][subscription]", id.as_str()),
        ("flow_data[after_completion][type]", "redirect"),
        (
            "flow_data[after_completion][redirect][return_url]",
            "http://127.0.0.1:9/gone",
        ),
    ];
    let path = open_flow(&twin, &customer, &portal, &flow).await;
    let led = twin.http.get(twin.url(&path)).send().await.unwrap();
    let task = location(&led).to_owned();
    let (_, question) = twin.page(&task).await;
    let card = twin
        .http
        .get(twin.url(&format!("{path}/card")))
        .send()
        .await
        .unwrap();
    let foreign = twin.post_form(&format!("{path}/card"), &card_form()).await;

    let done = twin
        .post_form(&format!("{path}/cancel"), &[("subscription", &id)])
        .await;
    let again = twin.http.get(twin.url(&path)).send().await.unwrap();

    assert_eq!(task, format!("{path}/cancel?subscription={id}"));
    assert!(question.contains("Cancel Pro plan?") && question.contains("http://127.0.0.1:9/home"));
    assert!(
        !question.contains(&format!("href=\"{path}\"")),
        "no link to the whole portal"
    );
    assert_eq!(
        (location(&card), foreign.status().as_u16()),
        (path.as_str(), 409)
    );
    assert_eq!(location(&done), "http://127.0.0.1:9/gone");
    assert_eq!(location(&again), "http://127.0.0.1:9/gone");
    assert!(subscription_of(&twin, &customer).await["cancel_at"].is_i64());
}

fn card_form() -> Vec<(&'static str, &'static str)> {
    card("5555 5555 5555 4444")
}

#[tokio::test]
async fn a_flow_can_end_with_a_confirmation_in_the_words_of_the_merchant() {
    let twin = start().await;
    let (customer, portal) = subscriber(&twin).await;
    let message = "flow_data[after_completion][hosted_confirmation][custom_message]";
    let flow = [
        ("flow_data[type]", "payment_method_update"),
        ("flow_data[after_completion][type]", "hosted_confirmation"),
        (message, "Thanks <Ada>!"),
    ];
    let path = open_flow(&twin, &customer, &portal, &flow).await;
    let led = twin.http.get(twin.url(&path)).send().await.unwrap();

    let saved = twin.post_form(&format!("{path}/card"), &card_form()).await;
    let (_, page) = twin.page(location(&saved)).await;

    assert_eq!(location(&led), format!("{path}/card"));
    assert!(
        page.contains("Your card was updated") && page.contains("Thanks &#60;Ada&#62;!"),
        "{page}"
    );
    assert!(page.contains("href=\"http://127.0.0.1:9/home\""));
}

#[tokio::test]
async fn a_change_is_confirmed_on_its_page_and_the_homepage_follows() {
    let twin = start().await;
    let (customer, portal) = subscriber(&twin).await;
    let subscription = subscription_of(&twin, &customer).await;
    let prices = twin.api_get("/v1/prices").await;
    let mut prices = prices["data"].as_array().unwrap().iter();
    let dearer = prices.find(|price| price["unit_amount"] == 3000).unwrap();
    let own = "flow_data[subscription_update_confirm]";
    let names = ["[subscription]", "[items][0][id]", "[items][0][price]"]
        .map(|name| format!("{own}{name}"));
    let flow = [
        ("flow_data[type]", "subscription_update_confirm"),
        (names[0].as_str(), subscription["id"].as_str().unwrap()),
        (
            names[1].as_str(),
            subscription["items"]["data"][0]["id"].as_str().unwrap(),
        ),
        (names[2].as_str(), dearer["id"].as_str().unwrap()),
    ];
    let path = open_flow(&twin, &customer, &portal, &flow).await;
    let (_, question) = twin.page(&format!("{path}/confirm")).await;

    let done = twin.post_form(&format!("{path}/confirm"), &[]).await;
    let (status, home) = twin.page(location(&done)).await;

    assert!(
        question.contains("Confirm your plan") && question.contains("$30.00 per month"),
        "{question}"
    );
    assert_eq!((location(&done), status.as_u16()), (path.as_str(), 200));
    assert!(home.contains("Billing for") && home.contains("$30.00 per month"));
}

#[tokio::test]
async fn a_flow_leads_to_the_choice_of_a_plan() {
    let twin = start().await;
    let (customer, portal) = subscriber(&twin).await;
    let id = subscription_id(&twin, &customer).await;
    let flow = [
        ("flow_data[type]", "subscription_update"),
        ("flow_data[subscription_update][subscription]", id.as_str()),
    ];
    let path = open_flow(&twin, &customer, &portal, &flow).await;

    let led = twin.http.get(twin.url(&path)).send().await.unwrap();
    let (_, choice) = twin.page(location(&led)).await;

    assert_eq!(location(&led), format!("{path}/plan?subscription={id}"));
    assert!(choice.contains("Confirm change") && choice.contains("$30.00 per month"));
}
