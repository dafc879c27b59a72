//! The states of a subscription: what payments, failed payments and cancellation do to it.

use serde_json::{Value, json};
use stripe::objects::{BillingReason, SubscriptionStatus};

use super::Core;
use super::behavior::ScheduleEnd;
use super::invoice_build::NewInvoice;
use super::lines::Draft;
use super::lists::inner;
use super::payments::Initiator;
use super::status;
use super::time::{DAY, HOUR};
use super::value::{flag, get, has, int, opt, opt_int, owned, set, text};

/// The seconds after which an unpaid first invoice or a pending update expires.
pub(super) const INCOMPLETE_SECONDS: i64 = 23 * HOUR;

const TRIAL_NOTICE_SECONDS: i64 = 3 * DAY;

/// Sets the fields that follow from `cancel_at` and `cancel_at_period_end`.
pub(super) fn mark_cancellation(row: &mut Value, now: i64) {
    let end = inner(row, "items")
        .first()
        .and_then(|item| opt_int(item, "current_period_end"));
    let wishes = flag(row, "cancel_at_period_end");
    if wishes {
        row["cancel_at"] = json!(end);
    }
    if wishes || has(row, "cancel_at") {
        if row["canceled_at"].is_null() {
            row["canceled_at"] = now.into();
        }
        set(row, "cancellation_details.reason", "cancellation_requested");
    } else {
        row["canceled_at"] = Value::Null;
        set(row, "cancellation_details.reason", Value::Null);
    }
}

impl Core {
    /// Schedules checks for every future moment of a subscription.
    pub(super) fn plan_ahead(&mut self, id: &str) {
        let Some(row) = self.store.get(id).cloned() else {
            return;
        };
        if let Some(end) = inner(&row, "items")
            .first()
            .and_then(|item| opt_int(item, "current_period_end"))
        {
            self.wake(end, id);
        }
        if let Some(at) = opt_int(&row, "cancel_at") {
            self.wake(at, id);
        }
        if status::subscription(&row) == SubscriptionStatus::Incomplete {
            self.wake(int(&row, "created") + INCOMPLETE_SECONDS, id);
        }
        if let Some(at) = opt_int(&row, "pending_update.expires_at") {
            self.wake(at, id);
        }
        if status::is_trialing(&row) {
            let notice = int(&row, "trial_end") - TRIAL_NOTICE_SECONDS;
            if notice <= self.now {
                self.emit_trial_will_end(id);
            } else {
                self.wake(notice, id);
            }
        }
    }

    /// Emits `trial_will_end` once for each end of a trial.
    pub(super) fn emit_trial_will_end(&mut self, id: &str) {
        let end = self.row(id)["trial_end"].clone();
        if self.note(id, "trial_told") != end {
            self.set_note(id, "trial_told", end);
            self.emit("customer.subscription.trial_will_end", id);
        }
    }

    /// Updates a subscription after one of its invoices was paid.
    pub(super) fn subscription_paid(&mut self, id: &str, invoice: &str) {
        let before = self.row(id).clone();
        if self.note(id, "pending")["invoice"] == invoice {
            self.apply_pending(id);
            return;
        }
        let is_latest = text(&before, "latest_invoice") == invoice;
        let others_open = self
            .store
            .by("invoice", "subscription", id)
            .any(status::is_open);
        let revives = match status::subscription(&before) {
            SubscriptionStatus::Incomplete => true,
            SubscriptionStatus::PastDue | SubscriptionStatus::Unpaid => is_latest || !others_open,
            _ => false,
        };
        let method = self
            .invoice_intent(invoice)
            .and_then(|intent| {
                self.store
                    .get(&intent)
                    .map(|row| owned(row, "payment_method"))
            })
            .filter(|method| !method.is_empty() && self.note(id, "keeps_method") == true);
        let now = self.now;
        self.modify(id, |row| {
            if revives {
                let in_trial = opt_int(row, "trial_end").is_some_and(|end| end > now);
                row["status"] = if in_trial { "trialing" } else { "active" }.into();
            }
            if let Some(method) = method {
                row["default_payment_method"] = method.into();
            }
        });
        self.modify(text(&before, "customer"), |row| {
            row["delinquent"] = false.into();
        });
        if self.note(id, "announced") == true {
            self.emit_change("customer.subscription.updated", id, &before);
        }
    }

    /// Updates a subscription after an attempt to pay one of its invoices failed.
    pub(super) fn subscription_unpaid(&mut self, id: &str, invoice: &str, is_last: bool) {
        let before = self.row(id).clone();
        if self.note(id, "pending")["invoice"] == invoice {
            return;
        }
        if matches!(
            status::subscription(&before),
            SubscriptionStatus::Active | SubscriptionStatus::Trialing
        ) {
            self.modify(text(&before, "customer"), |row| {
                row["delinquent"] = true.into();
            });
            self.modify_and_emit("customer.subscription.updated", id, |row| {
                row["status"] = "past_due".into();
            });
        }
        if is_last {
            self.end_dunning(id);
        }
    }

    /// Whether failed payments of the invoice are retried.
    pub(super) fn is_dunned(&self, subscription: &Value, invoice: &str) -> bool {
        let is_live = matches!(
            status::subscription(subscription),
            SubscriptionStatus::Active
                | SubscriptionStatus::PastDue
                | SubscriptionStatus::Trialing
                | SubscriptionStatus::Unpaid
        );
        is_live
            && self.note(text(subscription, "id"), "pending")["invoice"] != invoice
            && text(subscription, "collection_method") == "charge_automatically"
    }

    /// Cancels a subscription immediately, with a credit for the rest of the period on request.
    pub(super) fn cancel_with_credit(
        &mut self,
        subscription: &Value,
        prorate: bool,
        invoice_now: bool,
    ) {
        let id = owned(subscription, "id");
        let customer = owned(subscription, "customer");
        let is_creditable = status::is_creditable(subscription);
        if prorate && is_creditable {
            let credits: Vec<Draft> = inner(subscription, "items")
                .iter()
                .flat_map(|item| self.credit_lines(subscription, item, self.now))
                .collect();
            self.store_items(&customer, credits);
        }
        let waiting = self.pending_items(&customer, Some(&id));
        if invoice_now && !waiting.is_empty() {
            let invoice = self.new_invoice(NewInvoice::of(
                subscription,
                BillingReason::Manual,
                waiting,
                self.now,
            ));
            let _ = self.pay_invoice(&invoice, None, Initiator::Merchant);
        }
        self.end_subscription(&id, "cancellation_requested");
    }

    /// Ends a subscription and emits the event.
    pub(super) fn end_subscription(&mut self, id: &str, reason: &str) {
        let Some(before) = self.store.get(id).cloned() else {
            return;
        };
        let now = self.now;
        if status::subscription(&before) == SubscriptionStatus::Incomplete
            && let Some(invoice) = opt(&before, "latest_invoice")
        {
            self.void_invoice(invoice);
        }
        if let Some(schedule) = opt(&before, "schedule") {
            self.end_schedule(schedule, ScheduleEnd::Canceled);
        }
        self.drop_pending(id);
        self.stop_collecting(id);
        self.modify(id, |row| {
            row["status"] = "canceled".into();
            row["ended_at"] = now.into();
            if row["canceled_at"].is_null() {
                row["canceled_at"] = now.into();
            }
            if get(row, "cancellation_details.reason").is_null() {
                set(row, "cancellation_details.reason", reason);
            }
        });
        self.emit("customer.subscription.deleted", id);
    }

    /// Stops retrying the open invoices of an ended subscription.
    fn stop_collecting(&mut self, id: &str) {
        let open = self.ids_by("invoice", ("subscription", id), |row| {
            (status::is_open(row) || status::is_draft(row)) && flag(row, "auto_advance")
        });
        for invoice in open {
            self.modify(&invoice, |row| {
                row["auto_advance"] = false.into();
                row["next_payment_attempt"] = Value::Null;
            });
        }
    }

    /// Ends every subscription of a customer that is being deleted.
    pub(super) fn end_subscriptions_of(&mut self, customer: &str) {
        let live = self.ids_by("subscription", ("customer", customer), |row| {
            !status::has_ended(row)
        });
        for id in live {
            self.end_subscription(&id, "cancellation_requested");
        }
    }
}
