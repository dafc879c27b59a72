//! The routes of the API.

use super::data::paths;
use super::errors::Answer;
use super::{
    Call, Core, authorizations, balance, catalog, changes, charges, checkout, checkout_create,
    coupons, credit_notes, customer_balance, customer_subscriptions, customers, discounts,
    disputes, endpoints, events, invoice_api, invoice_items, invoice_lines, invoice_preview,
    methods, pauses, payment_intents, portal, refunds, schedules, setup, subscription_create,
    subscription_items, subscriptions, tax_ids, tax_table, test_clocks,
};

/// The function that answers a request.
pub type Handler = fn(&mut Core, &Call) -> Answer;

/// The routes with their own handler. `{}` is a placeholder for an id.
const ROUTES: &[(&str, &str, Handler)] = &[
    ("get", "account", balance::account),
    ("get", "balance", balance::balance),
    (
        "post",
        "billing_portal/configurations",
        portal::create_configuration,
    ),
    (
        "post",
        "billing_portal/configurations/{}",
        portal::update_configuration,
    ),
    ("post", "billing_portal/sessions", portal::create_session),
    ("post", "charges/{}", charges::update),
    ("get", "charges/{}/dispute", disputes::of_charge),
    ("post", "charges/{}/refund", refunds::refund_charge),
    ("get", "charges/{}/refunds", refunds::of_charge),
    ("post", "checkout/sessions", checkout_create::create),
    ("post", "checkout/sessions/{}", checkout::update),
    ("post", "checkout/sessions/{}/expire", checkout::expire),
    ("get", "checkout/sessions/{}/line_items", checkout::lines),
    ("post", "coupons", coupons::create_coupon),
    ("post", "coupons/{}", coupons::update_coupon),
    ("delete", "coupons/{}", coupons::delete_coupon),
    ("post", "credit_notes", credit_notes::create),
    ("get", "credit_notes/preview", credit_notes::preview),
    (
        "get",
        "credit_notes/preview/lines",
        credit_notes::preview_lines,
    ),
    ("post", "credit_notes/{}", credit_notes::update),
    ("post", "credit_notes/{}/void", credit_notes::void),
    ("get", "credit_notes/{}/lines", credit_notes::lines),
    ("post", "customers", customers::create),
    ("get", "customers/{}", customers::show),
    ("post", "customers/{}", customers::update),
    ("delete", "customers/{}", customers::delete),
    ("get", "customers/{}/payment_methods", methods::of_customer),
    (
        "get",
        "customers/{}/payment_methods/{}",
        methods::one_of_customer,
    ),
    ("get", "customers/{}/discount", discounts::of_customer),
    (
        "delete",
        "customers/{}/discount",
        discounts::delete_of_customer,
    ),
    (
        "get",
        "customers/{}/subscriptions/{}/discount",
        discounts::of_subscription,
    ),
    (
        "delete",
        "customers/{}/subscriptions/{}/discount",
        discounts::delete_of_subscription,
    ),
    (
        "delete",
        "subscriptions/{}/discount",
        discounts::delete_of_subscription,
    ),
    (
        "get",
        "customers/{}/subscriptions",
        customer_subscriptions::index,
    ),
    (
        "post",
        "customers/{}/subscriptions",
        customer_subscriptions::create,
    ),
    (
        "get",
        "customers/{}/subscriptions/{}",
        customer_subscriptions::show,
    ),
    (
        "post",
        "customers/{}/subscriptions/{}",
        customer_subscriptions::update,
    ),
    (
        "delete",
        "customers/{}/subscriptions/{}",
        customer_subscriptions::cancel,
    ),
    (
        "get",
        "customers/{}/balance_transactions",
        customer_balance::index,
    ),
    (
        "post",
        "customers/{}/balance_transactions",
        customer_balance::create,
    ),
    (
        "get",
        "customers/{}/balance_transactions/{}",
        customer_balance::show,
    ),
    (
        "post",
        "customers/{}/balance_transactions/{}",
        customer_balance::update,
    ),
    ("get", "customers/{}/tax_ids", tax_ids::of_customer),
    ("post", "customers/{}/tax_ids", tax_ids::create_of_customer),
    ("get", "customers/{}/tax_ids/{}", tax_ids::one_of_customer),
    ("delete", "customers/{}/tax_ids/{}", tax_ids::delete),
    ("post", "disputes/{}", disputes::update),
    ("post", "disputes/{}/close", disputes::close),
    ("get", "events", events::index),
    ("get", "invoiceitems", invoice_items::index),
    ("post", "invoiceitems", invoice_items::create),
    ("post", "invoiceitems/{}", invoice_items::update),
    ("delete", "invoiceitems/{}", invoice_items::delete),
    ("get", "invoices", invoice_api::index),
    ("post", "invoices", invoice_api::create),
    ("post", "invoices/create_preview", invoice_preview::preview),
    ("post", "invoices/{}", invoice_api::update),
    ("delete", "invoices/{}", invoice_api::delete),
    ("post", "invoices/{}/finalize", invoice_api::finalize),
    ("post", "invoices/{}/add_lines", invoice_lines::add),
    ("get", "invoices/{}/lines", invoice_lines::index),
    ("post", "invoices/{}/lines/{}", invoice_lines::update_one),
    ("post", "invoices/{}/remove_lines", invoice_lines::remove),
    (
        "post",
        "invoices/{}/update_lines",
        invoice_lines::update_all,
    ),
    (
        "post",
        "invoices/{}/mark_uncollectible",
        invoice_api::uncollectible,
    ),
    ("post", "invoices/{}/pay", invoice_api::pay),
    ("post", "invoices/{}/send", invoice_api::send),
    ("post", "invoices/{}/void", invoice_api::void),
    ("post", "payment_intents", payment_intents::create),
    ("post", "payment_intents/{}", payment_intents::update),
    ("post", "payment_intents/{}/cancel", payment_intents::cancel),
    (
        "post",
        "payment_intents/{}/capture",
        authorizations::capture,
    ),
    (
        "post",
        "payment_intents/{}/confirm",
        payment_intents::confirm,
    ),
    ("get", "payment_methods", methods::index),
    ("post", "payment_methods", methods::create),
    ("get", "payment_methods/{}", methods::show),
    ("post", "payment_methods/{}", methods::update),
    ("post", "payment_methods/{}/attach", methods::attach),
    ("post", "payment_methods/{}/detach", methods::detach),
    ("get", "payment_pages/{}", checkout::page),
    ("post", "payment_pages/{}/confirm", checkout::confirm_page),
    ("post", "prices", catalog::create_price),
    ("post", "prices/{}", catalog::update_price),
    ("post", "products", catalog::create_product),
    ("post", "products/{}", catalog::update_product),
    ("delete", "products/{}", catalog::delete_product),
    ("get", "promotion_codes", coupons::codes),
    ("post", "promotion_codes", coupons::create_code),
    ("post", "promotion_codes/{}", coupons::update_code),
    ("post", "refunds", refunds::create),
    ("post", "refunds/{}", refunds::update),
    ("post", "refunds/{}/cancel", refunds::cancel),
    ("post", "setup_intents", setup::create),
    ("post", "setup_intents/{}", setup::update),
    ("post", "setup_intents/{}/cancel", setup::cancel),
    ("post", "setup_intents/{}/confirm", setup::confirm),
    ("get", "subscription_items", subscription_items::index),
    ("post", "subscription_items", subscription_items::create),
    ("get", "subscription_items/{}", subscription_items::show),
    ("post", "subscription_items/{}", subscription_items::update),
    (
        "delete",
        "subscription_items/{}",
        subscription_items::delete,
    ),
    ("get", "subscription_schedules", schedules::index),
    ("post", "subscription_schedules", schedules::create),
    ("post", "subscription_schedules/{}", schedules::update),
    (
        "post",
        "subscription_schedules/{}/cancel",
        schedules::cancel,
    ),
    (
        "post",
        "subscription_schedules/{}/release",
        schedules::release,
    ),
    ("get", "subscriptions", subscriptions::index),
    ("post", "subscriptions", subscription_create::create),
    ("post", "subscriptions/{}", changes::update),
    ("delete", "subscriptions/{}", subscriptions::cancel),
    ("post", "subscriptions/{}/migrate", subscriptions::migrate),
    ("post", "subscriptions/{}/resume", pauses::resume),
    ("get", "tax_ids", tax_ids::index),
    ("post", "tax_ids", tax_ids::create),
    ("delete", "tax_ids/{}", tax_ids::delete),
    ("post", "tax_rates", tax_table::create),
    ("post", "tax_rates/{}", tax_table::update),
    ("post", "test_helpers/test_clocks", test_clocks::create),
    ("delete", "test_helpers/test_clocks/{}", test_clocks::delete),
    (
        "post",
        "test_helpers/test_clocks/{}/advance",
        test_clocks::advance,
    ),
    ("post", "webhook_endpoints", endpoints::create),
    ("post", "webhook_endpoints/{}", endpoints::update),
    ("delete", "webhook_endpoints/{}", endpoints::delete),
];

/// The resources that have no handler of their own for reading: the path of the list, the kind of
/// the objects, and the name of the parameter in the error about an id that doesn't exist.
const RESOURCES: &[(&str, &str, &str)] = &[
    ("balance/history", "balance_transaction", "id"),
    ("balance_transactions", "balance_transaction", "id"),
    (
        "billing_portal/configurations",
        "billing_portal.configuration",
        "id",
    ),
    ("charges", "charge", "charge"),
    ("checkout/sessions", "checkout.session", "id"),
    ("coupons", "coupon", "coupon"),
    ("credit_notes", "credit_note", "id"),
    ("customers", "customer", "id"),
    ("disputes", "dispute", "dispute"),
    ("events", "event", "id"),
    ("invoice_payments", "invoice_payment", "id"),
    ("invoiceitems", "invoiceitem", "id"),
    ("invoices", "invoice", "invoice"),
    ("payment_intents", "payment_intent", "intent"),
    ("prices", "price", "price"),
    ("products", "product", "id"),
    ("promotion_codes", "promotion_code", "promotion_code"),
    (
        "radar/early_fraud_warnings",
        "radar.early_fraud_warning",
        "early_fraud_warning",
    ),
    ("refunds", "refund", "id"),
    ("setup_intents", "setup_intent", "id"),
    ("subscription_schedules", "subscription_schedule", "id"),
    ("subscriptions", "subscription", "id"),
    ("tax_ids", "tax_id", "id"),
    ("tax_rates", "tax_rate", "tax_rate"),
    (
        "test_helpers/test_clocks",
        "test_helpers.test_clock",
        "test_clock",
    ),
    ("webhook_endpoints", "webhook_endpoint", "id"),
];

/// How a request is answered.
pub enum Route {
    Act(Handler),
    /// A page of the objects of a kind.
    List(&'static str),
    /// One object of a kind, and the name of its id in an error.
    Show(&'static str, &'static str),
    /// The objects of a kind that satisfy a query.
    Search(&'static str),
}

impl Route {
    pub fn answer(&self, core: &mut Core, call: &Call) -> Answer {
        match self {
            Route::Act(handler) => handler(core, call),
            Route::List(kind) => core.page(call, kind, &[], |_| true),
            Route::Show(kind, param) => core.need_path(kind, call.id(), param),
            Route::Search(kind) => core.search(call, kind),
        }
    }
}

/// The route of a method and a described path.
pub fn route(method: &str, template: &str) -> Option<Route> {
    let plain = without_names(template.strip_prefix("/v1/")?);
    let own = ROUTES
        .iter()
        .find(|(verb, path, _)| *verb == method && *path == plain);
    if let Some((.., handler)) = own {
        return Some(Route::Act(*handler));
    }
    RESOURCES
        .iter()
        .filter(|_| method == "get")
        .find_map(|(path, kind, param)| match plain.strip_prefix(path)? {
            "" => Some(Route::List(kind)),
            "/{}" => Some(Route::Show(kind, param)),
            "/search" => Some(Route::Search(kind)),
            _ => None,
        })
}

/// A described path without the names of its ids: `charges/{charge}` becomes `charges/{}`.
fn without_names(template: &str) -> String {
    let parts = template.split('/');
    let plain = parts.map(|part| if part.starts_with('{') { "{}" } else { part });
    plain.collect::<Vec<_>>().join("/")
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
