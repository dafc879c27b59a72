//! The endpoints of customers.

use serde_json::{Value, json};

use super::errors::{Answer, refuse_param};
use super::params::{inside, metadata};
use super::value::{
    address, copy_or_null, get, has, list, opt, opt_int, or_null, owned, set, text,
};
use super::{Call, Core};

/// `GET /v1/customers/{customer}`: a deleted customer is returned as a stub.
pub(super) fn show(core: &mut Core, call: &Call) -> Answer {
    match core.store.get(call.id()) {
        Some(row) if row["object"] == "customer" => Ok(row.clone()),
        _ => Err(core.missing("customer", call.id(), "id")),
    }
}

/// `POST /v1/customers`
pub(super) fn create(core: &mut Core, call: &Call) -> Answer {
    if let Some(clock) = opt(&call.params, "test_clock") {
        core.refuse_full_clock(clock)?;
    }
    let id = core.create_customer(&call.params)?;
    core.need("customer", &id, "id")
}

/// `POST /v1/customers/{customer}`
pub(super) fn update(core: &mut Core, call: &Call) -> Answer {
    let before = core.need_path("customer", call.id(), "id")?;
    let mut after = before.clone();
    fill(&mut after, &call.params)?;
    let id = call.id().to_owned();
    core.store.put(&id, after);
    core.set_balance(&id, &call.params, "adjustment");
    core.attach_sent_methods(&id, &call.params)?;
    core.discount_customer(&id, &call.params)?;
    core.set_customer_tax(&id, &call.params)?;
    core.emit_change("customer.updated", &id, &before);
    core.need("customer", &id, "id")
}

/// `DELETE /v1/customers/{customer}`: its subscriptions are canceled immediately.
pub(super) fn delete(core: &mut Core, call: &Call) -> Answer {
    let customer = core.need_path("customer", call.id(), "id")?;
    core.end_subscriptions_of(call.id());
    let gone = core.erase("customer", call.id());
    core.emit_object("customer.deleted", customer, None);
    Ok(gone)
}

impl Core {
    /// Creates a customer from parameters and emits the event.
    pub(super) fn create_customer(&mut self, params: &Value) -> Answer<String> {
        let id = self.rng.id("cus");
        let prefix =
            opt(params, "invoice_prefix").map_or_else(|| self.rng.capitals(8), str::to_owned);
        let mut customer = json!({
            "id": id, "object": "customer", "address": null, "balance": 0, "created": self.now,
            "currency": null, "customer_account": null, "default_source": null, "delinquent": false,
            "description": null, "discount": null, "email": null, "invoice_prefix": prefix,
            "invoice_settings": {"custom_fields": null, "default_payment_method": null, "footer": null,
                                 "rendering_options": null},
            "livemode": false, "metadata": {}, "name": null, "next_invoice_sequence": 1, "phone": null,
            "preferred_locales": [], "shipping": null, "tax_exempt": "none", "test_clock": null,
        });
        fill(&mut customer, params)?;
        self.store.put(&id, customer);
        self.set_balance(&id, params, "initial");
        self.attach_sent_methods(&id, params)?;
        self.emit("customer.created", &id);
        self.discount_customer(&id, params)?;
        self.set_customer_tax(&id, params)?;
        self.add_tax_ids(&id, params)?;
        Ok(id)
    }

    /// Attaches the payment method or token that was sent with a customer.
    fn attach_sent_methods(&mut self, id: &str, params: &Value) -> Answer<()> {
        if let Some(source) = opt(params, "source") {
            let method = self.attach(source, id, "source")?;
            self.modify(id, |customer| {
                set(customer, "invoice_settings.default_payment_method", method);
            });
        }
        if let Some(method) = opt(params, "payment_method") {
            self.attach(method, id, "payment_method")?;
        }
        if let Some(method) = opt(params, "invoice_settings.default_payment_method") {
            let param = "invoice_settings[default_payment_method]";
            let known = self.usable_method(method, Some(id), param)?;
            self.modify(id, |customer| {
                set(customer, "invoice_settings.default_payment_method", known);
            });
        }
        Ok(())
    }
}

/// Whether a text can be an email address.
pub fn is_email(text: &str) -> bool {
    let is_odd = |letter: char| letter.is_whitespace() || letter.is_control();
    text.contains('@') && !text.contains(is_odd) && text.len() <= 512
}

/// Applies the sent parameters to a customer.
fn fill(customer: &mut Value, params: &Value) -> Answer<()> {
    if let Some(email) = opt(params, "email")
        && !is_email(email)
    {
        let message = format!("Invalid email address: {email}");
        return refuse_param("email_invalid", "email", message);
    }
    check_numbering(params)?;
    check_custom_fields(params, "invoice_settings.custom_fields")?;
    copy_or_null(customer, params, &["description", "email", "name", "phone"]);
    for name in ["business_name", "individual_name"] {
        if let Some(value) = opt(params, name) {
            customer[name] = value.into();
        }
    }
    for name in ["invoice_prefix", "next_invoice_sequence", "tax_exempt"] {
        if has(params, name) && get(params, name) != "" {
            customer[name] = get(params, name).clone();
        }
    }
    for name in ["address", "shipping"] {
        if has(params, name) {
            customer[name] = filled(name, get(params, name));
        }
    }
    if has(params, "preferred_locales") {
        customer["preferred_locales"] = list(params, "preferred_locales").into();
    }
    for name in ["footer", "custom_fields"] {
        if has(params, &format!("invoice_settings.{name}")) {
            let value = or_null(params, &format!("invoice_settings.{name}"));
            set(customer, &format!("invoice_settings.{name}"), value);
        }
    }
    if has(params, "invoice_settings.rendering_options") {
        let shown = rendering_options(get(params, "invoice_settings"));
        set(customer, "invoice_settings.rendering_options", shown);
    }
    if get(params, "invoice_settings.default_payment_method") == "" {
        set(
            customer,
            "invoice_settings.default_payment_method",
            Value::Null,
        );
    }
    customer["metadata"] = metadata(&customer["metadata"], get(params, "metadata"))?;
    Ok(())
}

/// The `rendering_options` in the parameters as an object shows them, or null.
pub(super) fn rendering_options(sent: &Value) -> Value {
    match or_null(sent, "rendering_options.amount_tax_display") {
        Value::Null => Value::Null,
        display => json!({"amount_tax_display": display, "template": null}),
    }
}

/// Refuses numbers of invoices that Stripe does not assign.
/// <https://docs.stripe.com/api/customers/create#create_customer-invoice_prefix>
fn check_numbering(params: &Value) -> Answer<()> {
    if let Some(prefix) = opt(params, "invoice_prefix") {
        let is_plain = |one: u8| one.is_ascii_uppercase() || one.is_ascii_digit();
        if !(3..=12).contains(&prefix.len()) || !prefix.bytes().all(is_plain) {
            let message = "The invoice prefix must be 3-12 uppercase letters or numbers.";
            return refuse_param("", "invoice_prefix", message);
        }
    }
    if opt_int(params, "next_invoice_sequence").is_some_and(|next| next < 1) {
        let message = "This value must be greater than or equal to 1.";
        return refuse_param(
            "parameter_invalid_integer",
            "next_invoice_sequence",
            message,
        );
    }
    Ok(())
}

/// Refuses more custom fields than an invoice shows.
/// <https://docs.stripe.com/api/invoices/create#create_invoice-custom_fields>
pub(super) fn check_custom_fields(params: &Value, path: &str) -> Answer<()> {
    const FIELDS_MAX: usize = 4;
    let mut names = path.split('.');
    let first = names.next().unwrap_or_default().to_owned();
    let param = names.fold(first, |outer, name| inside(&outer, name));
    let fields = list(params, path);
    if fields.len() > FIELDS_MAX {
        let message = format!("You can pass at most {FIELDS_MAX} custom fields.");
        return refuse_param("", &param, message);
    }
    for (index, field) in fields.iter().enumerate() {
        for (name, most) in [("name", 40), ("value", 140)] {
            if text(field, name).chars().count() > most {
                let message = format!("Invalid string: must be at most {most} characters");
                return refuse_param("", &format!("{param}[{index}][{name}]"), message);
            }
        }
    }
    Ok(())
}

/// An address or shipping object with its absent fields as null.
fn filled(name: &str, sent: &Value) -> Value {
    if !sent.is_object() {
        return Value::Null;
    }
    if name == "address" {
        return address(sent);
    }
    json!({"address": address(get(sent, "address")), "name": owned(sent, "name"),
           "phone": or_null(sent, "phone"), "carrier": null, "tracking_number": text_or_null(sent)})
}

fn text_or_null(sent: &Value) -> Value {
    match text(sent, "tracking_number") {
        "" => Value::Null,
        number => number.into(),
    }
}
