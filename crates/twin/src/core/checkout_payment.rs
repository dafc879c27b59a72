//! Paying Checkout sessions in each mode, and completing and settling them.

use serde_json::{Value, json};
use stripe::objects::{CheckoutMode, CheckoutPaymentStatus, InvoiceStatus};

use super::Core;
use super::behavior::ProrationBehavior;
use super::checkout_create::details_of;
use super::errors::Answer;
use super::params::metadata;
use super::payments::{Initiator, NewIntent, Paid, Verdict};
use super::status;
use super::subscription_create::NewSubscription;
use super::time::DAY;
use super::value::{copy, get, int, merge, opt, opt_int, or_null, owned, text};

impl Core {
    /// Pays an open session with a payment method.
    pub(super) fn pay_session(&mut self, id: &str, method: &str) -> Answer<Paid> {
        self.check_session_discounts(id)?;
        self.locate_session(id, method);
        let session = self.need("checkout.session", id, "id")?;
        let customer = opt(&session, "customer").map(str::to_owned);
        let amount = int(&session, "amount_total");
        match status::mode(&session) {
            CheckoutMode::Payment if amount == 0 => {
                self.redeem_for_payment(id);
                self.invoice_session(id, None);
                self.complete_session(id, method, &CheckoutPaymentStatus::NoPaymentRequired);
                Ok(Paid::Now)
            }
            CheckoutMode::Payment => {
                let intent = self.session_intent(id, &session);
                let paid = self.confirm_intent(&intent, Some(method), Initiator::Customer)?;
                self.after_session_payment(id, method, paid);
                Ok(paid)
            }
            CheckoutMode::Setup => self.set_up_session(id, &session, method),
            _ => {
                let verdict = if amount == 0 {
                    self.verdict_to_save(method)
                } else {
                    self.verdict(method, customer.as_deref(), Initiator::Customer)
                };
                self.subscribe_session(id, &session, method, verdict)
            }
        }
    }

    /// The verdict of the bank when a card is saved without a payment.
    fn verdict_to_save(&self, method: &str) -> Verdict {
        match self.test_card(method) {
            Some(card) if !card.attaches => Verdict::Declines(card.decline.to_owned()),
            _ => Verdict::Approves,
        }
    }

    /// The payment intent of a session in payment mode. The first attempt creates it.
    fn session_intent(&mut self, id: &str, session: &Value) -> String {
        if let Some(intent) = opt(session, "payment_intent") {
            // A promotion code or an address may have changed the total since the last attempt.
            self.modify(intent, |row| {
                row["amount"] = session["amount_total"].clone();
            });
            return intent.to_owned();
        }
        let sent = self.note(id, "sent");
        let data = get(&sent, "payment_intent_data");
        let mut members = json!({"metadata": metadata(&Value::Null, get(data, "metadata")).unwrap_or_default(),
            "payment_method_types": session["payment_method_types"]});
        copy(
            &mut members,
            data,
            &[
                "receipt_email",
                "setup_future_usage",
                "shipping",
                "capture_method",
                "statement_descriptor_suffix",
            ],
        );
        let customer = match opt(session, "customer") {
            Some(customer) => Some(customer.to_owned()),
            None if text(session, "customer_creation") == "always" || self.wants_invoice(id) => {
                self.customer_of_session(id)
            }
            None => None,
        };
        let intent = self.new_intent(NewIntent {
            amount: int(session, "amount_total"),
            currency: owned(session, "currency"),
            customer,
            description: or_null(data, "description"),
            members,
        });
        self.set_note(&intent, "session", id);
        self.modify(id, |row| row["payment_intent"] = intent.clone().into());
        intent
    }

    /// The customer of a session. If there is none, it is created from what the customer entered.
    pub(super) fn customer_of_session(&mut self, id: &str) -> Option<String> {
        let session = self.store.get(id).cloned()?;
        if let Some(customer) = opt(&session, "customer") {
            return Some(customer.to_owned());
        }
        let email = opt(&session, "customer_details.email").unwrap_or("customer@example.com");
        let customer = self.create_customer(&json!({ "email": email })).ok()?;
        self.modify(id, |row| row["customer"] = customer.clone().into());
        Some(customer)
    }

    pub(super) fn after_session_payment(&mut self, id: &str, method: &str, paid: Paid) {
        if paid != Paid::RequiresAction {
            self.redeem_for_payment(id);
            let customer = owned(self.row(id), "customer");
            self.save_session_address(id, &customer, method);
        }
        if paid == Paid::Now {
            let intent = owned(self.row(id), "payment_intent");
            self.invoice_session(id, Some(&intent));
        }
        match paid {
            Paid::Now => self.complete_session(id, method, &CheckoutPaymentStatus::Paid),
            Paid::Later => self.complete_session(id, method, &CheckoutPaymentStatus::Unpaid),
            Paid::RequiresAction => {}
        }
    }

    /// Completes a session in subscription mode. The bank is asked first, so that a
    /// decline leaves only a failed payment and no subscription.
    fn subscribe_session(
        &mut self,
        id: &str,
        session: &Value,
        method: &str,
        verdict: Verdict,
    ) -> Answer<Paid> {
        if verdict == Verdict::Approves {
            return self.finish_subscribing(id, method);
        }
        let amount = int(session, "amount_total");
        if amount == 0 {
            let Verdict::Declines(code) = verdict else {
                return self.finish_subscribing(id, method);
            };
            return Err(super::cards::decline(&code));
        }
        let intent = self.new_intent(NewIntent {
            amount,
            currency: owned(session, "currency"),
            customer: opt(session, "customer").map(str::to_owned),
            description: "Subscription creation".into(),
            members: json!({"setup_future_usage": "off_session"}),
        });
        self.set_note(id, "attempt", intent.clone());
        self.charge_intent(&intent, method, verdict)
    }

    pub(super) fn finish_subscribing(&mut self, id: &str, method: &str) -> Answer<Paid> {
        let fresh = self.customer_of_session(id).unwrap_or_default();
        if self
            .store
            .get(method)
            .is_some_and(|row| row["customer"].is_null())
        {
            self.modify(method, |row| row["customer"] = fresh.clone().into());
            self.pass_checks(method);
            self.emit("payment_method.attached", method);
        }
        self.save_session_address(id, &fresh, method);
        let new = self.subscription_of_session(id, &fresh, method)?;
        self.set_note(method, "just_asked", true);
        let made = self.create_subscription(new);
        self.set_note(method, "just_asked", false);
        let subscription = made?;
        let row = self.row(&subscription).clone();
        let invoice = owned(&row, "latest_invoice");
        let paid = self
            .store
            .get(&invoice)
            .map(|row| (status::invoice(row), int(row, "amount_due")));
        self.modify(id, |row| {
            row["subscription"] = subscription.into();
            row["invoice"] = invoice.into();
        });
        let (paid, payment_status) = match paid {
            Some((InvoiceStatus::Paid, 0)) => (Paid::Now, CheckoutPaymentStatus::NoPaymentRequired),
            Some((InvoiceStatus::Paid, _)) => (Paid::Now, CheckoutPaymentStatus::Paid),
            _ => (Paid::Later, CheckoutPaymentStatus::Unpaid),
        };
        self.complete_session(id, method, &payment_status);
        Ok(paid)
    }

    fn subscription_of_session(
        &mut self,
        id: &str,
        customer: &str,
        method: &str,
    ) -> Answer<NewSubscription> {
        let sent = self.note(id, "sent");
        let data = get(&sent, "subscription_data").clone();
        let items = self.note(id, "items");
        let mut recurring: Vec<(Value, i64, Value)> = Vec::new();
        let mut one_time_lines = Vec::new();
        let mut item_terms = Vec::new();
        for item in items.as_array().into_iter().flatten() {
            let price = self.need("price", text(item, "price.id"), "price")?;
            let rates = self.note(text(item, "id"), "tax_rates");
            let rates = rates.as_array().cloned().unwrap_or_default();
            if text(&price, "type") == "recurring" {
                recurring.push((price, int(item, "quantity"), json!({})));
                let rows: Vec<&Value> = rates
                    .iter()
                    .map(|id| self.row(id.as_str().unwrap_or("")))
                    .collect();
                item_terms.push(json!({ "tax_rates": rows }));
            } else {
                let mut line = self.one_time_line(&price, int(item, "quantity"));
                line.tax_rates = rates;
                one_time_lines.push(line);
            }
        }
        let mut members = super::subscriptions::members(&data, self.now);
        let asked =
            json!({"automatic_tax": {"enabled": get(&sent, "automatic_tax.enabled") == true}});
        merge(
            &mut members,
            self.tax_members(&asked, customer, &Value::Null)?,
        );
        let taxed = self.tax_members(&data, customer, &members)?;
        merge(&mut members, taxed);
        if let Some((price, ..)) = recurring.first() {
            self.refuse_other_currency(customer, text(price, "currency"))?;
        }
        let discounts = self.redeem_session(id, customer);
        let days = opt_int(&data, "trial_period_days").map(|days| self.now + days * DAY);
        Ok(NewSubscription {
            one_time_lines,
            metadata: metadata(&Value::Null, get(&data, "metadata"))?,
            method: (!method.is_empty()).then(|| method.to_owned()),
            trial_end: opt_int(&data, "trial_end").or(days),
            anchor: opt_int(&data, "billing_cycle_anchor"),
            members,
            item_terms,
            proration: ProrationBehavior::from_params(&data),
            keeps_method: true,
            discounts,
            ..NewSubscription::of(customer, recurring)
        })
    }

    pub(super) fn complete_session(
        &mut self,
        id: &str,
        method: &str,
        payment_status: &CheckoutPaymentStatus,
    ) {
        let method_row = self.row(method).clone();
        let session = self.row(id).clone();
        let customer = self.row(text(&session, "customer")).clone();
        let known = get(&session, "customer_details.email").clone();
        let email = if known.is_null() {
            get(&method_row, "billing_details.email").clone()
        } else {
            known
        };
        let mut details = details_of(&json!({ "email": email }));
        for (name, from) in [
            ("name", &method_row["billing_details"]),
            ("name", &customer),
        ] {
            if details[name].is_null() {
                details[name] = or_null(from, name);
            }
        }
        let entered = self.note(id, "address");
        details["address"] = if entered.is_null() {
            get(&method_row, "billing_details.address").clone()
        } else {
            entered
        };
        self.modify(id, |row| {
            row["status"] = "complete".into();
            row["payment_status"] = payment_status.as_str().into();
            row["customer_details"] = details;
            row["url"] = Value::Null;
        });
        self.emit("checkout.session.completed", id);
    }

    /// Updates a completed session after its bank debit succeeded or failed.
    pub(super) fn session_settled(&mut self, intent: &str, succeeded: bool) {
        let session = self.note_text(intent, "session").or_else(|| {
            let invoice = self.note_text(intent, "invoice")?;
            let row = self
                .store
                .by("checkout.session", "invoice", &invoice)
                .next()?;
            Some(owned(row, "id"))
        });
        let Some(session) = session else { return };
        if succeeded {
            if self.note_text(intent, "session").is_some() {
                self.invoice_session(&session, Some(intent));
            }
            self.modify(&session, |row| row["payment_status"] = "paid".into());
            self.emit("checkout.session.async_payment_succeeded", &session);
        } else {
            self.emit("checkout.session.async_payment_failed", &session);
        }
    }
}
