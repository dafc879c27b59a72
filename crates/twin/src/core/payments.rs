//! Payments: the engine that the API, the hosted pages and renewals share.

use serde_json::{Value, json};
use stripe::objects::PaymentIntentStatus;

use super::Core;
use super::cards::{self, Afterwards, Authentication};
use super::errors::{Answer, ApiError};
use super::status;
use super::value::{flag, int, minimum_charge, money_text, opt, owned, text};

/// The outcome of a payment attempt that the bank did not decline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Paid {
    /// The payment succeeded, or is authorized with manual capture.
    Now,
    /// A bank debit is processing.
    Later,
    /// The customer has to authenticate.
    RequiresAction,
}

/// Who initiates a payment. It decides whether a bank can require authentication and whether a
/// retry is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Initiator {
    /// The customer is present.
    Customer,
    /// The merchant charges through the API, off session.
    Merchant,
    /// The billing schedule charges automatically.
    Schedule,
}

impl Initiator {
    /// The initiator of a payment that an API call makes.
    pub(super) fn from_params(sent: &Value) -> Initiator {
        if flag(sent, "off_session") {
            Initiator::Merchant
        } else {
            Initiator::Customer
        }
    }
}

/// The verdict of the bank.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Approves,
    /// The bank declines with a decline code.
    Declines(String),
    /// The bank requires the customer to authenticate first.
    RequiresAuthentication,
}

/// The input for creating a payment intent.
#[derive(Default)]
pub(super) struct NewIntent {
    pub(super) amount: i64,
    pub(super) currency: String,
    pub(super) customer: Option<String>,
    pub(super) description: Value,
    /// Fields that override the defaults.
    pub(super) members: Value,
}

/// Whether a payment is only authorized when it is confirmed.
pub(super) fn is_manual(intent: &Value) -> bool {
    let own = opt(intent, "payment_method_options.card.capture_method");
    own.unwrap_or(text(intent, "capture_method")) == "manual"
}

/// The error for an amount below the minimum charge.
pub(super) fn too_small(amount: i64, currency: &str, param: &str) -> Box<ApiError> {
    let least = money_text(minimum_charge(currency), currency);
    let message = format!("Amount must be at least {least} {currency}");
    debug_assert!(
        amount < minimum_charge(currency),
        "only too small amounts are refused"
    );
    ApiError::bad("amount_too_small", param, message)
}

pub(super) fn unexpected(intent: &Value, sentence: &str) -> Box<ApiError> {
    let message = format!("{sentence} {}.", text(intent, "status"));
    ApiError::bad("payment_intent_unexpected_state", "", message)
        .with("payment_intent", intent.clone())
}

impl Core {
    /// Declines the next charge of a customer, or of any customer, with a decline code.
    pub fn decline_next(&mut self, customer: Option<&str>, decline_code: &str) {
        self.declines
            .push((customer.map(str::to_owned), decline_code.to_owned()));
    }

    /// Creates a payment intent and emits its event.
    pub(super) fn new_intent(&mut self, new: NewIntent) -> String {
        let id = self.rng.id("pi");
        let secret = format!("{id}_secret_{}", self.rng.text(25));
        let mut intent = json!({
            "id": id, "object": "payment_intent", "amount": new.amount, "amount_capturable": 0,
            "amount_details": {"tip": {}}, "amount_received": 0, "application": null,
            "application_fee_amount": null,
            "automatic_payment_methods": {"allow_redirects": "always", "enabled": true},
            "canceled_at": null, "cancellation_reason": null, "capture_method": "automatic_async",
            "client_secret": secret, "confirmation_method": "automatic", "created": self.account_time(),
            "currency": new.currency, "customer": new.customer, "customer_account": null,
            "description": new.description, "excluded_payment_method_types": null,
            "last_payment_error": null, "latest_charge": null, "livemode": false, "metadata": {},
            "next_action": null, "on_behalf_of": null, "payment_method": null,
            "payment_method_configuration_details": null, "payment_method_options": {},
            "payment_method_types": ["card"], "processing": null, "receipt_email": null,
            "review": null, "setup_future_usage": null, "shipping": null,
            "statement_descriptor": null, "statement_descriptor_suffix": null,
            "status": "requires_payment_method", "transfer_data": null, "transfer_group": null,
        });
        for (name, value) in new.members.as_object().into_iter().flatten() {
            intent[name] = value.clone();
        }
        self.store.put(&id, intent);
        self.emit("payment_intent.created", &id);
        id
    }

    /// Asks the bank for its verdict, and consumes a requested decline.
    pub(super) fn verdict(
        &mut self,
        method: &str,
        customer: Option<&str>,
        by: Initiator,
    ) -> Verdict {
        // Checkout asks before it creates the subscription, so the bank must not be asked twice.
        if self.note(method, "just_asked") == true {
            return self.verdict_after_confirmation(method);
        }
        let wanted = self
            .declines
            .iter()
            .position(|(whom, _)| whom.is_none() || whom.as_deref() == customer);
        if let Some(index) = wanted {
            return Verdict::Declines(self.declines.remove(index).1);
        }
        let Some(card) = self.test_card(method) else {
            return Verdict::Approves;
        };
        let confirmed = self.note(method, "confirmed") == true;
        let asks = match card.authentication {
            Authentication::Never => false,
            Authentication::OnSession => by == Initiator::Customer || !confirmed,
            Authentication::FirstUse => !confirmed,
            Authentication::Always => true,
        };
        match (asks, by) {
            (true, Initiator::Customer) => Verdict::RequiresAuthentication,
            (true, _) => Verdict::Declines("authentication_required".to_owned()),
            _ => self.verdict_after_confirmation(method),
        }
    }

    /// The verdict of the bank once the customer has authenticated.
    pub(super) fn verdict_after_confirmation(&self, method: &str) -> Verdict {
        match self.test_card(method).map_or("", |card| card.decline) {
            "" => Verdict::Approves,
            code => Verdict::Declines(code.to_owned()),
        }
    }

    /// Confirms a payment intent. If it pays an invoice, it also updates the invoice.
    pub(super) fn confirm_intent(
        &mut self,
        id: &str,
        method: Option<&str>,
        by: Initiator,
    ) -> Answer<Paid> {
        let intent = self.need("payment_intent", id, "intent")?;
        if !status::is_confirmable(&intent) {
            let sentence = "You cannot confirm this PaymentIntent because it has a status of";
            return Err(unexpected(&intent, sentence));
        }
        let chosen = method.or_else(|| opt(&intent, "payment_method"));
        let Some(method) = chosen.map(str::to_owned) else {
            let message = "You cannot confirm this PaymentIntent because it's missing a payment method. You can either update the PaymentIntent with a payment method and then confirm it again, or confirm it again directly with a payment method or ConfirmationToken.";
            return Err(
                ApiError::bad("payment_intent_unexpected_state", "", message)
                    .with("payment_intent", intent),
            );
        };
        self.check_method_owner(&method, opt(&intent, "customer"))?;
        let verdict = self.verdict(&method, opt(&intent, "customer"), by);
        self.apply_verdict(id, &method, verdict, by)
    }

    /// Continues a payment after the customer has authenticated or failed to.
    pub(super) fn authenticate_intent(&mut self, id: &str, ok: bool) -> Answer<Paid> {
        let intent = self.need("payment_intent", id, "intent")?;
        if !status::awaits_authentication(&intent) {
            return Err(unexpected(
                &intent,
                "This PaymentIntent doesn't wait for authentication because it has a status of",
            ));
        }
        let method = owned(&intent, "payment_method");
        if ok {
            self.set_note(&method, "confirmed", true);
            let verdict = self.verdict_after_confirmation(&method);
            return self.apply_verdict(id, &method, verdict, Initiator::Customer);
        }
        let message = "We are unable to authenticate your payment method. Please choose a different payment method and try again.";
        let error = ApiError::card("payment_intent_authentication_failure", "", message);
        let error = self.fail_intent(id, &method, None, error);
        self.invoice_attempt_failed(id, &error, Initiator::Customer);
        Err(error)
    }

    /// Applies the verdict of the bank to a payment intent and its invoice.
    pub(super) fn apply_verdict(
        &mut self,
        id: &str,
        method: &str,
        verdict: Verdict,
        by: Initiator,
    ) -> Answer<Paid> {
        let result = self.charge_intent(id, method, verdict);
        match &result {
            Ok(Paid::Now) => self.invoice_intent_paid(id),
            Ok(Paid::Later) => self.invoice_attempt_began(id, by),
            Ok(Paid::RequiresAction) => self.invoice_needs_customer(id),
            Err(error) => self.invoice_attempt_failed(id, error, by),
        }
        result
    }

    /// Performs the payment with its charge and events.
    pub(super) fn charge_intent(
        &mut self,
        id: &str,
        method: &str,
        verdict: Verdict,
    ) -> Answer<Paid> {
        self.modify(id, |intent| intent["payment_method"] = method.into());
        match verdict {
            Verdict::RequiresAuthentication => {
                let url = format!("{}/3ds/{id}", self.public_url);
                let back = self.note(id, "return_url");
                self.modify(id, |intent| {
                    intent["status"] = "requires_action".into();
                    intent["next_action"] = json!({"type": "redirect_to_url",
                        "redirect_to_url": {"return_url": back, "url": url}});
                });
                self.emit("payment_intent.requires_action", id);
                Ok(Paid::RequiresAction)
            }
            Verdict::Declines(code) => {
                let charge = self.new_charge(id, method, Some(&code));
                self.emit("charge.failed", &charge);
                Err(self.fail_intent(id, method, Some(&charge), cards::decline(&code)))
            }
            Verdict::Approves if self.is_debit(method) => Ok(self.begin_debit(id, method)),
            Verdict::Approves => Ok(self.take_money(id, method)),
        }
    }

    pub(super) fn is_debit(&self, method: &str) -> bool {
        self.store
            .get(method)
            .is_some_and(|row| text(row, "type") != "card")
    }

    fn take_money(&mut self, id: &str, method: &str) -> Paid {
        self.pass_checks(method);
        let charge = self.new_charge(id, method, None);
        self.emit("charge.succeeded", &charge);
        let intent = self.row(id).clone();
        let is_manual = is_manual(&intent);
        let amount = int(&intent, "amount");
        if is_manual {
            self.begin_authorization(id, &charge);
        }
        self.note_use(method, &intent);
        self.modify(id, |row| {
            row["next_action"] = Value::Null;
            row["last_payment_error"] = Value::Null;
            row["status"] = if is_manual {
                "requires_capture"
            } else {
                "succeeded"
            }
            .into();
            row[if is_manual {
                "amount_capturable"
            } else {
                "amount_received"
            }] = amount.into();
        });
        self.keep_method(&intent, method);
        let kind = if is_manual {
            "payment_intent.amount_capturable_updated"
        } else {
            "payment_intent.succeeded"
        };
        self.emit(kind, id);
        match self.test_card(method).map(|card| card.afterwards) {
            Some(Afterwards::Dispute(reason)) => self.open_dispute(&charge, reason, false),
            Some(Afterwards::FraudWarning) => self.warn_of_fraud(&charge),
            Some(Afterwards::Inquiry) => self.open_dispute(&charge, "fraudulent", true),
            _ => {}
        }
        Paid::Now
    }

    /// Attaches the payment method to the customer if `setup_future_usage` is set.
    fn keep_method(&mut self, intent: &Value, method: &str) {
        let Some(customer) = opt(intent, "customer") else {
            return;
        };
        let is_free = self
            .store
            .get(method)
            .is_some_and(|row| row["customer"].is_null());
        if is_free && !intent["setup_future_usage"].is_null() {
            self.modify(method, |row| row["customer"] = customer.into());
            self.emit("payment_method.attached", method);
        }
    }

    fn begin_debit(&mut self, id: &str, method: &str) -> Paid {
        const SETTLES_AFTER_SECONDS: i64 = 3;
        let charge = self.new_charge(id, method, None);
        self.modify(&charge, |row| {
            row["status"] = "pending".into();
            row["paid"] = false.into();
            row["balance_transaction"] = Value::Null;
        });
        self.emit("charge.pending", &charge);
        self.modify(id, |intent| {
            intent["status"] = "processing".into();
            intent["payment_method_types"] = json!(["sepa_debit"]);
        });
        self.emit("payment_intent.processing", id);
        if self.note(method, "settles") != "on_request" {
            self.wake(self.now + SETTLES_AFTER_SECONDS, id);
        }
        Paid::Later
    }

    /// Settles the bank debit of a payment intent as succeeded or failed.
    pub(super) fn settle_intent(&mut self, id: &str, succeeded: bool) {
        let Some(intent) = self.store.get(id).cloned() else {
            return;
        };
        if status::payment(&intent) != PaymentIntentStatus::Processing {
            return;
        }
        let charge = owned(&intent, "latest_charge");
        let amount = int(&intent, "amount");
        if succeeded {
            let txn = self.balance_entry("charge", &charge, amount, text(&intent, "currency"));
            self.modify(&charge, |row| {
                row["status"] = "succeeded".into();
                row["paid"] = true.into();
                row["balance_transaction"] = txn.into();
            });
            self.emit("charge.succeeded", &charge);
            self.modify(id, |row| {
                row["status"] = "succeeded".into();
                row["amount_received"] = amount.into();
            });
            self.emit("payment_intent.succeeded", id);
            self.invoice_intent_paid(id);
        } else {
            let message = "The customer's bank account could not be debited.";
            self.modify(&charge, |row| {
                row["status"] = "failed".into();
                row["failure_code"] = "payment_method_not_available".into();
                row["failure_message"] = message.into();
                row["captured"] = false.into();
                row["amount_captured"] = 0.into();
            });
            self.emit("charge.failed", &charge);
            let method = owned(&intent, "payment_method");
            let error = ApiError::card("payment_method_provider_decline", "", message);
            let error = self.fail_intent(id, &method, Some(&charge), error);
            self.invoice_attempt_failed(id, &error, Initiator::Schedule);
        }
        self.session_settled(id, succeeded);
    }

    /// Settles a bank debit that has become due, as its payment method determines.
    pub(super) fn intent_due(&mut self, id: &str) {
        let Some(intent) = self.store.get(id) else {
            return;
        };
        if status::payment(intent) == PaymentIntentStatus::RequiresCapture {
            return self.authorization_due(id);
        }
        let fate = self.note(text(intent, "payment_method"), "settles");
        self.settle_intent(id, fate != "fails");
    }

    fn fail_intent(
        &mut self,
        id: &str,
        method: &str,
        charge: Option<&str>,
        mut error: Box<ApiError>,
    ) -> Box<ApiError> {
        if let Some(charge) = charge {
            error = error.with("charge", charge.into());
        }
        if let Some(method) = self.store.get(method).cloned() {
            error = error.with("payment_method", method);
        }
        let problem = error.object();
        self.modify(id, |intent| {
            intent["status"] = "requires_payment_method".into();
            intent["payment_method"] = Value::Null;
            intent["next_action"] = Value::Null;
            intent["last_payment_error"] = problem;
        });
        self.emit("payment_intent.payment_failed", id);
        let intent = self.row(id).clone();
        error.with("payment_intent", intent)
    }

    /// Cancels a payment intent. What it holds is given back.
    pub(super) fn cancel_intent(&mut self, id: &str, reason: Value) {
        let now = self.now;
        let intent = self.row(id).clone();
        if status::payment(&intent) == PaymentIntentStatus::RequiresCapture {
            self.release(text(&intent, "latest_charge"), "charge.refunded");
        }
        self.modify(id, |intent| {
            intent["status"] = "canceled".into();
            intent["canceled_at"] = now.into();
            intent["cancellation_reason"] = reason;
            intent["amount_capturable"] = 0.into();
            intent["next_action"] = Value::Null;
        });
        self.emit("payment_intent.canceled", id);
    }
}
