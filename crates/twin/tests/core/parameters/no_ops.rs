//! The parameters that are accepted although no client can see an effect of them.

/// The operation (with a final `*` all that start like it), the parameter, and the reason.
pub const NO_OPS: &[(&str, &str, &str)] = &[
    (
        "post /v1/payment_intents*",
        "mandate_data.customer_acceptance.accepted_at",
        MANDATE,
    ),
    (
        "post /v1/payment_intents*",
        "mandate_data.customer_acceptance.online.ip_address",
        MANDATE,
    ),
    (
        "post /v1/payment_intents*",
        "mandate_data.customer_acceptance.online.user_agent",
        MANDATE,
    ),
    (
        "post /v1/payment_intents*",
        "mandate_data.customer_acceptance.type",
        MANDATE,
    ),
    (
        "post /v1/setup_intents*",
        "mandate_data.customer_acceptance.accepted_at",
        MANDATE,
    ),
    (
        "post /v1/setup_intents*",
        "mandate_data.customer_acceptance.online.ip_address",
        MANDATE,
    ),
    (
        "post /v1/setup_intents*",
        "mandate_data.customer_acceptance.online.user_agent",
        MANDATE,
    ),
    (
        "post /v1/setup_intents*",
        "mandate_data.customer_acceptance.type",
        MANDATE,
    ),
    (
        "post /v1/checkout/sessions",
        "custom_fields.label.type",
        "it is required and has one value",
    ),
    ("post /v1/payment_methods", "expand", NO_CUSTOMER),
    (
        "post /v1/payment_methods/{payment_method}/detach",
        "expand",
        NO_CUSTOMER,
    ),
    (PREVIEW_LINES, "credit_amount", OF_NOTE),
    (PREVIEW_LINES, "effective_at", OF_NOTE),
    (PREVIEW_LINES, "email_type", NO_EMAIL),
    (PREVIEW_LINES, "memo", OF_NOTE),
    (PREVIEW_LINES, "metadata", OF_NOTE),
    (PREVIEW_LINES, "out_of_band_amount", OF_NOTE),
    (PREVIEW_LINES, "reason", OF_NOTE),
    (PREVIEW_LINES, "refund_amount", OF_NOTE),
    ("get /v1/credit_notes/preview", "email_type", NO_EMAIL),
    ("post /v1/credit_notes", "email_type", NO_EMAIL),
    (
        "post /v1/promotion_codes",
        "promotion.type",
        "it is required and has one value",
    ),
    (
        "post /v1/invoices/{invoice}/add_lines",
        "lines.price_data.currency",
        OF_INVOICE,
    ),
    (
        "post /v1/invoices/{invoice}/update_lines",
        "lines.price_data.currency",
        OF_INVOICE,
    ),
    (
        "post /v1/invoices/{invoice}/lines/{line_item_id}",
        "price_data.currency",
        OF_INVOICE,
    ),
    (
        "post /v1/invoiceitems/{invoiceitem}",
        "price_data.currency",
        "it must be the currency of the item",
    ),
    (
        "post /v1/subscriptions",
        "currency",
        "it must be the currency of the prices",
    ),
    (
        "post /v1/subscription_schedules",
        "phases.currency",
        "it must be the currency of the prices",
    ),
    (
        "post /v1/customers/{customer}/subscriptions",
        "add_invoice_items.price_data.currency",
        OWN_CURRENCY,
    ),
    (
        "post /v1/customers/{customer}/subscriptions/{subscription_exposed_id}",
        "add_invoice_items.price_data.currency",
        OWN_CURRENCY,
    ),
    (
        "post /v1/subscriptions",
        "add_invoice_items.price_data.currency",
        OWN_CURRENCY,
    ),
    (
        "post /v1/subscriptions/{subscription_exposed_id}",
        "add_invoice_items.price_data.currency",
        OWN_CURRENCY,
    ),
    (
        "post /v1/subscription_schedules",
        "phases.add_invoice_items.price_data.currency",
        OWN_CURRENCY,
    ),
    (
        "post /v1/subscription_schedules/{schedule}",
        "phases.add_invoice_items.price_data.currency",
        OWN_CURRENCY,
    ),
    (
        "post /v1/customers/{customer}/subscriptions/{subscription_exposed_id}",
        "items.price_data.currency",
        OWN_CURRENCY,
    ),
    (
        "post /v1/subscription_items/{item}",
        "price_data.currency",
        OWN_CURRENCY,
    ),
    (
        "post /v1/subscription_items",
        "price_data.currency",
        OWN_CURRENCY,
    ),
    (
        "post /v1/subscription_items",
        "price_data.recurring.interval_count",
        "it must be the interval of the other items",
    ),
    (
        "post /v1/subscription_schedules/{schedule}",
        "phases.items.price_data.currency",
        OWN_CURRENCY,
    ),
    (
        "post /v1/customers/{customer}/subscriptions",
        "currency",
        "it must be the currency of the prices",
    ),
    (
        "post /v1/invoices/create_preview",
        "subscription_details.items.metadata",
        "the lines of a preview show the metadata of the subscription",
    ),
    (
        "post /v1/subscriptions/{subscription_exposed_id}",
        "items.price_data.currency",
        OWN_CURRENCY,
    ),
];

const NO_CUSTOMER: &str = "only `customer` expands, and the method has none";
const OF_INVOICE: &str = "it must be the currency of the invoice";
const OWN_CURRENCY: &str = "it must be the currency of the subscription";
const MANDATE: &str = "only the mandate shows it, which the twin doesn't serve; the CLI sends it";

const PREVIEW_LINES: &str = "get /v1/credit_notes/preview/lines";
const OF_NOTE: &str = "the lines don't show what belongs to the credit note";
const NO_EMAIL: &str = "the twin sends no emails about credit notes";

/// The entry for a parameter of an operation.
pub fn find(operation: &str, name: &str) -> Option<(&'static str, &'static str)> {
    let found = NO_OPS.iter().find(|(wanted, path, _)| {
        let fits = match wanted.strip_suffix('*') {
            Some(start) => operation.starts_with(start),
            None => *wanted == operation,
        };
        fits && *path == name
    });
    found.map(|(wanted, path, _)| (*wanted, *path))
}
