//! Parsing of delivered events, limited to what identifies the account that may have changed.
//!
//! An event is only a signal: its content may be outdated, so only the ids that lead to an account
//! are read, borrowed from the body. Unknown fields, values and types are ignored. A body that is
//! not an event (invalid JSON, nested too deeply, a duplicate key) is refused.

mod node;
mod owned;

use std::borrow::Cow;
use std::collections::BTreeMap;

use node::Node;

/// The longest id or type that is accepted. Stripe's are far shorter.
pub const ID_BYTES_MAX: usize = 255;

/// The events that our webhook endpoint subscribes to. Others may arrive and are ignored.
pub const HANDLED_EVENTS: &[&str] = &[
    "charge.dispute.closed",
    "charge.dispute.created",
    "charge.dispute.funds_reinstated",
    "charge.dispute.funds_withdrawn",
    "charge.dispute.updated",
    "charge.refunded",
    "checkout.session.async_payment_failed",
    "checkout.session.async_payment_succeeded",
    "checkout.session.completed",
    "checkout.session.expired",
    "credit_note.created",
    "credit_note.updated",
    "credit_note.voided",
    "customer.deleted",
    "customer.discount.created",
    "customer.discount.deleted",
    "customer.discount.updated",
    "customer.subscription.created",
    "customer.subscription.deleted",
    "customer.subscription.paused",
    "customer.subscription.pending_update_applied",
    "customer.subscription.pending_update_expired",
    "customer.subscription.resumed",
    "customer.subscription.trial_will_end",
    "customer.subscription.updated",
    "customer.updated",
    "invoice.finalized",
    "invoice.marked_uncollectible",
    "invoice.paid",
    "invoice.payment_action_required",
    "invoice.payment_failed",
    "invoice.payment_succeeded",
    "invoice.voided",
    "invoiceitem.created",
    "invoiceitem.deleted",
    "payment_intent.payment_failed",
    "payment_intent.succeeded",
    "payment_method.attached",
    "payment_method.detached",
    "payment_method.updated",
    "refund.created",
    "refund.failed",
    "refund.updated",
    "subscription_schedule.aborted",
    "subscription_schedule.canceled",
    "subscription_schedule.completed",
    "subscription_schedule.created",
    "subscription_schedule.expiring",
    "subscription_schedule.released",
    "subscription_schedule.updated",
];

/// Whether our endpoint subscribes to this type of event.
#[must_use]
pub fn is_handled(kind: &str) -> bool {
    HANDLED_EVENTS.binary_search(&kind).is_ok()
}

/// The reason why a signed body is not an event that we can process.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EventError {
    /// The body is not valid JSON, is nested too deeply or has a duplicate key in an object.
    #[error("the body is not well-formed JSON (line {line}, column {column})")]
    NotJson {
        /// The line of the error.
        line: usize,
        /// The column of the error.
        column: usize,
    },
    /// The body is JSON, but not an event. The value names the missing field.
    #[error("the event has no usable `{0}`")]
    NotAnEvent(&'static str),
    /// The body is a thin event (`v2.core.event`), which carries only ids. The endpoint was
    /// registered for the wrong kind; it must receive snapshot events.
    #[error("this is a thin event; register the endpoint for snapshot events")]
    Thin,
}

/// What a delivered event is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event<'a> {
    /// The id, `evt_...`.
    pub id: Cow<'a, str>,
    /// The type, such as `invoice.paid`.
    pub kind: Cow<'a, str>,
    /// The time of creation, in seconds since 1970.
    pub created: i64,
    /// Whether the event is live. It is `false` for test data.
    pub livemode: bool,
    /// The API version of the object in the event.
    pub api_version: Option<Cow<'a, str>>,
    /// The connected account, if the event doesn't belong to our own account.
    pub account: Option<Cow<'a, str>>,
    /// The object that the event is about.
    pub object: EventObject<'a>,
}

/// The ids in an event's object that lead to an account.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct EventObject<'a> {
    /// The id of the object. Previews have none.
    pub id: Option<Cow<'a, str>>,
    /// The type of the object, such as `invoice`.
    pub object: Option<Cow<'a, str>>,
    /// The id of the customer, `cus_...`. For an event about a customer, it is that customer; for a
    /// detached payment method, it is the previous one.
    pub customer: Option<Cow<'a, str>>,
    /// The id of the payment intent, `pi_...`.
    pub payment_intent: Option<Cow<'a, str>>,
    /// The id of the charge, `ch_...`.
    pub charge: Option<Cow<'a, str>>,
    /// The id of the invoice, `in_...`.
    pub invoice: Option<Cow<'a, str>>,
    /// The id of the subscription, `sub_...`.
    pub subscription: Option<Cow<'a, str>>,
    /// The id that we passed for the account, on Checkout sessions.
    pub client_reference_id: Option<Cow<'a, str>>,
    /// The metadata that we set on the object.
    pub metadata: BTreeMap<Cow<'a, str>, Cow<'a, str>>,
}

/// Parses a body whose signature was verified.
///
/// # Errors
///
/// Fails with an [`EventError`] if the body is not a snapshot event. An unknown field, value or
/// type is not an error.
pub fn parse(body: &[u8]) -> Result<Event<'_>, EventError> {
    let event: Node<'_> = serde_json::from_slice(body).map_err(|error| EventError::NotJson {
        line: error.line(),
        column: error.column(),
    })?;
    match event.get("object").str() {
        Some("event") => {}
        Some(kind) if kind.starts_with("v2.") => return Err(EventError::Thin),
        _ => return Err(EventError::NotAnEvent("object")),
    }
    let data = event.get("data");
    if !matches!(data.get("object"), Node::Map(_)) {
        return Err(EventError::NotAnEvent("data.object"));
    }
    Ok(Event {
        id: event
            .get("id")
            .id_text()
            .ok_or(EventError::NotAnEvent("id"))?,
        kind: event
            .get("type")
            .id_text()
            .ok_or(EventError::NotAnEvent("type"))?,
        created: event
            .get("created")
            .seconds()
            .ok_or(EventError::NotAnEvent("created"))?,
        livemode: event
            .get("livemode")
            .bool()
            .ok_or(EventError::NotAnEvent("livemode"))?,
        api_version: event.get("api_version").id_text(),
        account: event.get("account").id_text(),
        object: EventObject::read(data.get("object"), data.get("previous_attributes")),
    })
}

impl<'a> EventObject<'a> {
    fn read(object: &Node<'a>, previous: &Node<'a>) -> Self {
        let kind = object.get("object").id_text();
        let own_id = |name: &str| {
            object
                .get("id")
                .id_text()
                .filter(|_| kind.as_deref() == Some(name))
        };
        let subscription_of_parent = || {
            object
                .get("parent")
                .get("subscription_details")
                .get("subscription")
                .reference()
        };
        let payment = object.get("payments").get("data").first().get("payment");
        Self {
            customer: own_id("customer")
                .or_else(|| object.get("customer").reference())
                .or_else(|| previous.get("customer").reference()),
            payment_intent: own_id("payment_intent")
                .or_else(|| object.get("payment_intent").reference())
                .or_else(|| payment.get("payment_intent").reference()),
            charge: own_id("charge")
                .or_else(|| object.get("charge").reference())
                .or_else(|| object.get("latest_charge").reference()),
            invoice: own_id("invoice").or_else(|| object.get("invoice").reference()),
            subscription: own_id("subscription")
                .or_else(|| object.get("subscription").reference())
                .or_else(subscription_of_parent),
            client_reference_id: object.get("client_reference_id").text(),
            metadata: object.get("metadata").texts(),
            id: object.get("id").id_text(),
            object: kind,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    fn event(object: &Value) -> Vec<u8> {
        let event = json!({
            "id": "evt_1", "object": "event", "type": "invoice.paid", "created": 1_700_000_000,
            "livemode": false, "api_version": "2026-08-26.dahlia", "data": {"object": object},
        });
        serde_json::to_vec(&event).unwrap()
    }

    #[test]
    fn an_event_is_read_without_copying_it() {
        let body = event(&json!({"id": "in_1", "object": "invoice", "customer": "cus_1"}));

        let event = parse(&body).unwrap();

        assert!(matches!(event.id, Cow::Borrowed("evt_1")));
        assert!(matches!(event.kind, Cow::Borrowed("invoice.paid")));
        assert!(matches!(
            event.object.customer,
            Some(Cow::Borrowed("cus_1"))
        ));
        assert_eq!(event.created, 1_700_000_000);
        assert!(!event.livemode);
        assert_eq!(event.account, None);
    }

    #[test]
    fn references_are_read_whether_they_are_expanded_or_not() {
        let plain = event(&json!({
            "id": "ch_1", "object": "charge", "customer": "cus_1", "payment_intent": "pi_1",
            "invoice": "in_1", "metadata": {"order": "7"},
        }));
        let expanded = event(&json!({
            "id": "ch_1", "object": "charge", "customer": {"id": "cus_1", "deleted": true},
            "payment_intent": {"id": "pi_1", "amount": 5}, "invoice": {"id": "in_1"},
            "metadata": {"order": "7"},
        }));

        let plain = parse(&plain).unwrap().object;

        assert_eq!(plain.charge.as_deref(), Some("ch_1"));
        assert_eq!(plain.metadata["order"], "7");
        assert_eq!(parse(&expanded).unwrap().object, plain);
    }

    #[test]
    fn references_of_an_unexpected_type_are_ignored() {
        let body = event(&json!({
            "id": 7, "object": ["x"], "customer": true, "charge": 1.5, "invoice": [1, {"id": "x"}],
            "payment_intent": "", "metadata": {"a": {"b": 1}, "c": "d"}, "subscription": null,
        }));

        let object = parse(&body).unwrap().object;

        let metadata = BTreeMap::from([(Cow::Borrowed("c"), Cow::Borrowed("d"))]);
        assert_eq!(
            object,
            EventObject {
                metadata,
                ..EventObject::default()
            }
        );
    }

    #[test]
    fn a_customers_own_event_leads_to_the_customer() {
        let body = event(&json!({"id": "cus_1", "object": "customer", "deleted": true}));

        assert_eq!(
            parse(&body).unwrap().object.customer.as_deref(),
            Some("cus_1")
        );
    }

    #[test]
    fn a_detached_payment_method_leads_to_its_previous_customer() {
        let body = br#"{"id":"evt_1","object":"event","type":"payment_method.detached","created":1,
            "livemode":true,"data":{"object":{"id":"pm_1","object":"payment_method",
            "customer":null},"previous_attributes":{"customer":"cus_1"}}}"#;

        assert_eq!(
            parse(body).unwrap().object.customer.as_deref(),
            Some("cus_1")
        );
    }

    #[test]
    fn an_unknown_type_version_or_field_is_not_an_error() {
        let body = br#"{"id":"evt_1","object":"event","type":"moon.landed","created":1,
            "livemode":true,"api_version":"2040-01-01.zinnia","new":[{}],"data":{"object":{}}}"#;

        assert_eq!(parse(body).unwrap().kind, "moon.landed");
    }

    #[test]
    fn a_thin_event_is_refused_by_name() {
        let body = br#"{"id":"evt_1","object":"v2.core.event","type":"v2.core.account.updated",
            "created":"2026-01-01T00:00:00Z","livemode":true}"#;

        assert_eq!(parse(body), Err(EventError::Thin));
    }

    #[test]
    fn case_w6_a_body_that_is_not_json_is_refused() {
        let deep_array = "[".repeat(20_000) + &"]".repeat(20_000);
        let deep_object = r#"{"a":"#.repeat(20_000) + "1" + &"}".repeat(20_000);
        let deep_inside = String::from_utf8(event(&json!("HERE"))).unwrap();
        let deep_inside = deep_inside.replace("\"HERE\"", &deep_array);
        for body in [
            "",
            " ",
            "hello",
            "{",
            "NaN",
            r#"{"id":NaN}"#,
            r#"{"id":"evt_1"} trailing"#,
            r#"{"id":"evt_1","id":"evt_2"}"#,
            r#"{"data":{"object":{"a":1,"b":{"c":1,"c":1}}}}"#,
            &deep_array,
            &deep_object,
            &deep_inside,
        ] {
            assert!(
                matches!(parse(body.as_bytes()), Err(EventError::NotJson { .. })),
                "{body:.40}"
            );
        }
        assert!(matches!(
            parse(b"{\"id\":\"\xff\"}"),
            Err(EventError::NotJson { .. })
        ));
    }

    #[test]
    fn case_w6_json_that_is_not_an_event_is_refused_and_names_the_missing_field() {
        for (body, missing) in [
            ("null", "object"),
            ("7", "object"),
            (r#"["evt_1","event"]"#, "object"),
            ("{}", "object"),
            (r#"{"object":"invoice"}"#, "object"),
            (r#"{"object":"event"}"#, "data.object"),
            (r#"{"object":"event","data":[{}]}"#, "data.object"),
            (r#"{"object":"event","data":{"object":[]}}"#, "data.object"),
            (r#"{"object":"event","data":{"object":{}}}"#, "id"),
            (r#"{"object":"event","data":{"object":{}},"id":""}"#, "id"),
            (
                r#"{"object":"event","data":{"object":{}},"id":"evt_1"}"#,
                "type",
            ),
            (
                r#"{"object":"event","data":{"object":{}},"id":"evt_1","type":"a"}"#,
                "created",
            ),
            (
                r#"{"object":"event","data":{"object":{}},"id":"evt_1","type":"a","created":1e99}"#,
                "created",
            ),
            (
                r#"{"object":"event","data":{"object":{}},"id":"evt_1","type":"a","created":1}"#,
                "livemode",
            ),
        ] {
            assert_eq!(
                parse(body.as_bytes()),
                Err(EventError::NotAnEvent(missing)),
                "{body}"
            );
        }
    }

    #[test]
    fn an_overlong_id_is_refused() {
        let body = String::from_utf8(event(&json!({}))).unwrap();

        let body = body.replace("evt_1", &"e".repeat(ID_BYTES_MAX + 1));

        assert_eq!(parse(body.as_bytes()), Err(EventError::NotAnEvent("id")));
    }

    #[test]
    fn every_handled_event_is_one_that_an_endpoint_may_enable() {
        let known: Vec<String> =
            serde_json::from_str(include_str!("../fixtures/event-types.json")).unwrap();

        for kind in HANDLED_EVENTS {
            assert!(known.iter().any(|name| name == kind), "{kind}");
        }
        let schedules = |name: &&str| name.starts_with("subscription_schedule.");
        assert_eq!(
            HANDLED_EVENTS.iter().copied().filter(schedules).count(),
            known.iter().map(String::as_str).filter(schedules).count(),
        );
    }

    #[test]
    fn the_seven_events_of_the_specification_are_handled() {
        for kind in [
            "checkout.session.completed",
            "invoice.payment_succeeded",
            "invoice.payment_failed",
            "customer.subscription.created",
            "customer.subscription.updated",
            "customer.subscription.deleted",
            "customer.subscription.trial_will_end",
        ] {
            assert!(is_handled(kind), "{kind}");
        }
        assert!(
            HANDLED_EVENTS.is_sorted(),
            "is_handled searches a sorted list"
        );
        assert!(!is_handled("invoice.created"));
    }

    proptest! {
        #[test]
        fn case_w6_no_body_makes_it_panic(body in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = parse(&body);
        }

        #[test]
        fn case_w6_no_truncated_or_changed_event_makes_it_panic(
            cut in any::<proptest::sample::Index>(),
            byte in any::<u8>(),
        ) {
            let mut body = event(&json!({"id": "in_1", "metadata": {"a": "b\u{1F600}"}}));
            let at = cut.index(body.len());
            let _ = parse(&body[..at]);
            body[at] = byte;
            let _ = parse(&body);
        }
    }
}
