//! Checks every call of the client against Stripe's own description (`fixtures/paths.json`): the
//! method, the path, the names of the parameters and, for enums, their values.

use crate::stand_in::{Reply, Request, StandIn};
use serde_json::Value;
use stripe::{Client, DEFAULT_API_VERSION, Form, HANDLED_EVENTS};

const MAX: usize = 10;

fn described() -> Value {
    serde_json::from_str(include_str!("../../fixtures/paths.json")).unwrap()
}

/// Makes the calls and records their names. The stand-in refuses every call.
macro_rules! call {
    ($client:ident, $made:ident, $($method:ident($($argument:expr),*);)+) => {
        $(
            let refused = $client.$method($($argument),*).await.map(drop).unwrap_err();
            assert!(matches!(refused, stripe::Error::Refused { .. }), "{refused:?}");
            $made.push(stringify!($method));
        )+
    };
}

fn since(customer: &str) -> Form {
    Form::new()
        .push("customer", customer)
        .push("created[gte]", 1_700_000_000)
}

fn subscription_checkout() -> Form {
    Form::new()
        .push("mode", "subscription")
        .push("customer", "cus_1")
        .push("client_reference_id", "acc_1")
        .push("line_items[0][price]", "price_1")
        .push("line_items[0][quantity]", 1)
        .push("allow_promotion_codes", true)
        .push("automatic_tax[enabled]", true)
        .push("customer_update[address]", "auto")
        .push("payment_method_collection", "always")
        .push("subscription_data[trial_period_days]", 14)
        .push(
            "subscription_data[trial_settings][end_behavior][missing_payment_method]",
            "pause",
        )
        .push("subscription_data[metadata][account]", "acc_1")
        .push(
            "success_url",
            "https://example.com/done?session={CHECKOUT_SESSION_ID}",
        )
        .push("cancel_url", "https://example.com/billing")
        .push("expires_at", 1_700_000_000)
        .metadata("intent", "7")
}

fn payment_checkout() -> Form {
    Form::new()
        .push("mode", "payment")
        .push("customer", "cus_1")
        .push("line_items[0][price]", "price_1")
        .push("line_items[0][quantity]", 2)
        .push("payment_intent_data[metadata][intent]", "7")
        .push("payment_intent_data[setup_future_usage]", "off_session")
        .push("invoice_creation[enabled]", true)
        .push("success_url", "https://example.com/done")
        .expand("line_items")
}

fn portal_configuration() -> Form {
    Form::new()
        .push("business_profile[headline]", "Billing")
        .push("default_return_url", "https://example.com/billing")
        .push("features[customer_update][enabled]", true)
        .push("features[customer_update][allowed_updates][]", "email")
        .push("features[invoice_history][enabled]", true)
        .push("features[payment_method_update][enabled]", true)
        .push("features[subscription_cancel][enabled]", true)
        .push("features[subscription_cancel][mode]", "at_period_end")
        .push("features[subscription_update][enabled]", true)
        .push(
            "features[subscription_update][default_allowed_updates][]",
            "price",
        )
        .push(
            "features[subscription_update][proration_behavior]",
            "always_invoice",
        )
        .push(
            "features[subscription_update][products][0][product]",
            "prod_1",
        )
        .push(
            "features[subscription_update][products][0][prices][]",
            "price_1",
        )
        .metadata("catalog", "3")
}

fn webhook_endpoint() -> Form {
    let form = Form::new()
        .push("url", "https://example.com/webhooks/stripe")
        .push("api_version", DEFAULT_API_VERSION);
    HANDLED_EVENTS
        .iter()
        .fold(form, |form, kind| form.push("enabled_events[]", kind))
}

async fn call_customers_and_catalog(client: &Client, made: &mut Vec<&'static str>) {
    let customer = Form::new()
        .push("email", "ann@example.com")
        .metadata("account", "acc_1");
    let default_card = Form::new().push("invoice_settings[default_payment_method]", "pm_1");
    let product = Form::new()
        .push("id", "pro")
        .push("name", "Pro")
        .metadata("plan", "pro");
    let price = Form::new()
        .push("product", "pro")
        .push("currency", "usd")
        .push("unit_amount", 2900)
        .push("recurring[interval]", "month")
        .push("lookup_key", "pro_monthly")
        .push("transfer_lookup_key", true);
    call!(client, made,
        create_customer(&customer, "k");
        retrieve_customer("cus_1");
        update_customer("cus_1", &default_card, "k");
        delete_customer("cus_1");
        list_customers(&Form::new().push("email", "ann@example.com"), MAX);
        search_customers_by_metadata("account", "acc_1", MAX);
        create_product(&product, "k");
        retrieve_product("pro");
        update_product("pro", &Form::new().push("active", false), "k");
        list_products(&Form::new().push("active", true).push("ids[]", "pro"), MAX);
        create_price(&price, "k");
        update_price("price_1", &Form::new().push("active", false).push("lookup_key", ""), "k");
        retrieve_price("price_1");
        retrieve_coupon("half");
        list_prices(&Form::new().push("lookup_keys[]", "pro_monthly").push("active", true), MAX);
        retrieve_account();
    );
}

async fn call_checkout_and_subscriptions(client: &Client, made: &mut Vec<&'static str>) {
    let upgrade = Form::new()
        .push("items[0][id]", "si_1")
        .push("items[0][price]", "price_2")
        .push("proration_behavior", "always_invoice")
        .push("proration_date", 1_700_000_000)
        .push("payment_behavior", "pending_if_incomplete")
        .expand("latest_invoice");
    let cancel = Form::new()
        .push("cancel_at_period_end", true)
        .metadata("reason", "asked");
    let phases = Form::new()
        .push("end_behavior", "release")
        .push("phases[0][start_date]", 1_700_000_000)
        .push("phases[0][end_date]", 1_702_000_000)
        .push("phases[0][items][0][price]", "price_2")
        .push("phases[0][items][0][quantity]", 1)
        .push("phases[1][start_date]", 1_702_000_000)
        .push("phases[1][items][0][price]", "price_1")
        .push("phases[1][proration_behavior]", "none")
        .push("phases[1][metadata][account]", "acc_1");
    let ended_at_once = Form::new()
        .push("prorate", false)
        .push("invoice_now", false);
    call!(client, made,
        create_checkout_session(&subscription_checkout(), "k");
        create_checkout_session(&payment_checkout(), "k");
        retrieve_checkout_session("cs_test_1");
        list_checkout_sessions(&since("cus_1").push("status", "complete"), MAX);
        expire_checkout_session("cs_test_1", "k");
        list_checkout_line_items("cs_test_1", MAX);
        retrieve_subscription("sub_1");
        list_subscriptions(&since("cus_1"), MAX);
        list_subscriptions(&Form::new().push("status", "active"), MAX);
        update_subscription("sub_1", &upgrade, "k");
        update_subscription("sub_1", &cancel, "k");
        resume_subscription("sub_1", "k");
        cancel_subscription("sub_1", &ended_at_once);
        create_subscription_schedule(&Form::new().push("from_subscription", "sub_1"), "k");
        retrieve_subscription_schedule("sub_sched_1");
        update_subscription_schedule("sub_sched_1", &phases, "k");
        release_subscription_schedule("sub_sched_1", &Form::new(), "k");
        list_subscription_schedules(&since("cus_1"), MAX);
    );
}

async fn call_money(client: &Client, made: &mut Vec<&'static str>) {
    let preview = Form::new()
        .push("customer", "cus_1")
        .push("subscription", "sub_1")
        .push("subscription_details[items][0][id]", "si_1")
        .push("subscription_details[items][0][price]", "price_2")
        .push("subscription_details[proration_behavior]", "always_invoice")
        .push("subscription_details[proration_date]", 1_700_000_000);
    let refund = Form::new()
        .push("charge", "ch_1")
        .push("amount", 500)
        .push("reason", "requested_by_customer")
        .metadata("intent", "7");
    let topup = Form::new()
        .push("amount", 500)
        .push("currency", "usd")
        .push("customer", "cus_1")
        .push("payment_method", "pm_1")
        .push("off_session", true)
        .push("confirm", true)
        .push("automatic_payment_methods[enabled]", true)
        .push("automatic_payment_methods[allow_redirects]", "never")
        .push("description", "500 credits")
        .metadata("intent", "7");
    let note = Form::new()
        .push("invoice", "in_1")
        .push("amount", 500)
        .push("refund_amount", 500)
        .push("email_type", "none")
        .push("reason", "order_change")
        .metadata("intent", "rfd_1");
    call!(client, made,
        retrieve_invoice("in_1");
        list_invoices(&since("cus_1").push("status", "open").push("subscription", "sub_1"), MAX);
        preview_invoice(&preview);
        keep_draft("in_1", "k");
        pay_invoice("in_1", &Form::new().push("payment_method", "pm_1").expand("payments"), "k");
        void_invoice("in_1", "k");
        list_invoice_payments_of("pi_1", MAX);
        create_credit_note(&note, "k");
        retrieve_credit_note("cn_1");
        list_credit_notes(&since("cus_1").push("invoice", "in_1"), MAX);
        create_payment_intent(&topup, "k");
        retrieve_payment_intent("pi_1");
        list_payment_intents(&since("cus_1"), MAX);
        retrieve_charge("ch_1");
        list_charges(&since("cus_1").push("payment_intent", "pi_1"), MAX);
        create_refund(&refund, "k");
        retrieve_refund("re_1");
        list_refunds(&Form::new().push("charge", "ch_1").push("payment_intent", "pi_1"), MAX);
        retrieve_dispute("du_1");
        list_disputes(&Form::new().push("charge", "ch_1").push("created[gte]", 5), MAX);
        retrieve_payment_method("pm_1");
        list_payment_methods(&Form::new().push("customer", "cus_1").push("type", "card"), MAX);
    );
}

async fn call_portal_and_webhooks(client: &Client, made: &mut Vec<&'static str>) {
    let session = Form::new()
        .push("customer", "cus_1")
        .push("configuration", "bpc_1")
        .push("return_url", "https://example.com/billing")
        .push("flow_data[type]", "payment_method_update");
    let events = Form::new()
        .push("types[]", "invoice.paid")
        .push("created[gte]", 5);
    call!(client, made,
        create_portal_session(&session);
        create_portal_configuration(&portal_configuration(), "k");
        update_portal_configuration("bpc_1", &portal_configuration(), "k");
        list_portal_configurations(&Form::new().push("active", true), MAX);
        create_webhook_endpoint(&webhook_endpoint(), "k");
        update_webhook_endpoint("we_1", &Form::new().push("disabled", false), "k");
        list_webhook_endpoints(&Form::new(), MAX);
        retrieve_event("evt_1");
        list_events(&events, MAX);
        list_events_after("evt_1", &Form::new().push("types[]", "invoice.paid"), MAX);
    );
}

/// The names of all calls in the sources.
fn calls_in_the_sources() -> Vec<String> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/endpoints");
    let mut names = Vec::new();
    for file in std::fs::read_dir(folder).unwrap() {
        let source = std::fs::read_to_string(file.unwrap().path()).unwrap();
        let calls = source.split("pub async fn ").skip(1);
        names.extend(calls.map(|rest| rest.split('(').next().unwrap().to_owned()));
    }
    names.sort();
    names
}

#[tokio::test]
async fn every_call_is_one_that_stripe_describes() {
    let refusal = r#"{"error":{"type":"invalid_request_error"}}"#;
    let server = StandIn::new(|_| Reply::status(400, refusal)).await;
    let client = server.client();
    let mut made = Vec::new();

    call_customers_and_catalog(&client, &mut made).await;
    call_checkout_and_subscriptions(&client, &mut made).await;
    call_money(&client, &mut made).await;
    call_portal_and_webhooks(&client, &mut made).await;

    let described = described();
    let mut used: Vec<String> = server
        .requests()
        .iter()
        .map(|request| check(request, &described))
        .collect();
    used.sort();
    used.dedup();
    assert_eq!(
        used.len(),
        described["calls"].as_object().unwrap().len(),
        "no call is left out"
    );
    made.sort_unstable();
    made.dedup();
    assert_eq!(
        made,
        calls_in_the_sources(),
        "every call of the client is made here"
    );
}

/// Checks a request and returns the name of its call.
fn check(request: &Request, described: &Value) -> String {
    let calls = described["calls"].as_object().unwrap();
    let of_this_path = |name: &&String| {
        let (method, path) = name.split_once(' ').unwrap();
        method == request.method && is_at(path, &request.path)
    };
    // `/customers/search` must match before `/customers/{customer}`.
    let name = calls
        .keys()
        .filter(of_this_path)
        .min_by_key(|name| name.matches('{').count());
    let name = name.unwrap_or_else(|| panic!("{} {}", request.method, request.path));
    let call = &calls[name];
    for (parameters, kind) in [(&request.query, "query"), (&request.body, "body")] {
        for (parameter, value) in parameters.iter() {
            check_parameter(name, &call[kind], parameter, value);
            if parameter == "expand[]" {
                check_expansion(name, call, described, value);
            }
        }
    }
    for required in call["required"].as_array().unwrap() {
        let required = required.as_str().unwrap();
        let is_it = |name: &str| name.split('[').next() == Some(required);
        let mut given = request.query.iter().chain(request.body.iter());
        assert!(
            given.any(|(parameter, _)| is_it(parameter)),
            "{name} needs {required}"
        );
    }
    name.clone()
}

fn is_at(template: &str, path: &str) -> bool {
    let (template, path): (Vec<_>, Vec<_>) =
        (template.split('/').collect(), path.split('/').collect());
    let fits = |(part, given): (&&str, &&str)| part.starts_with('{') || part == given;
    template.len() == path.len() && template.iter().zip(&path).all(fits)
}

/// Resolves a name such as `a[b][0][c]` in the description.
fn check_parameter(call: &str, fields: &Value, parameter: &str, value: &str) {
    let mut parts = parameter.split('[').map(|part| part.trim_end_matches(']'));
    let first = parts.next().unwrap();
    let mut node = &fields[first];
    assert!(!node.is_null(), "{call} has no {parameter}");
    for part in parts {
        node = match (node.get("each"), node["fields"].get(part), node.get("any")) {
            (Some(each), ..) if part.is_empty() || part.parse::<u32>().is_ok() => each,
            (_, Some(field), _) => field,
            (_, _, Some(any)) => any,
            _ => panic!("{call} has no {parameter}"),
        };
    }
    if let Some(words) = node.get("words").and_then(Value::as_array) {
        assert!(
            words.iter().any(|word| word == value),
            "{call}: {parameter}={value}"
        );
        return;
    }
    assert!(
        *node == Value::Bool(true) || node["free"] == true,
        "{call}: {parameter} is no value"
    );
}

fn check_expansion(name: &str, call: &Value, described: &Value, path: &str) {
    let path = if call["list"] == true {
        path.strip_prefix("data.")
            .unwrap_or_else(|| panic!("{name}: {path} in a list"))
    } else {
        path
    };
    let object = call["answers"].as_str().unwrap();
    let expandable = described["expandable"][object].as_array();
    let expandable = expandable.unwrap_or_else(|| panic!("{object} is not in the fixture"));
    let first = path.split('.').next().unwrap();
    assert!(
        expandable.iter().any(|field| field == first),
        "{name}: {object} has no {path}"
    );
}

#[test]
fn the_check_finds_unknown_calls_and_parameters() {
    let described = described();
    let fields = &described["calls"]["POST /v1/checkout/sessions"]["body"];
    for (parameter, value) in [
        ("color", "red"),
        ("line_items[0][color]", "red"),
        ("line_items[price]", "price_1"),
        ("mode", "gift"),
        ("line_items", "price_1"),
        ("mode[0]", "payment"),
    ] {
        let check = || check_parameter("create", fields, parameter, value);
        assert!(
            std::panic::catch_unwind(check).is_err(),
            "{parameter}={value}"
        );
    }
    check_parameter("create", fields, "line_items[12][price]", "price_1");
}
