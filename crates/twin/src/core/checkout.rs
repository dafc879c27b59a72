//! Checkout sessions: reading, updating and expiring them.

use serde_json::{Value, json};
use stripe::objects::CheckoutStatus;

use super::errors::{Answer, refuse_param};
use super::status;
use super::value::{int, list, opt_int, owned, required, text};
use super::{Call, Core};

/// `GET /v1/checkout/sessions/{session}/line_items`
pub(super) fn lines(core: &mut Core, call: &Call) -> Answer {
    core.need_path("checkout.session", call.id(), "id")?;
    let items = core.note(call.id(), "items");
    core.page_of(
        call,
        "item",
        list(&json!({ "items": items }), "items").iter().collect(),
    )
}

/// `POST /v1/checkout/sessions/{session}`
pub(super) fn update(core: &mut Core, call: &Call) -> Answer {
    core.update(("checkout.session", "id"), call, &[], |_, _| Ok(()))
}

/// `POST /v1/checkout/sessions/{session}/expire`
pub(super) fn expire(core: &mut Core, call: &Call) -> Answer {
    let row = core.need_path("checkout.session", call.id(), "id")?;
    if status::session(&row) != CheckoutStatus::Open {
        let message = format!(
            "Only Checkout Sessions with a status in [\"open\"] can be expired. This Checkout Session has a status of `{}`.",
            text(&row, "status")
        );
        return refuse_param("", "session", message);
    }
    core.expire_session(call.id());
    core.need_path("checkout.session", call.id(), "id")
}

/// `GET /v1/payment_pages/{session}`: the call that hosted Checkout makes itself.
pub(super) fn page(core: &mut Core, call: &Call) -> Answer {
    core.payment_page(call.id())
}

/// `POST /v1/payment_pages/{session}/confirm`
pub(super) fn confirm_page(core: &mut Core, call: &Call) -> Answer {
    let session = core.need_path("checkout.session", call.id(), "id")?;
    if status::session(&session) != CheckoutStatus::Open {
        let message = "This Checkout Session is no longer open.";
        return refuse_param("checkout_session_not_open", "session", message);
    }
    let expected = opt_int(&call.params, "expected_amount");
    if expected.is_some_and(|amount| amount != int(&session, "amount_total")) {
        let message = "The expected amount does not match the amount of the Checkout Session.";
        return refuse_param("checkout_amount_mismatch", "expected_amount", message);
    }
    let name = required(&call.params, "payment_method")?;
    let method = core.method_named(name, "payment_method[id]")?;
    core.pay_session(call.id(), &method)?;
    core.payment_page(call.id())
}

impl Core {
    /// The line items as an expandable list.
    pub(super) fn session_items(&self, id: &str) -> Value {
        json!({"object": "list", "data": self.note(id, "items"), "has_more": false,
               "url": format!("/v1/checkout/sessions/{id}/line_items")})
    }

    fn payment_page(&self, id: &str) -> Answer {
        let session = self.need("checkout.session", id, "id")?;
        let mut page = session.clone();
        page["object"] = "checkout.session".into();
        page["session_id"] = id.into();
        page["line_items"] = self.session_items(id);
        page["line_item_group"] = json!({"total": session["amount_total"],
            "due": session["amount_total"], "subtotal": session["amount_subtotal"],
            "currency": session["currency"]});
        Ok(page)
    }
    pub(super) fn expire_session(&mut self, id: &str) {
        let intent = owned(self.row(id), "payment_intent");
        if status::is_unfinished(self.row(&intent)) {
            self.cancel_intent(&intent, "expired".into());
        }
        self.modify(id, |row| {
            row["status"] = "expired".into();
            row["url"] = Value::Null;
        });
        self.emit("checkout.session.expired", id);
    }

    /// Expires a session if its expiration time has passed.
    pub(super) fn session_due(&mut self, id: &str) {
        let Some(row) = self.store.get(id) else {
            return;
        };
        if status::session(row) == CheckoutStatus::Open && int(row, "expires_at") <= self.now {
            self.expire_session(id);
        }
    }
}
