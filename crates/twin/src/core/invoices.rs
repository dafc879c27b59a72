//! Invoices from draft to paid, void or uncollectible. They are built in `invoice_build`; the
//! endpoints are in `invoice_api`.

use serde_json::{Value, json};
use stripe::objects::{InvoiceStatus, PaymentIntentStatus};

use super::Core;
use super::cards;
use super::collection::collect_like;
use super::errors::{Answer, ApiError};
use super::invoice_build::NewInvoice;
use super::payments::{Initiator, NewIntent, Paid};
use super::status;
use super::time::HOUR;
use super::value::{AMOUNT_MAX, get, int, minimum_charge, opt, owned, set, text};

/// Leaves the balance of the customer out of an invoice whose payment was made before.
fn take_no_balance(invoice: &mut Value) {
    let total = invoice["total"].clone();
    invoice["starting_balance"] = 0.into();
    invoice["ending_balance"] = 0.into();
    invoice["amount_due"] = total.clone();
    invoice["amount_remaining"] = total;
}

impl Core {
    /// Creates a draft invoice and emits its event.
    pub(super) fn new_invoice(&mut self, new: &NewInvoice<'_>) -> String {
        let id = self.store_invoice(new, |_| {});
        self.emit("invoice.created", &id);
        id
    }

    /// Creates a draft invoice, with fields of its own. The caller emits its event.
    pub(super) fn store_invoice(
        &mut self,
        new: &NewInvoice<'_>,
        fill: impl FnOnce(&mut Value),
    ) -> String {
        let mut invoice = self.build_invoice(new);
        if let Some(row) = new.subscription.and_then(|one| self.store.get(one)) {
            collect_like(&mut invoice, row);
        }
        fill(&mut invoice);
        self.keep_invoice(invoice, new)
    }

    /// Stores a new draft. The caller emits its event.
    pub(super) fn keep_invoice(&mut self, invoice: Value, new: &NewInvoice<'_>) -> String {
        let id = owned(&invoice, "id");
        self.store.put(&id, invoice);
        if let Some(subscription) = new.subscription {
            self.modify(subscription, |row| {
                row["latest_invoice"] = id.clone().into();
            });
        }
        for draft in &new.lines {
            if let Some(item) = &draft.invoice_item {
                self.modify(item, |row| row["invoice"] = id.clone().into());
            }
        }
        self.remember_debits(&id);
        self.spend_discounts(&id);
        if new.advances {
            self.wake(self.now + HOUR, &id);
        }
        id
    }

    /// Finalizes an invoice: assigns its number and creates its payment intent. An invoice with
    /// nothing to pay is marked as paid immediately.
    pub(super) fn finalize_invoice(&mut self, id: &str) {
        let Some(mut invoice) = self.store.get(id).cloned() else {
            return;
        };
        if !status::is_draft(&invoice) {
            return;
        }
        self.give_up_tax(&mut invoice);
        self.update_totals(&mut invoice);
        let customer = owned(&invoice, "customer");
        let is_prepaid = self.note(id, "prepaid") == true;
        if is_prepaid {
            take_no_balance(&mut invoice);
        } else {
            self.apply_balance(&mut invoice, &customer);
        }
        let token = format!("test_{}", self.rng.text(48));
        let number = self.next_number(&customer);
        let url = format!("{}/i/{token}", self.public_url);
        invoice["hosted_invoice_url"] = url.clone().into();
        invoice["invoice_pdf"] = format!("{url}/pdf").into();
        if invoice["number"].is_null() {
            invoice["number"] = number.into();
        }
        invoice["status"] = "open".into();
        if invoice["effective_at"].is_null() {
            invoice["effective_at"] = self.now.into();
        }
        invoice["automatically_finalizes_at"] = Value::Null;
        set(&mut invoice, "status_transitions.finalized_at", self.now);
        let due = int(&invoice, "amount_due");
        if due == 0 {
            invoice["next_payment_attempt"] = Value::Null;
        }
        let currency = invoice["currency"].clone();
        self.store.put(id, invoice);
        self.remember_debits(id);
        self.store
            .put(&format!("token:{token}"), json!({ "invoice": id }));
        self.set_note(id, "token", token);
        self.emit("invoice.finalized", id);
        self.change_customer(&customer, |row| {
            if row["currency"].is_null() {
                row["currency"] = currency;
            }
        });
        self.await_due_date(id);
        if due == 0 {
            self.invoice_paid(id, 0);
        } else if !is_prepaid {
            self.intent_for_invoice(id);
        }
    }

    /// The number of the customer's next invoice. As recorded from Stripe, no event reports that the
    /// sequence continues.
    fn next_number(&mut self, customer: &str) -> String {
        let row = self.row(customer);
        let sequence = int(row, "next_invoice_sequence");
        let number = format!("{}-{sequence:04}", text(row, "invoice_prefix"));
        if row["deleted"] != true {
            self.modify(customer, |row| {
                row["next_invoice_sequence"] = (sequence + 1).into();
            });
        }
        number
    }

    /// Changes a customer that still exists, and reports it.
    pub(super) fn change_customer(&mut self, id: &str, change: impl FnOnce(&mut Value)) {
        if self.row(id)["deleted"] != true {
            self.modify_and_emit("customer.updated", id, change);
        }
    }

    /// Applies the customer's balance. An amount that Stripe doesn't charge, because it is below the
    /// minimum or above the maximum, is carried over to the next invoice.
    /// <https://docs.stripe.com/billing/customer/balance#types>
    fn apply_balance(&mut self, invoice: &mut Value, customer: &str) {
        let after = int(invoice, "total") + int(invoice, "starting_balance");
        let due = int(invoice, "amount_due");
        let carried_as = if due > AMOUNT_MAX {
            Some("invoice_too_large")
        } else if due > 0 && due < minimum_charge(text(invoice, "currency")) {
            Some("invoice_too_small")
        } else {
            None
        };
        let is_carried = carried_as.is_some();
        let ending = if is_carried || after < 0 { after } else { 0 };
        if is_carried {
            invoice["amount_due"] = 0.into();
            invoice["amount_remaining"] = 0.into();
        }
        invoice["ending_balance"] = ending.into();
        if ending != int(invoice, "starting_balance") {
            self.settle_balance(customer, invoice, carried_as);
        }
    }

    /// The payment intent of an open invoice. It is created if there is none that can be paid.
    pub(super) fn intent_for_invoice(&mut self, id: &str) -> String {
        if let Some(intent) = self.invoice_intent(id)
            && status::payment(self.row(&intent)) != PaymentIntentStatus::Canceled
        {
            return intent;
        }
        let invoice = self.row(id).clone();
        let description = match text(&invoice, "billing_reason") {
            "subscription_create" => "Subscription creation",
            "manual" => "Payment for Invoice",
            _ => "Subscription update",
        };
        let mut members = json!({});
        if text(&invoice, "billing_reason") == "subscription_create" {
            members["setup_future_usage"] = "off_session".into();
        }
        if let Some(method) = self.method_for_invoice(&invoice) {
            members["payment_method"] = method.into();
            members["status"] = "requires_confirmation".into();
        }
        let amount = int(&invoice, "amount_remaining");
        let intent = self.new_intent(NewIntent {
            amount,
            currency: owned(&invoice, "currency"),
            customer: Some(owned(&invoice, "customer")),
            description: description.into(),
            members,
        });
        self.link_intent(id, &intent, amount);
        intent
    }

    /// Makes a payment intent the one that pays an invoice.
    pub(super) fn link_intent(&mut self, id: &str, intent: &str, amount: i64) {
        self.set_note(intent, "invoice", id);
        self.set_note(id, "intent", intent);
        let currency = get(self.row(id), "currency").clone();
        let payment = self.rng.id("inpay");
        let row = json!({
            "id": payment, "object": "invoice_payment", "amount_paid": null,
            "amount_requested": amount, "created": self.now, "currency": currency,
            "invoice": id, "is_default": true, "livemode": false,
            "payment": {"payment_intent": intent, "type": "payment_intent"}, "status": "open",
            "status_transitions": {"canceled_at": null, "paid_at": null},
        });
        self.store.put(&payment, row);
        self.set_note(id, "payment", payment);
    }

    /// The payment intent of an invoice, if it has one.
    pub(super) fn invoice_intent(&self, id: &str) -> Option<String> {
        self.note_text(id, "intent")
    }

    /// The payment method that would pay an invoice.
    pub(super) fn method_for_invoice(&self, invoice: &Value) -> Option<String> {
        if let Some(method) = opt(invoice, "default_payment_method") {
            return Some(method.to_owned());
        }
        let subscription = self.subscription_of(invoice).unwrap_or_default();
        self.default_method(&subscription, text(invoice, "customer"))
    }

    /// The subscription that an invoice belongs to.
    pub(super) fn subscription_of(&self, invoice: &Value) -> Option<Value> {
        self.store
            .get(opt(invoice, "parent.subscription_details.subscription")?)
            .cloned()
    }

    /// Attempts to pay an invoice with the given payment method, or else the default one.
    pub(super) fn pay_invoice(
        &mut self,
        id: &str,
        method: Option<&str>,
        by: Initiator,
    ) -> Answer<Paid> {
        self.finalize_invoice(id);
        let invoice = self.need("invoice", id, "invoice")?;
        match status::invoice(&invoice) {
            InvoiceStatus::Paid => return Ok(Paid::Now),
            InvoiceStatus::Open | InvoiceStatus::Uncollectible => {}
            status => {
                let message = format!("This invoice cannot be paid because it is {status}.");
                return Err(ApiError::invalid(message));
            }
        }
        let intent = self.intent_for_invoice(id);
        let chosen = method
            .map(str::to_owned)
            .or_else(|| self.method_for_invoice(&invoice));
        let Some(method) = chosen else {
            let message = "There is no `default_payment_method` set on this Customer or Invoice. Please create a PaymentMethod and set it as the default.";
            let error = ApiError::bad("missing", "", message);
            if by == Initiator::Schedule {
                self.invoice_attempt_failed(&intent, &error, by);
            }
            return Err(error);
        };
        if by == Initiator::Schedule && self.note(id, "hopeless") == json!(method) {
            return self.count_attempt_without_charge(id, &intent);
        }
        self.confirm_intent(&intent, Some(&method), by)
    }

    /// Counts an attempt without a charge, because the card had a hard decline.
    fn count_attempt_without_charge(&mut self, id: &str, intent: &str) -> Answer<Paid> {
        let code = self.note_text(id, "decline").unwrap_or_default();
        let error = cards::decline(&code);
        self.invoice_attempt_failed(intent, &error, Initiator::Schedule);
        Err(error)
    }

    /// Marks the invoice of a paid payment intent as paid.
    pub(super) fn invoice_intent_paid(&mut self, intent: &str) {
        let Some(id) = self.note_text(intent, "invoice") else {
            return;
        };
        // A bank debit can succeed after its invoice was voided or paid in another way.
        if !status::is_payable(self.row(&id)) {
            return;
        }
        let amount = int(self.row(intent), "amount_received");
        self.invoice_paid(&id, amount);
    }

    /// Marks an invoice as paid by a payment, which is one of nothing if nothing is due.
    pub(super) fn invoice_paid(&mut self, id: &str, amount: i64) {
        self.invoice_settled(id, amount, true);
    }

    /// Marks an invoice as paid, emits the events and updates its subscription.
    pub(super) fn invoice_settled(&mut self, id: &str, amount: i64, is_payment: bool) {
        let now = self.now;
        let is_retried = self.note(id, "is_retried") == true;
        self.modify(id, |invoice| {
            invoice["status"] = "paid".into();
            invoice["amount_paid"] = amount.into();
            invoice["amount_remaining"] = 0.into();
            invoice["attempted"] = true.into();
            let attempts = int(invoice, "attempt_count");
            // After the first attempt only automatic ones count.
            if amount > 0 && (is_retried || attempts == 0) {
                invoice["attempt_count"] = (attempts + 1).into();
            }
            invoice["auto_advance"] = false.into();
            invoice["next_payment_attempt"] = Value::Null;
            set(invoice, "status_transitions.paid_at", now);
        });
        // Both are sent for an invoice of nothing too, such as the first one of a trial
        // (github.com/whisper-money/whisper-money/pull/540, github.com/wpsharks/s2member/issues/396).
        if is_payment {
            self.emit("invoice.payment_succeeded", id);
        }
        self.emit("invoice.paid", id);
        if let Some(payment) = self.note_text(id, "payment")
            && amount > 0
        {
            self.modify(&payment, |row| {
                row["status"] = "paid".into();
                row["amount_paid"] = amount.into();
                set(row, "status_transitions.paid_at", now);
            });
            self.emit("invoice_payment.paid", &payment);
        }
        if amount > 0 {
            self.set_delinquent(id, false);
        }
        let invoice = self.row(id).clone();
        if let Some(subscription) = self.subscription_of(&invoice) {
            self.subscription_paid(text(&subscription, "id"), id);
        }
    }

    /// Counts an attempt whose outcome is not known yet, such as a bank debit: any attempt counts as the
    /// first one, and afterwards automatic ones do (`attempt_count` in Stripe's description).
    pub(super) fn invoice_attempt_began(&mut self, intent: &str, by: Initiator) {
        let Some(id) = self.note_text(intent, "invoice") else {
            return;
        };
        let attempts = int(self.row(&id), "attempt_count");
        let counts = by == Initiator::Schedule || attempts == 0;
        self.set_note(&id, "counted_at_start", counts);
        self.modify(&id, |invoice| {
            invoice["attempted"] = true.into();
            invoice["attempt_count"] = (attempts + i64::from(counts)).into();
        });
    }

    /// Records a failed attempt to pay an invoice, plans the next one and updates the subscription.
    pub(super) fn invoice_attempt_failed(&mut self, intent: &str, error: &ApiError, by: Initiator) {
        let Some(id) = self.note_text(intent, "invoice") else {
            return;
        };
        let Some(before) = self.store.get(&id).cloned() else {
            return;
        };
        let code = error.decline_code.clone().unwrap_or_default();
        let method = get(&Value::Object(error.extra.clone()), "payment_method.id").clone();
        if cards::is_hard(&code) && !method.is_null() {
            self.set_note(&id, "hopeless", method);
            self.set_note(&id, "decline", code.clone());
        }
        let subscription = self.subscription_of(&before);
        let retries = subscription
            .as_ref()
            .is_some_and(|row| self.is_dunned(row, &id));
        let began = self.note(&id, "counted_at_start") == true;
        self.set_note(&id, "counted_at_start", false);
        let counted = int(&before, "attempt_count") - i64::from(began);
        let counts = by == Initiator::Schedule || counted == 0;
        let attempts = if counts { counted + 1 } else { counted };
        let next = if !retries {
            Value::Null
        } else if counts {
            self.next_attempt(attempts)
        } else {
            before["next_payment_attempt"].clone()
        };
        let is_last = retries && counts && next.is_null();
        let is_charged = text(&before, "collection_method") == "charge_automatically";
        let message = error.message.clone();
        self.modify(&id, |invoice| {
            invoice["attempted"] = true.into();
            invoice["attempt_count"] = attempts.into();
            if is_charged {
                invoice["next_payment_attempt"] = next.clone();
                invoice["auto_advance"] = (!next.is_null()).into();
            }
        });
        self.set_note(&id, "last_error", message);
        if let Some(at) = next.as_i64() {
            self.wake(at, &id);
        }
        self.emit("invoice.payment_failed", &id);
        if by == Initiator::Schedule {
            self.set_delinquent(&id, true);
        }
        if code == "authentication_required" {
            self.emit("invoice.payment_action_required", &id);
        }
        self.emit_change("invoice.updated", &id, &before);
        // An invoice that was sent is only unpaid once its due date has passed.
        if let Some(subscription) = subscription
            && is_charged
        {
            self.subscription_unpaid(text(&subscription, "id"), &id, is_last);
        }
    }

    /// Records whether the customer of an invoice owes: since an automatic payment failed or a due
    /// date passed, until an invoice is paid or written off.
    /// <https://docs.stripe.com/api/customers/object#customer_object-delinquent>
    pub(super) fn set_delinquent(&mut self, invoice: &str, owes: bool) {
        let customer = owned(self.row(invoice), "customer");
        self.change_customer(&customer, |row| row["delinquent"] = owes.into());
    }

    /// Records that the payment of an invoice requires the customer to authenticate.
    pub(super) fn invoice_needs_customer(&mut self, intent: &str) {
        let Some(id) = self.note_text(intent, "invoice") else {
            return;
        };
        // Recorded from Stripe: this is an attempt that is not counted.
        self.modify(&id, |invoice| invoice["attempted"] = true.into());
        self.emit("invoice.payment_failed", &id);
        self.emit("invoice.payment_action_required", &id);
    }

    /// Voids an invoice and cancels its payment intent.
    pub(super) fn void_invoice(&mut self, id: &str) {
        let now = self.now;
        if let Some(intent) = self.invoice_intent(id)
            && status::is_unfinished(self.row(&intent))
        {
            self.cancel_intent(&intent, "void_invoice".into());
        }
        let before = self.row(id).clone();
        if status::is_payable(&before) {
            self.unapply_balance(&before);
        }
        self.modify(id, |invoice| {
            invoice["status"] = "void".into();
            invoice["auto_advance"] = false.into();
            invoice["amount_remaining"] = 0.into();
            invoice["next_payment_attempt"] = Value::Null;
            set(invoice, "status_transitions.voided_at", now);
        });
        self.emit("invoice.voided", id);
    }

    /// Marks an open invoice as uncollectible.
    pub(super) fn mark_uncollectible(&mut self, id: &str) {
        let now = self.now;
        self.modify(id, |row| {
            row["status"] = "uncollectible".into();
            row["auto_advance"] = false.into();
            row["next_payment_attempt"] = Value::Null;
            set(row, "status_transitions.marked_uncollectible_at", now);
        });
        self.emit("invoice.marked_uncollectible", id);
    }
}
