//! Case W22: billing reads the same from an object in every version.
#![expect(clippy::unwrap_used, reason = "a test may fail")]

use serde::de::DeserializeOwned;
use std::fmt::Debug;
use std::path::Path;
use stripe::objects::{
    Charge, CheckoutMode, CheckoutSession, Invoice, InvoiceLine, PaymentIntent,
    PaymentIntentStatus, Subscription, SubscriptionStatus,
};

const VERSIONS: [&str; 4] = ["acacia", "basil", "dahlia", "endive"];
const JANUARY: i64 = 1_767_225_600;
const FEBRUARY: i64 = 1_769_904_000;

fn fixture(version: &str, object: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures");
    std::fs::read_to_string(folder.join(version).join(format!("{object}.json"))).unwrap()
}

/// Parses the object in all versions and checks that `view` returns `expected` for each.
fn same_in_all<T: DeserializeOwned, V: PartialEq + Debug>(
    object: &str,
    expected: V,
    view: impl Fn(&T) -> V,
) {
    for version in VERSIONS {
        let read: T = serde_json::from_str(&fixture(version, object)).unwrap();

        assert_eq!(view(&read), expected, "{object} in {version}");
    }
}

fn owned(id: Option<&str>) -> Option<String> {
    id.map(str::to_owned)
}

#[test]
fn case_w22_a_subscription_is_the_same_in_every_version() {
    let expected = (
        SubscriptionStatus::Active,
        (Some(JANUARY), Some(FEBRUARY), Some(FEBRUARY)),
        [
            owned(Some("cus_1")),
            owned(Some("in_1")),
            owned(Some("pm_1")),
            None,
        ],
        owned(Some("pro_monthly")),
        (Some(2900), Some(1)),
    );
    same_in_all("subscription", expected, |subscription: &Subscription| {
        let item = &subscription.items.data[0];
        let price = item.price.as_ref().unwrap();
        (
            subscription.status.clone(),
            (
                subscription.current_period_start(),
                subscription.current_period_end(),
                subscription.cancels_at(),
            ),
            [
                owned(subscription.customer.id()),
                owned(subscription.latest_invoice.id()),
                owned(subscription.default_payment_method.id()),
                owned(subscription.schedule.id()),
            ],
            price.lookup_key.clone(),
            (price.unit_amount, item.quantity),
        )
    });
}

type Line = (i64, [Option<String>; 4], bool, Option<i64>);

fn line(line: &InvoiceLine) -> Line {
    let ids = [
        owned(line.price().id()),
        owned(line.product_id()),
        owned(line.subscription_id()),
        owned(line.subscription_item_id()),
    ];
    (
        line.amount,
        ids,
        line.is_proration(),
        line.period.map(|period| period.end),
    )
}

#[test]
fn case_w22_an_invoice_is_the_same_in_every_version() {
    let ids = ["price_pro", "prod_pro", "sub_1", "si_1"].map(|id| owned(Some(id)));
    let expected = (
        [
            owned(Some("cus_1")),
            owned(Some("sub_1")),
            owned(Some("pi_1")),
        ],
        [2000, 2000, 0, 2000],
        (
            Some("paid".to_owned()),
            Some("subscription_update".to_owned()),
        ),
        (Some(JANUARY + 5), Some(false)),
        vec![
            (2900, ids.clone(), false, Some(FEBRUARY)),
            (-900, ids, true, Some(FEBRUARY)),
        ],
    );
    same_in_all("invoice", expected, |invoice: &Invoice| {
        (
            [
                owned(invoice.customer.id()),
                owned(invoice.subscription().id()),
                owned(invoice.payment_intent().id()),
            ],
            [
                invoice.amount_due,
                invoice.amount_paid,
                invoice.amount_remaining,
                invoice.total,
            ],
            (
                invoice.status.as_ref().map(ToString::to_string),
                invoice.billing_reason.as_ref().map(ToString::to_string),
            ),
            (invoice.paid_at(), invoice.is_paid_out_of_band()),
            invoice.lines.data.iter().map(line).collect(),
        )
    });
}

#[test]
fn case_w22_a_charge_is_the_same_in_every_version() {
    let expected = (
        [
            owned(Some("cus_1")),
            owned(Some("pi_1")),
            owned(Some("re_1")),
        ],
        [2000, 2000, 500],
        (false, false, true),
        ["visa", "4242", "fp_1"].map(|text| owned(Some(text))),
    );
    same_in_all("charge", expected, |charge: &Charge| {
        let refunds = &charge.refunds.as_ref().unwrap().data;
        let card = charge.card().unwrap();
        (
            [
                owned(charge.customer.id()),
                owned(charge.payment_intent.id()),
                refunds.first().map(|refund| refund.id.clone()),
            ],
            [
                charge.amount,
                charge.amount_captured,
                charge.amount_refunded,
            ],
            (charge.refunded, charge.disputed, charge.paid),
            [
                card.brand.clone(),
                card.last4.clone(),
                card.fingerprint.clone(),
            ],
        )
    });
}

#[test]
fn case_w22_a_payment_intent_is_the_same_in_every_version() {
    let expected = (
        PaymentIntentStatus::Succeeded,
        (2000, 2000, "usd".to_owned()),
        [
            owned(Some("cus_1")),
            owned(Some("ch_1")),
            owned(Some("acc_1")),
        ],
    );
    same_in_all("payment_intent", expected, |intent: &PaymentIntent| {
        (
            intent.status.clone(),
            (
                intent.amount,
                intent.amount_received,
                intent.currency.clone(),
            ),
            [
                owned(intent.customer.id()),
                owned(intent.latest_charge.id()),
                intent.metadata.get("account").cloned(),
            ],
        )
    });
}

#[test]
fn case_w22_a_checkout_session_is_the_same_in_every_version() {
    let expected = (
        CheckoutMode::Subscription,
        true,
        Some(2900),
        [
            owned(Some("cus_1")),
            owned(Some("sub_1")),
            None,
            owned(Some("in_1")),
        ],
        [owned(Some("acc_1")), owned(Some("7")), None],
    );
    same_in_all("checkout_session", expected, |session: &CheckoutSession| {
        (
            session.mode.clone(),
            session.is_paid(),
            session.amount_total,
            [
                owned(session.customer.id()),
                owned(session.subscription.id()),
                owned(session.payment_intent.id()),
                owned(session.invoice.id()),
            ],
            [
                session.client_reference_id.clone(),
                session.metadata.get("intent").cloned(),
                session.url.clone(),
            ],
        )
    });
}

#[test]
fn case_w22_an_event_leads_to_the_same_account_in_every_version() {
    for version in VERSIONS {
        let body = fixture(version, "event");

        let event = stripe::event::parse(body.as_bytes()).unwrap();

        assert_eq!(
            (event.id.as_ref(), event.kind.as_ref()),
            ("evt_1", "invoice.paid")
        );
        assert!(event.api_version.unwrap().ends_with(version));
        assert_eq!(event.object.id.as_deref(), Some("in_1"), "{version}");
        assert_eq!(event.object.customer.as_deref(), Some("cus_1"), "{version}");
        assert_eq!(
            event.object.subscription.as_deref(),
            Some("sub_1"),
            "{version}"
        );
    }
}

#[test]
fn case_w22_a_listed_event_is_read_like_a_delivered_one() {
    for version in VERSIONS {
        let body = fixture(version, "event");

        let listed: stripe::objects::Event = serde_json::from_str(&body).unwrap();

        assert_eq!(
            listed.read(),
            stripe::event::parse(body.as_bytes()),
            "{version}"
        );
        assert_eq!(listed.raw(), body.trim_end(), "the bytes are kept");
    }
}

#[test]
fn case_w22_a_payment_does_not_name_its_invoice_since_basil() {
    for version in VERSIONS {
        let charge: Charge = serde_json::from_str(&fixture(version, "charge")).unwrap();
        let intent: PaymentIntent =
            serde_json::from_str(&fixture(version, "payment_intent")).unwrap();

        let expected = (version == "acacia").then_some("in_1");
        assert_eq!(charge.invoice.id(), expected, "{version}");
        assert_eq!(intent.invoice.id(), expected, "{version}");
    }
}

#[test]
fn every_object_parses_stripes_own_example() {
    use stripe::objects::*;
    type Read = fn(&str) -> Result<(), serde_json::Error>;
    fn read<T: DeserializeOwned>(json: &str) -> Result<(), serde_json::Error> {
        serde_json::from_str::<T>(json).map(drop)
    }
    let readers: [(&str, Read); 23] = [
        ("account", read::<Account>),
        ("billing_portal.configuration", read::<PortalConfiguration>),
        ("billing_portal.session", read::<PortalSession>),
        ("charge", read::<Charge>),
        ("checkout.session", read::<CheckoutSession>),
        ("customer", read::<Customer>),
        ("deleted_customer", read::<Customer>),
        ("deleted_product", read::<Product>),
        ("dispute", read::<Dispute>),
        ("event", read::<Event>),
        ("invoice", read::<Invoice>),
        ("invoice_payment", read::<InvoicePayment>),
        ("item", read::<CheckoutLineItem>),
        ("line_item", read::<InvoiceLine>),
        ("payment_intent", read::<PaymentIntent>),
        ("payment_method", read::<PaymentMethod>),
        ("price", read::<Price>),
        ("product", read::<Product>),
        ("refund", read::<Refund>),
        ("subscription", read::<Subscription>),
        ("subscription_item", read::<SubscriptionItem>),
        ("subscription_schedule", read::<SubscriptionSchedule>),
        ("webhook_endpoint", read::<WebhookEndpoint>),
    ];
    let examples: serde_json::Map<String, serde_json::Value> =
        serde_json::from_str(include_str!("../fixtures/examples.json")).unwrap();

    assert_eq!(examples.len(), readers.len());
    for (name, read) in readers {
        if let Err(error) = read(&examples[name].to_string()) {
            panic!("{name}: {error}");
        }
    }
}
