//! The invoice that a one-time Checkout session gets once it is paid.

use serde_json::{Value, json};
use twin::core::{PayError, Payment};

use crate::shop::{DAY, NOW, Shop, card, good_card, string};

const WITH: &str = "&invoice_creation[enabled]=true";

/// Creates a session with an invoice for one pack of 10.00.
fn begin(shop: &mut Shop, more: &str) -> String {
    let pack = shop.price("Credits", 1000, "");
    shop.session("payment", &pack, &format!("{WITH}{more}"))
}

#[test]
fn a_paid_session_has_a_paid_invoice_with_its_lines() {
    let mut shop = Shop::open();
    let data = "&invoice_creation[invoice_data][description]=Order 7&invoice_creation[invoice_data][footer]=Thanks&invoice_creation[invoice_data][metadata][order]=7\
        &invoice_creation[invoice_data][custom_fields][0][name]=PO&invoice_creation[invoice_data][custom_fields][0][value]=9\
        &invoice_creation[invoice_data][rendering_options][amount_tax_display]=include_inclusive_tax";
    let id = begin(&mut shop, data);
    shop.happened();

    let done = shop.core.pay_checkout(&id, good_card(), NOW).unwrap();

    assert_eq!(
        shop.happened(),
        [
            "customer.created",
            "payment_intent.created",
            "charge.succeeded",
            "payment_intent.succeeded",
            "invoiceitem.created",
            "invoice.created",
            "invoice.finalized",
            "customer.updated",
            "invoice.payment_succeeded",
            "invoice.paid",
            "invoice_payment.paid",
            "checkout.session.completed"
        ]
    );
    let invoice = shop.see(&done["invoice"]);
    assert_eq!(
        (
            &invoice["status"],
            &invoice["amount_paid"],
            &invoice["amount_remaining"]
        ),
        (&json!("paid"), &json!(1000), &json!(0))
    );
    assert_eq!(
        (&invoice["description"], &invoice["footer"]),
        (&json!("Order 7"), &json!("Thanks"))
    );
    assert_eq!(invoice["metadata"], json!({"order": "7"}));
    assert_eq!(
        invoice["custom_fields"],
        json!([{"name": "PO", "value": "9"}])
    );
    assert_eq!(
        invoice["rendering"]["amount_tax_display"],
        "include_inclusive_tax"
    );
    let line = &invoice["lines"]["data"][0];
    assert_eq!(
        (&line["description"], &line["quantity"], &line["amount"]),
        (&json!("Credits"), &json!(1), &json!(1000))
    );
    assert_eq!(
        invoice["customer"], done["customer"],
        "the session made a customer"
    );
    let payments = shop.get(&format!(
        "/v1/invoice_payments?invoice={}",
        string(&done["invoice"])
    ));
    assert_eq!(
        payments["data"][0]["payment"]["payment_intent"],
        done["payment_intent"]
    );
    let shown = shop.get(&format!("/v1/checkout/sessions/{id}"));
    assert_eq!(
        shown["invoice_creation"]["invoice_data"]["footer"],
        "Thanks"
    );
    let completed = shop.last("checkout.session.completed");
    assert_eq!(completed["data"]["object"]["invoice"], done["invoice"]);
}

#[test]
fn a_session_without_it_has_no_invoice_and_makes_no_customer() {
    let mut shop = Shop::open();
    let pack = shop.price("Credits", 1000, "");
    let id = shop.session("payment", &pack, "&invoice_creation[enabled]=false");

    let done = shop.core.pay_checkout(&id, good_card(), NOW).unwrap();

    assert_eq!(
        (&done["invoice"], &done["customer"]),
        (&Value::Null, &Value::Null)
    );
    assert!(shop.core.objects("invoice").is_empty());
}

#[test]
fn a_bank_debit_gets_its_invoice_when_it_succeeds_and_none_when_it_fails() {
    let mut shop = Shop::open();
    let good = begin(&mut shop, "");
    let bad = begin(&mut shop, "");

    let unpaid = shop
        .core
        .pay_checkout(&good, Payment::Delayed, NOW)
        .unwrap();
    shop.core.pay_checkout(&bad, Payment::Delayed, NOW).unwrap();
    let early = shop.core.objects("invoice").len();
    shop.happened();
    let paid = shop.core.settle_checkout(&good, true, NOW).unwrap();
    let events = shop.happened();
    let failed = shop.core.settle_checkout(&bad, false, NOW).unwrap();

    assert_eq!((&unpaid["invoice"], early), (&Value::Null, 0));
    assert_eq!(shop.see(&paid["invoice"])["status"], "paid");
    let at = |kind: &str| events.iter().position(|one| one == kind).unwrap();
    assert!(at("payment_intent.succeeded") < at("invoice.paid"));
    assert!(at("invoice.paid") < at("checkout.session.async_payment_succeeded"));
    assert!(failed["invoice"].is_null());
    assert_eq!(shop.core.objects("invoice").len(), 1);
}

#[test]
fn a_declined_or_expired_session_has_no_invoice() {
    let mut shop = Shop::open();
    let declined = begin(&mut shop, "");
    let expired = begin(&mut shop, "");

    let refused = shop
        .core
        .pay_checkout(&declined, card("4000000000000002"), NOW);
    shop.wait(2 * DAY);

    assert!(matches!(refused, Err(PayError::Card { .. })));
    assert_eq!(shop.see(&json!(expired))["status"], "expired");
    assert!(shop.core.objects("invoice").is_empty());
    assert!(shop.core.objects("invoiceitem").is_empty());
}

#[test]
fn a_card_that_requires_authentication_gets_one_invoice_after_it() {
    let mut shop = Shop::open();
    let id = begin(&mut shop, "");

    shop.core
        .pay_checkout(&id, card("4000002760003184"), NOW)
        .unwrap_err();
    let early = shop.core.objects("invoice").len();
    let done = shop.core.authenticate_checkout(&id, true, NOW).unwrap();

    assert_eq!(early, 0);
    assert_eq!(shop.see(&done["invoice"])["status"], "paid");
    assert_eq!(shop.core.objects("invoice").len(), 1);
}

#[test]
fn coupons_and_taxes_of_the_session_are_those_of_the_invoice() {
    let mut shop = Shop::open();
    let coupon = string(&shop.post("/v1/coupons", "percent_off=33.3&duration=once")["id"]);
    let rate = string(
        &shop.post(
            "/v1/tax_rates",
            "display_name=VAT&percentage=19&inclusive=false",
        )["id"],
    );
    let pack = shop.price("Credits", 999, "");
    let more = format!(
        "{WITH}&line_items[0][tax_rates][0]={rate}&discounts[0][coupon]={coupon}&line_items[1][price]={pack}&line_items[1][quantity]=3"
    );
    let id = shop.session("payment", &pack, &more);

    let done = shop.core.pay_checkout(&id, good_card(), NOW).unwrap();

    let invoice = shop.see(&done["invoice"]);
    assert_eq!(invoice["total"], done["amount_total"]);
    assert_eq!(invoice["subtotal"], done["amount_subtotal"]);
    assert_eq!(
        invoice["total_discount_amounts"][0]["amount"],
        done["total_details"]["amount_discount"]
    );
    assert_eq!(
        invoice["total_taxes"][0]["amount"],
        done["total_details"]["amount_tax"]
    );
    assert_eq!(
        shop.see(&done["payment_intent"])["amount_received"],
        invoice["amount_paid"]
    );
    assert_eq!(shop.see(&json!(coupon))["times_redeemed"], 1);
}

#[test]
fn automatic_tax_of_the_session_is_that_of_the_invoice() {
    let mut shop = Shop::open();
    shop.core.set_tax("DE", None, "19", false).unwrap();
    let id = begin(&mut shop, "&automatic_tax[enabled]=true");
    shop.core
        .set_checkout_address(&id, &json!({"country": "DE"}));

    let done = shop.core.pay_checkout(&id, good_card(), NOW).unwrap();

    let invoice = shop.see(&done["invoice"]);
    assert_eq!(done["amount_total"], 1190);
    assert_eq!(
        (&invoice["total"], &invoice["amount_paid"]),
        (&json!(1190), &json!(1190))
    );
    assert_eq!(invoice["automatic_tax"]["status"], "complete");
}

#[test]
fn the_balance_and_the_discount_of_the_customer_do_not_change_a_paid_invoice() {
    let mut shop = Shop::open();
    let ann = shop.customer("");
    shop.post(&format!("/v1/customers/{ann}"), "balance=-300");
    let id = begin(&mut shop, &format!("&customer={ann}"));

    let done = shop.core.pay_checkout(&id, good_card(), NOW).unwrap();

    let invoice = shop.see(&done["invoice"]);
    assert_eq!(
        (&invoice["amount_due"], &invoice["amount_paid"]),
        (&json!(1000), &json!(1000))
    );
    assert_eq!(
        (&invoice["starting_balance"], &invoice["ending_balance"]),
        (&json!(0), &json!(0))
    );
    assert_eq!(shop.see(&json!(ann))["balance"], -300);
}

#[test]
fn a_free_session_has_a_paid_invoice_of_zero() {
    let mut shop = Shop::open();
    let coupon = string(&shop.post("/v1/coupons", "percent_off=100&duration=once")["id"]);
    let id = begin(&mut shop, &format!("&discounts[0][coupon]={coupon}"));

    let done = shop.core.finish_free_checkout(&id, NOW).unwrap();

    assert_eq!(done["payment_status"], "no_payment_required");
    let invoice = shop.see(&done["invoice"]);
    assert_eq!(
        (
            &invoice["status"],
            &invoice["total"],
            &invoice["amount_paid"]
        ),
        (&json!("paid"), &json!(0), &json!(0))
    );
    assert!(shop.core.objects("payment_intent").is_empty());
}

#[test]
fn a_refund_and_a_dispute_leave_the_invoice_paid() {
    let mut shop = Shop::open();
    let refunded = begin(&mut shop, "");
    let disputed = begin(&mut shop, "");
    let first = shop.core.pay_checkout(&refunded, good_card(), NOW).unwrap();
    let second = shop
        .core
        .pay_checkout(&disputed, card("4000000000000259"), NOW)
        .unwrap();

    let body = format!(
        "payment_intent={}&amount=400",
        string(&first["payment_intent"])
    );
    let refund = shop.post("/v1/refunds", &body);
    let disputes = shop.get("/v1/disputes");

    assert_eq!(refund["status"], "succeeded");
    assert_eq!(
        disputes["data"][0]["payment_intent"],
        second["payment_intent"]
    );
    for session in [first, second] {
        let invoice = shop.see(&session["invoice"]);
        assert_eq!(
            (&invoice["status"], &invoice["amount_paid"]),
            (&json!("paid"), &json!(1000))
        );
    }
}

#[test]
fn a_credit_note_refunds_the_payment_behind_the_invoice() {
    let mut shop = Shop::open();
    let id = begin(&mut shop, "");
    let done = shop.core.pay_checkout(&id, good_card(), NOW).unwrap();

    let body = format!(
        "invoice={}&amount=250&refund_amount=250",
        string(&done["invoice"])
    );
    shop.post("/v1/credit_notes", &body);

    let charge = shop.see(&done["payment_intent"])["latest_charge"].clone();
    assert_eq!(shop.see(&charge)["amount_refunded"], 250);
    assert_eq!(
        shop.see(&done["invoice"])["post_payment_credit_notes_amount"],
        250
    );
}

#[test]
fn an_invoice_is_for_payment_mode_and_what_is_not_served_is_refused_by_name() {
    let mut shop = Shop::open();
    let pack = shop.price("Credits", 1000, "");
    let plan = shop.plan("PRO", 2000);
    let outer = "invoice_creation[invoice_data]";
    let pay = format!(
        "mode=payment&line_items[0][price]={pack}&line_items[0][quantity]=1&{}",
        &WITH[1..]
    );
    for (body, why) in [
        (
            format!(
                "mode=subscription&line_items[0][price]={plan}&line_items[0][quantity]=1{WITH}"
            ),
            "You can only enable invoice creation when `mode` is set to `payment`.",
        ),
        (
            format!("mode=setup&currency=usd{WITH}"),
            "You can only enable invoice creation when `mode` is set to `payment`.",
        ),
        (
            format!("{pay}&{outer}[account_tax_ids][0]=txi_1"),
            "is not served by this twin.",
        ),
        (
            format!("{pay}&{outer}[issuer][type]=self"),
            "is not served by this twin.",
        ),
        (
            format!("{pay}&payment_intent_data[capture_method]=manual"),
            "is not served by this twin.",
        ),
    ] {
        let (status, error) = shop.refused(
            "POST",
            "/v1/checkout/sessions",
            &format!("success_url=https://a.example&{body}"),
        );

        assert_eq!(status, 400);
        assert!(string(&error["message"]).contains(why), "{error}");
    }
}

#[test]
fn a_known_customer_keeps_the_address_unless_the_session_says_to_save_it() {
    let mut shop = Shop::open();
    let mut buy = |update: &str| {
        let ann = shop.customer("");
        let body = "type=card&card[token]=tok_visa&billing_details[address][country]=FR";
        let method = string(&shop.post("/v1/payment_methods", body)["id"]);
        let id = begin(&mut shop, &format!("&customer={ann}{update}"));
        shop.core
            .pay_checkout(&id, Payment::Method(method), NOW)
            .unwrap();
        shop.see(&json!(ann))["address"]["country"].clone()
    };

    assert_eq!(buy(""), Value::Null);
    assert_eq!(buy("&customer_update[address]=never"), Value::Null);
    assert_eq!(buy("&customer_update[address]=auto"), "FR");
}
