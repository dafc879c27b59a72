//! Previews of schedules: the next invoice, with the phase that begins with it.

use serde_json::Value;

use super::Core;
use super::errors::Answer;
use super::invoice_preview::nothing_upcoming;
use super::status;
use super::value::{get, opt, period};

impl Core {
    /// The next invoice of a subscription whose schedule begins another phase with it.
    pub(super) fn preview_schedule(&mut self, id: &str, sent: &Value) -> Answer {
        let schedule = self.need("subscription_schedule", id, "schedule")?;
        let subscription = opt(&schedule, "subscription").map(str::to_owned);
        let Some(subscription) = subscription.filter(|_| status::is_live_schedule(&schedule))
        else {
            let message = "No upcoming invoices for customer: the schedule has no subscription.";
            return Err(nothing_upcoming(message));
        };
        let row = self.need("subscription", &subscription, "schedule")?;
        let (_, end) = period(get(&row, "items.data.0"));
        if !status::has_ended(&row) {
            self.now = self.now.max(end);
            self.apply_current_phase(&subscription);
        }
        self.preview_subscription(&subscription, sent)
    }
}
