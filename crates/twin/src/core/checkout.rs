//! Checkout sessions: made by the API, paid on a page, settled or expired by time.

use serde_json::{Value, json};

use super::discounts::reduction;
use super::errors::{Answer, ApiError};
use super::lists::matches;
use super::params::metadata;
use super::payments::{By, NewIntent, Paid, Verdict};
use super::subscriptions::{NewSubscription, one_rhythm, trial_end};
use super::time::{DAY, HOUR};
use super::value::{
    flag, get, has, int, list, merge, minimum_charge, money_text, opt, opt_int, or_null, owned,
    set, text,
};
use super::{Call, CheckoutView, Core, LineView, PayError, Payment};

const LINES_MAX: usize = 100;

/// `GET /v1/checkout/sessions`
pub(super) fn index(core: &mut Core, call: &Call) -> Answer {
    let mail = opt(&call.params, "customer_details.email");
    core.page(call, "checkout.session", |row| {
        matches(
            &call.params,
            row,
            &[
                "customer",
                "payment_intent",
                "subscription",
                "status",
                "payment_link",
            ],
        ) && mail.is_none_or(|wanted| text(row, "customer_details.email") == wanted)
    })
}

/// `GET /v1/checkout/sessions/{session}`
pub(super) fn show(core: &mut Core, call: &Call) -> Answer {
    core.need_path("checkout.session", call.id(), "id")
}

/// `GET /v1/checkout/sessions/{session}/line_items`
pub(super) fn lines(core: &mut Core, call: &Call) -> Answer {
    core.need_path("checkout.session", call.id(), "id")?;
    let items = core.note(call.id(), "items");
    core.page_of(
        call,
        "item",
        list(&json!({ "items": items }), "items").iter().collect(),
    )
}

/// `POST /v1/checkout/sessions/{session}`
pub(super) fn update(core: &mut Core, call: &Call) -> Answer {
    let row = core.need_path("checkout.session", call.id(), "id")?;
    let kept = metadata(&row["metadata"], get(&call.params, "metadata"))?;
    core.modify(call.id(), |row| row["metadata"] = kept);
    core.need_path("checkout.session", call.id(), "id")
}

/// `POST /v1/checkout/sessions/{session}/expire`
pub(super) fn expire(core: &mut Core, call: &Call) -> Answer {
    let row = core.need_path("checkout.session", call.id(), "id")?;
    if text(&row, "status") != "open" {
        let message = format!(
            "Only Checkout Sessions with a status in [\"open\"] can be expired. This Checkout Session has a status of `{}`.",
            text(&row, "status")
        );
        return Err(ApiError::bad("", "session", message).boxed());
    }
    core.expire_session(call.id());
    core.need_path("checkout.session", call.id(), "id")
}

/// `GET /v1/payment_pages/{session}`: what hosted Checkout itself asks for.
pub(super) fn page(core: &mut Core, call: &Call) -> Answer {
    core.payment_page(call.id())
}

/// `POST /v1/payment_pages/{session}/confirm`
pub(super) fn confirm_page(core: &mut Core, call: &Call) -> Answer {
    let session = core.need_path("checkout.session", call.id(), "id")?;
    if text(&session, "status") != "open" {
        let message = "This Checkout Session is no longer open.";
        return Err(ApiError::bad("checkout_session_not_open", "session", message).boxed());
    }
    let expected = opt_int(&call.params, "expected_amount");
    if expected.is_some_and(|amount| amount != int(&session, "amount_total")) {
        let message = "The expected amount does not match the amount of the Checkout Session.";
        return Err(ApiError::bad("checkout_amount_mismatch", "expected_amount", message).boxed());
    }
    let name = opt(&call.params, "payment_method")
        .ok_or_else(|| ApiError::required("payment_method").boxed())?;
    let method = core.method_named(name, "payment_method[id]")?;
    core.pay_session(call.id(), &method)?;
    core.payment_page(call.id())
}

/// `POST /v1/checkout/sessions`
pub(super) fn create(core: &mut Core, call: &Call) -> Answer {
    let sent = &call.params;
    let mode = opt(sent, "mode").ok_or_else(|| ApiError::required("mode").boxed())?;
    refuse_mixed(sent, mode)?;
    let customer = core.session_customer(sent)?;
    let items = core.session_lines(sent, mode)?;
    let trial = trial_end(core.now, get(sent, "subscription_data"))?;
    let ui = opt(sent, "ui_mode").unwrap_or("hosted_page");
    let expires_at = expiry(core.now, sent)?;
    let discounts = core.session_discounts(sent)?;
    let id = core.rng.id("cs_test");
    let session = core.session_object(&id, sent, mode, ui, customer.as_deref(), expires_at)?;
    core.store.put(&id, session);
    core.set_note(&id, "items", items);
    core.set_note(&id, "sent", sent.clone());
    core.set_note(&id, "discounts", discounts);
    core.set_note(&id, "trial", trial);
    core.total_session(&id);
    let total = core
        .store
        .get(&id)
        .map_or(0, |row| int(row, "amount_total"));
    let currency = core
        .store
        .get(&id)
        .map(|row| owned(row, "currency"))
        .unwrap_or_default();
    if mode == "payment" && total > 0 && total < minimum_charge(&currency) {
        let least = money_text(minimum_charge(&currency), &currency);
        let message = format!(
            "The Checkout Session's total amount due must add up to at least {least} {currency}"
        );
        return Err(ApiError::bad("amount_too_small", "", message).boxed());
    }
    core.wake(expires_at, &id);
    core.need("checkout.session", &id, "id")
}

fn refuse_mixed(sent: &Value, mode: &str) -> Answer<()> {
    let foreign = match mode {
        "payment" => ["subscription_data", "setup_intent_data"],
        "subscription" => ["payment_intent_data", "setup_intent_data"],
        _ => ["subscription_data", "payment_intent_data"],
    };
    if let Some(name) = foreign.iter().find(|name| has(sent, name)) {
        let message = format!("You can not pass `{name}` in `{mode}` mode.");
        return Err(ApiError::bad("", name, message).boxed());
    }
    if mode == "subscription" && has(sent, "customer_creation") {
        let message = "`customer_creation` can only be used in `payment` mode.";
        return Err(ApiError::bad("", "customer_creation", message).boxed());
    }
    if has(sent, "discounts") && flag(sent, "allow_promotion_codes") {
        let message =
            "You may only specify one of these parameters: allow_promotion_codes, discounts.";
        return Err(ApiError::invalid(message).boxed());
    }
    let ui = opt(sent, "ui_mode").unwrap_or("hosted_page");
    if ui == "hosted_page" && opt(sent, "success_url").is_none() {
        return Err(ApiError::required("success_url").boxed());
    }
    for name in ["success_url", "cancel_url", "return_url"] {
        if let Some(url) = opt(sent, name)
            && !(url.starts_with("https://") || url.starts_with("http://"))
        {
            return Err(ApiError::bad("url_invalid", name, "Not a valid URL").boxed());
        }
    }
    Ok(())
}

fn expiry(now: i64, sent: &Value) -> Answer<i64> {
    let at = opt_int(sent, "expires_at").unwrap_or(now + DAY);
    let problem = if at < now + HOUR / 2 {
        "The `expires_at` timestamp must be at least 30 minutes from Checkout Session creation."
    } else if at > now + DAY {
        "The `expires_at` timestamp must be less than 24 hours from Checkout Session creation."
    } else {
        return Ok(at);
    };
    Err(ApiError::bad("", "expires_at", problem).boxed())
}

impl Core {
    fn session_customer(&mut self, sent: &Value) -> Answer<Option<String>> {
        let customer = opt(sent, "customer");
        if customer.is_some() && has(sent, "customer_email") {
            let message = "You may only specify one of these parameters: customer, customer_email.";
            return Err(ApiError::invalid(message).boxed());
        }
        let Some(customer) = customer else {
            return Ok(None);
        };
        self.need("customer", customer, "customer")?;
        Ok(Some(customer.to_owned()))
    }

    /// The line items as objects, from prices and inline prices.
    fn session_lines(&mut self, sent: &Value, mode: &str) -> Answer<Vec<Value>> {
        let lines = list(sent, "line_items");
        if mode == "setup" {
            return Ok(Vec::new());
        }
        if lines.is_empty() {
            let message = format!("The `line_items` parameter is required in {mode} mode.");
            return Err(ApiError::bad("parameter_missing", "line_items", message).boxed());
        }
        if lines.len() > LINES_MAX {
            let message = format!("A Checkout Session has at most {LINES_MAX} line items.");
            return Err(ApiError::bad("", "line_items", message).boxed());
        }
        let mut items = Vec::new();
        for (index, line) in lines.iter().enumerate() {
            items.push(self.session_line(line, index, mode)?);
        }
        let recurring = |item: &&Value| text(item, "price.type") == "recurring";
        one_rhythm(
            items
                .iter()
                .filter(recurring)
                .map(|item| get(item, "price")),
        )?;
        let currency = items[0]["currency"].clone();
        if items.iter().any(|item| item["currency"] != currency) {
            let message = "All line items of a Checkout Session must have the same currency.";
            return Err(ApiError::bad("", "line_items", message).boxed());
        }
        if mode == "subscription" && !items.iter().any(|item| recurring(&item)) {
            let message = "You must provide at least one recurring price in `subscription` mode when using prices.";
            return Err(ApiError::invalid(message).boxed());
        }
        Ok(items)
    }

    fn session_line(&mut self, line: &Value, index: usize, mode: &str) -> Answer {
        let named = format!("line_items[{index}]");
        let id = match opt(line, "price") {
            Some(id) => id.to_owned(),
            None if has(line, "price_data") => {
                self.create_price(get(line, "price_data"), &format!("{named}[price_data]"))?
            }
            None => return Err(ApiError::required(&format!("{named}[price]")).boxed()),
        };
        let price = self.need("price", &id, &format!("{named}[price]"))?;
        if !flag(&price, "active") {
            let message = "The price specified is inactive. This field only accepts active prices.";
            return Err(ApiError::bad("", &format!("{named}[price]"), message).boxed());
        }
        if mode == "payment" && text(&price, "type") == "recurring" {
            let message = "You specified `payment` mode but passed a recurring price. Either switch to `subscription` mode or use only one-time prices.";
            return Err(ApiError::invalid(message).boxed());
        }
        let Some(quantity) = opt_int(line, "quantity") else {
            let message = format!("Quantity is required. Add `quantity` to `{named}`");
            return Err(ApiError::bad("parameter_missing", &named, message).boxed());
        };
        if quantity < 1 {
            let message = "This value must be greater than or equal to 1.";
            let param = format!("{named}[quantity]");
            return Err(ApiError::bad("parameter_invalid_integer", &param, message).boxed());
        }
        let amount = int(&price, "unit_amount")
            .checked_mul(quantity)
            .filter(|one| *one <= 99_999_999);
        let Some(amount) = amount else {
            let message = "The amount must be no more than $999,999.99";
            return Err(ApiError::bad("amount_too_large", &named, message).boxed());
        };
        Ok(json!({
            "id": self.rng.id("li"), "object": "item", "adjustable_quantity": null,
            "amount_discount": 0, "amount_subtotal": amount, "amount_tax": 0,
            "amount_total": amount, "currency": price["currency"],
            "description": self.product_name(&price), "metadata": null, "price": price,
            "quantity": quantity,
        }))
    }

    fn session_discounts(&mut self, sent: &Value) -> Answer<Vec<Value>> {
        let mut found = Vec::new();
        for (index, one) in list(sent, "discounts").iter().enumerate() {
            let code = match opt(one, "promotion_code") {
                Some(id) => Some(self.need(
                    "promotion_code",
                    id,
                    &format!("discounts[{index}][promotion_code]"),
                )?),
                None => None,
            };
            let coupon = code.as_ref().map_or_else(
                || owned(one, "coupon"),
                |row| owned(row, "promotion.coupon"),
            );
            self.need("coupon", &coupon, &format!("discounts[{index}][coupon]"))?;
            found.push(
                json!({"coupon": coupon, "promotion_code": code.map(|row| row["id"].clone())}),
            );
        }
        Ok(found)
    }

    fn session_object(
        &mut self,
        id: &str,
        sent: &Value,
        mode: &str,
        ui: &str,
        customer: Option<&str>,
        expires_at: i64,
    ) -> Answer {
        let row = customer
            .and_then(|id| self.store.get(id))
            .cloned()
            .unwrap_or_default();
        let email = opt(sent, "customer_email").or_else(|| opt(&row, "email"));
        let details = email.map(|email| details_of(&json!({ "email": email })));
        let url = (ui == "hosted_page").then(|| format!("{}/c/pay/{id}", self.public_url));
        let types = [
            list(sent, "payment_method_types"),
            list(sent, "allowed_payment_method_types"),
        ];
        let types: Value = types
            .into_iter()
            .find(|one| !one.is_empty())
            .map_or_else(|| json!(["card"]), Value::from);
        let is_payment = mode == "payment";
        let kept = metadata(&Value::Null, get(sent, "metadata"))?;
        let mut session = json!({
            "id": id, "object": "checkout.session", "adaptive_pricing": {"enabled": false},
            "after_expiration": null, "allow_promotion_codes": get(sent, "allow_promotion_codes"),
            "amount_subtotal": null, "amount_total": null,
            "automatic_tax": {"enabled": flag(sent, "automatic_tax.enabled"), "liability": null,
                              "provider": null, "status": null},
            "billing_address_collection": or_null(sent, "billing_address_collection"),
            "cancel_url": or_null(sent, "cancel_url"),
            "client_reference_id": or_null(sent, "client_reference_id"), "client_secret": null,
            "collected_information": null, "consent": null, "consent_collection": null,
            "created": self.now, "currency": null, "currency_conversion": null,
            "custom_fields": [],
            "custom_text": {"after_submit": null, "shipping_address": null, "submit": null,
                            "terms_of_service_acceptance": null},
            "customer": customer, "customer_account": null,
            "customer_creation": if is_payment && customer.is_none() {
                json!(opt(sent, "customer_creation").unwrap_or("if_required")) } else { Value::Null },
            "customer_details": details, "customer_email": or_null(sent, "customer_email"),
            "discounts": [], "expires_at": expires_at, "integration_identifier": null,
        });
        let rest = json!({
            "invoice": null,
            "invoice_creation": if is_payment { json!({"enabled": false, "invoice_data":
                {"account_tax_ids": null, "custom_fields": null, "description": null,
                 "footer": null, "issuer": null, "metadata": {}, "rendering_options": null}}) }
                else { Value::Null },
            "livemode": false, "locale": or_null(sent, "locale"), "metadata": kept, "mode": mode,
            "origin_context": null, "payment_intent": null, "payment_link": null,
            "payment_method_collection": if is_payment { json!("if_required") } else { json!("always") },
            "payment_method_configuration_details": null, "payment_method_options": {},
            "payment_method_types": types, "payment_status": "unpaid", "permissions": null,
            "phone_number_collection": {"enabled": false}, "recovered_from": null,
            "saved_payment_method_options": null, "setup_intent": null,
            "shipping_address_collection": null, "shipping_cost": null, "shipping_options": [],
            "status": "open", "submit_type": or_null(sent, "submit_type"), "subscription": null,
            "success_url": or_null(sent, "success_url"), "total_details": null, "ui_mode": ui,
            "url": url, "wallet_options": null,
        });
        merge(&mut session, rest);
        if let Some(back) = opt(sent, "return_url") {
            session["return_url"] = back.into();
        }
        if ui != "hosted_page" {
            session["client_secret"] = format!("{id}_secret_{}", self.rng.text(24)).into();
        }
        Ok(session)
    }

    /// The session's sums, after its discounts and for a trial without the recurring lines.
    fn total_session(&mut self, id: &str) {
        let items = self.note(id, "items");
        let in_trial = self.note(id, "trial").is_i64();
        let items = items.as_array().cloned().unwrap_or_default();
        if items.is_empty() {
            return;
        }
        let counts = |item: &Value| !in_trial || text(item, "price.type") != "recurring";
        let subtotal: i64 = items
            .iter()
            .filter(|one| counts(one))
            .map(|one| int(one, "amount_subtotal"))
            .sum();
        let discounts = self.note(id, "discounts");
        let mut rest = subtotal;
        for one in discounts.as_array().into_iter().flatten() {
            if let Some(coupon) = self.store.get(text(one, "coupon")) {
                rest -= reduction(coupon, rest);
            }
        }
        self.modify(id, |row| {
            row["currency"] = items[0]["currency"].clone();
            row["amount_subtotal"] = subtotal.into();
            row["amount_total"] = rest.into();
            row["discounts"] = discounts.clone();
            row["total_details"] =
                json!({"amount_discount": subtotal - rest, "amount_shipping": 0, "amount_tax": 0});
        });
    }

    /// The line items as an expandable list.
    pub(super) fn session_items(&self, id: &str) -> Value {
        json!({"object": "list", "data": self.note(id, "items"), "has_more": false,
               "url": format!("/v1/checkout/sessions/{id}/line_items")})
    }

    fn payment_page(&self, id: &str) -> Answer {
        let session = self.need("checkout.session", id, "id")?;
        let mut page = session.clone();
        page["object"] = "checkout.session".into();
        page["session_id"] = id.into();
        page["line_items"] = self.session_items(id);
        page["line_item_group"] = json!({"total": session["amount_total"],
            "due": session["amount_total"], "subtotal": session["amount_subtotal"],
            "currency": session["currency"]});
        Ok(page)
    }

    /// A session's time is over.
    pub(super) fn expire_session(&mut self, id: &str) {
        let intent = self
            .store
            .get(id)
            .map(|row| owned(row, "payment_intent"))
            .unwrap_or_default();
        if self
            .store
            .get(&intent)
            .is_some_and(|row| text(row, "status").starts_with("requires_"))
        {
            self.cancel_intent(&intent, "expired".into());
        }
        self.modify(id, |row| {
            row["status"] = "expired".into();
            row["url"] = Value::Null;
        });
        self.emit("checkout.session.expired", id);
    }

    /// What falls due for a session.
    pub(super) fn session_due(&mut self, id: &str) {
        let Some(row) = self.store.get(id) else {
            return;
        };
        if text(row, "status") == "open" && int(row, "expires_at") <= self.now {
            self.expire_session(id);
        }
    }

    /// Pays an open session with a payment method.
    pub(super) fn pay_session(&mut self, id: &str, method: &str) -> Answer<Paid> {
        let session = self.need("checkout.session", id, "id")?;
        let customer = opt(&session, "customer").map(str::to_owned);
        let amount = int(&session, "amount_total");
        match text(&session, "mode") {
            "payment" if amount == 0 => {
                self.complete_session(id, method, "no_payment_required");
                Ok(Paid::Now)
            }
            "payment" => {
                let intent = self.session_intent(id, &session);
                let paid = self.confirm_intent(&intent, Some(method), By::Customer)?;
                self.after_session_payment(id, method, paid);
                Ok(paid)
            }
            mode => {
                let verdict = if amount == 0 && mode == "subscription" || mode == "setup" {
                    self.verdict_to_save(method)
                } else {
                    self.verdict(method, customer.as_deref(), By::Customer)
                };
                self.subscribe_or_set_up(id, &session, method, verdict)
            }
        }
    }

    /// Whether a card can be saved: it may want confirmation, or be refused.
    fn verdict_to_save(&self, method: &str) -> Verdict {
        match self.test_card(method) {
            Some(card) if !card.attaches => Verdict::Declines(card.decline.to_owned()),
            _ => Verdict::Pays,
        }
    }

    /// The intent of a payment session, made with the first attempt.
    fn session_intent(&mut self, id: &str, session: &Value) -> String {
        if let Some(intent) = opt(session, "payment_intent") {
            return intent.to_owned();
        }
        let sent = self.note(id, "sent");
        let data = get(&sent, "payment_intent_data");
        let mut members = json!({"metadata": metadata(&Value::Null, get(data, "metadata")).unwrap_or_default(),
            "payment_method_types": session["payment_method_types"]});
        for name in [
            "receipt_email",
            "setup_future_usage",
            "shipping",
            "capture_method",
        ] {
            if has(data, name) {
                members[name] = get(data, name).clone();
            }
        }
        let customer = match opt(session, "customer") {
            Some(customer) => Some(customer.to_owned()),
            None if text(session, "customer_creation") == "always" => self.customer_of_session(id),
            None => None,
        };
        let intent = self.new_intent(NewIntent {
            amount: int(session, "amount_total"),
            currency: owned(session, "currency"),
            customer,
            description: or_null(data, "description"),
            members,
        });
        self.set_note(&intent, "session", id);
        self.modify(id, |row| row["payment_intent"] = intent.clone().into());
        intent
    }

    /// The session's customer, made from what was typed when there is none.
    fn customer_of_session(&mut self, id: &str) -> Option<String> {
        let session = self.store.get(id).cloned()?;
        if let Some(customer) = opt(&session, "customer") {
            return Some(customer.to_owned());
        }
        let email = opt(&session, "customer_details.email").unwrap_or("customer@example.com");
        let customer = self.create_customer(&json!({ "email": email })).ok()?;
        self.modify(id, |row| row["customer"] = customer.clone().into());
        Some(customer)
    }

    fn after_session_payment(&mut self, id: &str, method: &str, paid: Paid) {
        match paid {
            Paid::Now => self.complete_session(id, method, "paid"),
            Paid::Later => self.complete_session(id, method, "unpaid"),
            Paid::NeedsCustomer => {}
        }
    }

    /// Subscription and setup mode: the bank is asked first, so that a refusal leaves only a failed
    /// payment behind, and no subscription.
    fn subscribe_or_set_up(
        &mut self,
        id: &str,
        session: &Value,
        method: &str,
        verdict: Verdict,
    ) -> Answer<Paid> {
        if verdict == Verdict::Pays {
            return self.finish_subscribing(id, session, method);
        }
        let amount = int(session, "amount_total");
        if amount == 0 {
            let Verdict::Declines(code) = verdict else {
                return self.finish_subscribing(id, session, method);
            };
            return Err(super::cards::decline(&code).boxed());
        }
        let intent = self.new_intent(NewIntent {
            amount,
            currency: owned(session, "currency"),
            customer: opt(session, "customer").map(str::to_owned),
            description: "Subscription creation".into(),
            members: json!({"setup_future_usage": "off_session"}),
        });
        self.set_note(id, "attempt", intent.clone());
        self.charge_intent(&intent, method, verdict)
    }

    fn finish_subscribing(&mut self, id: &str, session: &Value, method: &str) -> Answer<Paid> {
        let fresh = self.customer_of_session(id).unwrap_or_default();
        if self
            .store
            .get(method)
            .is_some_and(|row| row["customer"].is_null())
        {
            self.modify(method, |row| row["customer"] = fresh.clone().into());
            self.emit("payment_method.attached", method);
        }
        if text(session, "mode") == "setup" {
            self.complete_session(id, method, "no_payment_required");
            return Ok(Paid::Now);
        }
        let new = self.subscription_of_session(id, &fresh, method)?;
        self.set_note(method, "just_asked", true);
        let made = self.create_subscription(new);
        self.set_note(method, "just_asked", false);
        let subscription = made?;
        let row = self.store.get(&subscription).cloned().unwrap_or_default();
        let invoice = owned(&row, "latest_invoice");
        let paid = self
            .store
            .get(&invoice)
            .map(|row| (owned(row, "status"), int(row, "amount_due")));
        self.modify(id, |row| {
            row["subscription"] = subscription.into();
            row["invoice"] = invoice.into();
        });
        let (status, word) = match paid.as_ref().map(|(status, due)| (status.as_str(), *due)) {
            Some(("paid", 0)) => (Paid::Now, "no_payment_required"),
            Some(("paid", _)) => (Paid::Now, "paid"),
            _ => (Paid::Later, "unpaid"),
        };
        self.complete_session(id, method, word);
        Ok(status)
    }

    fn subscription_of_session(
        &mut self,
        id: &str,
        customer: &str,
        method: &str,
    ) -> Answer<NewSubscription> {
        let sent = self.note(id, "sent");
        let data = get(&sent, "subscription_data").clone();
        let items = self.note(id, "items");
        let mut recurring = Vec::new();
        let mut extras = Vec::new();
        for item in items.as_array().into_iter().flatten() {
            let price = self.need("price", text(item, "price.id"), "price")?;
            if text(&price, "type") == "recurring" {
                recurring.push((price, int(item, "quantity"), json!({})));
            } else {
                extras.push(self.one_time_line(&price, int(item, "quantity")));
            }
        }
        let chosen = self.note(id, "discounts");
        let mut discounts = Vec::new();
        for one in chosen.as_array().into_iter().flatten() {
            let coupon = self
                .store
                .get(text(one, "coupon"))
                .cloned()
                .unwrap_or_default();
            let code = self.store.get(text(one, "promotion_code")).cloned();
            discounts.push(self.new_discount(&coupon, code.as_ref(), customer));
        }
        let days = opt_int(&data, "trial_period_days").map(|days| self.now + days * DAY);
        Ok(NewSubscription {
            customer: customer.to_owned(),
            items: recurring,
            extras,
            metadata: metadata(&Value::Null, get(&data, "metadata"))?,
            method: Some(method.to_owned()),
            trial_end: opt_int(&data, "trial_end").or(days),
            anchor: opt_int(&data, "billing_cycle_anchor"),
            behavior: "allow_incomplete".to_owned(),
            by: By::Customer,
            members: super::subscriptions::members(&data),
            keeps_method: true,
            discounts,
        })
    }

    fn complete_session(&mut self, id: &str, method: &str, payment_status: &str) {
        let method_row = self.store.get(method).cloned().unwrap_or_default();
        let session = self.store.get(id).cloned().unwrap_or_default();
        let customer = self
            .store
            .get(text(&session, "customer"))
            .cloned()
            .unwrap_or_default();
        let known = get(&session, "customer_details.email").clone();
        let email = if known.is_null() {
            get(&method_row, "billing_details.email").clone()
        } else {
            known
        };
        let mut details = details_of(&json!({ "email": email }));
        for (name, from) in [
            ("name", &method_row["billing_details"]),
            ("name", &customer),
        ] {
            if details[name].is_null() {
                details[name] = or_null(from, name);
            }
        }
        details["address"] = get(&method_row, "billing_details.address").clone();
        self.modify(id, |row| {
            row["status"] = "complete".into();
            row["payment_status"] = payment_status.into();
            row["customer_details"] = details;
            row["url"] = Value::Null;
        });
        self.emit("checkout.session.completed", id);
    }

    /// The bank debit behind a completed session arrived, or did not.
    pub(super) fn session_settled(&mut self, intent: &str, succeeded: bool) {
        let session = self
            .note(intent, "session")
            .as_str()
            .map(str::to_owned)
            .or_else(|| {
                let invoice = self.note(intent, "invoice").as_str()?.to_owned();
                let row = self
                    .store
                    .all("checkout.session")
                    .find(|row| text(row, "invoice") == invoice)?;
                Some(owned(row, "id"))
            });
        let Some(session) = session else { return };
        if succeeded {
            self.modify(&session, |row| row["payment_status"] = "paid".into());
            self.emit("checkout.session.async_payment_succeeded", &session);
        } else {
            self.emit("checkout.session.async_payment_failed", &session);
        }
    }
}

fn details_of(known: &Value) -> Value {
    json!({"address": null, "business_name": null, "email": known["email"],
           "individual_name": null, "name": null, "phone": null, "tax_exempt": "none",
           "tax_ids": null})
}

// What the hosted page sees and does.
impl Core {
    /// A session as its page shows it.
    pub fn checkout_view(&self, session_id: &str) -> Option<CheckoutView> {
        let row = self
            .store
            .get(session_id)
            .filter(|row| row["object"] == "checkout.session")?;
        let items = self.note(session_id, "items");
        let lines: Vec<LineView> = items
            .as_array()
            .into_iter()
            .flatten()
            .map(line_view)
            .collect();
        let title = lines
            .iter()
            .map(|line| line.description.as_str())
            .collect::<Vec<_>>()
            .join(", ");
        let trial_days = self
            .note(session_id, "trial")
            .as_i64()
            .map(|end| (end - int(row, "created") + DAY - 1) / DAY);
        let customer = self.store.get(text(row, "customer"));
        let email = opt(row, "customer_details.email").or_else(|| opt(customer?, "email"));
        Some(CheckoutView {
            id: session_id.to_owned(),
            mode: text(row, "mode").into(),
            status: text(row, "status").into(),
            payment_status: text(row, "payment_status").into(),
            title,
            lines,
            amount_subtotal: int(row, "amount_subtotal"),
            amount_discount: int(row, "total_details.amount_discount"),
            amount_total: int(row, "amount_total"),
            currency: owned(row, "currency"),
            allows_promotion_codes: flag(row, "allow_promotion_codes"),
            trial_days,
            customer_email: email.map(str::to_owned),
            awaits_authentication: self.waiting_intent(session_id).is_some(),
            success_url: opt(row, "success_url")
                .map(|url| url.replace("{CHECKOUT_SESSION_ID}", session_id)),
            cancel_url: opt(row, "cancel_url").map(str::to_owned),
            expires_at: int(row, "expires_at"),
        })
    }

    /// Pays a session; answers with it. A refused card leaves it open, with the failed charge.
    pub fn pay_checkout(
        &mut self,
        session_id: &str,
        payment: Payment,
        now: i64,
    ) -> Result<Value, PayError> {
        self.tick(now);
        self.open_session(session_id)?;
        let paid = self.on_page(|core| {
            let method = core.method_of(&payment)?;
            core.pay_session(session_id, &method)
        })?;
        self.session_answer(session_id, paid)
    }

    /// Goes on after the bank's confirmation page.
    pub fn authenticate_checkout(
        &mut self,
        session_id: &str,
        ok: bool,
        now: i64,
    ) -> Result<Value, PayError> {
        self.tick(now);
        let session = self.open_session(session_id)?;
        let Some(intent) = self.waiting_intent(session_id) else {
            return Err(PayError::NotPossible(
                "Nothing waits for a confirmation.".to_owned(),
            ));
        };
        let method = self
            .store
            .get(&intent)
            .map(|row| owned(row, "payment_method"))
            .unwrap_or_default();
        let paid = self.on_page(|core| {
            if text(&session, "mode") == "payment" || !ok {
                let paid = core.authenticate_intent(&intent, ok)?;
                core.after_session_payment(session_id, &method, paid);
                return Ok(paid);
            }
            core.set_note(&method, "confirmed", true);
            match core.verdict_after_confirmation(&method) {
                Verdict::Pays => {
                    core.cancel_intent(&intent, "abandoned".into());
                    core.finish_subscribing(session_id, &session, &method)
                }
                verdict => core.charge_intent(&intent, &method, verdict),
            }
        })?;
        self.session_answer(session_id, paid)
    }

    /// The outcome of a delayed payment method.
    pub fn settle_checkout(
        &mut self,
        session_id: &str,
        succeeded: bool,
        now: i64,
    ) -> Result<Value, PayError> {
        self.tick(now);
        let session = self
            .store
            .get(session_id)
            .cloned()
            .ok_or(PayError::NotFound)?;
        let intent = opt(&session, "payment_intent")
            .map(str::to_owned)
            .or_else(|| self.invoice_intent(text(&session, "invoice")));
        let waits = intent
            .as_ref()
            .and_then(|id| self.store.get(id))
            .is_some_and(|row| text(row, "status") == "processing");
        let Some(intent) = intent.filter(|_| waits) else {
            return Err(PayError::NotPossible(
                "No delayed payment is under way.".to_owned(),
            ));
        };
        self.settle_intent(&intent, succeeded);
        self.store
            .get(session_id)
            .cloned()
            .ok_or(PayError::NotFound)
    }

    /// Takes a promotion code that the customer typed.
    pub fn apply_promotion_code(
        &mut self,
        session_id: &str,
        code: &str,
        now: i64,
    ) -> Result<Value, PayError> {
        self.tick(now);
        let session = self.open_session(session_id)?;
        let found = self
            .active_code(code.trim())
            .filter(|_| flag(&session, "allow_promotion_codes"));
        let Some(found) = found else {
            return Err(PayError::NotPossible("This code is invalid.".to_owned()));
        };
        let chosen =
            json!([{"coupon": get(&found, "promotion.coupon"), "promotion_code": found["id"]}]);
        self.set_note(session_id, "discounts", chosen);
        self.total_session(session_id);
        self.store
            .get(session_id)
            .cloned()
            .ok_or(PayError::NotFound)
    }

    /// Writes the mail address typed on the page, when the session has none yet.
    pub fn set_checkout_email(&mut self, session_id: &str, email: &str) {
        let is_open = self.store.get(session_id).is_some_and(|row| {
            text(row, "status") == "open"
                && row["customer"].is_null()
                && row["customer_email"].is_null()
        });
        if is_open && email.contains('@') {
            let details = details_of(&json!({ "email": email }));
            self.modify(session_id, |row| set(row, "customer_details", details));
        }
    }

    fn open_session(&self, id: &str) -> Result<Value, PayError> {
        let row = self
            .store
            .get(id)
            .filter(|row| row["object"] == "checkout.session");
        let row = row.cloned().ok_or(PayError::NotFound)?;
        match text(&row, "status") {
            "open" => Ok(row),
            "complete" => Err(PayError::NotPossible(
                "This session is paid already.".to_owned(),
            )),
            _ => Err(PayError::NotPossible(
                "This session has expired.".to_owned(),
            )),
        }
    }

    fn waiting_intent(&self, session_id: &str) -> Option<String> {
        let row = self
            .store
            .get(session_id)
            .filter(|row| text(row, "status") == "open")?;
        let attempt = self.note(session_id, "attempt");
        let id = opt(row, "payment_intent")
            .or_else(|| attempt.as_str())?
            .to_owned();
        let waits = self
            .store
            .get(&id)
            .is_some_and(|row| text(row, "status") == "requires_action");
        waits.then_some(id)
    }

    /// Runs what a page asked for under the undo that requests have.
    pub(super) fn on_page<T>(
        &mut self,
        work: impl FnOnce(&mut Core) -> Answer<T>,
    ) -> Result<T, PayError> {
        let fresh = self.fresh.len();
        self.store.begin();
        let result = work(self);
        match &result {
            Err(error) if !error.keep => {
                self.store.rollback();
                self.fresh.truncate(fresh);
            }
            _ => self.store.commit(),
        }
        result.map_err(|error| match error.kind {
            "card_error" => PayError::Card {
                code: error.code.clone().unwrap_or_default(),
                decline_code: error.decline_code.clone().unwrap_or_default(),
                message: error.message.clone(),
            },
            _ => PayError::NotPossible(error.message.clone()),
        })
    }

    fn session_answer(&self, id: &str, paid: Paid) -> Result<Value, PayError> {
        if paid == Paid::NeedsCustomer {
            return Err(PayError::RequiresAuthentication);
        }
        self.store.get(id).cloned().ok_or(PayError::NotFound)
    }
}

fn line_view(item: &Value) -> LineView {
    LineView {
        description: owned(item, "description"),
        quantity: int(item, "quantity"),
        unit_amount: int(item, "price.unit_amount"),
        amount: int(item, "amount_subtotal"),
        interval: opt(item, "price.recurring.interval").map(str::to_owned),
        interval_count: opt_int(item, "price.recurring.interval_count").unwrap_or(1),
    }
}
