//! Everything that is triggered by time: due moments, renewals, trials and the end of dunning.

use serde_json::{Value, json};
use stripe::objects::{BillingReason, SubscriptionStatus};

use super::errors::Answer;
use super::invoice_build::NewInvoice;
use super::lines::Draft;
use super::lists::inner;
use super::payments::Initiator;
use super::status;
use super::subscription_states::INCOMPLETE_SECONDS;
use super::subscriptions::period_end;
use super::value::{flag, get, has, int, opt, opt_int, owned, set, text};
use super::{Core, DunningEnd};

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
    }

    /// Schedules a check of an object at a moment. Extra checks are harmless, because each one
    /// decides whether anything is due.
    pub(super) fn wake(&mut self, at: i64, id: &str) {
        match self.clock_of(id) {
            Some(clock) => self.clock_due.entry(clock).or_default().add(at, id),
            None => self.due.add(at, id),
        }
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
            self.end_subscription(id, "cancellation_requested");
            return;
        }
        if status == SubscriptionStatus::Trialing {
            self.plan_ahead(id);
        }
        let end = inner(&row, "items")
            .first()
            .map_or(i64::MAX, |item| int(item, "current_period_end"));
        if end <= now && status != SubscriptionStatus::Paused {
            self.renew(id, end);
        }
    }

    /// Starts the next period of a subscription at `start`.
    fn renew(&mut self, id: &str, start: i64) {
        let before = self.row(id).clone();
        let trial_ends = status::is_trialing(&before);
        if trial_ends
            && self
                .default_method(&before, text(&before, "customer"))
                .is_none()
        {
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
        let end = period_end(&row, &price, start);
        self.modify(id, |row| {
            move_period(row, start, end);
            if trial_ends {
                row["status"] = "active".into();
            }
        });
        self.emit_change("customer.subscription.updated", id, &before);
        let row = self.row(id).clone();
        self.renewal_invoice(id, &row, (old_start, start), (start, end));
        self.plan_ahead(id);
    }

    /// Creates the draft invoice of a new period. It stays a draft if the subscription is unpaid or
    /// its collection is paused.
    fn renewal_invoice(&mut self, id: &str, row: &Value, past: (i64, i64), coming: (i64, i64)) {
        let mut lines = self.pending_items(text(row, "customer"), Some(id));
        lines.extend(self.period_lines(row, coming));
        let paused = has(row, "pause_collection");
        let invoice = self.new_invoice(NewInvoice {
            period: past,
            advances: status::subscription(row) != SubscriptionStatus::Unpaid && !paused,
            ..NewInvoice::of(row, BillingReason::SubscriptionCycle, lines, self.now)
        });
        match text(row, "pause_collection.behavior") {
            "void" => self.void_invoice(&invoice),
            "mark_uncollectible" => {
                self.finalize_invoice(&invoice);
                self.mark_uncollectible(&invoice);
            }
            _ => {}
        }
    }

    /// The lines for a full period of every item.
    pub(super) fn period_lines(&self, row: &Value, period: (i64, i64)) -> Vec<Draft> {
        inner(row, "items")
            .iter()
            .map(|item| self.period_line(row, item, period.0, period.1))
            .collect()
    }

    /// Starts a period immediately and charges for it, because a trial was ended by request or a
    /// subscription was resumed.
    pub(super) fn start_period(&mut self, id: &str, at: i64, by: Initiator) -> Answer<()> {
        self.modify(id, |row| {
            row["billing_cycle_anchor"] = at.into();
            row["status"] = "active".into();
        });
        let row = self.row(id).clone();
        let end = period_end(&row, get(&row, "items.data.0.price"), at);
        self.modify(id, |row| move_period(row, at, end));
        let row = self.row(id).clone();
        let mut lines = self.pending_items(text(&row, "customer"), Some(id));
        lines.extend(self.period_lines(&row, (at, end)));
        let reason = BillingReason::SubscriptionUpdate;
        let invoice = self.new_invoice(NewInvoice::of(&row, reason, lines, at));
        let paid = self.pay_invoice(&invoice, None, by);
        self.plan_ahead(id);
        paid.map(|_| ())
            .or_else(|error| if error.keep { Ok(()) } else { Err(error) })
    }

    /// Pauses a subscription whose trial ended without a card and whose settings say to pause.
    pub(super) fn pause(&mut self, id: &str) {
        let before = self.modify(id, |row| row["status"] = "paused".into());
        self.emit("customer.subscription.paused", id);
        self.emit_change("customer.subscription.updated", id, &before);
    }

    /// Expires a subscription whose first invoice was not paid in time.
    fn expire_incomplete(&mut self, id: &str) {
        if let Some(invoice) = opt(self.row(id), "latest_invoice").map(str::to_owned) {
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

/// Sets the current period of every item.
pub(super) fn move_period(row: &mut Value, start: i64, end: i64) {
    let Some(items) = row["items"]["data"].as_array_mut() else {
        return;
    };
    for item in items {
        item["current_period_start"] = start.into();
        item["current_period_end"] = end.into();
    }
    if flag(row, "cancel_at_period_end") {
        row["cancel_at"] = json!(end);
    }
}
