//! How invoices are collected: when a draft is finalized, when a charge is retried, and what happens
//! to an invoice that is sent to the customer.

use serde_json::{Value, json};

use super::Core;
use super::payments::Initiator;
use super::status;
use super::time::{DAY, HOUR};
use super::value::{flag, get, has, int, opt_int, or_null, owned, text};

/// The longest time for which a draft waits for its `invoice.created` event to be acknowledged.
const DELIVERY_SECONDS_MAX: i64 = 72 * HOUR;

/// Gives a new invoice the collection settings of its subscription.
pub(super) fn collect_like(invoice: &mut Value, subscription: &Value) {
    let settings = get(subscription, "invoice_settings");
    for name in ["custom_fields", "description", "footer", "account_tax_ids"] {
        invoice[name] = or_null(settings, name);
    }
    invoice["payment_settings"]["payment_method_types"] =
        or_null(subscription, "payment_settings.payment_method_types");
    if text(subscription, "collection_method") == "send_invoice" {
        let days = int(subscription, "days_until_due");
        send_by(invoice, int(invoice, "created") + days * DAY);
    }
}

/// Makes an invoice one that is sent to the customer and due at a moment.
pub(super) fn send_by(invoice: &mut Value, due: i64) {
    invoice["collection_method"] = "send_invoice".into();
    invoice["due_date"] = due.into();
    invoice["next_payment_attempt"] = Value::Null;
}

/// Plans that a draft is finalized and charged at a moment, if it is advanced automatically at all.
/// The moment that the draft shows is a second later, as recorded from Stripe.
pub(super) fn plan_finalizing(invoice: &mut Value, at: i64) {
    let advances = flag(invoice, "auto_advance");
    let is_charged = text(invoice, "collection_method") == "charge_automatically";
    let moment = |is_planned: bool, at: i64| is_planned.then_some(at);
    invoice["automatically_finalizes_at"] = json!(moment(advances, at + 1));
    invoice["next_payment_attempt"] = json!(moment(advances && is_charged, at));
}

impl Core {
    /// The moment of the retry after this number of attempts, or null after the last one.
    pub(super) fn next_attempt(&self, attempts: i64) -> Value {
        let index = usize::try_from(attempts - 1).unwrap_or(usize::MAX);
        match self.retry_days.get(index) {
            Some(days) => json!(self.now + i64::from(*days) * DAY),
            None => Value::Null,
        }
    }

    /// Performs what is due for an invoice: finalizes a draft, retries a charge, or notices that a
    /// due date has passed.
    pub(super) fn invoice_due(&mut self, id: &str) {
        let Some(invoice) = self.store.get(id).cloned() else {
            return;
        };
        if self.note(id, "final") == "credit" {
            self.write_off(id);
            return;
        }
        let now = self.now;
        let is_due = |name: &str, now: i64| opt_int(&invoice, name).is_some_and(|at| at <= now);
        let advances = flag(&invoice, "auto_advance");
        if status::is_draft(&invoice) {
            if advances && is_due("automatically_finalizes_at", now + 1) {
                self.advance_draft(id, &invoice);
            }
            return;
        }
        if !status::is_open(&invoice) {
            return;
        }
        if text(&invoice, "collection_method") == "send_invoice" {
            self.check_due_date(id, &invoice);
        } else if advances && is_due("next_payment_attempt", now) {
            self.charge_on_schedule(id);
        }
    }

    /// Finalizes a draft, and charges it or sends it.
    fn advance_draft(&mut self, id: &str, draft: &Value) {
        self.finalize_invoice(id);
        if !status::is_open(self.row(id)) {
            return;
        }
        if text(draft, "collection_method") == "send_invoice" {
            self.emit("invoice.sent", id);
        } else {
            self.charge_on_schedule(id);
        }
    }

    /// Charges an invoice that is due. The events report the outcome. An attempt that fails before
    /// the bank is asked, for example because the card was detached, counts like a declined one.
    fn charge_on_schedule(&mut self, id: &str) {
        let attempts = self.row(id)["attempt_count"].clone();
        self.set_note(id, "is_retried", true);
        let result = self.pay_invoice(id, None, Initiator::Schedule);
        self.set_note(id, "is_retried", false);
        let Err(error) = result else {
            return;
        };
        let row = self.row(id);
        if status::is_open(row) && row["attempt_count"] == attempts {
            let intent = self.intent_for_invoice(id);
            self.invoice_attempt_failed(&intent, &error, Initiator::Schedule);
        }
    }

    /// Schedules the check of the due date of a finalized invoice.
    pub(super) fn await_due_date(&mut self, id: &str) {
        if let Some(at) = opt_int(self.row(id), "due_date") {
            self.wake(at.max(self.now), id);
        }
    }

    /// Reports an invoice that is not paid by its due date, and applies the end of dunning after
    /// another deadline, which is as long as all retries of a charge.
    fn check_due_date(&mut self, id: &str, invoice: &Value) {
        let Some(due) = opt_int(invoice, "due_date").filter(|due| *due <= self.now) else {
            return;
        };
        let days: i64 = self.retry_days.iter().copied().map(i64::from).sum();
        let deadline = due + days * DAY;
        let subscription = self.subscription_of(invoice);
        if self.note(id, "overdue") != true {
            self.set_note(id, "overdue", true);
            self.emit("invoice.overdue", id);
            self.set_delinquent(id, true);
            self.wake(deadline, id);
            if let Some(row) = &subscription {
                self.subscription_unpaid(text(row, "id"), id, false);
            }
        }
        if let Some(row) = subscription
            && deadline <= self.now
        {
            self.subscription_unpaid(text(&row, "id"), id, true);
        }
    }

    /// Marks the final invoice of a canceled subscription as uncollectible. Its credit does not
    /// reach the balance of the customer, as recorded from Stripe.
    fn write_off(&mut self, id: &str) {
        if !status::is_draft(self.row(id)) {
            return;
        }
        self.modify(id, |row| {
            row["automatically_finalizes_at"] = Value::Null;
        });
        self.mark_uncollectible(id);
    }

    /// Records whether the delivery of an `invoice.created` event was acknowledged by every
    /// endpoint. A draft that finalizes automatically waits for the acknowledgment, for up to 72
    /// hours, and is then finalized an hour after it. Events of other types change nothing.
    pub fn set_created_delivery(&mut self, event_id: &str, acknowledged: bool) {
        let Some(event) = self.event(event_id) else {
            return;
        };
        if text(event, "type") != "invoice.created" {
            return;
        }
        let id = owned(event, "data.object.id");
        let clock = self.clock_of(&id);
        self.at_clock(clock.as_deref(), |core| {
            core.plan_after_delivery(&id, acknowledged);
        });
    }

    fn plan_after_delivery(&mut self, id: &str, acknowledged: bool) {
        let invoice = self.row(id).clone();
        let waits = status::is_draft(&invoice) && has(&invoice, "automatically_finalizes_at");
        let is_held = invoice["webhooks_delivered_at"].is_null();
        if !waits || acknowledged != is_held {
            return;
        }
        let limit = int(&invoice, "created") + DELIVERY_SECONDS_MAX;
        let now = self.now;
        let at = if acknowledged {
            limit.min(now + HOUR)
        } else {
            limit
        };
        self.modify(id, |row| {
            row["webhooks_delivered_at"] = json!(acknowledged.then_some(now));
            plan_finalizing(row, at);
        });
        self.wake(at, id);
    }
}
