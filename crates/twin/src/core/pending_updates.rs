//! Pending updates: changes to a subscription that take effect when their invoice is paid.

use serde_json::{Value, json};

use super::Core;
use super::changes::Change;
use super::status;
use super::subscription_states::INCOMPLETE_SECONDS;
use super::value::{flag, has, list, opt, opt_int};

impl Core {
    /// Shows an unpaid change as a pending update.
    pub(super) fn show_pending(&mut self, id: &str, change: &Change) {
        let row = self.row(id);
        let ends = [
            opt_int(row, "trial_end"),
            opt_int(row, "items.data.0.current_period_end"),
        ];
        // docs.stripe.com/billing/subscriptions/pending-updates-reference: at the end of the trial or
        // of the period, if that is earlier.
        let expires_at = ends
            .into_iter()
            .flatten()
            .filter(|end| *end > self.now)
            .fold(self.now + INCOMPLETE_SECONDS, i64::min);
        let trial_end = change.ends_trial.then_some(change.at);
        let anchor = if change.resets && !change.ends_trial {
            json!(change.at)
        } else {
            Value::Null
        };
        self.modify(id, |row| {
            row["pending_update"] = json!({
                "billing_cycle_anchor": anchor, "discounts": null, "expires_at": expires_at,
                "metadata": null, "subscription_items": change.items, "trial_end": trial_end,
                "trial_from_plan": null});
        });
        self.wake(expires_at, id);
    }

    /// Applies a paid change. It only emits events if the change was pending.
    pub(super) fn apply_pending(&mut self, id: &str) {
        let pending = self.note(id, "pending");
        let before = self.row(id).clone();
        let period = opt_int(&pending, "period.0").zip(opt_int(&pending, "period.1"));
        let ends_trial = flag(&pending, "ends_trial") && status::is_trialing(&before);
        self.apply_items(id, list(&pending, "items"), period, ends_trial);
        self.set_note(id, "pending", Value::Null);
        if has(&before, "pending_update") {
            self.modify(id, |row| row["pending_update"] = Value::Null);
            self.emit_change("customer.subscription.updated", id, &before);
            self.emit("customer.subscription.pending_update_applied", id);
            self.plan_ahead(id);
        }
    }

    /// Expires a pending update that was not paid in time.
    pub(super) fn expire_pending(&mut self, id: &str) {
        let before = self.row(id).clone();
        self.drop_pending(id);
        self.emit("customer.subscription.pending_update_expired", id);
        self.emit_change("customer.subscription.updated", id, &before);
    }

    /// Discards a pending update because its invoice was voided.
    pub(super) fn discard_pending(&mut self, invoice: &Value) {
        let Some(id) = opt(invoice, "parent.subscription_details.subscription") else {
            return;
        };
        if self.note(id, "pending")["invoice"] != invoice["id"] {
            return;
        }
        let before = self.row(id).clone();
        self.set_note(id, "pending", Value::Null);
        self.modify(id, |row| row["pending_update"] = Value::Null);
        self.emit_change("customer.subscription.updated", id, &before);
    }

    /// Drops a pending update because of a newer change, its expiry or the end of the subscription.
    pub(super) fn drop_pending(&mut self, id: &str) {
        let pending = self.note(id, "pending");
        let Some(invoice) = pending["invoice"].as_str() else {
            return;
        };
        self.set_note(id, "pending", Value::Null);
        self.modify(id, |row| row["pending_update"] = Value::Null);
        self.void_invoice(invoice);
    }
}
