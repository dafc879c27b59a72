//! The requests for discounts, tax, balances and previews of credit notes, as in `baselines`.

pub const BASELINES: &[(&str, &str, &str)] = &[
    (
        "get /v1/credit_notes/preview",
        "",
        "invoice={paid_invoice}&amount=200&credit_amount=200",
    ),
    (
        "get /v1/credit_notes/preview",
        "",
        "invoice={open_invoice}&amount=200",
    ),
    (
        "get /v1/credit_notes/preview/lines",
        "",
        "invoice={open_invoice}&amount=200",
    ),
    (
        "get /v1/credit_notes/preview/lines",
        "",
        "invoice={open_invoice}&lines[0][type]=custom_line_item&lines[0][unit_amount]=200",
    ),
    (
        "get /v1/credit_notes/preview/lines",
        "",
        "invoice={open_invoice}&lines[0][type]=invoice_line_item&lines[0][invoice_line_item]={open_line}&lines[0][amount]=100",
    ),
    (
        "get /v1/credit_notes/preview",
        "",
        "invoice={open_invoice}&lines[0][type]=custom_line_item&lines[0][unit_amount]=200",
    ),
    (
        "get /v1/credit_notes/preview",
        "",
        "invoice={open_invoice}&lines[0][type]=invoice_line_item&lines[0][invoice_line_item]={open_line}&lines[0][amount]=100",
    ),
    (
        "post /v1/credit_notes",
        "",
        "invoice={open_invoice}&lines[0][type]=custom_line_item&lines[0][unit_amount]=200",
    ),
    (
        "post /v1/credit_notes",
        "",
        "invoice={open_invoice}&lines[0][type]=invoice_line_item&lines[0][invoice_line_item]={open_line}&lines[0][amount]=100",
    ),
    (
        "post /v1/coupons",
        "",
        "amount_off=100&currency=usd&expand[0]=currency_options",
    ),
    ("post /v1/customers", "", "expand[0]=tax"),
    ("post /v1/customers/{customer}", "", "expand[0]=tax"),
    ("get /v1/customers/{customer}/balance_transactions", "", ""),
    (
        "post /v1/customers/{customer}/balance_transactions",
        "/v1/customers/{bare_customer}/balance_transactions",
        "amount=100&currency=usd",
    ),
    (
        "get /v1/customers/{customer}/balance_transactions/{transaction}",
        "",
        "",
    ),
    (
        "post /v1/customers/{customer}/balance_transactions/{transaction}",
        "",
        "",
    ),
    (
        "get /v1/customers/{customer}/discount",
        "/v1/customers/{discounted}/discount",
        "",
    ),
    (
        "get /v1/customers/{customer}/subscriptions/{subscription_exposed_id}/discount",
        "/v1/customers/{customer}/subscriptions/{cheap}/discount",
        "",
    ),
    ("get /v1/customers/{customer}/tax_ids", "", ""),
    (
        "post /v1/customers/{customer}/tax_ids",
        "",
        "type=ad_nrt&value=12345",
    ),
    (
        "get /v1/customers/{customer}/tax_ids/{id}",
        "/v1/customers/{customer}/tax_ids/{tax_id}",
        "",
    ),
    (
        "get /v1/tax_ids",
        "",
        "owner[type]=customer&owner[customer]={customer}",
    ),
    (
        "post /v1/tax_ids",
        "",
        "type=ad_nrt&value=12345&owner[type]=customer&owner[customer]={customer}",
    ),
    ("get /v1/tax_ids/{id}", "/v1/tax_ids/{tax_id}", ""),
    ("get /v1/tax_rates", "", ""),
    (
        "post /v1/tax_rates",
        "",
        "display_name=VAT&percentage=7&inclusive=false",
    ),
    ("get /v1/tax_rates/{tax_rate}", "", ""),
    ("post /v1/tax_rates/{tax_rate}", "", ""),
];
