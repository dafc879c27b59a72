//! A test helper around the core: short calls, a clock, and a schema check of every answer.

#![expect(clippy::unwrap_used, reason = "a test that cannot continue must panic")]

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, OnceLock};

use serde_json::{Value, json};
use twin::core::{ApiAnswer, ApiRequest, Core, Payment};

/// 1 January 2026, midnight.
pub const NOW: i64 = 1_767_225_600;
pub const DAY: i64 = 86_400;
pub const HOUR: i64 = 3_600;

pub struct Shop {
    pub core: Core,
    pub now: i64,
    pub events: Vec<Value>,
}

impl Shop {
    pub fn open() -> Shop {
        Shop {
            core: Core::new(7, NOW),
            now: NOW,
            events: Vec::new(),
        }
    }

    pub fn send(&mut self, method: &str, target: &str, body: &str, key: Option<&str>) -> ApiAnswer {
        self.send_as_of(None, (method, target), body, key)
    }

    /// Sends a request in a version of the API.
    pub fn send_as_of(
        &mut self,
        version: Option<&str>,
        (method, target): (&str, &str),
        body: &str,
        key: Option<&str>,
    ) -> ApiAnswer {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let request = ApiRequest {
            method: method.to_owned(),
            path: path.to_owned(),
            query: query.to_owned(),
            body: body.to_owned(),
            api_key: Some("sk_test_x".to_owned()),
            idempotency_key: key.map(str::to_owned),
            stripe_version: version.map(str::to_owned),
            ..ApiRequest::default()
        };
        let answer = self.core.api(&request, self.now);
        if answer.status == 200 {
            check(&answer.body);
        } else {
            check_as("error", &answer.body);
        }
        answer
    }

    pub fn post(&mut self, path: &str, body: &str) -> Value {
        self.good("POST", path, body)
    }

    /// Creates or updates a customer with a discount, which only older versions of the API can.
    pub fn post_discounted(&mut self, path: &str, body: &str) -> Value {
        let version = Some("2025-02-24.acacia");
        let answer = self.send_as_of(version, ("POST", path), body, None);
        assert_eq!(answer.status, 200, "{path} {body}: {}", answer.body);
        answer.body
    }

    pub fn get(&mut self, target: &str) -> Value {
        self.good("GET", target, "")
    }

    pub fn delete(&mut self, path: &str) -> Value {
        self.good("DELETE", path, "")
    }

    fn good(&mut self, method: &str, target: &str, body: &str) -> Value {
        let answer = self.send(method, target, body, None);
        assert_eq!(
            answer.status, 200,
            "{method} {target} {body}: {}",
            answer.body
        );
        answer.body
    }

    /// Makes a call that must be refused. Returns its status and the error.
    pub fn refused(&mut self, method: &str, target: &str, body: &str) -> (u16, Value) {
        let answer = self.send(method, target, body, None);
        assert_ne!(
            answer.status, 200,
            "{method} {target} {body}: {}",
            answer.body
        );
        (answer.status, answer.body["error"].clone())
    }

    /// Moves the clock forward.
    pub fn wait(&mut self, seconds: i64) {
        self.now += seconds;
        self.core.tick(self.now);
    }

    /// The types of the events since the last call. Each event is checked and kept.
    pub fn happened(&mut self) -> Vec<String> {
        let fresh = self.core.take_events();
        for event in &fresh {
            check(event);
            check(&event["data"]["object"]);
        }
        let kinds = fresh
            .iter()
            .map(|event| event["type"].as_str().unwrap().to_owned())
            .collect();
        self.events.extend(fresh);
        kinds
    }

    /// Whether an event of a type happened since the last call.
    pub fn did(&mut self, kind: &str) -> bool {
        self.happened().iter().any(|one| one == kind)
    }

    /// Declines the customer's next charge.
    pub fn decline(&mut self, customer: &str, code: &str) {
        self.core.decline_next(Some(customer), code);
    }

    /// The number of objects of a kind with a status.
    pub fn count(&self, kind: &str, status: &str) -> usize {
        let all = self.core.objects(kind);
        all.iter().filter(|one| one["status"] == status).count()
    }

    /// The newest event of a type.
    pub fn last(&mut self, kind: &str) -> Value {
        self.happened();
        let found = self.events.iter().rev().find(|event| event["type"] == kind);
        found
            .unwrap_or_else(|| panic!("no {kind} happened"))
            .clone()
    }

    pub fn see(&self, id: &Value) -> Value {
        let object = self
            .core
            .object(id.as_str().expect("an id"))
            .expect("the object is there");
        check(object);
        object.clone()
    }

    /// Creates a customer. The card, if any, becomes the default.
    pub fn customer(&mut self, card: &str) -> String {
        let customer = self.post("/v1/customers", "email=ann@example.com&name=Ann");
        let id = string(&customer["id"]);
        if !card.is_empty() {
            self.give_card(&id, card);
        }
        id
    }

    pub fn give_card(&mut self, customer: &str, card: &str) -> String {
        let method = self.post(
            &format!("/v1/payment_methods/{card}/attach"),
            &format!("customer={customer}"),
        );
        let id = string(&method["id"]);
        let body = format!("invoice_settings[default_payment_method]={id}");
        self.post(&format!("/v1/customers/{customer}"), &body);
        id
    }

    /// Creates a monthly price.
    pub fn plan(&mut self, name: &str, amount: i64) -> String {
        self.price(name, amount, "&recurring[interval]=month")
    }

    /// A customer with a card, and a monthly price.
    pub fn buyer(&mut self, card: &str, amount: i64) -> (String, String) {
        (self.customer(card), self.plan("PRO", amount))
    }

    /// Creates a monthly price of 9.00 in euros.
    pub fn euro_plan(&mut self) -> String {
        let body = "product_data[name]=EURO&unit_amount=900&currency=eur&recurring[interval]=month";
        string(&self.post("/v1/prices", body)["id"])
    }

    pub fn price(&mut self, name: &str, amount: i64, more: &str) -> String {
        let body = format!("product_data[name]={name}&unit_amount={amount}&currency=usd{more}");
        // `product_data` of a price accepts only a few fields of a product.
        string(&self.post("/v1/prices", &body)["id"])
    }

    pub fn subscribe(&mut self, customer: &str, price: &str, more: &str) -> Value {
        let body = format!("customer={customer}&items[0][price]={price}{more}");
        self.post("/v1/subscriptions", &body)
    }

    pub fn session(&mut self, mode: &str, price: &str, more: &str) -> String {
        let body = format!(
            "mode={mode}&success_url=https://shop.example/ok?id={{CHECKOUT_SESSION_ID}}&line_items[0][price]={price}&line_items[0][quantity]=1{more}"
        );
        string(&self.post("/v1/checkout/sessions", &body)["id"])
    }
}

pub fn string(value: &Value) -> String {
    value.as_str().expect("a text").to_owned()
}

pub fn card(number: &str) -> Payment {
    Payment::Card {
        number: number.to_owned(),
        exp_month: 12,
        exp_year: 2030,
        cvc: "123".to_owned(),
    }
}

pub fn good_card() -> Payment {
    card("4242 4242 4242 4242")
}

/// Checks an object, and the objects in a list, against Stripe's schema.
pub fn check(object: &Value) {
    match object["object"].as_str() {
        Some("list" | "search_result") => object["data"].as_array().unwrap().iter().for_each(check),
        Some(kind) if object["deleted"] == true => check_as(&format!("deleted_{kind}"), object),
        Some(kind) => check_as(kind, object),
        None => panic!("no object: {object}"),
    }
}

pub fn check_as(kind: &str, object: &Value) {
    const UNDESCRIBED: [&str; 3] = ["deleted_coupon", "deleted_invoice", "deleted_invoiceitem"];
    if UNDESCRIBED.contains(&kind) {
        return;
    }
    let validator = validator(kind);
    let problems: Vec<String> = validator
        .iter_errors(object)
        .map(|error| format!("{}: {error:.200}", error.instance_path))
        .collect();
    assert!(
        problems.is_empty(),
        "{kind} {}: {problems:#?}",
        object["id"]
    );
    checked().lock().unwrap().insert(kind.to_owned());
}

/// The kinds that were checked in this process so far.
pub fn checked() -> &'static Mutex<BTreeSet<String>> {
    static CHECKED: OnceLock<Mutex<BTreeSet<String>>> = OnceLock::new();
    CHECKED.get_or_init(Mutex::default)
}

fn validator(kind: &str) -> Arc<jsonschema::Validator> {
    static ALL: OnceLock<Mutex<HashMap<String, Arc<jsonschema::Validator>>>> = OnceLock::new();
    static DEFINITIONS: OnceLock<Value> = OnceLock::new();
    let mut all = ALL.get_or_init(Mutex::default).lock().unwrap();
    let made = all.entry(kind.to_owned()).or_insert_with(|| {
        let definitions = DEFINITIONS.get_or_init(|| {
            let text = include_str!("../../data/schema.json");
            let mut schema: Value = serde_json::from_str(text).unwrap();
            // The schema requires it, but recorded answers of Stripe lack it.
            let required = schema["$defs"]["invoice"]["required"]
                .as_array_mut()
                .unwrap();
            required.retain(|name| name != "amount_paid_off_stripe");
            schema["$defs"].take()
        });
        let schema = json!({"$ref": format!("#/$defs/{kind}"), "$defs": definitions});
        Arc::new(
            jsonschema::validator_for(&schema).unwrap_or_else(|error| panic!("{kind}: {error}")),
        )
    });
    Arc::clone(made)
}
