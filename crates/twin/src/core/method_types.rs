//! The payment method types of intents and Checkout sessions.

use serde_json::{Value, json};

use super::Core;
use super::errors::{Answer, ApiError, refuse_param};
use super::params::refuse_rivals;
use super::value::{flag, get, has, ids, list, opt, text};

/// The types that the account has activated.
const ACTIVATED: [&str; 3] = ["card", "link", "sepa_debit"];

/// Where Stripe explains the types.
const HINT: &str = "Please ensure the provided type is activated in your dashboard (https://dashboard.stripe.com/account/payments/settings) and your account is enabled for any preview features that you are trying to use. See https://stripe.com/docs/payments/payment-methods/integration-options for supported payment method types by country.";

/// The payment method types in the parameters, under the old name or the one since endive.
pub(super) fn method_types(sent: &Value) -> Option<&[Value]> {
    let names = ["payment_method_types", "allowed_payment_method_types"];
    let mut lists = names.into_iter().map(|name| list(sent, name));
    lists.find(|types| !types.is_empty())
}

/// `automatic_payment_methods` as an intent shows it, if it was sent.
pub(super) fn automatic_methods(sent: &Value) -> Option<Value> {
    let automatic = get(sent, "automatic_payment_methods");
    if !automatic.is_object() {
        return None;
    }
    let redirects = opt(automatic, "allow_redirects").unwrap_or("always");
    Some(if flag(automatic, "enabled") {
        json!({"allow_redirects": redirects, "enabled": true})
    } else {
        Value::Null
    })
}

/// Sets the payment method types of an intent, listed or automatic, if they were sent.
pub(super) fn copy_method_types(intent: &mut Value, sent: &Value) -> Answer<()> {
    let (types, automatic) = (method_types(sent), has(sent, "automatic_payment_methods"));
    if automatic && types.is_some() {
        return refuse_rivals("automatic_payment_methods", "payment_method_types", "");
    }
    if let Some(types) = types {
        intent["payment_method_types"] = types.into();
        intent["automatic_payment_methods"] = Value::Null;
    }
    if let Some(automatic) = automatic_methods(sent) {
        intent["automatic_payment_methods"] = automatic;
    }
    Ok(())
}

impl Core {
    /// Notes whether confirming an intent needs a `return_url`, as it does if automatic methods that
    /// redirect were asked for. Whether they are enabled without being asked for is up to the
    /// account, and the twin's has none.
    pub(super) fn note_redirects(&mut self, id: &str, sent: &Value) {
        let automatic = get(sent, "automatic_payment_methods");
        if flag(automatic, "enabled") && text(automatic, "allow_redirects") != "never" {
            self.set_note(id, "may_redirect", true);
        }
    }

    /// Keeps the `return_url` of a confirmation, and refuses one without it if it is needed.
    /// <https://github.com/aschmelyun/laravel-vue-stripe-cashier/issues/4>
    pub(super) fn take_return_url(&mut self, id: &str, kind: &str, sent: &Value) -> Answer<()> {
        if let Some(url) = opt(sent, "return_url") {
            self.set_note(id, "return_url", url);
        }
        if self.note(id, "may_redirect") != true || self.note(id, "return_url").is_string() {
            return Ok(());
        }
        let message = format!(
            "A `return_url` must be specified because this {kind} is configured to automatically accept the payment methods enabled in the Dashboard, some of which may require a full page redirect to succeed. If you do not want to accept redirect-based payment methods, set `automatic_payment_methods[enabled]` to `true` and `automatic_payment_methods[allow_redirects]` to `never` when creating Setup Intents and Payment Intents."
        );
        Err(ApiError::invalid(message))
    }

    /// Refuses a payment method whose type an intent doesn't accept: one that is not listed, or a
    /// bank debit in another currency than its own.
    pub(super) fn check_method_type(&self, id: &str, method: Option<&str>) -> Answer<()> {
        let intent = self.row(id);
        let Some(method) = method.or_else(|| opt(intent, "payment_method")) else {
            return Ok(());
        };
        let kind = text(self.row(method), "type");
        let types = if intent["automatic_payment_methods"].is_null() {
            ids(list(intent, "payment_method_types"))
        } else if opt(intent, "currency").is_none_or(|currency| currency == "eur") {
            ACTIVATED.map(Value::from).to_vec()
        } else {
            vec![json!("card"), json!("link")]
        };
        if types.contains(&json!(kind)) {
            return Ok(());
        }
        let whole = if has(intent, "amount") {
            "PaymentIntent"
        } else {
            "SetupIntent"
        };
        let names: Vec<&str> = types.iter().filter_map(Value::as_str).collect();
        let message = format!(
            "The PaymentMethod provided ({kind}) is not allowed for this {whole}. Please attach a PaymentMethod with one of the following types: {}.",
            names.join(", ")
        );
        refuse_param("", "payment_method", message)
    }
}

/// The first of the types that the account has not activated.
fn unknown(types: &[Value]) -> Option<&str> {
    let mut names = types.iter().filter_map(Value::as_str);
    names.find(|name| !ACTIVATED.contains(name))
}

/// Refuses types that the account has not activated, and a bank debit in another currency than its
/// own. <https://github.com/Automattic/woocommerce-payments/pull/3233>
pub(super) fn check_intent_types(intent: &Value) -> Answer<()> {
    let types = list(intent, "payment_method_types");
    if let Some(name) = unknown(types) {
        let message = format!("The payment method type \"{name}\" is invalid. {HINT}");
        return refuse_param("", "payment_method_types", message);
    }
    let currency = opt(intent, "currency").unwrap_or("eur");
    if currency != "eur" && types.contains(&json!("sepa_debit")) {
        let message = format!(
            "The currency provided ({currency}) is invalid for one or more payment method types on this PaymentIntent. The payment method type sepa_debit only supports the following currencies: eur. Either correct the provided currency, or use a different PaymentIntent to accept this payment method type."
        );
        return refuse_param("", "payment_method_types", message);
    }
    Ok(())
}

/// Refuses the types of a session that the account has not activated or that its currency doesn't
/// allow. <https://github.com/stripe-samples/firebase-subscription-payments/issues/39>
pub(super) fn check_session_types(sent: &Value, currency: &str) -> Answer<()> {
    let types = method_types(sent).unwrap_or_default();
    if let Some(name) = unknown(types) {
        let message = format!("The payment method type provided: {name} is invalid. {HINT}");
        return refuse_param("", "payment_method_types", message);
    }
    let is_other = !["", "eur"].contains(&currency);
    if is_other && types.contains(&json!("sepa_debit")) {
        let message = format!(
            "Invalid currency options ``{currency}``. The payment method `sepa_debit` only supports the following currencies: ``eur``."
        );
        return refuse_param("", "payment_method_types", message);
    }
    Ok(())
}
