//! Checkout sessions in setup mode: they save a payment method with a setup intent.

use serde_json::{Value, json};
use stripe::objects::CheckoutPaymentStatus;

use super::Core;
use super::errors::Answer;
use super::payments::Paid;
use super::value::{get, opt, owned, text};

impl Core {
    /// Creates the setup intent of a session.
    pub(super) fn begin_setup(&mut self, id: &str, sent: &Value) -> Answer<()> {
        let session = self.row(id).clone();
        let data = get(sent, "setup_intent_data");
        let wanted = json!({
            "customer": session["customer"], "description": get(data, "description"),
            "metadata": get(data, "metadata"),
            "payment_method_types": session["payment_method_types"],
        });
        let intent = self.new_setup(&wanted)?;
        self.modify(id, |row| row["setup_intent"] = intent.into());
        Ok(())
    }

    /// Saves a payment method with the setup intent of a session.
    pub(super) fn set_up_session(
        &mut self,
        id: &str,
        session: &Value,
        method: &str,
    ) -> Answer<Paid> {
        let intent = owned(session, "setup_intent");
        if text(session, "customer_creation") == "always" {
            let customer = self.customer_of_session(id);
            self.modify(&intent, |row| row["customer"] = customer.into());
        }
        self.check_method_owner(method, opt(self.row(&intent), "customer"))?;
        let saved = self.confirm_setup(&intent, Some(method.to_owned()))?;
        if saved == Paid::Now {
            self.complete_setup_session(id, method);
        }
        Ok(saved)
    }

    pub(super) fn complete_setup_session(&mut self, id: &str, method: &str) {
        self.complete_session(id, method, &CheckoutPaymentStatus::NoPaymentRequired);
    }
}
