//! Payment methods (cards and bank debits): creating, attaching and detaching them.

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::cards::{self, TestCard};
use super::countries::check_billing_country;
use super::errors::{Answer, ApiError, refuse_param};
use super::params::metadata;
use super::value::{
    address, copy_or_null, flag, get, has, int, opt, opt_int, or_null, owned, required, set, text,
};
use super::{Call, Core, Payment};

/// The test IBANs whose debits fail after a while.
const FAILING_IBANS: [&str; 3] = [
    "AT861904300235473202",
    "IT60X0542811101000000123456",
    "DE62370400440532013001",
];

/// `GET /v1/payment_methods`
pub(super) fn index(core: &mut Core, call: &Call) -> Answer {
    core.page(call, "payment_method", &[], |row| {
        !row["customer"].is_null()
    })
}

/// `GET /v1/customers/{customer}/payment_methods`
pub(super) fn of_customer(core: &mut Core, call: &Call) -> Answer {
    core.need_path("customer", call.id(), "customer")?;
    core.page_in(call, "payment_method", ("customer", call.id()), |_| true)
}

/// `GET /v1/customers/{customer}/payment_methods/{payment_method}`
pub(super) fn one_of_customer(core: &mut Core, call: &Call) -> Answer {
    let id = call.ids.get(1).map_or("", String::as_str);
    let method = core.need_path("payment_method", id, "payment_method")?;
    if text(&method, "customer") == call.id() {
        Ok(method)
    } else {
        Err(core.missing("payment_method", id, "id"))
    }
}

/// `POST /v1/payment_methods`
pub(super) fn create(core: &mut Core, call: &Call) -> Answer {
    let id = core.method_from(&call.params, "")?;
    core.need("payment_method", &id, "payment_method")
}

/// `GET /v1/payment_methods/{payment_method}`: a name such as `pm_card_visa` creates one.
pub(super) fn show(core: &mut Core, call: &Call) -> Answer {
    let id = core.method_named(call.id(), "payment_method")?;
    core.need("payment_method", &id, "payment_method")
}

/// `POST /v1/payment_methods/{payment_method}`
pub(super) fn update(core: &mut Core, call: &Call) -> Answer {
    let sent = &call.params;
    check_billing_country(sent, "")?;
    let kind = ("payment_method", "payment_method");
    core.update(kind, call, &["payment_method.updated"], |_, after| {
        for name in ["card.exp_month", "card.exp_year", "allow_redisplay"] {
            if has(sent, name) {
                set(after, name, get(sent, name).clone());
            }
        }
        let details = get(sent, "billing_details");
        copy_or_null(
            &mut after["billing_details"],
            details,
            &["email", "name", "phone"],
        );
        let address = get(details, "address");
        if address.is_object() {
            let parts = ["city", "country", "line1", "line2", "postal_code", "state"];
            copy_or_null(&mut after["billing_details"]["address"], address, &parts);
        } else if address == "" {
            after["billing_details"]["address"] =
                get(&billing_details(&Value::Null), "address").clone();
        }
        Ok(())
    })
}

/// `POST /v1/payment_methods/{payment_method}/attach`
pub(super) fn attach(core: &mut Core, call: &Call) -> Answer {
    let customer = required(&call.params, "customer")?;
    core.need("customer", customer, "customer[id]")?;
    let id = core.attach(call.id(), customer, "payment_method")?;
    core.need("payment_method", &id, "payment_method")
}

/// `POST /v1/payment_methods/{payment_method}/detach`
pub(super) fn detach(core: &mut Core, call: &Call) -> Answer {
    let before = core.need_path("payment_method", call.id(), "payment_method")?;
    let Some(customer) = opt(&before, "customer").map(str::to_owned) else {
        let message = "The payment method you provided is not attached to a customer so detachment is impossible.";
        return refuse_param("", "payment_method", message);
    };
    core.set_note(call.id(), "used", true);
    core.modify(call.id(), |method| method["customer"] = Value::Null);
    core.emit_change("payment_method.detached", call.id(), &before);
    let is_default = core
        .store
        .get(&customer)
        .is_some_and(|row| text(row, "invoice_settings.default_payment_method") == call.id());
    if is_default {
        core.modify_and_emit("customer.updated", &customer, |row| {
            set(row, "invoice_settings.default_payment_method", Value::Null);
        });
    }
    core.need_path("payment_method", call.id(), "payment_method")
}

impl Core {
    /// A note that the twin keeps about an object and that the API doesn't show.
    pub(super) fn note(&self, id: &str, name: &str) -> Value {
        self.store
            .get(&format!("{id}#"))
            .map_or(Value::Null, |notes| notes[name].clone())
    }

    /// A note that holds text.
    pub(super) fn note_text(&self, id: &str, name: &str) -> Option<String> {
        self.note(id, name).as_str().map(str::to_owned)
    }

    /// Sets a note about an object.
    pub(super) fn set_note(&mut self, id: &str, name: &str, value: impl Into<Value>) {
        let key = format!("{id}#");
        let mut notes = self.store.get(&key).cloned().unwrap_or_else(|| json!({}));
        notes[name] = value.into();
        self.store.put(&key, notes);
    }

    /// The test card of a payment method, if it is a card.
    pub(super) fn test_card(&self, method: &str) -> Option<&'static TestCard> {
        cards::by_number(self.note(method, "number").as_str()?)
    }

    /// The payment method for a name: an existing id, or a new card for `pm_card_...` and
    /// `tok_...`.
    pub(super) fn method_named(&mut self, name: &str, param: &str) -> Answer<String> {
        if let Some(card) = cards::by_name(name) {
            return Ok(self.new_card(card, 12, 2034, &Value::Null));
        }
        match self.store.get(name) {
            Some(row) if row["object"] == "payment_method" => Ok(name.to_owned()),
            _ => {
                let message = format!("No such PaymentMethod: '{name}'");
                let status = if param == "payment_method" { 404 } else { 400 };
                Err(ApiError::bad("resource_missing", param, message).with_status(status))
            }
        }
    }

    /// The payment method in the parameters, if one was sent.
    pub(super) fn method_in(&mut self, sent: &Value) -> Answer<Option<String>> {
        let name = opt(sent, "payment_method");
        name.map(|name| self.method_named(name, "payment_method[id]"))
            .transpose()
    }

    /// Refuses a payment method of another customer, and one without a customer that was used before.
    /// <https://docs.stripe.com/payments/payment-methods#reusing>
    pub(super) fn check_method_owner(&self, id: &str, customer: Option<&str>) -> Answer<()> {
        let owner = opt(self.row(id), "customer");
        let message = match (owner, customer) {
            (Some(owner), Some(customer)) if owner == customer => return Ok(()),
            (Some(owner), None) => format!(
                "The PaymentMethod {id} belongs to the Customer {owner}. Please include the Customer in the `customer` parameter on the PaymentIntent."
            ),
            (Some(owner), Some(_)) => format!(
                "The PaymentMethod {id} belongs to the Customer {owner}. You cannot use it with another Customer."
            ),
            (None, _) if self.note(id, "used") == true => "The provided PaymentMethod was previously used with a PaymentIntent without Customer attachment, shared with a connected account without Customer attachment, or was detached from a Customer. It may not be used again. To use a PaymentMethod multiple times, you must attach it to a Customer first.".to_owned(),
            (None, _) => return Ok(()),
        };
        refuse_param("", "payment_method", message)
    }

    /// Marks a payment method without a customer as used, unless the payment attaches it.
    pub(super) fn note_use(&mut self, id: &str, intent: &Value) {
        let is_kept = has(intent, "customer") && has(intent, "setup_future_usage");
        if !is_kept && self.row(id)["customer"].is_null() {
            self.set_note(id, "used", true);
        }
    }

    /// The payment method for a name. If it belongs to no customer, it is attached to this one.
    pub(super) fn usable_method(
        &mut self,
        name: &str,
        customer: Option<&str>,
        param: &str,
    ) -> Answer<String> {
        let id = self.method_named(name, param)?;
        let Some(customer) = customer else {
            return Ok(id);
        };
        let owner = owned(self.row(&id), "customer");
        if owner == customer {
            return Ok(id);
        }
        if owner.is_empty() && cards::by_name(name).is_some() {
            return self.attach(&id, customer, param);
        }
        self.attached_method(&id, customer, param)
    }

    /// The payment method for a name, which must be attached to the customer.
    pub(super) fn attached_method(
        &mut self,
        name: &str,
        customer: &str,
        param: &str,
    ) -> Answer<String> {
        let id = self.method_named(name, param)?;
        if text(self.row(&id), "customer") == customer {
            return Ok(id);
        }
        let message = format!(
            "The customer does not have a payment method with the ID {name}. The payment method must be attached to the customer."
        );
        refuse_param("resource_missing", param, message)
    }

    /// Attaches a payment method. The bank may decline it.
    pub(super) fn attach(&mut self, name: &str, customer: &str, param: &str) -> Answer<String> {
        let id = self.method_named(name, param)?;
        let owner = owned(self.row(&id), "customer");
        if owner == customer {
            return Ok(id);
        }
        if !owner.is_empty() {
            let message =
                "The payment method you provided has already been attached to a customer.";
            return refuse_param("", param, message);
        }
        self.check_method_owner(&id, None)?;
        if let Some(card) = self.test_card(&id)
            && !card.attaches
        {
            let mut error = cards::decline(card.decline);
            error.keep = false;
            return Err(error);
        }
        self.modify(&id, |method| method["customer"] = customer.into());
        self.pass_checks(&id);
        self.emit("payment_method.attached", &id);
        Ok(id)
    }

    /// The bank has checked the security code, which it does when a card is attached or charged.
    pub(super) fn pass_checks(&mut self, id: &str) {
        self.modify(id, |method| {
            if text(method, "card.checks.cvc_check") == "unchecked" {
                set(method, "card.checks.cvc_check", "pass");
            }
        });
    }

    /// Creates a payment method from parameters, which `outer` contains: a card by token or number,
    /// or a bank debit.
    pub(super) fn method_from(&mut self, params: &Value, outer: &str) -> Answer<String> {
        check_billing_country(params, outer)?;
        let kind = required(params, "type")?.to_owned();
        let details = get(params, "billing_details").clone();
        let id = match kind.as_str() {
            "card" => match opt(params, "card.token") {
                Some(token) => {
                    let card = cards::by_name(token)
                        .ok_or_else(|| ApiError::missing("token", token, "card[token]"))?;
                    self.new_card(card, 12, 2034, &details)
                }
                None => self.typed_card(
                    text(params, "card.number"),
                    int(params, "card.exp_month"),
                    opt_int(params, "card.exp_year").unwrap_or(2034),
                    text(params, "card.cvc"),
                    &details,
                )?,
            },
            "sepa_debit" => self.new_debit(text(params, "sepa_debit.iban"), &details)?,
            other => {
                let message =
                    format!("The payment method type `{other}` is not supported by this twin.");
                return refuse_param("", "type", message);
            }
        };
        let kept = metadata(&Value::Null, get(params, "metadata"))?;
        self.modify(&id, |method| {
            method["metadata"] = kept;
            if let Some(word) = opt(params, "allow_redisplay") {
                method["allow_redisplay"] = word.into();
            }
        });
        Ok(id)
    }

    /// The payment method for what the customer entered on a hosted page.
    pub(super) fn method_of(&mut self, payment: &Payment) -> Answer<String> {
        match payment {
            Payment::Card {
                number,
                exp_month,
                exp_year,
                cvc,
            } => {
                let (month, year) = (i64::from(*exp_month), i64::from(*exp_year));
                self.typed_card(number, month, year, cvc, &Value::Null)
            }
            Payment::Method(name) => self.method_named(name, "payment_method"),
            Payment::Delayed => {
                let id = self.new_debit("DE89370400440532013000", &Value::Null)?;
                self.set_note(&id, "settles", "on_request");
                Ok(id)
            }
        }
    }

    fn typed_card(
        &mut self,
        number: &str,
        month: i64,
        year: i64,
        cvc: &str,
        details: &Value,
    ) -> Answer<String> {
        let digits: String = number
            .chars()
            .filter(|one| !one.is_whitespace() && *one != '-')
            .collect();
        let year = if year < 100 { 2000 + year } else { year };
        let today = super::time::date_text(self.now);
        let card = cards::by_number(&digits).ok_or_else(|| cards::unknown_card(&digits))?;
        let refuse = |code: &str, param: &str, message: &str| {
            Err(ApiError::card(code, "", message).with_param(param))
        };
        if !(1..=12).contains(&month) {
            return refuse(
                "invalid_expiry_month",
                "exp_month",
                "Your card's expiration month is invalid.",
            );
        }
        if format!("{year:04}-{month:02}-31") < today || year > 2100 {
            return refuse(
                "invalid_expiry_year",
                "exp_year",
                "Your card's expiration year is invalid.",
            );
        }
        let cvc = cvc.trim();
        if !(cvc.is_empty()
            || (3..=4).contains(&cvc.len()) && cvc.bytes().all(|b| b.is_ascii_digit()))
        {
            return refuse(
                "invalid_cvc",
                "cvc",
                "Your card's security code is invalid.",
            );
        }
        Ok(self.new_card(card, month, year, details))
    }

    fn new_card(&mut self, card: &TestCard, month: i64, year: i64, details: &Value) -> String {
        let id = self.rng.id("pm");
        let last4 = &card.number[card.number.len() - 4..];
        let display = if card.brand == "amex" {
            "american_express"
        } else {
            card.brand
        };
        let method = json!({
            "id": id, "object": "payment_method", "allow_redisplay": "unspecified",
            "billing_details": billing_details(details),
            "card": {"brand": card.brand, "checks": {"address_line1_check": null,
                     "address_postal_code_check": null, "cvc_check": "unchecked"}, "country": "US",
                     "display_brand": display, "exp_month": month, "exp_year": year,
                     "fingerprint": fingerprint(card.number), "funding": "credit",
                     "generated_from": null, "last4": last4,
                     "networks": {"available": [card.brand], "preferred": null},
                     "regulated_status": "unregulated", "three_d_secure_usage": {"supported": true},
                     "wallet": null},
            "created": self.now, "customer": null, "customer_account": null, "livemode": false,
            "metadata": {}, "type": "card",
        });
        self.store.put(&id, method);
        self.set_note(&id, "number", card.number);
        id
    }

    fn new_debit(&mut self, iban: &str, details: &Value) -> Answer<String> {
        let plain: String = iban.chars().filter(|one| !one.is_whitespace()).collect();
        if plain.len() < 15 || !plain.is_ascii() {
            let message = "The IBAN you provided is invalid.";
            return refuse_param("invalid_bank_account_iban", "sepa_debit[iban]", message);
        }
        let id = self.rng.id("pm");
        let last4 = &plain[plain.len() - 4..];
        let method = json!({
            "id": id, "object": "payment_method", "allow_redisplay": "unspecified",
            "billing_details": billing_details(details), "created": self.now, "customer": null,
            "customer_account": null, "livemode": false, "metadata": {},
            "sepa_debit": {"bank_code": &plain[4..12], "branch_code": null, "country": &plain[..2],
                           "fingerprint": fingerprint(&plain),
                           "generated_from": {"charge": null, "setup_attempt": null}, "last4": last4},
            "type": "sepa_debit",
        });
        self.store.put(&id, method);
        let fate = if FAILING_IBANS.contains(&plain.as_str()) {
            "fails"
        } else {
            "succeeds"
        };
        self.set_note(&id, "settles", fate);
        Ok(id)
    }

    /// The payment method that pays a subscription and its invoices.
    pub(super) fn default_method(&self, subscription: &Value, customer: &str) -> Option<String> {
        opt(subscription, "default_payment_method")
            .or_else(|| {
                let row = self.store.get(customer)?;
                opt(row, "invoice_settings.default_payment_method")
            })
            .filter(|id| self.store.get(id).is_some_and(|row| !flag(row, "deleted")))
            .map(str::to_owned)
    }
}

fn billing_details(sent: &Value) -> Value {
    let mut whole = json!({"address": address(get(sent, "address")), "tax_id": null});
    for part in ["email", "name", "phone"] {
        whole[part] = or_null(sent, part);
    }
    whole
}

/// The fingerprint of a card. The same number always has the same fingerprint.
fn fingerprint(number: &str) -> String {
    hex::encode(Sha256::digest(number.as_bytes()))[..16].to_owned()
}
