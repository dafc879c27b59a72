use serde_json::{Value, json};

use crate::billing::{FEBRUARY, latest_invoice};
use crate::changes::{amounts, on_plan};
use crate::phases::{SCHEDULES, first_phase, path_of, planned, scheduled, simple, subscription_of};
use crate::shop::{DAY, HOUR, NOW, Shop, string};

#[test]
fn a_schedule_switches_the_plan_at_the_end_of_the_period_and_is_released() {
    let mut shop = Shop::open();
    let (_, sub, cheap) = on_plan(&mut shop, "pm_card_visa", 4900, 1900);
    let id = string(&sub["id"]);
    let old = string(&sub["items"]["data"][0]["price"]["id"]);
    let end = sub["items"]["data"][0]["current_period_end"]
        .as_i64()
        .unwrap();

    let schedule = scheduled(&mut shop, &sub);
    let path = path_of(&schedule);
    shop.post(&path, &format!(
        "end_behavior=release&phases[0][items][0][price]={old}&phases[0][start_date]={NOW}&phases[0][end_date]={end}&phases[1][items][0][price]={cheap}&phases[1][duration][interval]=month"
    ));
    let made = shop.happened();
    let tied = shop.see(&sub["id"])["schedule"].clone();
    let refused = shop.refused(
        "POST",
        &format!("/v1/subscriptions/{id}"),
        "cancel_at_period_end=true",
    );
    shop.wait(31 * DAY);
    let boundary = shop.happened();
    let switched = shop.see(&sub["id"]);
    shop.wait(HOUR);
    shop.happened();
    shop.wait(28 * DAY);

    assert_eq!(
        made,
        [
            "subscription_schedule.created",
            "customer.subscription.updated",
            "subscription_schedule.updated"
        ]
    );
    assert_eq!(tied, schedule["id"]);
    assert_eq!(refused.0, 400);
    assert_eq!(
        boundary,
        [
            "invoice.upcoming",
            "subscription_schedule.updated",
            "customer.subscription.updated",
            "invoice.created"
        ]
    );
    assert_eq!(switched["items"]["data"][0]["price"]["id"], cheap.as_str());
    let event = shop
        .events
        .iter()
        .rev()
        .find(|one| one["type"] == "customer.subscription.updated" && one["created"] == end)
        .unwrap();
    assert_eq!(
        event["data"]["previous_attributes"]["items"]["data"][0]["price"]["id"],
        old.as_str()
    );
    assert_eq!(amounts(&shop.see(&switched["latest_invoice"])), [1900]);
    assert!(shop.did("subscription_schedule.released"));
    assert!(shop.see(&sub["id"])["schedule"].is_null());
    assert_eq!(shop.see(&sub["id"])["status"], "active");
}

#[test]
fn a_released_schedule_no_longer_changes_anything() {
    let mut shop = Shop::open();
    let (_, sub, _) = on_plan(&mut shop, "pm_card_visa", 4900, 1900);
    let schedule = scheduled(&mut shop, &sub);
    let path = format!("{}/release", path_of(&schedule));

    let released = shop.post(&path, "");
    let again = shop.refused("POST", &path, "");

    assert_eq!(released["status"], "released");
    assert_eq!(released["released_subscription"], sub["id"]);
    assert!(shop.see(&sub["id"])["schedule"].is_null());
    assert_eq!(again.0, 400);
}

#[test]
fn the_portal_upgrades_immediately_and_downgrades_at_the_end_of_the_period() {
    let mut shop = Shop::open();
    let (customer, sub, plus) = on_plan(&mut shop, "pm_card_visa", 1900, 4900);
    let pro = string(&sub["items"]["data"][0]["price"]["id"]);
    let product = |shop: &Shop, price: &str| string(&shop.see(&json!(price))["product"]);
    let (one, two) = (product(&shop, &pro), product(&shop, &plus));
    let configuration = shop.post("/v1/billing_portal/configurations", &format!(
        "features[subscription_cancel][enabled]=true&features[subscription_update][enabled]=true&features[subscription_update][default_allowed_updates][]=price&features[subscription_update][proration_behavior]=always_invoice&features[subscription_update][products][0][product]={one}&features[subscription_update][products][0][prices][]={pro}&features[subscription_update][products][1][product]={two}&features[subscription_update][products][1][prices][]={plus}&features[subscription_update][schedule_at_period_end][conditions][0][type]=decreasing_item_amount"
    ));
    let portal = shop.post(
        "/v1/billing_portal/sessions",
        &format!(
            "customer={customer}&configuration={}",
            string(&configuration["id"])
        ),
    );
    let portal = string(&portal["id"]);
    let id = string(&sub["id"]);

    let up = shop
        .core
        .portal_switch_plan(&portal, &id, &plus, NOW)
        .unwrap();
    let down = shop
        .core
        .portal_switch_plan(&portal, &id, &pro, NOW)
        .unwrap();
    let view = shop.core.portal_view(&portal).unwrap();
    shop.wait(31 * DAY);

    assert_eq!(up["items"]["data"][0]["price"]["id"], plus.as_str());
    assert_eq!(down["items"]["data"][0]["price"]["id"], plus.as_str());
    assert_eq!(
        view.subscriptions[0].scheduled_change.as_deref(),
        Some("PRO")
    );
    assert_eq!(view.subscriptions[0].plans.len(), 2);
    assert_eq!(
        shop.see(&sub["id"])["items"]["data"][0]["price"]["id"],
        pro.as_str()
    );
}

#[test]
fn canceling_a_schedule_credits_the_subscription_unless_asked_otherwise() {
    let mut shop = Shop::open();
    let mut cancel = |more: &str| {
        let schedule = simple(&mut shop, "pm_card_visa", 3100, "");
        shop.wait(HOUR);
        let path = format!("{}/cancel", path_of(&schedule));
        let sub = subscription_of(&shop, &schedule);
        let ended = shop.post(&path, more);
        (
            ended["status"].clone(),
            shop.see(&sub["id"])["status"].clone(),
            latest_invoice(&shop, &sub["id"])["billing_reason"].clone(),
        )
    };

    let plain = cancel("prorate=false&invoice_now=false");
    let credited = cancel("");

    assert_eq!(
        plain,
        (
            json!("canceled"),
            json!("canceled"),
            json!("subscription_create")
        )
    );
    assert_eq!(
        credited,
        (
            json!("canceled"),
            json!("canceled"),
            json!("subscription_cycle")
        )
    );
}

#[test]
fn a_subscription_that_is_canceled_cancels_its_schedule_and_nothing_starts_later() {
    let mut shop = Shop::open();
    let schedule = simple(&mut shop, "pm_card_visa", 1900, "&phases[0][iterations]=3");
    let sub = subscription_of(&shop, &schedule);
    shop.wait(HOUR);

    shop.delete(&format!("/v1/subscriptions/{}", string(&sub["id"])));
    shop.happened();
    shop.wait(120 * DAY);

    assert!(shop.happened().is_empty());
    assert_eq!(shop.see(&schedule["id"])["status"], "canceled");
}

#[test]
fn schedules_that_make_no_sense_are_refused_and_leave_nothing() {
    let mut shop = Shop::open();
    let (customer, plan) = shop.buyer("pm_card_visa", 1900);
    let euro = shop.euro_plan();
    shop.subscribe(&customer, &plan, "");
    shop.happened();

    for more in [
        String::new(),
        first_phase(&plan, "&phases[0][discounts][0][coupon]=NONE"),
        first_phase(&plan, "&phases[0][collection_method]=send_invoice"),
        first_phase(
            &plan,
            "&phases[0][trial]=true&phases[0][trial_end]=1767300000",
        ),
        first_phase(&plan, "&phases[0][trial_end]=1900000000"),
        first_phase(&plan, "&phases[0][end_date]=1700000000"),
        first_phase(&euro, ""),
        first_phase("price_unknown", ""),
    ] {
        let body = format!("customer={customer}{more}");
        assert_eq!(shop.refused("POST", SCHEDULES, &body).0, 400, "{more}");
    }
    assert!(shop.core.objects("subscription_schedule").is_empty());
    assert_eq!(shop.core.objects("subscription").len(), 1);
    assert!(shop.happened().is_empty());
    assert!(shop.core.next_due().is_some());
}

#[test]
fn schedules_can_be_listed_by_their_state_and_dates() {
    let mut shop = Shop::open();
    let (customer, plan) = shop.buyer("pm_card_visa", 1900);
    let later = format!("&start_date={}{}", NOW + DAY, first_phase(&plan, ""));
    let waiting = planned(&mut shop, &customer, &later);
    let running = planned(&mut shop, &customer, &first_phase(&plan, ""));
    let ids = |shop: &mut Shop, filter: &str| -> Vec<Value> {
        let page = shop.get(&format!("{SCHEDULES}?{filter}"));
        page["data"]
            .as_array()
            .unwrap()
            .iter()
            .map(|row| row["id"].clone())
            .collect()
    };

    let scheduled = ids(&mut shop, "scheduled=true");
    let started = ids(&mut shop, "scheduled=false");
    let path = format!("{}/release", path_of(&running));
    shop.post(&path, "");
    let released = ids(&mut shop, &format!("released_at[gte]={NOW}"));
    let canceled = ids(&mut shop, &format!("canceled_at[gte]={NOW}"));

    assert_eq!(scheduled, [waiting["id"].clone()]);
    assert_eq!(started, [running["id"].clone()]);
    assert_eq!(released, [running["id"].clone()]);
    assert!(canceled.is_empty());
}

/// A schedule from a subscription for 31.00 that costs 62.00 from the next period on. Returns the
/// subscription, the path of the schedule and its phases as parameters.
fn with_a_next_phase(shop: &mut Shop) -> (Value, String, String) {
    let customer = shop.customer("pm_card_visa");
    let (plan, plus) = (shop.plan("PRO", 3100), shop.plan("PLUS", 6200));
    let sub = shop.subscribe(&customer, &plan, "");
    let schedule = scheduled(shop, &sub);
    let path = path_of(&schedule);
    let phases = format!(
        "phases[0][items][0][price]={plan}&phases[0][start_date]={NOW}&phases[0][end_date]={FEBRUARY}&phases[1][items][0][price]={plus}&phases[1][duration][interval]=month"
    );
    shop.post(&path, &phases);
    shop.happened();
    (sub, path, phases)
}

fn first_item(object: &Value) -> Value {
    json!([object["items"][0]["price"], object["items"][0]["quantity"]])
}

#[test]
fn the_current_phase_follows_what_is_set_on_its_subscription_and_the_next_replaces_it() {
    let mut shop = Shop::open();
    let (sub, path, _) = with_a_next_phase(&mut shop);
    let item = string(&sub["items"]["data"][0]["id"]);
    let plan = sub["items"]["data"][0]["price"]["id"].clone();
    let more = shop.plan("MORE", 9300);
    let before = shop.get(&path);

    shop.post(&format!("/v1/subscription_items/{item}"), "quantity=3");
    let kinds = shop.happened();
    let grown = shop.get(&path);
    let event = shop.last("subscription_schedule.updated");
    let body = format!("items[0][id]={item}&items[0][price]={more}");
    shop.post(&format!("/v1/subscriptions/{}", string(&sub["id"])), &body);
    let switched = shop.get(&path);
    shop.wait(31 * DAY);

    assert!(kinds.contains(&"subscription_schedule.updated".to_owned()));
    assert_eq!(first_item(&grown["phases"][0]), json!([plan, 3]));
    assert_eq!(
        event["data"]["previous_attributes"]["phases"][0]["items"],
        before["phases"][0]["items"]
    );
    // A new price sets the quantity to 1.
    assert_eq!(first_item(&switched["phases"][0]), json!([more, 1]));
    assert_eq!(grown["phases"][1], before["phases"][1]);
    assert_eq!(grown["current_phase"], before["current_phase"]);
    let after = shop.see(&sub["id"]);
    assert_eq!(after["items"]["data"][0]["price"]["unit_amount"], 6200);
    assert_eq!(after["items"]["data"][0]["quantity"], 1);
}

/// A subscription with a next phase, whose customer's card fails now: itself, the path of its
/// schedule, its customer and its item.
fn scheduled_with_a_bad_card(shop: &mut Shop) -> (Value, String, String, String) {
    let (sub, path, _) = with_a_next_phase(shop);
    let customer = string(&sub["customer"]);
    let item = string(&sub["items"]["data"][0]["id"]);
    shop.wait(DAY);
    shop.give_card(&customer, "pm_card_chargeCustomerFail");
    (sub, path, customer, item)
}

#[test]
fn a_pending_change_reaches_the_current_phase_once_it_is_paid() {
    let mut shop = Shop::open();
    let (sub, path, customer, item) = scheduled_with_a_bad_card(&mut shop);
    let body =
        "quantity=2&proration_behavior=always_invoice&payment_behavior=pending_if_incomplete";

    shop.post(&format!("/v1/subscription_items/{item}"), body);
    let waiting = shop.get(&path);
    shop.give_card(&customer, "pm_card_visa");
    let invoice = string(&shop.see(&sub["id"])["latest_invoice"]);
    shop.post(&format!("/v1/invoices/{invoice}/pay"), "");
    let paid = shop.get(&path);

    assert_eq!(waiting["phases"][0]["items"][0]["quantity"], 1);
    assert_eq!(paid["phases"][0]["items"][0]["quantity"], 2);
}

#[test]
fn a_refused_change_of_a_scheduled_subscription_leaves_its_phase() {
    let mut shop = Shop::open();
    let (_, path, _, item) = scheduled_with_a_bad_card(&mut shop);
    shop.happened();
    let before = shop.get(&path);

    let body = "quantity=2&proration_behavior=always_invoice&payment_behavior=error_if_incomplete";
    let (status, _) = shop.refused("POST", &format!("/v1/subscription_items/{item}"), body);

    assert_eq!(status, 402);
    assert_eq!(shop.get(&path), before);
    assert!(shop.happened().is_empty());
}

#[test]
fn an_edit_of_the_phases_that_changes_no_item_bills_nothing() {
    let mut shop = Shop::open();
    let (sub, path, phases) = with_a_next_phase(&mut shop);
    shop.wait(5 * DAY);
    shop.happened();

    shop.post(&path, &format!("{phases}&metadata[a]=b"));

    assert_eq!(shop.happened(), ["subscription_schedule.updated"]);
    assert_eq!(
        shop.see(&sub["id"])["latest_invoice"],
        sub["latest_invoice"]
    );
}

#[test]
fn a_schedule_that_ends_its_subscription_takes_the_end_back_unless_asked_to_keep_it() {
    let mut shop = Shop::open();
    let mut released = |change: &str, verb: &str| {
        let (customer, plan) = shop.buyer("pm_card_visa", 1900);
        let more = format!("&end_behavior=cancel{}", first_phase(&plan, ""));
        let schedule = planned(&mut shop, &customer, &more);
        let sub = subscription_of(&shop, &schedule);
        let path = format!("{}{verb}", path_of(&schedule));
        shop.post(&path, change);
        [
            sub["cancel_at"].clone(),
            shop.see(&sub["id"])["cancel_at"].clone(),
        ]
    };

    let end = json!(NOW + 31 * DAY);
    assert_eq!(released("", "/release"), [end.clone(), Value::Null]);
    assert_eq!(
        released("preserve_cancel_date=true", "/release"),
        [end.clone(), end.clone()]
    );
    assert_eq!(released("end_behavior=release", ""), [end, Value::Null]);
}

#[test]
fn a_new_phase_that_has_ended_already_is_refused() {
    let mut shop = Shop::open();
    let (customer, small) = shop.buyer("pm_card_visa", 1000);
    let large = shop.plan("PLUS", 2000);
    let phase = |place: usize, price: &str, months: i64| {
        format!(
            "&phases[{place}][items][0][price]={price}&phases[{place}][duration][interval]=month&phases[{place}][duration][interval_count]={months}"
        )
    };
    let start = |days: i64| format!("customer={customer}&start_date={}", NOW - days * DAY);
    let two = format!(
        "{}{}{}",
        start(90),
        phase(0, &small, 1),
        phase(1, &large, 6)
    );
    let one = format!("{}{}&end_behavior=cancel", start(400), phase(0, &small, 1));

    for body in [two, one] {
        let (status, error) = shop.refused("POST", "/v1/subscription_schedules", &body);
        assert_eq!(
            (status, &error["param"]),
            (400, &"phases[0][end_date]".into())
        );
    }
    assert!(shop.core.objects("subscription_schedule").is_empty());
    assert!(shop.core.objects("subscription").is_empty());
    let body = format!("{}{}", start(20), phase(0, &small, 1));
    let made = shop.post("/v1/subscription_schedules", &body);
    assert_eq!(made["status"], "active");
}
