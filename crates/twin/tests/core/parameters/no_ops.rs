//! The parameters that are accepted although no client can see an effect of them.

/// The operation (with a final `*` all that start like it), the parameter, and the reason.
pub const NO_OPS: &[(&str, &str, &str)] = &[
    (
        "post /v1/subscriptions",
        "currency",
        "it must be the currency of the prices",
    ),
    (
        "post /v1/customers/{customer}/subscriptions",
        "currency",
        "it must be the currency of the prices",
    ),
    (
        "post /v1/subscription_schedules",
        "phases.currency",
        "it must be the currency of the prices",
    ),
    (
        "post /v1/subscriptions",
        "collection_method",
        "it is only accepted with a due date, which shows its effect",
    ),
    (
        "post /v1/subscriptions/{subscription_exposed_id}",
        "collection_method",
        "it is only accepted with a due date, which shows its effect",
    ),
    (
        "post /v1/customers/{customer}/subscriptions",
        "collection_method",
        "it is only accepted with a due date, which shows its effect",
    ),
    (
        "post /v1/customers/{customer}/subscriptions/{subscription_exposed_id}",
        "collection_method",
        "it is only accepted with a due date, which shows its effect",
    ),
    (
        "post /v1/invoices",
        "collection_method",
        "it is only accepted with a due date, which shows its effect",
    ),
    (
        "post /v1/invoices/{invoice}",
        "collection_method",
        "it is only accepted with a due date, which shows its effect",
    ),
];

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
