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
];

const MANDATE: &str = "only the mandate shows it, which the twin doesn't serve; the CLI sends it";

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
