//! The routes of the API.

use serde_json::Value;

use super::data::paths;
use super::errors::Answer;
use super::{
    Call, Core, balance, catalog, changes, charges, checkout, checkout_create, credit_notes,
    customers, discounts, disputes, endpoints, events, invoice_api, invoice_items, invoice_preview,
    methods, payment_intents, portal, refunds, schedules, setup, subscription_create,
    subscription_items, subscriptions,
};

/// The handler of a request.
pub type Handler = fn(&mut Core, &Call) -> Answer<Value>;

const ROUTES: &[(&str, &str, Handler)] = &[
    ("get", "/v1/account", balance::account),
    ("get", "/v1/balance", balance::balance),
    ("get", "/v1/balance/history", balance::history),
    ("get", "/v1/balance/history/{id}", balance::entry),
    (
        "get",
        "/v1/billing_portal/configurations",
        portal::configurations,
    ),
    (
        "post",
        "/v1/billing_portal/configurations",
        portal::create_configuration,
    ),
    (
        "get",
        "/v1/billing_portal/configurations/{configuration}",
        portal::configuration,
    ),
    (
        "post",
        "/v1/billing_portal/configurations/{configuration}",
        portal::update_configuration,
    ),
    (
        "post",
        "/v1/billing_portal/sessions",
        portal::create_session,
    ),
    ("get", "/v1/charges", charges::index),
    ("get", "/v1/charges/search", charges::search),
    ("get", "/v1/charges/{charge}", charges::show),
    ("post", "/v1/charges/{charge}", charges::update),
    ("get", "/v1/charges/{charge}/dispute", disputes::of_charge),
    (
        "post",
        "/v1/charges/{charge}/refund",
        refunds::refund_charge,
    ),
    ("get", "/v1/charges/{charge}/refunds", refunds::of_charge),
    ("get", "/v1/checkout/sessions", checkout::index),
    ("post", "/v1/checkout/sessions", checkout_create::create),
    ("get", "/v1/checkout/sessions/{session}", checkout::show),
    ("post", "/v1/checkout/sessions/{session}", checkout::update),
    (
        "post",
        "/v1/checkout/sessions/{session}/expire",
        checkout::expire,
    ),
    (
        "get",
        "/v1/checkout/sessions/{session}/line_items",
        checkout::lines,
    ),
    ("get", "/v1/coupons", discounts::coupons),
    ("post", "/v1/coupons", discounts::create_coupon),
    ("get", "/v1/coupons/{coupon}", discounts::coupon),
    ("post", "/v1/coupons/{coupon}", discounts::update_coupon),
    ("delete", "/v1/coupons/{coupon}", discounts::delete_coupon),
    ("get", "/v1/credit_notes", credit_notes::index),
    ("post", "/v1/credit_notes", credit_notes::create),
    ("get", "/v1/credit_notes/{id}", credit_notes::show),
    ("post", "/v1/credit_notes/{id}", credit_notes::update),
    ("post", "/v1/credit_notes/{id}/void", credit_notes::void),
    (
        "get",
        "/v1/credit_notes/{credit_note}/lines",
        credit_notes::lines,
    ),
    ("get", "/v1/customers", customers::index),
    ("post", "/v1/customers", customers::create),
    ("get", "/v1/customers/search", customers::search),
    ("get", "/v1/customers/{customer}", customers::show),
    ("post", "/v1/customers/{customer}", customers::update),
    ("delete", "/v1/customers/{customer}", customers::delete),
    (
        "get",
        "/v1/customers/{customer}/payment_methods",
        methods::of_customer,
    ),
    (
        "get",
        "/v1/customers/{customer}/payment_methods/{payment_method}",
        methods::one_of_customer,
    ),
    (
        "get",
        "/v1/customers/{customer}/subscriptions",
        subscriptions::of_customer,
    ),
    ("get", "/v1/disputes", disputes::index),
    ("get", "/v1/disputes/{dispute}", disputes::show),
    ("post", "/v1/disputes/{dispute}", disputes::update),
    ("post", "/v1/disputes/{dispute}/close", disputes::close),
    ("get", "/v1/events", events::index),
    ("get", "/v1/events/{id}", events::show),
    ("get", "/v1/invoice_payments", invoice_api::payments),
    (
        "get",
        "/v1/invoice_payments/{invoice_payment}",
        invoice_api::payment,
    ),
    ("get", "/v1/invoiceitems", invoice_items::index),
    ("post", "/v1/invoiceitems", invoice_items::create),
    ("get", "/v1/invoiceitems/{invoiceitem}", invoice_items::show),
    (
        "post",
        "/v1/invoiceitems/{invoiceitem}",
        invoice_items::update,
    ),
    (
        "delete",
        "/v1/invoiceitems/{invoiceitem}",
        invoice_items::delete,
    ),
    ("get", "/v1/invoices", invoice_api::index),
    ("post", "/v1/invoices", invoice_api::create),
    (
        "post",
        "/v1/invoices/create_preview",
        invoice_preview::preview,
    ),
    ("get", "/v1/invoices/search", invoice_api::search),
    ("get", "/v1/invoices/{invoice}", invoice_api::show),
    ("post", "/v1/invoices/{invoice}", invoice_api::update),
    ("delete", "/v1/invoices/{invoice}", invoice_api::delete),
    (
        "post",
        "/v1/invoices/{invoice}/finalize",
        invoice_api::finalize,
    ),
    ("get", "/v1/invoices/{invoice}/lines", invoice_api::lines),
    (
        "post",
        "/v1/invoices/{invoice}/mark_uncollectible",
        invoice_api::uncollectible,
    ),
    ("post", "/v1/invoices/{invoice}/pay", invoice_api::pay),
    ("post", "/v1/invoices/{invoice}/send", invoice_api::send),
    ("post", "/v1/invoices/{invoice}/void", invoice_api::void),
    ("get", "/v1/payment_intents", payment_intents::index),
    ("post", "/v1/payment_intents", payment_intents::create),
    ("get", "/v1/payment_intents/search", payment_intents::search),
    ("get", "/v1/payment_intents/{intent}", payment_intents::show),
    (
        "post",
        "/v1/payment_intents/{intent}",
        payment_intents::update,
    ),
    (
        "post",
        "/v1/payment_intents/{intent}/cancel",
        payment_intents::cancel,
    ),
    (
        "post",
        "/v1/payment_intents/{intent}/capture",
        payment_intents::capture,
    ),
    (
        "post",
        "/v1/payment_intents/{intent}/confirm",
        payment_intents::confirm,
    ),
    ("get", "/v1/payment_methods", methods::index),
    ("post", "/v1/payment_methods", methods::create),
    ("get", "/v1/payment_methods/{payment_method}", methods::show),
    (
        "post",
        "/v1/payment_methods/{payment_method}",
        methods::update,
    ),
    (
        "post",
        "/v1/payment_methods/{payment_method}/attach",
        methods::attach,
    ),
    (
        "post",
        "/v1/payment_methods/{payment_method}/detach",
        methods::detach,
    ),
    ("get", "/v1/payment_pages/{session}", checkout::page),
    (
        "post",
        "/v1/payment_pages/{session}/confirm",
        checkout::confirm_page,
    ),
    ("get", "/v1/prices", catalog::prices),
    ("post", "/v1/prices", catalog::create_price),
    ("get", "/v1/prices/search", catalog::search_prices),
    ("get", "/v1/prices/{price}", catalog::price),
    ("post", "/v1/prices/{price}", catalog::update_price),
    ("get", "/v1/products", catalog::products),
    ("post", "/v1/products", catalog::create_product),
    ("get", "/v1/products/search", catalog::search_products),
    ("get", "/v1/products/{id}", catalog::product),
    ("post", "/v1/products/{id}", catalog::update_product),
    ("delete", "/v1/products/{id}", catalog::delete_product),
    ("get", "/v1/promotion_codes", discounts::codes),
    ("post", "/v1/promotion_codes", discounts::create_code),
    (
        "get",
        "/v1/promotion_codes/{promotion_code}",
        discounts::code,
    ),
    (
        "post",
        "/v1/promotion_codes/{promotion_code}",
        discounts::update_code,
    ),
    ("get", "/v1/refunds", refunds::index),
    ("post", "/v1/refunds", refunds::create),
    ("get", "/v1/refunds/{refund}", refunds::show),
    ("post", "/v1/refunds/{refund}", refunds::update),
    ("post", "/v1/refunds/{refund}/cancel", refunds::cancel),
    ("get", "/v1/setup_intents", setup::index),
    ("post", "/v1/setup_intents", setup::create),
    ("get", "/v1/setup_intents/{intent}", setup::show),
    ("post", "/v1/setup_intents/{intent}", setup::update),
    ("post", "/v1/setup_intents/{intent}/cancel", setup::cancel),
    ("post", "/v1/setup_intents/{intent}/confirm", setup::confirm),
    ("get", "/v1/subscription_items", subscription_items::index),
    ("post", "/v1/subscription_items", subscription_items::create),
    (
        "get",
        "/v1/subscription_items/{item}",
        subscription_items::show,
    ),
    (
        "post",
        "/v1/subscription_items/{item}",
        subscription_items::update,
    ),
    (
        "delete",
        "/v1/subscription_items/{item}",
        subscription_items::delete,
    ),
    ("get", "/v1/subscription_schedules", schedules::index),
    ("post", "/v1/subscription_schedules", schedules::create),
    (
        "get",
        "/v1/subscription_schedules/{schedule}",
        schedules::show,
    ),
    (
        "post",
        "/v1/subscription_schedules/{schedule}",
        schedules::update,
    ),
    (
        "post",
        "/v1/subscription_schedules/{schedule}/cancel",
        schedules::cancel,
    ),
    (
        "post",
        "/v1/subscription_schedules/{schedule}/release",
        schedules::release,
    ),
    ("get", "/v1/subscriptions", subscriptions::index),
    ("post", "/v1/subscriptions", subscription_create::create),
    ("get", "/v1/subscriptions/search", subscriptions::search),
    (
        "get",
        "/v1/subscriptions/{subscription_exposed_id}",
        subscriptions::show,
    ),
    (
        "post",
        "/v1/subscriptions/{subscription_exposed_id}",
        changes::update,
    ),
    (
        "delete",
        "/v1/subscriptions/{subscription_exposed_id}",
        subscriptions::cancel,
    ),
    (
        "post",
        "/v1/subscriptions/{subscription}/resume",
        subscriptions::resume,
    ),
    ("get", "/v1/webhook_endpoints", endpoints::index),
    ("post", "/v1/webhook_endpoints", endpoints::create),
    (
        "get",
        "/v1/webhook_endpoints/{webhook_endpoint}",
        endpoints::show,
    ),
    (
        "post",
        "/v1/webhook_endpoints/{webhook_endpoint}",
        endpoints::update,
    ),
    (
        "delete",
        "/v1/webhook_endpoints/{webhook_endpoint}",
        endpoints::delete,
    ),
];

/// The handler of a method and a path template.
pub fn handler(method: &str, template: &str) -> Option<Handler> {
    ROUTES
        .iter()
        .find(|(verb, path, _)| *verb == method && *path == template)
        .map(|(.., handler)| *handler)
}

/// The described path that a URL path matches, and the ids in it. Literal segments win over ids.
pub fn template_of(path: &str) -> Option<(&'static str, Vec<String>)> {
    let parts: Vec<&str> = path.split('/').collect();
    let mut best: Option<(&'static str, Vec<String>)> = None;
    for template in paths().as_object()?.keys() {
        let Some(ids) = fit(template, &parts) else {
            continue;
        };
        if best
            .as_ref()
            .is_none_or(|(_, others)| ids.len() < others.len())
        {
            best = Some((template, ids));
        }
    }
    best
}

fn fit(template: &str, parts: &[&str]) -> Option<Vec<String>> {
    let mut ids = Vec::new();
    let mut count = 0;
    for (index, wanted) in template.split('/').enumerate() {
        let part = parts.get(index)?;
        count += 1;
        if wanted.starts_with('{') {
            if part.is_empty() {
                return None;
            }
            ids.push((*part).to_owned());
        } else if wanted != *part {
            return None;
        }
    }
    (count == parts.len()).then_some(ids)
}
