//! Everything that is triggered by time: due moments, renewals, trials and the end of dunning.

use serde_json::{Value, json};
use stripe::objects::{BillingReason, SubscriptionStatus};

use super::invoice_build::NewInvoice;
use super::lines::{Draft, share};
use super::lists::inner;
use super::pauses::collects;
use super::payments::Initiator;
use super::status;
use super::subscription_states::{INCOMPLETE_SECONDS, upcoming_notice};
use super::subscription_terms::Grid;
use super::subscriptions::{move_period, period_end};
use super::time::add_interval;
use super::value::{flag, get, int, opt, opt_int, owned, set, text};
use super::{Call, Core, DunningEnd};

impl Core {
    /// The next moment at which something may fall due.
    pub fn next_due(&self) -> Option<i64> {
        self.due.next()
    }

    /// Performs everything that is due up to and including `now`, in chronological order, each at
    /// its own moment. Time never moves backward: an earlier `now` changes nothing.
    pub fn tick(&mut self, now: i64) {
        while let Some((at, id)) = self.due.take(now) {
            self.now = self.now.max(at);
            self.run_due(&id);
            self.store.shrink();
        }
        self.now = self.now.max(now);
        self.forget_old_events();
    }

    /// Schedules a check of an object at a moment. Extra checks are harmless, because each one
    /// decides whether anything is due.
    pub(super) fn wake(&mut self, at: i64, id: &str) {
        match self.clock_of(id) {
            Some(clock) => self.clock_due.entry(clock).or_default().add(at, id),
            None => self.due.add(at, id),
        }
    }

    /// Schedules a check of a payment, which keeps the time of the account even on a test clock.
    pub(super) fn wake_in_account_time(&mut self, at: i64, id: &str) {
        self.due.add(at, id);
    }

    pub(super) fn run_due(&mut self, id: &str) {
        let kind = owned(self.row(id), "object");
        match kind.as_str() {
            "subscription" => self.subscription_due(id),
            "invoice" => self.invoice_due(id),
            "checkout.session" => self.session_due(id),
            "payment_intent" => self.intent_due(id),
            "refund" => self.refund_due(id),
            "dispute" => self.dispute_due(id),
            "subscription_schedule" => self.schedule_due(id),
            "tax_id" => self.tax_id_due(id),
            "coupon" | "promotion_code" => self.code_due(id),
            "test_helpers.test_clock" => self.test_clock_due(id),
            _ => {}
        }
    }

    pub(super) fn subscription_due(&mut self, id: &str) {
        let Some(row) = self.store.get(id).cloned() else {
            return;
        };
        let status = status::subscription(&row);
        let now = self.now;
        if status == SubscriptionStatus::Incomplete {
            if int(&row, "created") + INCOMPLETE_SECONDS <= now {
                self.expire_incomplete(id);
            }
            return;
        }
        if status::has_ended(&row) {
            return;
        }
        if opt_int(&row, "pending_update.expires_at").is_some_and(|at| at <= now) {
            self.expire_pending(id);
        }
        if opt_int(&row, "cancel_at").is_some_and(|at| at <= now) {
            self.end_at_date(id);
            return;
        }
        self.expire_resuming(id);
        self.resume_collection(id);
        self.bill_pending_items(id);
        if status == SubscriptionStatus::Trialing {
            self.plan_ahead(id);
        }
        let end = inner(&row, "items")
            .first()
            .map_or(i64::MAX, |item| int(item, "current_period_end"));
        if end <= now && status != SubscriptionStatus::Paused {
            self.renew(id, end);
        } else if upcoming_notice(&row).is_some_and(|at| at <= now) {
            self.announce_renewal(id, end);
        }
    }

    /// Emits `invoice.upcoming` with a preview of the next invoice, once for each renewal.
    fn announce_renewal(&mut self, id: &str, end: i64) {
        if self.note(id, "announced_renewal") == end {
            return;
        }
        self.set_note(id, "announced_renewal", end);
        let call = Call {
            path: String::new(),
            ids: Vec::new(),
            params: json!({ "subscription": id }),
        };
        let preview = self.undoable(|core| super::invoice_preview::preview(core, &call));
        if let Ok(invoice) = preview {
            self.emit_object("invoice.upcoming", invoice, None);
        }
    }

    /// Invoices the pending items of a subscription at the interval that it has set for them.
    fn bill_pending_items(&mut self, id: &str) {
        let row = self.row(id).clone();
        let Some(due) = opt_int(&row, "next_pending_invoice_item_invoice") else {
            return;
        };
        if due > self.now {
            return;
        }
        let interval = get(&row, "pending_invoice_item_interval");
        let count = int(interval, "interval_count");
        let next = add_interval(due, text(interval, "interval"), count);
        let before = self.modify(id, |row| {
            row["next_pending_invoice_item_invoice"] = next.into();
        });
        self.wake(next, id);
        let lines = self.pending_items(text(&row, "customer"), Some(id));
        if !lines.is_empty() {
            self.new_invoice(&NewInvoice {
                advances: true,
                ..NewInvoice::of(&row, BillingReason::Manual, lines, self.now)
            });
        }
        self.emit_change("customer.subscription.updated", id, &before);
    }

    /// Starts the next period of a subscription at `start`.
    fn renew(&mut self, id: &str, start: i64) {
        let before = self.row(id).clone();
        let trial_ends = status::is_trialing(&before);
        if trial_ends && !self.can_collect(&before) {
            match text(
                &before,
                "trial_settings.end_behavior.missing_payment_method",
            ) {
                "cancel" => return self.end_subscription(id, "cancellation_requested"),
                "pause" => return self.pause(id),
                _ => {}
            }
        }
        self.apply_current_phase(id);
        let row = self.row(id).clone();
        let old_start = inner(&row, "items")
            .first()
            .map_or(start, |item| int(item, "current_period_start"));
        let price = get(&row, "items.data.0.price").clone();
        // A new phase of a schedule may be a trial.
        let trial = opt_int(&row, "trial_end").filter(|at| *at > start);
        let end = trial.unwrap_or_else(|| period_end(&row, &price, start));
        self.modify(id, |row| {
            move_period(row, start, end);
            if trial_ends && trial.is_none() {
                row["status"] = "active".into();
            }
        });
        let row = self.row(id).clone();
        let invoice = self.renewal_invoice(id, &row, (old_start, start), (start, end));
        // The event about the new period comes first and names the new invoice already.
        self.emit_change("customer.subscription.updated", id, &before);
        self.emit("invoice.created", &invoice);
        self.settle_paused(&row, &invoice);
        self.plan_ahead(id);
    }

    /// Creates the draft invoice of a new period. It stays a draft if the subscription is unpaid or
    /// its collection is paused. The caller emits its event.
    fn renewal_invoice(
        &mut self,
        id: &str,
        row: &Value,
        past: (i64, i64),
        coming: (i64, i64),
    ) -> String {
        let mut lines = self.pending_items(text(row, "customer"), Some(id));
        if status::is_trialing(row) {
            let trial = |item| self.trial_line(row, item, coming.0, coming.1);
            lines.extend(inner(row, "items").iter().map(trial));
        } else {
            lines.extend(self.period_lines(row, coming));
        }
        let new = NewInvoice {
            period: past,
            advances: collects(row),
            ..NewInvoice::of(row, BillingReason::SubscriptionCycle, lines, self.now)
        };
        self.store_invoice(&new, |_| {})
    }

    /// The lines for a period of every item.
    pub(super) fn period_lines(&self, row: &Value, period: (i64, i64)) -> Vec<Draft> {
        inner(row, "items")
            .iter()
            .map(|item| self.prorated_line(row, item, period))
            .collect()
    }

    /// The line for a period of an item. A period that is shorter than a whole one, because of the
    /// anchor or a cancellation, costs its share.
    pub(super) fn prorated_line(
        &self,
        row: &Value,
        item: &Value,
        (start, end): (i64, i64),
    ) -> Draft {
        let mut line = self.period_line(row, item, start, end);
        let grid = Grid::of(row, get(item, "price"));
        let whole = grid.whole(start);
        if !grid.contains(start) && self.note(text(row, "id"), "starts_free") == true {
            line.amount = 0;
        } else if end - start < whole {
            line.amount = share(line.amount, end - start, whole);
        }
        line
    }

    /// Expires a subscription whose first invoice was not paid in time.
    pub(super) fn expire_incomplete(&mut self, id: &str) {
        if let Some(invoice) = opt(self.row(id), "latest_invoice").map(str::to_owned)
            && status::is_open(self.row(&invoice))
        {
            self.void_invoice(&invoice);
        }
        let now = self.now;
        self.modify_and_emit("customer.subscription.updated", id, |row| {
            row["status"] = "incomplete_expired".into();
            row["ended_at"] = now.into();
            row["canceled_at"] = now.into();
        });
    }

    /// Applies the configured end of dunning after the last retry failed.
    pub(super) fn end_dunning(&mut self, id: &str) {
        match self.dunning_end {
            DunningEnd::Cancel => {
                self.modify(id, |row| {
                    set(row, "cancellation_details.reason", "payment_failed");
                });
                self.end_subscription(id, "payment_failed");
            }
            DunningEnd::MarkUnpaid => {
                self.modify_and_emit("customer.subscription.updated", id, |row| {
                    row["status"] = "unpaid".into();
                });
            }
            DunningEnd::LeavePastDue => {}
        }
    }

    /// Retries the open invoices of a customer after the card was changed.
    pub(super) fn retry_open_invoices(&mut self, customer: &str) {
        let open = self.ids_by("invoice", ("customer", customer), |row| {
            status::is_open(row) && flag(row, "attempted")
        });
        for id in open {
            // The events report the outcome.
            let _ = self.pay_invoice(&id, None, Initiator::Merchant);
        }
    }
}
