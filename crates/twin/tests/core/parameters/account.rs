//! An account with at least two objects of every kind, in the states that operations need.

use std::collections::BTreeMap;

use serde_json::Value;
use twin::core::Core;

use crate::shop::{DAY, HOUR, Shop, good_card, string};

/// A prepared account and the ids in it by name.
pub struct Account {
    pub core: Core,
    pub now: i64,
    pub ids: BTreeMap<String, String>,
}

impl Account {
    /// Fills `{name}` with the id of that name.
    pub fn fill(&self, text: &str) -> String {
        let mut filled = text.to_owned();
        for (name, id) in &self.ids {
            filled = filled.replace(&format!("{{{name}}}"), id);
        }
        assert!(!filled.contains('{'), "{text} names an unknown object");
        filled
    }
}

struct Builder {
    shop: Shop,
    ids: BTreeMap<String, String>,
}

impl Builder {
    fn keep(&mut self, name: &str, id: &Value) {
        self.ids.insert(name.to_owned(), string(id));
    }

    fn fill(&self, text: &str) -> String {
        let mut filled = text.to_owned();
        for (name, id) in &self.ids {
            filled = filled.replace(&format!("{{{name}}}"), id);
        }
        filled
    }

    fn make(&mut self, name: &str, path: &str, body: &str) -> Value {
        let (path, body) = (self.fill(path), self.fill(body));
        let made = self.shop.post(&path, &body);
        self.keep(name, &made["id"]);
        made
    }
}

/// Prepares the account.
pub fn prepared() -> Account {
    let mut builder = Builder {
        shop: Shop::open(),
        ids: BTreeMap::new(),
    };
    people(&mut builder);
    catalog(&mut builder);
    money(&mut builder);
    subscriptions(&mut builder);
    invoices(&mut builder);
    let open = builder
        .shop
        .see(&builder.ids["open_invoice"].clone().into());
    builder.keep("open_line", &open["lines"]["data"][0]["id"]);
    builder.keep("second_open_line", &open["lines"]["data"][1]["id"]);
    payments(&mut builder);
    checkout(&mut builder);
    let Builder { mut shop, mut ids } = builder;
    for (name, kind) in [
        ("event", "event"),
        ("invoice_payment", "invoice_payment"),
        ("balance_transaction", "balance_transaction"),
    ] {
        let first = shop.core.objects(kind)[0]["id"].as_str().unwrap();
        ids.insert(name.to_owned(), first.to_owned());
    }
    for (name, days) in [("soon", 10), ("later", 90)] {
        ids.insert(name.to_owned(), (shop.now + days * DAY).to_string());
    }
    shop.core.take_events();
    ids.insert("soon".to_owned(), (shop.now + 10 * DAY).to_string());
    Account {
        core: shop.core.clone(),
        now: shop.now,
        ids,
    }
}

fn people(builder: &mut Builder) {
    for (name, card, email) in [
        ("customer", "pm_card_visa", "ann@example.com"),
        ("other_customer", "pm_card_mastercard", "bob@example.com"),
    ] {
        let body = format!("email={email}&name=Ann&description=A buyer");
        builder.make(name, "/v1/customers", &body);
        let id = builder.ids[name].clone();
        let method = builder.shop.give_card(&id, card);
        let kept = if name == "customer" {
            "method"
        } else {
            "other_method"
        };
        builder.ids.insert(kept.to_owned(), method);
        builder.shop.wait(HOUR);
    }
    builder.make("bare_customer", "/v1/customers", "name=Eve");
    let card = "type=card&card[token]=tok_visa&billing_details[address][country]=FR";
    builder.make("free_method", "/v1/payment_methods", card);
    let method = "/v1/payment_methods/pm_card_amex/attach";
    builder.make("second_method", method, "customer={customer}");
    let method = "/v1/payment_methods/pm_card_authenticationRequired/attach";
    builder.make("strict_method", method, "customer={customer}");
}

fn catalog(builder: &mut Builder) {
    builder.make(
        "product",
        "/v1/products",
        "name=Basic&url=https://a.example&shippable=false",
    );
    builder.make("other_product", "/v1/products", "name=Extra");
    builder.make("old_product", "/v1/products", "name=Old&active=false");
    builder.make("bare_product", "/v1/products", "name=Nothing");
    let price = "product={product}&currency=usd&unit_amount=2000&recurring[interval]=month&lookup_key=basic";
    builder.make("price", "/v1/prices", price);
    let price = "product={product}&currency=usd&unit_amount=5000&recurring[interval]=month";
    builder.make("better_price", "/v1/prices", price);
    let price = "product={other_product}&currency=usd&unit_amount=1000&recurring[interval]=month";
    builder.make("extra_price", "/v1/prices", price);
    let price = "product={product}&currency=eur&unit_amount=1000&active=false";
    builder.make("euro_price", "/v1/prices", price);
    let price = "product={product}&currency=usd&unit_amount=700";
    builder.make("pack", "/v1/prices", price);
    builder.make("other_pack", "/v1/prices", price);
    builder.make("coupon", "/v1/coupons", "percent_off=50&duration=forever");
    builder.shop.wait(HOUR);
    let coupon = "amount_off=500&currency=usd&duration=once&max_redemptions=9";
    builder.make("other_coupon", "/v1/coupons", coupon);
    let code = "promotion[type]=coupon&promotion[coupon]={coupon}&code=HALF";
    builder.make("promotion_code", "/v1/promotion_codes", code);
    let code =
        "promotion[type]=coupon&promotion[coupon]={other_coupon}&customer={customer}&active=false";
    builder.make("other_code", "/v1/promotion_codes", code);
}

/// Discounts, tax and balances.
fn money(builder: &mut Builder) {
    let rate = "display_name=VAT&percentage=19&inclusive=false&active=";
    builder.make("tax_rate", "/v1/tax_rates", &format!("{rate}true"));
    builder.shop.wait(HOUR);
    let reduced = rate.replace("19", "7");
    builder.make("other_rate", "/v1/tax_rates", &format!("{reduced}true"));
    builder.make("old_rate", "/v1/tax_rates", &format!("{rate}false"));
    builder.shop.core.set_tax("DE", None, "19", false).unwrap();
    let body = builder.fill("name=Dan&coupon={coupon}");
    let made = builder.shop.post_discounted("/v1/customers", &body);
    builder.keep("discounted", &made["id"]);
    builder.keep("own_discount", &made["discount"]["id"]);
    builder.make("taxed", "/v1/customers", "name=Eva&address[country]=DE");
    for (name, value) in [("tax_id", "DE123456789"), ("other_tax_id", "DE987654321")] {
        let body = format!("type=eu_vat&value={value}");
        builder.make(name, "/v1/customers/{customer}/tax_ids", &body);
    }
    for (name, amount) in [("transaction", 300), ("other_transaction", -300)] {
        let path = "/v1/customers/{customer}/balance_transactions";
        builder.make(name, path, &format!("amount={amount}&currency=usd"));
        builder.shop.wait(HOUR);
    }
    let coupon = "percent_off=10&duration=forever";
    builder.make("third_coupon", "/v1/coupons", coupon);
    let body = "customer={customer}&items[0][price]={price}&discounts[0][coupon]={coupon}&discounts[1][coupon]={third_coupon}";
    let made = builder.make("cheap", "/v1/subscriptions", body);
    builder.keep("discount", &made["discounts"][0]);
    builder.keep("cheap_item", &made["items"]["data"][0]["id"]);
}

fn subscriptions(builder: &mut Builder) {
    let body = "customer={customer}&items[0][price]={price}&metadata[a]=b";
    let made = builder.make("subscription", "/v1/subscriptions", body);
    builder.keep("item", &made["items"]["data"][0]["id"]);
    builder.keep("paid_invoice", &made["latest_invoice"]);
    let body = "customer={customer}&items[0][price]={price}&items[1][price]={extra_price}";
    let made = builder.make("double", "/v1/subscriptions", body);
    builder.keep("double_item", &made["items"]["data"][1]["id"]);
    builder.keep("double_invoice", &made["latest_invoice"]);
    builder.shop.wait(HOUR);
    let body = "customer={other_customer}&items[0][price]={better_price}";
    builder.make("other_subscription", "/v1/subscriptions", body);
    let body = "customer={other_customer}&items[0][price]={price}&trial_period_days=9";
    builder.make("trial", "/v1/subscriptions", body);
    let body = "from_subscription={other_subscription}";
    let made = builder.make("schedule", "/v1/subscription_schedules", body);
    let start = made["phases"][0]["start_date"].to_string();
    builder.ids.insert("phase_start".to_owned(), start);
    hard_cases(builder);
    let body = "customer={bare_customer}&items[0][price]={price}&trial_period_days=1\
                &trial_settings[end_behavior][missing_payment_method]=pause";
    builder.make("paused", "/v1/subscriptions", body);
    builder.shop.wait(2 * DAY);
    let customer = builder.ids["bare_customer"].clone();
    builder.shop.give_card(&customer, "pm_card_visa");
}

/// Subscriptions whose payments need the customer or fail, and a schedule that ends one.
fn hard_cases(builder: &mut Builder) {
    let body = "customer={customer}&items[0][price]={price}";
    let made = builder.make("strict", "/v1/subscriptions", body);
    builder.keep("strict_item", &made["items"]["data"][0]["id"]);
    let body = "default_payment_method={strict_method}";
    builder.make("strict", "/v1/subscriptions/{strict}", body);
    builder.make("fresh_customer", "/v1/customers", "name=Ina");
    let fresh = builder.ids["fresh_customer"].clone();
    builder.shop.give_card(&fresh, "pm_card_visa");
    builder.make("poor_customer", "/v1/customers", "name=Max");
    let poor = builder.ids["poor_customer"].clone();
    builder.shop.give_card(&poor, "pm_card_visa");
    let body = "customer={poor_customer}&items[0][price]={price}&items[1][price]={extra_price}";
    let made = builder.make("unpaid", "/v1/subscriptions", body);
    builder.keep("unpaid_item", &made["items"]["data"][0]["id"]);
    builder.shop.give_card(&poor, "pm_card_chargeCustomerFail");
    let body = "customer={poor_customer}&subscription={unpaid}&amount=9000&currency=usd";
    builder.make("unpaid_invoiceitem", "/v1/invoiceitems", body);
    let body = "customer={customer}&end_behavior=cancel&phases[0][items][0][price]={price}&phases[0][duration][interval]=month";
    builder.make("ending_schedule", "/v1/subscription_schedules", body);
}

fn invoices(builder: &mut Builder) {
    for (name, item, more) in [
        ("invoice", "billed_item", ""),
        ("open_invoice", "open_item", ""),
        (
            "late_invoice",
            "late_item",
            "&collection_method=send_invoice&days_until_due=5",
        ),
    ] {
        let body = format!("customer={{customer}}&auto_advance=false{more}");
        builder.make(name, "/v1/invoices", &body);
        let body = format!("customer={{customer}}&invoice={{{name}}}&amount=1500&currency=usd");
        builder.make(item, "/v1/invoiceitems", &body);
        let body = body.replace("1500", "700");
        builder.make(&format!("second_{item}"), "/v1/invoiceitems", &body);
        builder.shop.wait(HOUR);
    }
    let draft = builder.shop.get(&builder.fill("/v1/invoices/{invoice}"));
    builder.keep("line", &draft["lines"]["data"][0]["id"]);
    builder.keep("second_line", &draft["lines"]["data"][1]["id"]);
    for (customer, more) in [
        ("taxed", "&automatic_tax[enabled]=true"),
        ("discounted", "&discounts="),
    ] {
        let (draft, item) = (format!("{customer}_draft"), format!("{customer}_item"));
        let body = format!("customer={{{customer}}}{more}");
        builder.make(&draft, "/v1/invoices", &body);
        let body = format!("customer={{{customer}}}&invoice={{{draft}}}&amount=1500");
        builder.make(&item, "/v1/invoiceitems", &body);
        let path = builder.fill(&format!("/v1/invoices/{{{draft}}}"));
        let line = builder.shop.get(&path)["lines"]["data"][0]["id"].clone();
        builder.keep(&format!("{customer}_line"), &line);
    }
    let body = "customer={other_customer}&collection_method=send_invoice&days_until_due=9";
    builder.make("sent_draft", "/v1/invoices", body);
    for name in ["open_invoice", "late_invoice"] {
        let path = format!("/v1/invoices/{{{name}}}/finalize");
        builder.make(name, &path, "");
    }
    let body = "customer={other_customer}&amount=900&currency=usd&description=Work";
    builder.make("invoiceitem", "/v1/invoiceitems", body);
    let body = "invoice={paid_invoice}&amount=300&reason=duplicate&credit_amount=300";
    builder.make("credit_note", "/v1/credit_notes", body);
    builder.make(
        "open_note",
        "/v1/credit_notes",
        "invoice={open_invoice}&amount=100",
    );
    let lines = "invoice={late_invoice}&lines[0][type]=custom_line_item&lines[0][unit_amount]=20\
                 &lines[1][type]=custom_line_item&lines[1][unit_amount]=30";
    builder.make("double_note", "/v1/credit_notes", lines);
}

fn payments(builder: &mut Builder) {
    let pay = "amount=2500&currency=usd&customer={customer}&payment_method={method}";
    builder.make(
        "intent",
        "/v1/payment_intents",
        "amount=2500&currency=usd&customer={customer}",
    );
    let euros = "amount=2500&currency=eur&customer={customer}";
    builder.make("euro_intent", "/v1/payment_intents", euros);
    builder.make("ready_intent", "/v1/payment_intents", pay);
    builder.make(
        "held_intent",
        "/v1/payment_intents",
        &format!("{pay}&capture_method=manual&confirm=true"),
    );
    let made = builder.make(
        "paid_intent",
        "/v1/payment_intents",
        &format!("{pay}&confirm=true"),
    );
    builder.keep("charge", &made["latest_charge"]);
    builder.shop.wait(HOUR);
    let body = "amount=4000&currency=eur&confirm=true&payment_method=pm_card_visa";
    let made = builder.make("other_intent", "/v1/payment_intents", body);
    builder.keep("other_charge", &made["latest_charge"]);
    builder.make("refund", "/v1/refunds", "charge={other_charge}&amount=100");
    builder.make("other_refund", "/v1/refunds", "charge={charge}&amount=100");
    builder.make("third_refund", "/v1/refunds", "charge={charge}&amount=200");
    for (name, amount) in [("warned_charge", 600), ("other_warned_charge", 700)] {
        let body = format!(
            "amount={amount}&currency=usd&confirm=true&payment_method=pm_card_createIssuerFraudRecord"
        );
        let paid = builder.shop.post("/v1/payment_intents", &body);
        builder.keep(name, &paid["latest_charge"]);
    }
    let warnings = builder.shop.get("/v1/radar/early_fraud_warnings");
    builder.keep("warning", &warnings["data"][0]["id"]);
    builder.keep("warned_intent", &warnings["data"][0]["payment_intent"]);
    for name in ["dispute", "other_dispute"] {
        let body = "amount=4000&currency=usd&confirm=true&payment_method=pm_card_createDispute";
        let paid = builder.shop.post("/v1/payment_intents", body);
        let path = format!("/v1/charges/{}/dispute", string(&paid["latest_charge"]));
        let dispute = builder.shop.get(&path);
        builder.keep(name, &dispute["id"]);
        let charge = if name == "dispute" {
            "disputed_charge"
        } else {
            "lost_charge"
        };
        builder.keep(charge, &paid["latest_charge"]);
        builder.shop.wait(HOUR);
    }
    builder.make(
        "setup",
        "/v1/setup_intents",
        "customer={customer}&usage=on_session",
    );
    builder.shop.wait(HOUR);
    let body = "customer={other_customer}&payment_method={other_method}&description=Second";
    builder.make("ready_setup", "/v1/setup_intents", body);
}

fn checkout(builder: &mut Builder) {
    let back = "success_url=https://shop.example/ok";
    let body = format!(
        "mode=payment&{back}&line_items[0][price]={{pack}}&line_items[0][quantity]=2&line_items[1][price]={{other_pack}}&line_items[1][quantity]=1&customer={{customer}}"
    );
    builder.make("session", "/v1/checkout/sessions", &body);
    let body = format!(
        "mode=payment&{back}&line_items[0][price]={{pack}}&line_items[0][quantity]=1&customer_email=zoe@example.com"
    );
    builder.make("paid_session", "/v1/checkout/sessions", &body);
    let id = builder.ids["paid_session"].clone();
    let now = builder.shop.now;
    builder
        .shop
        .core
        .pay_checkout(&id, good_card(), now)
        .unwrap();
    builder.shop.wait(HOUR);
    let body = format!(
        "mode=subscription&{back}&line_items[0][price]={{price}}&line_items[0][quantity]=1"
    );
    builder.make("plan_session", "/v1/checkout/sessions", &body);
    let id = builder.ids["plan_session"].clone();
    let now = builder.shop.now;
    builder
        .shop
        .core
        .pay_checkout(&id, good_card(), now)
        .unwrap();
    let features = "features[invoice_history][enabled]=true";
    builder.make(
        "configuration",
        "/v1/billing_portal/configurations",
        features,
    );
    builder.make(
        "old_configuration",
        "/v1/billing_portal/configurations",
        features,
    );
    let old = "/v1/billing_portal/configurations/{old_configuration}";
    builder.make("old_configuration", old, "active=false");
    let features = "features[subscription_cancel][enabled]=true&features[subscription_update][enabled]=true\
                    &features[subscription_update][default_allowed_updates][0]=price\
                    &features[subscription_update][default_allowed_updates][1]=quantity\
                    &features[subscription_update][default_allowed_updates][2]=promotion_code\
                    &features[subscription_update][products][0][product]={product}\
                    &features[subscription_update][products][0][prices][0]={price}\
                    &features[subscription_update][products][0][prices][1]={better_price}\
                    &features[payment_method_update][enabled]=true";
    builder.make(
        "full_configuration",
        "/v1/billing_portal/configurations",
        features,
    );
    let body = "url=https://x.example/&enabled_events[]=*";
    for name in ["test_clock", "other_clock"] {
        builder.make(
            name,
            "/v1/test_helpers/test_clocks",
            "frozen_time=1767225600",
        );
    }
    builder.make("endpoint", "/v1/webhook_endpoints", body);
    builder.make("other_endpoint", "/v1/webhook_endpoints", body);
}
