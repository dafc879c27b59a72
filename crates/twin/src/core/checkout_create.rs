//! Creating Checkout sessions: validation, line items, discounts and totals.

use serde_json::{Value, json};
use stripe::objects::CheckoutMode;

use super::checkout_invoice::invoice_creation;
use super::checkout_settings::{adjustable_quantity, settings};
use super::errors::{Answer, ApiError, refuse_param};
use super::method_types::{check_session_types, method_types};
use super::params::{metadata, quantity_in};
use super::subscriptions::{check_same_interval, trial_end};
use super::time::{DAY, HOUR};
use super::urls::check_url;
use super::value::{
    flag, get, has, ids, int, limited, list, merge, minimum_charge, money_text, opt, opt_int,
    or_null, owned, price_amount, required, text,
};
use super::{Call, Core};

/// The most line items in payment mode, and those with recurring and with one-time prices in
/// subscription mode. <https://docs.stripe.com/api/checkout/sessions/create>
const LINES_MAX: usize = 100;
const LINES_OF_KIND_MAX: usize = 20;

/// The shortest trial of a session.
const TRIAL_SECONDS_MIN: i64 = 2 * DAY;

/// `POST /v1/checkout/sessions`
pub(super) fn create(core: &mut Core, call: &Call) -> Answer {
    let sent = &call.params;
    let mode = required(sent, "mode")?;
    let mode = CheckoutMode::from(mode);
    refuse_conflicting_params(sent, &mode)?;
    let customer = core.session_customer(sent)?;
    core.check_session_tax(sent)?;
    let items = core.session_lines(sent, &mode)?;
    let trial = session_trial(core.now, get(sent, "subscription_data"))?;
    core.tax_rates_in(
        get(sent, "subscription_data"),
        "default_tax_rates",
        "subscription_data[default_tax_rates]",
    )?;
    let expires_at = expiry(core.now, sent)?;
    let discounts = core.session_discounts(sent)?;
    let currency = items.first().map_or("", |item| text(item, "currency"));
    check_session_types(sent, currency)?;
    let id = core.rng.id("cs_test");
    let session = core.session_object(&id, sent, &mode, customer.as_deref(), expires_at)?;
    core.store.put(&id, session);
    core.set_note(&id, "items", items);
    core.set_note(&id, "sent", sent.clone());
    core.set_note(&id, "discounts", discounts);
    core.set_note(&id, "trial", trial);
    core.check_session_discounts(&id)?;
    core.total_session(&id);
    if mode == CheckoutMode::Subscription
        && let Some(customer) = &customer
    {
        core.refuse_other_currency(customer, text(core.row(&id), "currency"))?;
    }
    core.check_session_currency(&id, sent)?;
    if mode == CheckoutMode::Setup {
        core.begin_setup(&id, sent)?;
    }
    let total = int(core.row(&id), "amount_total");
    let currency = owned(core.row(&id), "currency");
    limited(total, &currency, "line_items")?;
    if mode == CheckoutMode::Payment && total > 0 && total < minimum_charge(&currency) {
        let least = money_text(minimum_charge(&currency), &currency);
        let message = format!(
            "The Checkout Session's total amount due must add up to at least {least} {currency}"
        );
        return refuse_param("amount_too_small", "", message);
    }
    core.wake(expires_at, &id);
    core.need("checkout.session", &id, "id")
}

fn refuse_conflicting_params(sent: &Value, mode: &CheckoutMode) -> Answer<()> {
    let foreign = match mode {
        CheckoutMode::Payment => ["subscription_data", "setup_intent_data"],
        CheckoutMode::Subscription => ["payment_intent_data", "setup_intent_data"],
        CheckoutMode::Setup | CheckoutMode::Other(_) => {
            ["subscription_data", "payment_intent_data"]
        }
    };
    if let Some(name) = foreign.iter().find(|name| has(sent, name)) {
        let message = format!("You can not pass `{name}` in `{mode}` mode.");
        return refuse_param("", name, message);
    }
    if *mode == CheckoutMode::Setup && has(sent, "line_items") {
        let message = "You can not pass `line_items` in `setup` mode.";
        return refuse_param("", "line_items", message);
    }
    if *mode == CheckoutMode::Subscription && has(sent, "customer_creation") {
        let message = "`customer_creation` can only be used in `payment` mode.";
        return refuse_param("", "customer_creation", message);
    }
    if has(sent, "discounts") && flag(sent, "allow_promotion_codes") {
        let message =
            "You may only specify one of these parameters: allow_promotion_codes, discounts.";
        return Err(ApiError::invalid(message));
    }
    if opt(sent, "success_url").is_none() {
        return Err(ApiError::required("success_url"));
    }
    for name in ["success_url", "cancel_url"] {
        check_url(sent, name)?;
    }
    Ok(())
}

/// The end of the trial of a session. <https://github.com/stripe/stripe-python/issues/679>
fn session_trial(now: i64, sent: &Value) -> Answer<Option<i64>> {
    let end = trial_end(now, sent)?;
    if opt_int(sent, "trial_end").is_some_and(|end| end < now + TRIAL_SECONDS_MIN) {
        let message = "The `trial_end` date has to be at least 2 days in the future.";
        return refuse_param("", "subscription_data[trial_end]", message);
    }
    Ok(end)
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
    refuse_param("", "expires_at", problem)
}

pub(super) fn details_of(known: &Value) -> Value {
    json!({"address": null, "business_name": null, "email": known["email"],
           "individual_name": null, "name": null, "phone": null, "tax_exempt": "none",
           "tax_ids": null})
}

impl Core {
    fn session_customer(&mut self, sent: &Value) -> Answer<Option<String>> {
        let customer = opt(sent, "customer");
        if customer.is_some() && has(sent, "customer_email") {
            let message = "You may only specify one of these parameters: customer, customer_email.";
            return Err(ApiError::invalid(message));
        }
        let Some(customer) = customer else {
            return Ok(None);
        };
        self.need("customer", customer, "customer")?;
        Ok(Some(customer.to_owned()))
    }

    /// Creates the line items from prices and inline prices.
    fn session_lines(&mut self, sent: &Value, mode: &CheckoutMode) -> Answer<Vec<Value>> {
        let lines = list(sent, "line_items");
        if *mode == CheckoutMode::Setup {
            return Ok(Vec::new());
        }
        if lines.is_empty() {
            let message = format!("The `line_items` parameter is required in {mode} mode.");
            return refuse_param("parameter_missing", "line_items", message);
        }
        if *mode == CheckoutMode::Payment && lines.len() > LINES_MAX {
            let message = format!("A Checkout Session has at most {LINES_MAX} line items.");
            return refuse_param("", "line_items", message);
        }
        let mut items = Vec::new();
        for (index, line) in lines.iter().enumerate() {
            items.push(self.session_line(line, index, mode)?);
        }
        let recurring = |item: &&Value| text(item, "price.type") == "recurring";
        for kind in ["recurring", "one_time"] {
            let own = items.iter().filter(|item| text(item, "price.type") == kind);
            if *mode == CheckoutMode::Subscription && own.count() > LINES_OF_KIND_MAX {
                let kind = kind.replace('_', "-");
                let message = format!(
                    "A Checkout Session in `subscription` mode has at most {LINES_OF_KIND_MAX} line items with {kind} prices."
                );
                return refuse_param("", "line_items", message);
            }
        }
        check_same_interval(
            items
                .iter()
                .filter(recurring)
                .map(|item| get(item, "price")),
        )?;
        let currency = items[0]["currency"].clone();
        if items.iter().any(|item| item["currency"] != currency) {
            let message = "All line items of a Checkout Session must have the same currency.";
            return refuse_param("", "line_items", message);
        }
        if *mode == CheckoutMode::Subscription && !items.iter().any(|item| recurring(&item)) {
            let message = "You must provide at least one recurring price in `subscription` mode when using prices.";
            return Err(ApiError::invalid(message));
        }
        Ok(items)
    }

    fn session_line(&mut self, line: &Value, index: usize, mode: &CheckoutMode) -> Answer {
        let named = format!("line_items[{index}]");
        let price = self.price_in(line, &named)?;
        if !flag(&price, "active") {
            let message = "The price specified is inactive. This field only accepts active prices.";
            return refuse_param("", &format!("{named}[price]"), message);
        }
        if !flag(self.row(text(&price, "product")), "active") {
            // A price that the request creates has no id that the client knows.
            let (field, message) = if has(line, "price_data") {
                let product = text(&price, "product");
                let message = format!(
                    "Product `{product}` is not available to be purchased because it is not active."
                );
                ("price_data][product", message)
            } else {
                let id = text(&price, "id");
                let message = format!(
                    "Price `{id}` is not available to be purchased because its product is not active."
                );
                ("price", message)
            };
            return refuse_param("", &format!("{named}[{field}]"), message);
        }
        if *mode == CheckoutMode::Payment && text(&price, "type") == "recurring" {
            let message = "You specified `payment` mode but passed a recurring price. Either switch to `subscription` mode or use only one-time prices.";
            return Err(ApiError::invalid(message));
        }
        let Some(quantity) = opt_int(line, "quantity") else {
            let message = format!("Quantity is required. Add `quantity` to `{named}`");
            return refuse_param("parameter_missing", &named, message);
        };
        if quantity < 1 {
            let message = "This value must be greater than or equal to 1.";
            let param = format!("{named}[quantity]");
            return refuse_param("parameter_invalid_integer", &param, message);
        }
        let amount = price_amount(&price, quantity_in(line, &price, 1, &named)?);
        let adjustable = adjustable_quantity(line, quantity, &named)?;
        let kept = metadata(&Value::Null, get(line, "metadata"))?;
        let id = self.rng.id("li");
        let rates = self.tax_rates_in(line, "tax_rates", &format!("{named}[tax_rates]"))?;
        self.set_note(&id, "tax_rates", ids(&rates));
        Ok(json!({
            "id": id, "object": "item", "adjustable_quantity": adjustable,
            "amount_discount": 0, "amount_subtotal": amount, "amount_tax": 0,
            "amount_total": amount, "currency": price["currency"],
            "description": self.product_name(&price), "metadata": kept, "price": price,
            "quantity": quantity,
        }))
    }

    fn check_session_currency(&mut self, id: &str, sent: &Value) -> Answer<()> {
        let Some(wanted) = opt(sent, "currency").map(str::to_owned) else {
            return Ok(());
        };
        let known = get(self.row(id), "currency");
        if known.is_string() && *known != wanted {
            let message = format!(
                "The prices of this Checkout Session only support `{}`. This doesn't match the expected currency: `{wanted}`.",
                known.as_str().unwrap_or_default()
            );
            return refuse_param("", "currency", message);
        }
        self.modify(id, |row| row["currency"] = wanted.into());
        Ok(())
    }

    fn session_discounts(&mut self, sent: &Value) -> Answer<Vec<Value>> {
        let mut found = Vec::new();
        for (index, one) in list(sent, "discounts").iter().enumerate() {
            let (coupon, code) = self.coupon_in(one, &format!("discounts[{index}]"))?;
            let code = code.map(|row| row["id"].clone());
            found.push(json!({"coupon": coupon["id"], "promotion_code": code}));
        }
        Ok(found)
    }

    fn session_object(
        &mut self,
        id: &str,
        sent: &Value,
        mode: &CheckoutMode,
        customer: Option<&str>,
        expires_at: i64,
    ) -> Answer {
        let row = self.row(customer.unwrap_or_default());
        let email = opt(sent, "customer_email").or_else(|| opt(row, "email"));
        let details = email.map(|email| details_of(&json!({ "email": email })));
        let url = format!("{}/c/pay/{id}", self.public_url);
        let types: Value = method_types(sent).map_or_else(|| json!(["card"]), Value::from);
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
            "collected_information": null, "consent": null,
            "created": self.now, "currency": null, "currency_conversion": null,
            "customer": customer, "customer_account": null,
            "customer_creation": if *mode != CheckoutMode::Subscription && customer.is_none() {
                json!(opt(sent, "customer_creation").unwrap_or("if_required")) } else { Value::Null },
            "customer_details": details, "customer_email": or_null(sent, "customer_email"),
            "discounts": [], "expires_at": expires_at, "integration_identifier": null,
        });
        let rest = json!({
            "invoice": null,
            "invoice_creation": invoice_creation(sent, mode)?,
            "livemode": false, "locale": or_null(sent, "locale"), "metadata": kept, "mode": mode.as_str(),
            "origin_context": null, "payment_intent": null, "payment_link": null,
            "payment_method_configuration_details": null, "payment_method_options": {},
            "payment_method_types": types, "payment_status": "unpaid", "permissions": null,
            "recovered_from": null,
            "saved_payment_method_options": null, "setup_intent": null,
            "shipping_address_collection": null, "shipping_cost": null, "shipping_options": [],
            "status": "open", "submit_type": or_null(sent, "submit_type"), "subscription": null,
            "success_url": or_null(sent, "success_url"), "total_details": null, "ui_mode": "hosted_page",
            "url": url, "wallet_options": null,
        });
        merge(&mut session, rest);
        merge(&mut session, settings(sent, mode)?);
        Ok(session)
    }
}
