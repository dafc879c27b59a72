//! Pauses: of a subscription whose trial ended without a payment method, and of the collection of
//! payments.

use serde_json::{Value, json};
use stripe::objects::{BillingReason, SubscriptionStatus};

use super::behavior::ProrationBehavior;
use super::errors::{Answer, ApiError, refuse_param};
use super::invoice_build::NewInvoice;
use super::payments::Initiator;
use super::status;
use super::subscription_states::INCOMPLETE_SECONDS;
use super::subscriptions::{move_period, period_end};
use super::value::{get, has, int, opt, opt_int, text};
use super::{Call, Core};

/// `POST /v1/subscriptions/{subscription}/resume`: resumes a paused subscription once its invoice is
/// paid.
pub(super) fn resume(core: &mut Core, call: &Call) -> Answer {
    let before = core.need_path("subscription", call.id(), "id")?;
    if status::has_ended(&before) {
        return Err(core.missing("subscription", call.id(), "id"));
    }
    if status::subscription(&before) != SubscriptionStatus::Paused {
        let message = "You can only resume a subscription if it is `paused`.";
        return Err(ApiError::invalid(message));
    }
    core.begin_resuming(&before, &call.params)?;
    core.need_path("subscription", call.id(), "id")
}

/// The pause of collection that the parameters request, or null.
pub(super) fn pause_from(sent: &Value, now: i64) -> Answer {
    let Some(behavior) = opt(sent, "pause_collection.behavior") else {
        return Ok(Value::Null);
    };
    let resumes_at = opt_int(sent, "pause_collection.resumes_at");
    if resumes_at.is_some_and(|at| at <= now) {
        let message = "`resumes_at` must be in the future.";
        return refuse_param("", "pause_collection[resumes_at]", message);
    }
    Ok(json!({"behavior": behavior, "resumes_at": resumes_at}))
}

/// Whether the invoices of a subscription are collected. They stay drafts while it is unpaid or its
/// collection is paused.
pub(super) fn collects(row: &Value) -> bool {
    status::subscription(row) != SubscriptionStatus::Unpaid && !has(row, "pause_collection")
}

impl Core {
    /// Treats a new invoice as the pause of collection says, and returns whether the invoice is not
    /// collected.
    pub(super) fn settle_paused(&mut self, row: &Value, invoice: &str) -> bool {
        match text(row, "pause_collection.behavior") {
            "void" => self.void_invoice(invoice),
            "mark_uncollectible" => {
                self.finalize_invoice(invoice);
                if status::is_open(self.row(invoice)) {
                    self.mark_uncollectible(invoice);
                }
            }
            _ => {}
        }
        !collects(row)
    }

    /// Pauses a subscription whose trial ended without a card and whose settings say to pause.
    pub(super) fn pause(&mut self, id: &str) {
        let before = self.modify(id, |row| row["status"] = "paused".into());
        self.emit("customer.subscription.paused", id);
        self.emit_change("customer.subscription.updated", id, &before);
    }

    /// Creates the invoice for the period with which a paused subscription resumes, and tries to
    /// charge it. The subscription stays paused until the invoice is paid or marked as
    /// uncollectible.
    fn begin_resuming(&mut self, row: &Value, sent: &Value) -> Answer<()> {
        let (id, now) = (text(row, "id"), self.now);
        let keeps_anchor = text(sent, "billing_cycle_anchor") == "unchanged";
        let anchor = if keeps_anchor {
            int(row, "billing_cycle_anchor")
        } else {
            now
        };
        let mut after = row.clone();
        after["billing_cycle_anchor"] = anchor.into();
        let end = period_end(&after, get(row, "items.data.0.price"), now);
        let mut lines = self.pending_items(text(row, "customer"), Some(id));
        let is_free =
            keeps_anchor && ProrationBehavior::from_params(sent) == ProrationBehavior::None;
        if !is_free {
            lines.extend(self.period_lines(&after, (now, end)));
        }
        self.cancel_resuming(id);
        let invoice = self.new_invoice(&NewInvoice::of(
            row,
            BillingReason::SubscriptionCycle,
            lines,
            now,
        ));
        let expires_at = now + INCOMPLETE_SECONDS;
        let plan = json!({"invoice": invoice, "anchor": anchor, "start": now, "end": end,
            "expires_at": expires_at});
        self.set_note(id, "resuming", plan);
        self.wake(expires_at, id);
        self.emit_change("customer.subscription.updated", id, row);
        self.finalize_invoice(&invoice);
        if status::is_open(self.row(&invoice)) && self.can_collect(row) {
            match self.pay_invoice(&invoice, None, Initiator::Merchant) {
                Err(error) if !error.keep => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }

    /// Resumes a paused subscription if this is the invoice that it waits for.
    pub(super) fn finish_resuming(&mut self, id: &str, invoice: &str) {
        let plan = self.note(id, "resuming");
        if plan["invoice"] != invoice {
            return;
        }
        self.set_note(id, "resuming", Value::Null);
        let before = self.modify(id, |row| {
            row["status"] = "active".into();
            row["billing_cycle_anchor"] = plan["anchor"].clone();
            row["pending_setup_intent"] = Value::Null;
            move_period(row, int(&plan, "start"), int(&plan, "end"));
        });
        self.emit("customer.subscription.resumed", id);
        self.emit_change("customer.subscription.updated", id, &before);
        self.plan_ahead(id);
    }

    /// Voids the invoice of a resumption that was not paid in time.
    pub(super) fn expire_resuming(&mut self, id: &str) {
        let plan = self.note(id, "resuming");
        if opt_int(&plan, "expires_at").is_some_and(|at| at <= self.now) {
            self.cancel_resuming(id);
        }
    }

    fn cancel_resuming(&mut self, id: &str) {
        let plan = self.note(id, "resuming");
        let Some(invoice) = opt(&plan, "invoice") else {
            return;
        };
        self.set_note(id, "resuming", Value::Null);
        if status::is_open(self.row(invoice)) {
            self.void_invoice(invoice);
        }
    }

    /// Ends a pause of collection whose time has passed.
    pub(super) fn resume_collection(&mut self, id: &str) {
        let row = self.row(id);
        let is_over = has(row, "pause_collection")
            && opt_int(row, "pause_collection.resumes_at").is_some_and(|at| at <= self.now);
        if is_over {
            self.modify_and_emit("customer.subscription.updated", id, |row| {
                row["pause_collection"] = Value::Null;
            });
        }
    }
}
