//! The states of a subscription: what payments, failed payments and cancellation do to it.

use serde_json::{Value, json};
use stripe::objects::{BillingReason, SubscriptionStatus};

use super::Core;
use super::behavior::ScheduleEnd;
use super::invoice_build::NewInvoice;
use super::lines::Draft;
use super::lists::inner;
use super::status;
use super::time::{DAY, HOUR};
use super::value::{flag, get, has, int, opt, opt_int, owned, set, text};

/// The seconds after which an unpaid first invoice or a pending update expires.
pub(super) const INCOMPLETE_SECONDS: i64 = 23 * HOUR;

const TRIAL_NOTICE_SECONDS: i64 = 3 * DAY;

/// The days before a renewal at which `invoice.upcoming` is sent, as the default settings have it.
const UPCOMING_SECONDS: i64 = 7 * DAY;

/// The moment at which the next renewal is announced, if it is: only invoices that are charged are,
/// and only if the period is longer than the notice.
pub(super) fn upcoming_notice(row: &Value) -> Option<i64> {
    let first = inner(row, "items").first()?;
    let end = opt_int(first, "current_period_end")?;
    let renews = matches!(
        status::subscription(row),
        SubscriptionStatus::Active | SubscriptionStatus::Trialing | SubscriptionStatus::PastDue
    ) && opt_int(row, "cancel_at").is_none_or(|at| at > end)
        && text(row, "collection_method") == "charge_automatically";
    let notice = end - UPCOMING_SECONDS;
    (renews && notice > int(first, "current_period_start")).then_some(notice)
}

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
        for path in [
            "pending_update.expires_at",
            "pause_collection.resumes_at",
            "next_pending_invoice_item_invoice",
        ] {
            if let Some(at) = opt_int(&row, path) {
                self.wake(at.max(self.now), id);
            }
        }
        if let Some(at) = upcoming_notice(&row).filter(|at| *at > self.now) {
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

    /// Updates a subscription after one of its invoices was paid. Only the latest invoice decides
    /// about the status.
    pub(super) fn subscription_paid(&mut self, id: &str, invoice: &str) {
        let before = self.row(id).clone();
        if self.note(id, "pending")["invoice"] == invoice {
            self.apply_pending(id);
            return;
        }
        let is_latest = text(&before, "latest_invoice") == invoice;
        let revives = match status::subscription(&before) {
            SubscriptionStatus::Incomplete => true,
            SubscriptionStatus::PastDue | SubscriptionStatus::Unpaid => is_latest,
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
        self.modify(id, |row| {
            if let Some(method) = method {
                row["default_payment_method"] = method.into();
            }
        });
        if revives {
            self.revive(id);
        }
        if self.note(id, "announced") == true {
            self.emit_change("customer.subscription.updated", id, &before);
        }
        self.finish_resuming(id, invoice);
    }

    /// Makes a subscription active again, or a trial.
    fn revive(&mut self, id: &str) {
        let now = self.now;
        self.modify(id, |row| {
            let in_trial = opt_int(row, "trial_end").is_some_and(|end| end > now);
            row["status"] = if in_trial { "trialing" } else { "active" }.into();
        });
        self.plan_ahead(id);
    }

    /// Updates the subscription of an invoice that was voided or marked as uncollectible by
    /// request. The latest invoice no longer waits for a payment then. Voiding the first invoice
    /// ends an incomplete subscription.
    pub(super) fn invoice_written_off(&mut self, invoice: &str) {
        let row = self.row(invoice).clone();
        let Some(before) = self.subscription_of(&row) else {
            return;
        };
        let id = owned(&before, "id");
        let is_void = text(&row, "status") == "void";
        if !is_void {
            self.finish_resuming(&id, invoice);
        }
        if text(&before, "latest_invoice") != invoice {
            return;
        }
        match status::subscription(&before) {
            SubscriptionStatus::Incomplete if is_void => self.expire_incomplete(&id),
            SubscriptionStatus::Incomplete
            | SubscriptionStatus::PastDue
            | SubscriptionStatus::Unpaid => {
                self.revive(&id);
                self.emit_change("customer.subscription.updated", &id, &before);
            }
            _ => {}
        }
    }

    /// Updates a subscription after an attempt to pay one of its invoices failed, or after the due
    /// date of an invoice passed.
    pub(super) fn subscription_unpaid(&mut self, id: &str, invoice: &str, is_last: bool) {
        let before = self.row(id).clone();
        if self.note(id, "pending")["invoice"] == invoice {
            return;
        }
        let is_latest = text(&before, "latest_invoice") == invoice;
        let is_good = matches!(
            status::subscription(&before),
            SubscriptionStatus::Active | SubscriptionStatus::Trialing
        );
        if is_latest && is_good {
            self.modify_and_emit("customer.subscription.updated", id, |row| {
                row["status"] = "past_due".into();
            });
        }
        if is_last && status::subscription(self.row(id)) == SubscriptionStatus::PastDue {
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

    /// Cancels a subscription immediately. On request, the rest of the period is credited, and a
    /// final invoice bills the prorations. Without either, pending prorations are dropped.
    pub(super) fn cancel_with_credit(
        &mut self,
        subscription: &Value,
        prorate: bool,
        invoice_now: bool,
    ) {
        let id = owned(subscription, "id");
        let mut lines = if invoice_now {
            self.own_pending_items(subscription)
        } else {
            Vec::new()
        };
        if prorate && status::is_creditable(subscription) {
            // Recorded from Stripe: this credit is not tied to the subscription.
            let credits = self.unused_time(subscription, self.now);
            let plain = credits.into_iter().map(|credit| Draft {
                item: None,
                subscription: None,
                ..credit
            });
            let stored = self.store_items(text(subscription, "customer"), plain.collect());
            lines.extend(stored);
        }
        if !prorate && !invoice_now {
            self.drop_prorations(subscription);
        }
        if invoice_now {
            self.final_invoice(subscription, lines, true);
        }
        self.end_subscription(&id, "cancellation_requested");
    }

    /// Ends a subscription at its date. Its pending items are still billed.
    pub(super) fn end_at_date(&mut self, id: &str) {
        let row = self.row(id).clone();
        let lines = self.own_pending_items(&row);
        self.final_invoice(&row, lines, false);
        self.end_subscription(id, "cancellation_requested");
    }

    /// The pending items that belong to a subscription itself.
    fn own_pending_items(&self, subscription: &Value) -> Vec<Draft> {
        let id = text(subscription, "id");
        let mut items = self.pending_items(text(subscription, "customer"), Some(id));
        items.retain(|item| item.subscription.as_deref() == Some(id));
        items
    }

    /// Creates the last invoice of a subscription, unless it would be empty. A credit on request
    /// stays a draft that is marked as uncollectible soon after, as recorded from Stripe.
    fn final_invoice(&mut self, subscription: &Value, lines: Vec<Draft>, on_request: bool) {
        const WRITTEN_OFF_AFTER_SECONDS: i64 = 3;
        if lines.is_empty() {
            return;
        }
        let start = opt_int(subscription, "items.data.0.current_period_start");
        let invoice = self.new_invoice(&NewInvoice {
            advances: true,
            period: (start.unwrap_or(self.now), self.now),
            ..NewInvoice::of(
                subscription,
                BillingReason::SubscriptionCycle,
                lines,
                self.now,
            )
        });
        let is_credit = on_request && int(self.row(&invoice), "total") < 0;
        self.set_note(&invoice, "final", if is_credit { "credit" } else { "bill" });
        if is_credit {
            self.wake(self.now + WRITTEN_OFF_AFTER_SECONDS, &invoice);
        }
    }

    fn drop_prorations(&mut self, subscription: &Value) {
        let lines = self.own_pending_items(subscription);
        let dropped = lines.into_iter().filter(|line| line.proration);
        for item in dropped.filter_map(|line| line.invoice_item) {
            let row = self.row(&item).clone();
            self.erase("invoiceitem", &item);
            self.emit_object("invoiceitem.deleted", row, None);
        }
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
            let end = self.schedule_end_with(schedule, reason);
            self.end_schedule(schedule, end);
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
            if self.note_text(&invoice, "final").is_some() {
                continue;
            }
            self.modify_and_emit("invoice.updated", &invoice, |row| {
                row["auto_advance"] = false.into();
                row["automatically_finalizes_at"] = Value::Null;
                row["next_payment_attempt"] = Value::Null;
            });
        }
    }

    /// Ends every subscription and schedule of a customer that is being deleted.
    pub(super) fn end_subscriptions_of(&mut self, customer: &str) {
        let live = self.ids_by("subscription", ("customer", customer), |row| {
            !status::has_ended(row)
        });
        for id in live {
            self.end_subscription(&id, "cancellation_requested");
        }
        let planned = self.ids_by(
            "subscription_schedule",
            ("customer", customer),
            status::is_live_schedule,
        );
        for id in planned {
            self.end_schedule(&id, ScheduleEnd::Canceled);
        }
    }
}
