//! Requests that succeed, for the operations of subscriptions and invoices.

/// The operation, the path if it is not the operation's, and the parameters.
pub const BASELINES: &[(&str, &str, &str)] = &[
    ("get /v1/customers/{customer}/subscriptions", "", ""),
    (
        "post /v1/customers/{customer}/subscriptions",
        "",
        "items[0][price]={price}",
    ),
    (
        "post /v1/customers/{customer}/subscriptions",
        "",
        "items[0][price]={price}&trial_period_days=3",
    ),
    (
        "post /v1/customers/{customer}/subscriptions",
        "",
        "items[0][price]={price}&collection_method=send_invoice&days_until_due=5",
    ),
    (
        "delete /v1/customers/{customer}/subscriptions/{subscription_exposed_id}",
        "/v1/customers/{customer}/subscriptions/{subscription}",
        "",
    ),
    (
        "get /v1/customers/{customer}/subscriptions/{subscription_exposed_id}",
        "/v1/customers/{customer}/subscriptions/{subscription}",
        "",
    ),
    (
        "post /v1/customers/{customer}/subscriptions/{subscription_exposed_id}",
        "/v1/customers/{customer}/subscriptions/{subscription}",
        "",
    ),
    (
        "post /v1/customers/{customer}/subscriptions/{subscription_exposed_id}",
        "/v1/customers/{customer}/subscriptions/{subscription}",
        "items[0][id]={item}&items[0][price]={better_price}",
    ),
    (
        "post /v1/customers/{customer}/subscriptions/{subscription_exposed_id}",
        "/v1/customers/{other_customer}/subscriptions/{trial}",
        "",
    ),
    ("get /v1/invoices", "", ""),
    ("post /v1/invoices", "", "customer={other_customer}"),
    (
        "post /v1/invoices",
        "",
        "customer={other_customer}&collection_method=send_invoice&days_until_due=5",
    ),
    (
        "post /v1/invoices/create_preview",
        "",
        "customer={customer}&subscription_details[items][0][price]={price}",
    ),
    (
        "post /v1/invoices/create_preview",
        "",
        "subscription={subscription}",
    ),
    ("get /v1/invoices/search", "", "query=currency:'usd'"),
    ("get /v1/invoices/{invoice}", "", ""),
    ("post /v1/invoices/{invoice}", "", ""),
    (
        "post /v1/invoices/{invoice}/add_lines",
        "",
        "lines[0][description]=More&lines[0][amount]=500",
    ),
    ("post /v1/invoices/{invoice}/finalize", "", ""),
    (
        "get /v1/invoices/{invoice}/lines",
        "/v1/invoices/{double_invoice}/lines",
        "",
    ),
    (
        "post /v1/invoices/{invoice}/lines/{line_item_id}",
        "/v1/invoices/{invoice}/lines/{line}",
        "",
    ),
    (
        "post /v1/invoices/{invoice}/remove_lines",
        "",
        "lines[0][id]={line}&lines[0][behavior]=delete",
    ),
    (
        "post /v1/invoices/{invoice}/update_lines",
        "",
        "lines[0][id]={line}",
    ),
    (
        "post /v1/invoices/{invoice}/mark_uncollectible",
        "/v1/invoices/{open_invoice}/mark_uncollectible",
        "",
    ),
    (
        "post /v1/invoices/{invoice}/pay",
        "/v1/invoices/{open_invoice}/pay",
        "",
    ),
    (
        "post /v1/invoices/{invoice}/send",
        "/v1/invoices/{late_invoice}/send",
        "",
    ),
    (
        "post /v1/invoices/{invoice}/void",
        "/v1/invoices/{open_invoice}/void",
        "",
    ),
    ("get /v1/subscription_items", "", "subscription={double}"),
    (
        "post /v1/subscription_items",
        "",
        "subscription={subscription}&price={extra_price}",
    ),
    (
        "delete /v1/subscription_items/{item}",
        "/v1/subscription_items/{double_item}",
        "",
    ),
    ("get /v1/subscription_items/{item}", "", ""),
    ("post /v1/subscription_items/{item}", "", ""),
    ("post /v1/subscription_items/{item}", "", "quantity=2"),
    ("get /v1/subscription_schedules", "", ""),
    (
        "post /v1/subscription_schedules",
        "",
        "from_subscription={subscription}",
    ),
    (
        "post /v1/subscription_schedules",
        "",
        "customer={customer}&start_date=now&phases[0][items][0][price]={price}&phases[0][duration][interval]=month",
    ),
    ("get /v1/subscription_schedules/{schedule}", "", ""),
    ("post /v1/subscription_schedules/{schedule}", "", ""),
    ("post /v1/subscription_schedules/{schedule}/cancel", "", ""),
    ("post /v1/subscription_schedules/{schedule}/release", "", ""),
    ("get /v1/subscriptions", "", ""),
    (
        "post /v1/subscriptions",
        "",
        "customer={customer}&items[0][price]={price}",
    ),
    (
        "post /v1/subscriptions",
        "",
        "customer={customer}&items[0][price]={price}&trial_period_days=3",
    ),
    (
        "post /v1/subscriptions",
        "",
        "customer={customer}&items[0][price]={price}&collection_method=send_invoice&days_until_due=5",
    ),
    ("get /v1/subscriptions/search", "", "query=status:'active'"),
    (
        "delete /v1/subscriptions/{subscription_exposed_id}",
        "/v1/subscriptions/{subscription}",
        "",
    ),
    (
        "get /v1/subscriptions/{subscription_exposed_id}",
        "/v1/subscriptions/{subscription}",
        "",
    ),
    (
        "post /v1/subscriptions/{subscription_exposed_id}",
        "/v1/subscriptions/{subscription}",
        "",
    ),
    (
        "post /v1/subscriptions/{subscription_exposed_id}",
        "/v1/subscriptions/{subscription}",
        "items[0][id]={item}&items[0][price]={better_price}",
    ),
    (
        "post /v1/subscriptions/{subscription_exposed_id}",
        "/v1/subscriptions/{trial}",
        "",
    ),
    (
        "post /v1/subscriptions/{subscription}/resume",
        "/v1/subscriptions/{paused}/resume",
        "",
    ),
    (
        "post /v1/subscriptions",
        "",
        "customer={customer}&items[0][price]={price}&billing_cycle_anchor={soon}",
    ),
    (
        "post /v1/customers/{customer}/subscriptions",
        "",
        "items[0][price]={price}&billing_cycle_anchor={soon}",
    ),
    (
        "post /v1/subscriptions/{subscription_exposed_id}",
        "/v1/subscriptions/{double}",
        "items[0][id]={double_item}",
    ),
    (
        "post /v1/customers/{customer}/subscriptions/{subscription_exposed_id}",
        "/v1/customers/{customer}/subscriptions/{double}",
        "items[0][id]={double_item}",
    ),
    (
        "delete /v1/subscriptions/{subscription_exposed_id}",
        "/v1/subscriptions/{subscription}",
        "prorate=true",
    ),
    (
        "delete /v1/customers/{customer}/subscriptions/{subscription_exposed_id}",
        "/v1/customers/{customer}/subscriptions/{subscription}",
        "prorate=true",
    ),
    (
        "post /v1/subscriptions/{subscription}/resume",
        "/v1/subscriptions/{paused}/resume",
        "billing_cycle_anchor=unchanged",
    ),
    (
        "post /v1/subscription_schedules",
        "",
        "customer={customer}&phases[0][items][0][price]={price}&default_settings[invoice_settings][days_until_due]=5",
    ),
    (
        "post /v1/subscription_schedules/{schedule}",
        "",
        "default_settings[invoice_settings][days_until_due]=5",
    ),
    (
        "post /v1/subscription_schedules/{schedule}",
        "",
        "phases[0][items][0][price]={price}&phases[0][end_date]={later}",
    ),
    (
        "post /v1/invoices",
        "",
        "customer={other_customer}&auto_advance=true",
    ),
    ("post /v1/invoices/{invoice}", "", "auto_advance=true"),
];
