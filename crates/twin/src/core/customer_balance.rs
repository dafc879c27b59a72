//! The balance of a customer, and the transactions that changed it.

use serde_json::{Value, json};

use super::errors::{Answer, ApiError, refuse_param};
use super::params::metadata;
use super::value::{
    AMOUNT_MAX, copy_or_null, get, int, opt, opt_int, or_null, owned, required, text,
};
use super::{Call, Core};

const KIND: &str = "customer_balance_transaction";

/// A change of a balance.
#[derive(Default)]
pub(super) struct BalanceChange<'a> {
    /// Negative amounts are credits.
    pub(super) amount: i64,
    /// Why it changed: `adjustment`, `applied_to_invoice`, `credit_note`, ...
    pub(super) kind: &'a str,
    pub(super) currency: &'a str,
    /// The invoice and the credit note that caused it, if they did.
    pub(super) invoice: Option<&'a str>,
    pub(super) credit_note: Option<&'a str>,
}

/// `GET /v1/customers/{customer}/balance_transactions`
pub(super) fn index(core: &mut Core, call: &Call) -> Answer {
    core.need_path("customer", call.id(), "customer")?;
    core.page_in(call, KIND, ("customer", call.id()), |_| true)
}

/// `POST /v1/customers/{customer}/balance_transactions`
pub(super) fn create(core: &mut Core, call: &Call) -> Answer {
    let customer = core.need_path("customer", call.id(), "customer")?;
    let sent = &call.params;
    let currency = required(sent, "currency")?;
    if opt(&customer, "currency").is_some_and(|own| own != currency) {
        let message = format!(
            "The customer's balance is in {}, so it cannot be changed by an amount in {currency}.",
            text(&customer, "currency")
        );
        return refuse_param("", "currency", message);
    }
    let amount = opt_int(sent, "amount").ok_or_else(|| ApiError::required("amount"))?;
    if (int(&customer, "balance") + amount).abs() > AMOUNT_MAX {
        let message = "The customer's balance must be no more than $999,999.99";
        return refuse_param("amount_too_large", "amount", message);
    }
    let kept = metadata(&Value::Null, get(sent, "metadata"))?;
    let id = core.change_balance(
        call.id(),
        &BalanceChange {
            amount,
            kind: "adjustment",
            currency,
            ..BalanceChange::default()
        },
    );
    core.modify(&id, |row| {
        row["description"] = or_null(sent, "description");
        row["metadata"] = kept;
    });
    core.emit_change("customer.updated", call.id(), &customer);
    core.need(KIND, &id, "id")
}

/// `GET /v1/customers/{customer}/balance_transactions/{transaction}`
pub(super) fn show(core: &mut Core, call: &Call) -> Answer {
    core.transaction_in(call)
}

/// `POST /v1/customers/{customer}/balance_transactions/{transaction}`
pub(super) fn update(core: &mut Core, call: &Call) -> Answer {
    let mut row = core.transaction_in(call)?;
    copy_or_null(&mut row, &call.params, &["description"]);
    row["metadata"] = metadata(&row["metadata"], get(&call.params, "metadata"))?;
    core.store.put(&owned(&row, "id"), row);
    core.transaction_in(call)
}

impl Core {
    fn transaction_in(&self, call: &Call) -> Answer {
        self.need_path("customer", call.id(), "customer")?;
        let id = call.ids.last().map_or("", String::as_str);
        let row = self.need_path(KIND, id, "transaction")?;
        if text(&row, "customer") != call.id() {
            return Err(self.missing(KIND, id, "transaction").with_status(404));
        }
        Ok(row)
    }

    /// Changes the balance of a customer and records why. The caller emits the event.
    pub(super) fn change_balance(&mut self, customer: &str, change: &BalanceChange<'_>) -> String {
        let ending = int(self.row(customer), "balance") + change.amount;
        self.modify(customer, |row| {
            row["balance"] = ending.into();
            if row["currency"].is_null() {
                row["currency"] = change.currency.into();
            }
        });
        let id = self.rng.id("cbtxn");
        let row = json!({
            "id": id, "object": KIND, "amount": change.amount, "checkout_session": null,
            "created": self.now, "credit_note": change.credit_note, "currency": change.currency,
            "customer": customer, "customer_account": null, "description": null,
            "ending_balance": ending, "invoice": change.invoice, "livemode": false, "metadata": {},
            "type": change.kind,
        });
        self.store.put(&id, row);
        id
    }

    /// Sets the balance that the parameters of a customer say, and records the difference.
    pub(super) fn set_balance(&mut self, customer: &str, sent: &Value, kind: &str) {
        let Some(balance) = opt_int(sent, "balance") else {
            return;
        };
        let row = self.row(customer);
        let amount = balance - int(row, "balance");
        let currency = opt(row, "currency").unwrap_or("usd").to_owned();
        if amount != 0 {
            self.change_balance(
                customer,
                &BalanceChange {
                    amount,
                    kind,
                    currency: &currency,
                    ..BalanceChange::default()
                },
            );
        }
    }

    /// Applies the balance of a customer to an invoice that is finalized. What is too small to be
    /// charged, or negative, is carried over to the next invoice.
    pub(super) fn settle_balance(&mut self, customer: &str, invoice: &Value, too_small: bool) {
        let id = owned(invoice, "id");
        let currency = owned(invoice, "currency");
        let starting = int(invoice, "starting_balance");
        let ending = int(invoice, "ending_balance");
        let (applied, carried) = if too_small {
            (-starting, ending)
        } else {
            (ending - starting, 0)
        };
        let before = self.row(customer).clone();
        for (amount, kind) in [
            (applied, "applied_to_invoice"),
            (carried, "invoice_too_small"),
        ] {
            if amount != 0 {
                self.change_balance(
                    customer,
                    &BalanceChange {
                        amount,
                        kind,
                        currency: &currency,
                        invoice: Some(&id),
                        credit_note: None,
                    },
                );
            }
        }
        self.emit_change("customer.updated", customer, &before);
    }

    /// Gives back the balance that was applied to an invoice that is voided.
    pub(super) fn unapply_balance(&mut self, invoice: &Value) {
        let Some(ending) = opt_int(invoice, "ending_balance") else {
            return;
        };
        let amount = int(invoice, "starting_balance") - ending;
        if amount == 0 {
            return;
        }
        let customer = owned(invoice, "customer");
        let before = self.row(&customer).clone();
        let currency = owned(invoice, "currency");
        let id = owned(invoice, "id");
        self.change_balance(
            &customer,
            &BalanceChange {
                amount,
                kind: "unapplied_from_invoice",
                currency: &currency,
                invoice: Some(&id),
                credit_note: None,
            },
        );
        self.emit_change("customer.updated", &customer, &before);
    }
}
