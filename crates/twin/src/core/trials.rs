//! Trials: the warning before they end, the payment method that they ask for, and their change and
//! end by request.

use serde_json::{Value, json};
use stripe::objects::BillingReason;

use super::behavior::ProrationBehavior;
use super::errors::{Answer, ApiError, refuse_param};
use super::invoice_build::NewInvoice;
use super::lines::Draft;
use super::lists::inner;
use super::status;
use super::subscriptions::{check_trial_end, move_period};
use super::value::{get, int, list, opt, opt_int, owned, text};
use super::{Call, Core};

impl Core {
    /// Emits `trial_will_end` once for each end of a trial.
    pub(super) fn emit_trial_will_end(&mut self, id: &str) {
        let end = self.row(id)["trial_end"].clone();
        if self.note(id, "trial_told") != end {
            self.set_note(id, "trial_told", end);
            self.emit("customer.subscription.trial_will_end", id);
        }
    }

    /// Whether a subscription can be charged: it has a payment method, or is paid by invoice.
    pub(super) fn can_collect(&self, row: &Value) -> bool {
        text(row, "collection_method") == "send_invoice"
            || self.default_method(row, text(row, "customer")).is_some()
    }

    /// Gives a trial that cannot be charged a setup intent that asks for a payment method.
    pub(super) fn ask_for_method(&mut self, id: &str) -> Answer<()> {
        let row = self.need("subscription", id, "id")?;
        if !status::is_trialing(&row) || self.can_collect(&row) {
            return Ok(());
        }
        let call = Call {
            path: String::new(),
            ids: Vec::new(),
            params: json!({"customer": row["customer"], "usage": "off_session"}),
        };
        let intent = owned(&super::setup::create(self, &call)?, "id");
        self.set_note(&intent, "subscription", id);
        self.modify(id, |row| row["pending_setup_intent"] = intent.into());
        Ok(())
    }

    /// Makes the payment method of a confirmed setup intent the default of the subscription that
    /// asked for it.
    pub(super) fn setup_settled(&mut self, intent: &str, method: &str) {
        let Some(id) = self.note_text(intent, "subscription") else {
            return;
        };
        if status::has_ended(self.row(&id)) {
            return;
        }
        self.modify_and_emit("customer.subscription.updated", &id, |row| {
            row["default_payment_method"] = method.into();
            row["pending_setup_intent"] = Value::Null;
        });
    }

    /// Applies a `trial_end` in the future, which starts a trial or moves its end.
    pub(super) fn change_trial(&mut self, id: &str, sent: &Value) -> Answer<()> {
        let Some(end) = opt_int(sent, "trial_end") else {
            return Ok(());
        };
        let row = self.need("subscription", id, "id")?;
        check_trial_end(self.now, Some(end))?;
        self.move_trial(&row, end, ProrationBehavior::from_params(sent))?;
        self.follow_trial(&row);
        Ok(())
    }

    /// Moves the end of a trial. A paid subscription becomes a trial: what remains of its period is
    /// credited on a new invoice.
    pub(super) fn move_trial(
        &mut self,
        row: &Value,
        end: i64,
        proration: ProrationBehavior,
    ) -> Answer<()> {
        if text(row, "status") == "paused" {
            let message = "You cannot set `trial_end` while a subscription is `paused`. Resume the subscription first before setting `trial_end`.";
            return Err(ApiError::invalid(message));
        }
        let (id, now) = (owned(row, "id"), self.now);
        let in_trial = status::is_trialing(row);
        let start = if in_trial {
            int(row, "trial_start")
        } else {
            now
        };
        let credits = if in_trial || proration == ProrationBehavior::None {
            Vec::new()
        } else {
            self.unused_time(row, now)
        };
        self.modify(&id, |row| {
            row["trial_end"] = end.into();
            row["trial_start"] = start.into();
            row["status"] = "trialing".into();
            row["billing_cycle_anchor"] = end.into();
            row["billing_cycle_anchor_config"] = Value::Null;
            move_period(row, start, end);
        });
        if in_trial {
            return Ok(());
        }
        let after = self.row(&id).clone();
        let mut lines = self.store_items(text(row, "customer"), credits);
        for item in inner(&after, "items") {
            lines.push(self.trial_line(&after, item, now, end));
        }
        let reason = BillingReason::SubscriptionUpdate;
        let invoice = self.new_invoice(&NewInvoice::of(&after, reason, lines, now));
        self.finalize_invoice(&invoice);
        self.ask_for_method(&id)
    }

    /// The credits for the time that remains of the current period, for every item.
    pub(super) fn unused_time(&self, row: &Value, at: i64) -> Vec<Draft> {
        inner(row, "items")
            .iter()
            .flat_map(|item| self.credit_lines(row, item, at))
            .collect()
    }

    /// Ends a trial by request.
    pub(super) fn finish_trial(&mut self, id: &str) {
        let now = self.now;
        self.modify(id, |row| row["trial_end"] = now.into());
        self.emit_trial_will_end(id);
        self.modify(id, |row| row["status"] = "active".into());
    }

    /// Ends a trial that cannot be charged, by request, as the subscription says.
    pub(super) fn end_unpayable_trial(&mut self, row: &Value, items: &[Value]) -> Answer<()> {
        let (id, now) = (owned(row, "id"), self.now);
        let missing = text(row, "trial_settings.end_behavior.missing_payment_method");
        if missing == "create_invoice" {
            let message = "This customer has no attached payment source or default payment method. Please consider adding a default payment method. For more information, visit https://stripe.com/docs/billing/subscriptions/payment-methods-setting#payment-method-priority.";
            return refuse_param("resource_missing", "", message);
        }
        self.modify(&id, |row| row["trial_end"] = now.into());
        self.emit_trial_will_end(&id);
        self.set_items(&id, items, None);
        if missing == "pause" {
            self.modify(&id, |row| row["billing_cycle_anchor"] = now.into());
            self.pause(&id);
        } else {
            self.end_subscription(&id, "cancellation_requested");
        }
        Ok(())
    }

    /// Gives the current phase of a schedule the trial that its subscription, which was `before`, was
    /// given directly. A last phase that was to end with the trial ends with the new period.
    pub(super) fn follow_trial(&mut self, before: &Value) {
        let row = self.row(text(before, "id")).clone();
        let Some(schedule) = opt(&row, "schedule").map(str::to_owned) else {
            return;
        };
        let known = self.row(&schedule).clone();
        let phases = list(&known, "phases");
        let start = get(&known, "current_phase.start_date");
        let Some(place) = phases.iter().position(|one| one["start_date"] == *start) else {
            return;
        };
        let end = "items.data.0.current_period_end";
        let moves = place + 1 == phases.len()
            && text(&known, "end_behavior") == "release"
            && phases[place]["end_date"] == *get(before, end);
        self.modify_and_emit("subscription_schedule.updated", &schedule, |known| {
            known["phases"][place]["trial_end"] = row["trial_end"].clone();
            if moves {
                known["phases"][place]["end_date"] = get(&row, end).clone();
                known["current_phase"]["end_date"] = get(&row, end).clone();
            }
        });
        self.plan_phases(&schedule);
    }
}
