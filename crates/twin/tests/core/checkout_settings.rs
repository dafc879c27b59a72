//! What a Checkout session is told when it is made, and setup mode.

use serde_json::{Value, json};
use twin::core::{PayError, Payment};

use crate::shop::{NOW, Shop, card, good_card, string};

impl Shop {
    fn try_session(&mut self, body: &str) -> Result<Value, Value> {
        let body = format!("success_url=https://a.example/ok&{body}");
        let answer = self.send("POST", "/v1/checkout/sessions", &body, None);
        match answer.status {
            200 => Ok(answer.body),
            _ => Err(answer.body["error"].clone()),
        }
    }

    fn setup_session(&mut self, more: &str) -> String {
        string(
            &self
                .try_session(&format!("mode=setup&currency=usd{more}"))
                .unwrap()["id"],
        )
    }
}

#[test]
fn a_session_keeps_the_settings_of_its_page() {
    let mut shop = Shop::open();
    let pack = shop.price("Credits", 1000, "");
    let made = shop
        .try_session(&format!(
            "mode=payment&line_items[0][price]={pack}&line_items[0][quantity]=2&line_items[0][adjustable_quantity][enabled]=true\
             &line_items[0][metadata][a]=b&custom_text[submit][message]=Thanks&consent_collection[promotions]=auto\
             &phone_number_collection[enabled]=true&currency=usd&submit_type=pay&locale=de\
             &custom_fields[0][key]=size&custom_fields[0][type]=dropdown&custom_fields[0][label][type]=custom\
             &custom_fields[0][label][custom]=Size&custom_fields[0][dropdown][options][0][label]=L&custom_fields[0][dropdown][options][0][value]=l"
        ))
        .unwrap();
    let id = string(&made["id"]);
    let line = shop.get(&format!("/v1/checkout/sessions/{id}/line_items"))["data"][0].clone();

    assert_eq!(made["custom_text"]["submit"]["message"], "Thanks");
    assert_eq!(made["consent_collection"]["promotions"], "auto");
    assert_eq!(made["phone_number_collection"]["enabled"], true);
    assert_eq!(
        made["custom_fields"][0]["dropdown"]["options"][0]["value"],
        "l"
    );
    assert_eq!(
        line["adjustable_quantity"],
        json!({"enabled": true, "maximum": 99, "minimum": 0})
    );
    assert_eq!(line["metadata"], json!({"a": "b"}));
}

#[test]
fn settings_that_do_not_fit_are_refused_by_name() {
    let mut shop = Shop::open();
    let pack = shop.price("Credits", 1000, "");
    let buy = format!("mode=payment&line_items[0][price]={pack}&line_items[0][quantity]=1");
    let field = |index: usize, key: &str| {
        format!(
            "&custom_fields[{index}][key]={key}&custom_fields[{index}][type]=text&custom_fields[{index}][label][type]=custom&custom_fields[{index}][label][custom]=x"
        )
    };
    let many: String = (0..4)
        .map(|index| field(index, &format!("k{index}")))
        .collect();
    for (body, param) in [
        (
            format!("{buy}&payment_method_collection=always"),
            "payment_method_collection",
        ),
        (
            format!("{buy}&customer_update[address]=auto"),
            "customer_update",
        ),
        (format!("{buy}&ui_mode=embedded_page"), "ui_mode"),
        (format!("{buy}&currency=eur"), "currency"),
        (format!("{buy}{many}"), "custom_fields"),
        (
            format!("{buy}{}{}", field(0, "a"), field(1, "a")),
            "custom_fields[1][key]",
        ),
        (format!("{buy}{}", field(0, "a b")), "custom_fields[0][key]"),
        (
            format!(
                "{buy}&line_items[0][adjustable_quantity][enabled]=true&line_items[0][adjustable_quantity][minimum]=2"
            ),
            "line_items[0][adjustable_quantity]",
        ),
        ("mode=setup".to_owned(), "currency"),
        (
            "mode=setup&currency=usd&submit_type=pay".to_owned(),
            "submit_type",
        ),
    ] {
        let error = shop.try_session(&body).unwrap_err();

        assert_eq!(error["param"], param, "{error}");
    }
    assert!(shop.core.objects("checkout.session").is_empty());
}

#[test]
fn setup_mode_saves_the_card_with_a_setup_intent() {
    let mut shop = Shop::open();
    let ann = shop.customer("");
    let id = shop.setup_session(&format!("&customer={ann}&setup_intent_data[metadata][a]=b"));
    let before = shop.see(&json!(id));
    shop.happened();

    let done = shop.core.pay_checkout(&id, good_card(), NOW).unwrap();

    assert_eq!(
        shop.happened(),
        [
            "payment_method.attached",
            "setup_intent.succeeded",
            "checkout.session.completed"
        ]
    );
    assert_eq!(done["payment_status"], "no_payment_required");
    assert_eq!(done["setup_intent"], before["setup_intent"]);
    let intent = shop.see(&done["setup_intent"]);
    assert_eq!(intent["status"], "succeeded");
    assert_eq!(intent["metadata"], json!({"a": "b"}));
    assert_eq!(
        shop.see(&intent["payment_method"])["customer"],
        ann.as_str()
    );
    assert!(shop.core.objects("charge").is_empty());
}

#[test]
fn setup_mode_without_a_customer_makes_one_only_on_request() {
    let mut shop = Shop::open();
    let plain = shop.setup_session("");
    let wished = shop.setup_session("&customer_creation=always");

    let plain = shop.core.pay_checkout(&plain, good_card(), NOW).unwrap();
    let wished = shop.core.pay_checkout(&wished, good_card(), NOW).unwrap();

    assert!(plain["customer"].is_null());
    let made = string(&wished["customer"]);
    let method = shop.see(&wished["setup_intent"])["payment_method"].clone();
    assert_eq!(shop.see(&method)["customer"], made.as_str());
}

#[test]
fn a_refused_card_leaves_a_setup_session_open() {
    let mut shop = Shop::open();
    let id = shop.setup_session("");
    shop.happened();

    let refused = shop.core.pay_checkout(&id, card("4000000000000002"), NOW);
    let events = shop.happened();
    let done = shop.core.pay_checkout(&id, good_card(), NOW).unwrap();

    assert!(matches!(refused, Err(PayError::Card { code, .. }) if code == "card_declined"));
    assert_eq!(events, ["setup_intent.setup_failed"]);
    assert_eq!(done["status"], "complete");
}

#[test]
fn a_setup_session_completes_after_the_customer_has_authenticated() {
    let mut shop = Shop::open();
    let id = shop.setup_session("");

    let asked = shop.core.pay_checkout(&id, card("4000002500003155"), NOW);
    let failed = shop.core.authenticate_checkout(&id, false, NOW);
    shop.core
        .pay_checkout(&id, card("4000002500003155"), NOW)
        .unwrap_err();
    let done = shop.core.authenticate_checkout(&id, true, NOW).unwrap();

    assert_eq!(asked, Err(PayError::RequiresAuthentication));
    assert!(
        matches!(failed, Err(PayError::Card { code, .. }) if code == "setup_intent_authentication_failure")
    );
    assert_eq!(done["status"], "complete");
    assert_eq!(shop.see(&done["setup_intent"])["status"], "succeeded");
}

#[test]
fn a_free_subscription_starts_without_a_card_only_if_none_is_required() {
    let mut shop = Shop::open();
    let plan = shop.plan("PRO", 2000);
    let mut begin = |collects: &str| {
        let more =
            format!("&subscription_data[trial_period_days]=7&payment_method_collection={collects}");
        let id = shop.session("subscription", &plan, &more);
        shop.core.finish_free_checkout(&id, NOW)
    };

    let free = begin("if_required").unwrap();
    let bound = begin("always");

    assert!(matches!(bound, Err(PayError::NotPossible(_))));
    assert_eq!(free["status"], "complete");
    let sub = shop.see(&free["subscription"]);
    assert_eq!(sub["status"], "trialing");
    assert!(sub["default_payment_method"].is_null());
    let plan = shop.plan("PRO", 2000);
    let paid = shop.session(
        "subscription",
        &plan,
        "&payment_method_collection=if_required",
    );
    assert!(shop.core.finish_free_checkout(&paid, NOW).is_err());
    shop.core
        .pay_checkout(&paid, Payment::Method("pm_card_visa".into()), NOW)
        .unwrap();
}
