//! The portal's default configuration, and flows that lead straight to one action.

use serde_json::{Value, json};

use crate::shop::{Shop, string};

struct Scene {
    shop: Shop,
    customer: String,
    sub: String,
    item: String,
    better: String,
    configuration: String,
}

fn scene() -> Scene {
    let mut shop = Shop::open();
    let customer = shop.customer("pm_card_visa");
    let plan = shop.plan("BASIC", 1000);
    let better = shop.plan("PRO", 2000);
    let sub = shop.subscribe(&customer, &plan, "");
    let product = |price: &str, shop: &Shop| string(&shop.see(&json!(price))["product"]);
    let (first, second) = (product(&plan, &shop), product(&better, &shop));
    let made = shop.post(
        "/v1/billing_portal/configurations",
        &format!(
            "features[subscription_cancel][enabled]=true&features[payment_method_update][enabled]=true\
             &features[subscription_update][enabled]=true&features[subscription_update][default_allowed_updates][0]=price\
             &features[subscription_update][products][0][product]={first}&features[subscription_update][products][0][prices][0]={plan}\
             &features[subscription_update][products][1][product]={second}&features[subscription_update][products][1][prices][0]={better}"
        ),
    );
    Scene {
        customer,
        sub: string(&sub["id"]),
        item: string(&sub["items"]["data"][0]["id"]),
        better,
        configuration: string(&made["id"]),
        shop,
    }
}

impl Scene {
    fn flow(&mut self, kind: &str, more: &str) -> Result<Value, Value> {
        let body = format!("configuration={}&{more}", self.configuration);
        self.flow_with(kind, &body)
    }

    fn flow_with(&mut self, kind: &str, more: &str) -> Result<Value, Value> {
        let body = format!("customer={}&flow_data[type]={kind}&{more}", self.customer);
        let answer = self
            .shop
            .send("POST", "/v1/billing_portal/sessions", &body, None);
        match answer.status {
            200 => Ok(answer.body["flow"].clone()),
            _ => Err(answer.body["error"].clone()),
        }
    }

    fn confirmation(&self, item: &str) -> String {
        let outer = "flow_data[subscription_update_confirm]";
        format!(
            "{outer}[subscription]={}&{outer}[items][0][id]={}&{}",
            self.sub,
            self.item,
            item.replace("item", &format!("{outer}[items][0]"))
        )
    }
}

#[test]
fn a_new_account_has_portal_settings_that_can_be_taken_away_and_saved_again() {
    let mut shop = Shop::open();
    let customer = shop.customer("");
    let open = format!("customer={customer}");

    let first = shop.post("/v1/billing_portal/sessions", &open);
    shop.core.remove_portal_defaults();
    let (status, error) = shop.refused("POST", "/v1/billing_portal/sessions", &open);
    let saved = shop.core.save_portal_defaults();
    let again = shop.post("/v1/billing_portal/sessions", &open);

    assert_eq!(
        shop.get("/v1/billing_portal/configurations?is_default=true")["data"][0]["id"],
        saved.as_str()
    );
    assert!(string(&first["configuration"]).starts_with("bpc_"));
    assert_eq!(status, 400);
    assert!(string(&error["message"]).contains("default configuration has not been created"));
    assert_eq!(again["configuration"], saved.as_str());
}

#[test]
fn every_flow_leads_to_what_the_configuration_allows() {
    let mut scene = scene();
    let cancel = format!("flow_data[subscription_cancel][subscription]={}", scene.sub);
    let update = format!("flow_data[subscription_update][subscription]={}", scene.sub);
    let confirm = scene.confirmation(&format!("item[price]={}", scene.better));

    let card = scene.flow("payment_method_update", "").unwrap();
    let canceled = scene.flow("subscription_cancel", &cancel).unwrap();
    let updated = scene.flow("subscription_update", &update).unwrap();
    let confirmed = scene.flow("subscription_update_confirm", &confirm).unwrap();

    assert_eq!(card["type"], "payment_method_update");
    assert_eq!(
        canceled["subscription_cancel"]["subscription"],
        scene.sub.as_str()
    );
    assert_eq!(
        updated["subscription_update"]["subscription"],
        scene.sub.as_str()
    );
    let item = &confirmed["subscription_update_confirm"]["items"][0];
    assert_eq!(
        (&item["price"], &item["quantity"]),
        (&json!(scene.better), &json!(1))
    );
}

#[test]
fn a_flow_that_the_configuration_forbids_is_refused() {
    let mut scene = scene();
    let bare = scene.shop.post(
        "/v1/billing_portal/configurations",
        "features[invoice_history][enabled]=true",
    );
    let bare = format!("configuration={}", string(&bare["id"]));
    let cancel = format!(
        "{bare}&flow_data[subscription_cancel][subscription]={}",
        scene.sub
    );
    let update = format!(
        "{bare}&flow_data[subscription_update][subscription]={}",
        scene.sub
    );

    let card = scene.flow_with("payment_method_update", &bare).unwrap_err();
    let canceled = scene.flow_with("subscription_cancel", &cancel).unwrap_err();
    let updated = scene.flow_with("subscription_update", &update).unwrap_err();

    assert!(string(&card["message"]).contains("is disabled"));
    assert!(
        string(&canceled["message"])
            .contains("subscription cancel feature in the portal configuration is disabled")
    );
    assert!(
        string(&updated["message"])
            .contains("subscription update feature in the portal configuration is disabled")
    );
    assert!(scene.shop.core.objects("billing_portal.session").is_empty());
}

#[test]
fn a_flow_about_an_unfit_subscription_is_refused() {
    let mut scene = scene();
    let stranger = scene.shop.customer("pm_card_visa");
    let better = scene.better.clone();
    let other = scene.shop.subscribe(&stranger, &better, "");
    let name = "flow_data[subscription_cancel][subscription]";
    let sub = scene.sub.clone();
    let missing = scene.flow("subscription_cancel", "").unwrap_err();
    let foreign = scene.flow(
        "subscription_cancel",
        &format!("{name}={}", string(&other["id"])),
    );
    scene.shop.post(
        &format!("/v1/subscriptions/{sub}"),
        "cancel_at_period_end=true",
    );
    let twice = scene
        .flow("subscription_cancel", &format!("{name}={sub}"))
        .unwrap_err();
    scene.shop.delete(&format!("/v1/subscriptions/{sub}"));
    let ended = scene
        .flow("subscription_cancel", &format!("{name}={sub}"))
        .unwrap_err();

    assert_eq!(
        (&missing["code"], &missing["param"]),
        (&json!("parameter_missing"), &json!(name))
    );
    assert_eq!(foreign.unwrap_err()["code"], "resource_missing");
    assert!(string(&twice["message"]).contains("already set to be canceled"));
    assert_eq!(ended["param"], name);
}

#[test]
fn a_change_to_confirm_must_be_offered_and_change_something() {
    let mut scene = scene();
    let dear = scene.shop.plan("MAX", 9000);
    let outer = "flow_data[subscription_update_confirm]";
    for (body, param) in [
        (
            scene.confirmation(&format!("item[price]={dear}")),
            format!("{outer}[items][0][price]"),
        ),
        (
            scene.confirmation("item[quantity]=3"),
            format!("{outer}[items][0][quantity]"),
        ),
        (
            scene.confirmation("item[quantity]=1"),
            format!("{outer}[items]"),
        ),
        (
            format!(
                "{}&{outer}[discounts][0][coupon]=x",
                scene.confirmation("item[quantity]=1")
            ),
            format!("{outer}[discounts]"),
        ),
        (
            scene
                .confirmation("item[quantity]=1")
                .replace(&scene.item, "si_none"),
            format!("{outer}[items][0][id]"),
        ),
    ] {
        let error = scene
            .flow("subscription_update_confirm", &body)
            .unwrap_err();

        assert_eq!(error["param"], param, "{error}");
    }
}

#[test]
fn what_follows_a_flow_is_checked_and_kept() {
    let mut scene = scene();
    let after = "flow_data[after_completion]";
    let back = format!("{after}[type]=redirect&{after}[redirect][return_url]=https://a.example");

    let kept = scene.flow("payment_method_update", &back).unwrap();
    let bare = scene.flow("payment_method_update", &format!("{after}[type]=redirect"));
    let mixed = format!(
        "{after}[type]=hosted_confirmation&{after}[redirect][return_url]=https://a.example"
    );
    let mixed = scene.flow("payment_method_update", &mixed).unwrap_err();

    assert_eq!(
        kept["after_completion"]["redirect"]["return_url"],
        "https://a.example"
    );
    assert_eq!(
        bare.unwrap_err()["param"],
        format!("{after}[redirect][return_url]")
    );
    assert_eq!(mixed["param"], format!("{after}[redirect]"));
}
