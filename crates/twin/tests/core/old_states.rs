//! States that the first release saved, which lack what later ones remember.

use serde_json::{Value, json};
use twin::core::Core;

use crate::changes::amounts;
use crate::shop::{DAY, Shop, string};

/// Saves the state as the first release did and loads it again: without what is remembered about
/// debits, and with the ids of each kind instead of one list.
fn restored(shop: &Shop) -> Core {
    let mut saved = serde_json::to_value(&shop.core).unwrap();
    let store = &mut saved["store"];
    let mut order = json!({});
    for id in store["ids"].as_array().unwrap().clone() {
        let id = id.as_str().unwrap();
        let kind = store["rows"][id]["object"].as_str().unwrap_or("");
        if kind.is_empty() {
            continue;
        }
        if order[kind].is_null() {
            order[kind] = json!([]);
        }
        order[kind].as_array_mut().unwrap().push(id.into());
    }
    store["order"] = order;
    store.as_object_mut().unwrap().remove("ids");
    for (id, row) in store["rows"].as_object_mut().unwrap() {
        if id.ends_with('#')
            && let Some(notes) = row.as_object_mut()
        {
            notes.remove("debits");
        }
    }
    for name in ["event_times", "clock_due", "restricted_keys"] {
        saved.as_object_mut().unwrap().remove(name);
    }
    serde_json::from_value(saved).unwrap()
}

/// A change to 62.00 that is billed now.
fn upgrade(shop: &mut Shop, sub: &Value, plus: &str) -> Vec<i64> {
    let id = string(&sub["id"]);
    let item = string(&sub["items"]["data"][0]["id"]);
    let body =
        format!("items[0][id]={item}&items[0][price]={plus}&proration_behavior=always_invoice");
    let changed = shop.post(&format!("/v1/subscriptions/{id}"), &body);
    amounts(&shop.see(&changed["latest_invoice"]))
}

#[test]
fn a_change_of_a_subscription_of_an_old_state_credits_what_its_invoices_debited() {
    let mut shop = Shop::open();
    let (customer, plan) = (shop.customer("pm_card_visa"), shop.plan("PRO", 3100));
    let (plus, most) = (shop.plan("PLUS", 6200), shop.plan("MOST", 9300));
    shop.post("/v1/coupons", "id=HALF&percent_off=50&duration=once");
    let full = shop.subscribe(&customer, &plan, "");
    let half = shop.subscribe(&customer, &plan, "&discounts[0][coupon]=HALF");
    let again = shop.subscribe(&customer, &plan, "");
    let gone = shop.subscribe(&customer, &plan, "");
    let trial = shop.subscribe(&customer, &plan, "&trial_period_days=20");
    shop.wait(31 * DAY / 4);
    upgrade(&mut shop, &again, &plus);

    shop.core = restored(&shop);
    shop.wait(31 * DAY / 4);
    let bills = [&full, &half, &trial].map(|sub| upgrade(&mut shop, sub, &plus));
    let third = upgrade(&mut shop, &again, &most);
    let path = format!("/v1/subscriptions/{}", string(&gone["id"]));
    shop.delete(&format!("{path}?prorate=true&invoice_now=true"));
    shop.wait(31 * DAY / 4);
    let later = upgrade(&mut shop, &full, &most);

    // Half of the period is left. The coupon halved what was paid, and a trial paid nothing.
    assert_eq!(bills[0], [-1550, 3100]);
    assert_eq!(bills[1], [-775, 3100]);
    assert!(bills[2].iter().all(|amount| *amount == 0), "{bills:?}");
    // The first quarter's credit is not given again.
    assert_eq!(third, [-3100, 4650]);
    assert_eq!(later, [-1550, 2325]);
    let last = shop.see(&shop.see(&gone["id"])["latest_invoice"]);
    assert_eq!(amounts(&last), [-1550]);
}

#[test]
fn an_old_state_renews_and_is_changed_in_its_next_period_like_a_new_one() {
    let mut shop = Shop::open();
    let (customer, plan) = (shop.customer("pm_card_visa"), shop.plan("PRO", 2800));
    let plus = shop.plan("PLUS", 5600);
    let sub = shop.subscribe(&customer, &plan, "");
    shop.wait(DAY);

    shop.core = restored(&shop);
    shop.wait(30 * DAY + 14 * DAY);

    assert_eq!(upgrade(&mut shop, &sub, &plus), [-1400, 2800]);
}
