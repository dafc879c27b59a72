//! What Stripe refuses in Checkout, payments, the catalog and webhook endpoints.

use serde_json::{Value, json};

use crate::shop::{DAY, NOW, Shop, check, string};

impl Shop {
    /// Creates a Checkout session, or returns the error.
    fn try_checkout(&mut self, mode: &str, more: &str) -> Result<Value, Value> {
        let body = format!("mode={mode}&success_url=https://a.example/ok&{more}");
        let answer = self.send("POST", "/v1/checkout/sessions", &body, None);
        match answer.status {
            200 => Ok(answer.body),
            _ => Err(answer.body["error"].clone()),
        }
    }
}

fn message(error: &Value) -> &str {
    error["message"].as_str().unwrap()
}

#[test]
fn automatic_methods_that_redirect_need_a_return_url_when_an_intent_is_confirmed() {
    let mut shop = Shop::open();
    let pay = "amount=2000&currency=usd&payment_method=pm_card_visa";
    let automatic = "&automatic_payment_methods[enabled]=true";
    let confirmed = format!("{pay}&confirm=true{automatic}");
    let save = format!("payment_method=pm_card_visa&confirm=true{automatic}");

    let (status, refused) = shop.refused("POST", "/v1/payment_intents", &confirmed);
    let (_, setup) = shop.refused("POST", "/v1/setup_intents", &save);
    let none_made =
        shop.core.objects("payment_intent").len() + shop.core.objects("setup_intent").len();
    let later = shop.post("/v1/payment_intents", &format!("{pay}{automatic}"));
    let later = format!("/v1/payment_intents/{}/confirm", string(&later["id"]));
    let (_, bare) = shop.refused("POST", &later, "");
    let with = shop.post(&later, "return_url=https://a.example/back");
    let never = shop.post(
        "/v1/payment_intents",
        &format!("{confirmed}&automatic_payment_methods[allow_redirects]=never"),
    );

    assert_eq!(status, 400);
    assert!(
        message(&refused).starts_with(
            "A `return_url` must be specified because this Payment Intent is configured"
        )
    );
    assert!(
        message(&setup).starts_with(
            "A `return_url` must be specified because this Setup Intent is configured"
        )
    );
    assert_eq!(message(&bare), message(&refused));
    assert_eq!(none_made, 0);
    assert_eq!(with["status"], "succeeded");
    assert_eq!(never["status"], "succeeded");
}

#[test]
fn a_payment_method_type_must_be_activated_and_allow_the_currency() {
    let mut shop = Shop::open();
    let pack = shop.price("Credits", 1000, "");
    let line = format!("line_items[0][price]={pack}&line_items[0][quantity]=1");
    for (path, body) in [
        (
            "/v1/payment_intents",
            "amount=2000&currency=usd&payment_method_types[]=magic".to_owned(),
        ),
        (
            "/v1/setup_intents",
            "payment_method_types[]=klarna".to_owned(),
        ),
    ] {
        let (_, error) = shop.refused("POST", path, &body);
        assert!(
            message(&error).contains("is invalid. Please ensure the provided type is activated"),
            "{error}"
        );
        assert_eq!(error["param"], "payment_method_types");
    }

    let debit = "amount=2000&currency=usd&payment_method_types[]=sepa_debit";
    let (_, dollars) = shop.refused("POST", "/v1/payment_intents", debit);
    let intent = shop.post("/v1/payment_intents", &debit.replace("usd", "eur"));
    let path = format!("/v1/payment_intents/{}", string(&intent["id"]));
    let (_, changed) = shop.refused("POST", &path, "currency=usd");
    let unknown = shop.try_checkout("payment", &format!("{line}&payment_method_types[]=alipay"));
    let other = shop.try_checkout(
        "payment",
        &format!("{line}&payment_method_types[]=sepa_debit"),
    );
    let endive = shop.try_checkout(
        "payment",
        &format!("{line}&allowed_payment_method_types[]=sepa_debit"),
    );

    assert_eq!(
        dollars["message"],
        "The currency provided (usd) is invalid for one or more payment method types on this PaymentIntent. The payment method type sepa_debit only supports the following currencies: eur. Either correct the provided currency, or use a different PaymentIntent to accept this payment method type."
    );
    assert_eq!(changed["message"], dollars["message"]);
    assert!(
        message(&unknown.unwrap_err())
            .starts_with("The payment method type provided: alipay is invalid.")
    );
    assert_eq!(
        other.unwrap_err()["message"],
        "Invalid currency options ``usd``. The payment method `sepa_debit` only supports the following currencies: ``eur``."
    );
    assert!(endive.is_err());
    assert!(shop.core.objects("checkout.session").is_empty());
}

#[test]
fn a_price_has_one_amount_and_one_product() {
    let mut shop = Shop::open();
    let product = string(&shop.post("/v1/products", "name=Pro")["id"]);
    for (body, other) in [
        (
            format!("product={product}&unit_amount=5&unit_amount_decimal=5"),
            "unit_amount, unit_amount_decimal.",
        ),
        (
            format!("product={product}&product_data[name]=New&unit_amount=5"),
            "product, product_data.",
        ),
    ] {
        let (_, error) = shop.refused("POST", "/v1/prices", &format!("currency=usd&{body}"));
        let expected = format!("You may only specify one of these parameters: {other}");
        assert_eq!(error["message"], expected.as_str());
    }
    let inline = format!(
        "line_items[0][price_data][currency]=usd&line_items[0][price_data][product]={product}&line_items[0][price_data][unit_amount]=500&line_items[0][price_data][unit_amount_decimal]=500&line_items[0][quantity]=1"
    );
    let refused = shop.try_checkout("payment", &inline).unwrap_err();
    assert_eq!(refused["param"], "line_items[0][price_data][unit_amount]");
    assert!(shop.core.objects("price").is_empty());
}

#[test]
fn a_price_and_inline_price_data_exclude_each_other() {
    let mut shop = Shop::open();
    let pack = shop.price("Credits", 1000, "");
    let inline = "line_items[0][price_data][currency]=usd&line_items[0][price_data][product_data][name]=x&line_items[0][price_data][unit_amount]=500";

    let refused = shop.try_checkout(
        "payment",
        &format!("line_items[0][price]={pack}&line_items[0][quantity]=1&{inline}"),
    );

    assert_eq!(
        refused.unwrap_err()["message"],
        "You may only specify one of these parameters: price, price_data."
    );
}

#[test]
fn an_inactive_price_or_product_is_not_sold_in_checkout() {
    let mut shop = Shop::open();
    let pack = shop.price("Credits", 1000, "");
    let product = string(&shop.see(&json!(pack))["product"]);
    let line = format!("line_items[0][price]={pack}&line_items[0][quantity]=1");
    shop.post(&format!("/v1/products/{product}"), "active=false");

    let retired = shop.try_checkout("payment", &line).unwrap_err();
    shop.post(&format!("/v1/products/{product}"), "active=true");
    shop.post(&format!("/v1/prices/{pack}"), "active=false");
    let inactive = shop.try_checkout("payment", &line).unwrap_err();

    assert_eq!(
        retired["message"],
        format!(
            "Price `{pack}` is not available to be purchased because its product is not active."
        )
        .as_str()
    );
    assert_eq!(retired["param"], "line_items[0][price]");
    assert!(message(&inactive).starts_with("The price specified is inactive."));
}

#[test]
fn the_trial_of_a_session_ends_at_least_two_days_ahead() {
    let mut shop = Shop::open();
    let plan = shop.plan("PRO", 2000);
    let begin = |end: i64| {
        format!(
            "line_items[0][price]={plan}&line_items[0][quantity]=1&subscription_data[trial_end]={end}"
        )
    };

    let early = shop
        .try_checkout("subscription", &begin(NOW + 2 * DAY - 1))
        .unwrap_err();
    let late = shop.try_checkout("subscription", &begin(NOW + 2 * DAY));

    assert_eq!(
        early["message"],
        "The `trial_end` date has to be at least 2 days in the future."
    );
    assert_eq!(early["param"], "subscription_data[trial_end]");
    assert!(late.is_ok());
}

#[test]
fn a_session_has_at_most_100_lines_and_20_of_each_kind_in_subscription_mode() {
    let mut shop = Shop::open();
    let pack = shop.price("Credits", 100, "");
    let plan = shop.plan("PRO", 100);
    let lines = |from: usize, count: usize, price: &str| -> String {
        (from..from + count)
            .map(|index| {
                format!("&line_items[{index}][price]={price}&line_items[{index}][quantity]=1")
            })
            .collect()
    };

    assert!(shop.try_checkout("payment", &lines(0, 100, &pack)).is_ok());
    let packs = shop
        .try_checkout("payment", &lines(0, 101, &pack))
        .unwrap_err();
    let both = lines(0, 20, &plan) + &lines(20, 20, &pack);
    assert!(shop.try_checkout("subscription", &both).is_ok());
    let plans = shop
        .try_checkout("subscription", &lines(0, 21, &plan))
        .unwrap_err();
    let extras = lines(0, 1, &plan) + &lines(1, 21, &pack);
    let extras = shop.try_checkout("subscription", &extras).unwrap_err();

    assert!(message(&packs).contains("at most 100"));
    assert!(message(&plans).contains("20 line items with recurring prices"));
    assert!(message(&extras).contains("20 line items with one-time prices"));
}

#[test]
fn an_account_has_at_most_16_webhook_endpoints() {
    let mut shop = Shop::open();
    let body = "url=https://a.example/hook&enabled_events[]=*";
    let first = string(&shop.post("/v1/webhook_endpoints", body)["id"]);
    for _ in 1..16 {
        shop.post("/v1/webhook_endpoints", body);
    }

    let (status, error) = shop.refused("POST", "/v1/webhook_endpoints", body);
    shop.delete(&format!("/v1/webhook_endpoints/{first}"));
    shop.post("/v1/webhook_endpoints", body);

    assert_eq!(status, 400);
    assert_eq!(
        message(&error),
        "You have reached the maximum of 16 test webhook endpoints."
    );
}

#[test]
fn a_malformed_url_is_refused_wherever_stripe_would_open_it() {
    let mut shop = Shop::open();
    let customer = shop.customer("");
    let endpoint = shop.post(
        "/v1/webhook_endpoints",
        "url=https://a.example&enabled_events[]=*",
    );
    let endpoint = format!("/v1/webhook_endpoints/{}", string(&endpoint["id"]));
    for (path, body, param) in [
        (
            "/v1/webhook_endpoints",
            "enabled_events[]=*&url=https://".to_owned(),
            "url",
        ),
        (
            "/v1/webhook_endpoints",
            "enabled_events[]=*&url=https://a b.example".to_owned(),
            "url",
        ),
        (
            endpoint.as_str(),
            "url=https://a.example:port/".to_owned(),
            "url",
        ),
        (
            "/v1/billing_portal/sessions",
            format!("customer={customer}&return_url=there"),
            "return_url",
        ),
        (
            "/v1/billing_portal/configurations",
            "features[invoice_history][enabled]=true&default_return_url=https://".to_owned(),
            "default_return_url",
        ),
        (
            "/v1/billing_portal/sessions",
            format!(
                "customer={customer}&flow_data[type]=payment_method_update&flow_data[after_completion][type]=redirect&flow_data[after_completion][redirect][return_url]=there"
            ),
            "flow_data[after_completion][redirect][return_url]",
        ),
        (
            "/v1/checkout/sessions",
            "mode=setup&currency=usd&success_url=https:///ok".to_owned(),
            "success_url",
        ),
    ] {
        let (_, error) = shop.refused("POST", path, &body);

        assert_eq!(
            (&error["code"], &error["param"]),
            (&json!("url_invalid"), &json!(param)),
            "{body}"
        );
    }
}

#[test]
fn the_country_of_a_payment_method_is_a_code() {
    let mut shop = Shop::open();
    let card = "type=card&card[token]=tok_visa";
    let country = "billing_details[address][country]";
    let (_, named) = shop.refused(
        "POST",
        "/v1/payment_methods",
        &format!("{card}&{country}=Germany"),
    );
    let method = shop.post("/v1/payment_methods", &format!("{card}&{country}=DE"));
    let path = format!("/v1/payment_methods/{}", string(&method["id"]));
    let (_, changed) = shop.refused("POST", &path, &format!("{country}=JA"));
    let (_, inner) = shop.refused(
        "POST",
        "/v1/payment_intents",
        "amount=2000&currency=eur&payment_method_data[type]=sepa_debit&payment_method_data[sepa_debit][iban]=DE89370400440532013000&payment_method_data[billing_details][address][country]=Japan",
    );
    // Customers accept any text (github.com/stripe/stripe-node/issues/1680).
    let customer = shop.post("/v1/customers", "address[country]=US - United States");

    assert!(message(&named).starts_with(
        "Country 'Germany' is unknown. Try using a 2-character alphanumeric country code instead"
    ));
    assert_eq!(changed["param"], country);
    assert_eq!(
        inner["param"],
        "payment_method_data[billing_details][address][country]"
    );
    assert_eq!(customer["address"]["country"], "US - United States");
}

#[test]
fn the_total_count_of_a_list_is_gone_and_its_objects_expand_through_data() {
    let mut shop = Shop::open();
    let customer = shop.customer("pm_card_visa");
    shop.give_card(&customer, "pm_card_mastercard");
    let path = format!("/v1/payment_methods?customer={customer}&limit=1");

    let (status, error) = shop.refused("GET", &format!("{path}&expand[]=total_count"), "");
    let (_, direct) = shop.refused("GET", &format!("{path}&expand[]=customer"), "");
    let page = shop.get(&format!("{path}&expand[]=data.customer"));

    assert_eq!(status, 400);
    assert_eq!(
        message(&error),
        "This property cannot be included (total_count)."
    );
    assert_eq!(
        message(&direct),
        "This property cannot be expanded (customer)."
    );
    assert_eq!(page["data"][0]["customer"]["id"], customer.as_str());
    check(&page);
}

#[test]
fn a_unit_amount_with_decimals_is_multiplied_exactly_and_rounded_once() {
    let mut shop = Shop::open();
    let customer = shop.customer("pm_card_visa");
    let price = shop.post(
        "/v1/prices",
        "currency=usd&product_data[name]=Calls&unit_amount_decimal=5.5&recurring[interval]=month",
    );
    let plan = string(&price["id"]);
    let sub = shop.post(
        "/v1/subscriptions",
        &format!("customer={customer}&items[0][price]={plan}&items[0][quantity]=101"),
    );
    let invoice = shop.see(&sub["latest_invoice"]);
    let session = shop.try_checkout(
        "subscription",
        &format!("line_items[0][price]={plan}&line_items[0][quantity]=33"),
    );
    let (_, long) = shop.refused(
        "POST",
        "/v1/prices",
        "currency=usd&product_data[name]=x&unit_amount_decimal=0.0000000000001",
    );
    let whole = shop.post(
        "/v1/prices",
        "currency=usd&product_data[name]=x&unit_amount_decimal=12.00",
    );

    assert_eq!(
        (&price["unit_amount"], &price["unit_amount_decimal"]),
        (&Value::Null, &json!("5.5"))
    );
    // 555.5 is rounded up.
    assert_eq!(invoice["amount_paid"], 556);
    assert_eq!(
        invoice["lines"]["data"][0]["description"],
        "101 × Calls (at $0.055 / month)"
    );
    // 181.5 is rounded up, and so on.
    assert_eq!(session.unwrap()["amount_total"], 182);
    assert_eq!(long["param"], "unit_amount_decimal");
    assert_eq!(
        (&whole["unit_amount"], &whole["unit_amount_decimal"]),
        (&json!(12), &json!("12"))
    );
}

#[test]
fn an_intent_is_not_confirmed_with_a_method_of_a_type_that_it_does_not_accept() {
    let mut shop = Shop::open();
    let debit = "payment_method_data[type]=sepa_debit&payment_method_data[sepa_debit][iban]=DE89370400440532013000";
    let listed =
        format!("amount=2000&currency=eur&payment_method_types[]=card&confirm=true&{debit}");
    let dollars = format!("amount=2000&currency=usd&confirm=true&{debit}");
    let setup = format!("payment_method_types[]=card&confirm=true&{debit}");
    let card = "amount=2000&currency=eur&payment_method_types[]=sepa_debit&confirm=true&payment_method=pm_card_visa";

    for (path, body, kind, types) in [
        (
            "/v1/payment_intents",
            listed.as_str(),
            "sepa_debit",
            "PaymentIntent. Please attach a PaymentMethod with one of the following types: card.",
        ),
        (
            "/v1/payment_intents",
            dollars.as_str(),
            "sepa_debit",
            "following types: card, link.",
        ),
        (
            "/v1/payment_intents",
            card,
            "card",
            "following types: sepa_debit.",
        ),
        (
            "/v1/setup_intents",
            setup.as_str(),
            "sepa_debit",
            "SetupIntent. Please attach a PaymentMethod with one of the following types: card.",
        ),
    ] {
        let (status, error) = shop.refused("POST", path, body);

        assert_eq!(status, 400);
        assert!(
            message(&error).starts_with(&format!(
                "The PaymentMethod provided ({kind}) is not allowed"
            )),
            "{error}"
        );
        assert!(message(&error).ends_with(types), "{error}");
    }
    assert!(shop.core.objects("payment_intent").is_empty());
    assert!(shop.happened().is_empty());
    let paid = shop.post(
        "/v1/payment_intents",
        &listed.replace("payment_method_types[]=card&", ""),
    );
    assert_eq!(paid["status"], "processing");
}
