//! The portal's default configuration, and flows that lead straight to one action.

use serde_json::{Value, json};

use twin::core::{AfterFlow, FlowView, PayError, PortalTask};

use crate::shop::{Shop, card, good_card, string};

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

/// The task and what follows it of the newest portal session.
fn flow_of(scene: &Scene) -> (String, FlowView) {
    let session = scene.shop.core.newest("billing_portal.session", 1)[0];
    let id = string(&session["id"]);
    let view = scene.shop.core.portal_view(&id).unwrap();
    (id, view.flow.unwrap())
}

#[test]
fn a_session_with_a_flow_allows_only_its_task_until_it_is_done() {
    let mut scene = scene();
    let (sub, better) = (scene.sub.clone(), scene.better.clone());
    let cancel = format!("flow_data[subscription_cancel][subscription]={sub}");
    scene.flow("subscription_cancel", &cancel).unwrap();
    let (portal, flow) = flow_of(&scene);
    let now = scene.shop.now;
    let core = &mut scene.shop.core;

    let card = core.portal_set_card(&portal, good_card(), now);
    let plan = core.portal_switch_plan(&portal, &sub, &better, now);
    let resumed = core.portal_resume(&portal, &sub, now);
    let confirmed = core.portal_confirm(&portal, now);
    let canceled = core.portal_cancel(&portal, &sub, now).unwrap();
    let free = core.portal_resume(&portal, &sub, now).unwrap();

    assert_eq!((flow.task, flow.is_done), (PortalTask::Cancel, false));
    assert_eq!(flow.subscription.as_deref(), Some(sub.as_str()));
    for refused in [card, plan, resumed, confirmed] {
        assert!(
            matches!(refused, Err(PayError::NotPossible(_))),
            "{refused:?}"
        );
    }
    assert_eq!(canceled["cancel_at_period_end"], true);
    assert_eq!(free["cancel_at_period_end"], false, "the homepage follows");
    assert!(flow_of(&scene).1.is_done);
}

#[test]
fn a_flow_does_not_reach_another_subscription_of_the_customer() {
    let mut scene = scene();
    let (customer, better) = (scene.customer.clone(), scene.better.clone());
    let other = string(&scene.shop.subscribe(&customer, &better, "")["id"]);
    let cancel = format!("flow_data[subscription_cancel][subscription]={}", scene.sub);
    scene.flow("subscription_cancel", &cancel).unwrap();
    let (portal, _) = flow_of(&scene);
    let now = scene.shop.now;

    let refused = scene.shop.core.portal_cancel(&portal, &other, now);

    assert!(matches!(refused, Err(PayError::NotPossible(_))));
    assert_eq!(scene.shop.see(&json!(other))["cancel_at"], Value::Null);
}

#[test]
fn after_another_completion_than_the_homepage_nothing_more_is_allowed() {
    let mut scene = scene();
    let after = "flow_data[after_completion]";
    let more = format!(
        "{after}[type]=hosted_confirmation&{after}[hosted_confirmation][custom_message]=Thanks!"
    );
    scene.flow("payment_method_update", &more).unwrap();
    let (portal, flow) = flow_of(&scene);
    let now = scene.shop.now;

    scene
        .shop
        .core
        .portal_set_card(&portal, good_card(), now)
        .unwrap();
    let again = scene.shop.core.portal_set_card(&portal, good_card(), now);

    assert_eq!(
        flow.after,
        AfterFlow::Confirmation(Some("Thanks!".to_owned()))
    );
    assert!(matches!(again, Err(PayError::NotPossible(_))));
}

#[test]
fn a_declined_card_leaves_its_flow_open() {
    let mut scene = scene();
    scene.flow("payment_method_update", "").unwrap();
    let (portal, _) = flow_of(&scene);
    let now = scene.shop.now;

    let declined = scene
        .shop
        .core
        .portal_set_card(&portal, card("4000000000000002"), now);

    assert!(matches!(declined, Err(PayError::Card { .. })));
    assert!(!flow_of(&scene).1.is_done);
    scene
        .shop
        .core
        .portal_set_card(&portal, good_card(), now)
        .unwrap();
}

#[test]
fn a_confirmed_change_sets_price_quantity_and_discount_at_once() {
    let mut scene = scene();
    let configuration = format!("/v1/billing_portal/configurations/{}", scene.configuration);
    let names = "features[subscription_update][default_allowed_updates]";
    scene.shop.post(&configuration, &format!("{names}[0]=price&{names}[1]=quantity&{names}[2]=promotion_code&features[subscription_update][proration_behavior]=always_invoice"));
    scene
        .shop
        .post("/v1/coupons", "id=HALF&percent_off=50&duration=forever");
    let outer = "flow_data[subscription_update_confirm]";
    let body = format!(
        "{}&{outer}[discounts][0][coupon]=HALF",
        scene.confirmation(&format!("item[price]={}&item[quantity]=3", scene.better))
    );
    scene.flow("subscription_update_confirm", &body).unwrap();
    let (portal, flow) = flow_of(&scene);
    let now = scene.shop.now;

    let change = flow.change.unwrap();
    let switched = scene
        .shop
        .core
        .portal_switch_plan(&portal, &scene.sub, &scene.better, now);
    let done = scene.shop.core.portal_confirm(&portal, now).unwrap();
    let twice = scene.shop.core.portal_confirm(&portal, now);

    assert_eq!(
        (change.name.as_str(), change.amount, change.quantity),
        ("PRO", 6000, 3)
    );
    assert_eq!(
        (change.discount.as_deref(), change.starts_at),
        (Some("HALF"), None)
    );
    assert!(matches!(switched, Err(PayError::NotPossible(_))));
    let item = &done["items"]["data"][0];
    assert_eq!(
        (&item["price"]["id"], &item["quantity"]),
        (&json!(scene.better), &json!(3))
    );
    assert_eq!(done["discounts"].as_array().unwrap().len(), 1);
    // At the start of the period: 3 × 20.00, half off, less the 10.00 that were paid.
    assert_eq!(scene.shop.see(&done["latest_invoice"])["amount_paid"], 2000);
    assert!(matches!(twice, Err(PayError::NotPossible(_))));
}

#[test]
fn a_confirmed_downgrade_waits_for_the_end_of_the_period_if_the_portal_says_so() {
    let mut scene = scene();
    let configuration = format!("/v1/billing_portal/configurations/{}", scene.configuration);
    scene.shop.post(&configuration, "features[subscription_update][schedule_at_period_end][conditions][0][type]=decreasing_item_amount");
    let (sub, better) = (scene.sub.clone(), scene.better.clone());
    let half = crate::coupons::coupon(&mut scene.shop, "percent_off=50&duration=forever");
    let cheap = string(&scene.shop.see(&json!(sub))["items"]["data"][0]["price"]["id"]);
    scene.shop.post(
        &format!("/v1/subscriptions/{sub}"),
        &format!(
            "items[0][id]={}&items[0][price]={better}&discounts[0][coupon]={half}",
            scene.item
        ),
    );
    // An archived plan can be left.
    scene
        .shop
        .post(&format!("/v1/prices/{better}"), "active=false");
    let held = scene.shop.see(&json!(sub))["discounts"].clone();
    let body = scene.confirmation(&format!("item[price]={cheap}"));
    scene.flow("subscription_update_confirm", &body).unwrap();
    let (portal, flow) = flow_of(&scene);
    let now = scene.shop.now;

    let done = scene.shop.core.portal_confirm(&portal, now).unwrap();
    scene.shop.wait(32 * crate::shop::DAY);

    assert_eq!(
        flow.change.unwrap().starts_at,
        done["items"]["data"][0]["current_period_end"].as_i64()
    );
    assert_eq!(done["items"]["data"][0]["price"]["id"], better.as_str());
    assert_eq!(done["discounts"], held);
    assert_eq!(scene.shop.see(&json!(sub))["discounts"], held);
    assert_eq!(
        scene.shop.see(&json!(sub))["items"]["data"][0]["price"]["id"],
        cheap.as_str()
    );
}

#[test]
fn a_change_to_a_price_that_was_retired_meanwhile_is_not_made() {
    let mut scene = scene();
    let better = scene.better.clone();
    let body = scene.confirmation(&format!("item[price]={better}"));
    scene.flow("subscription_update_confirm", &body).unwrap();
    let (portal, _) = flow_of(&scene);
    scene
        .shop
        .post(&format!("/v1/prices/{better}"), "active=false");
    let now = scene.shop.now;

    let refused = scene.shop.core.portal_confirm(&portal, now);

    assert!(matches!(refused, Err(PayError::NotPossible(_))));
    assert!(!flow_of(&scene).1.is_done);
}

#[test]
fn the_flow_that_changes_a_customer_is_refused_by_name() {
    let mut scene = scene();

    let error = scene.flow("customer_update", "").unwrap_err();

    assert_eq!(error["param"], "flow_data[type]");
    assert!(string(&error["message"]).ends_with("is not served by this twin."));
}

#[test]
fn a_flow_to_a_quantity_of_nothing_is_refused() {
    let mut scene = scene();
    let path = format!("/v1/billing_portal/configurations/{}", scene.configuration);
    scene.shop.post(
        &path,
        "features[subscription_update][default_allowed_updates][0]=price&features[subscription_update][default_allowed_updates][1]=quantity",
    );

    let outer = "flow_data[subscription_update_confirm]";
    let more = format!(
        "{outer}[subscription]={}&{outer}[items][0][id]={}&{outer}[items][0][quantity]=0",
        scene.sub, scene.item
    );
    let error = scene
        .flow("subscription_update_confirm", &more)
        .unwrap_err();

    assert_eq!(
        error["param"],
        "flow_data[subscription_update_confirm][items][0][quantity]"
    );
}
