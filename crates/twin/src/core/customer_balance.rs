//! The balance of a customer, and the transactions that changed it.

use serde_json::{Map, Value, json};

use super::errors::{Answer, ApiError};
use super::params::metadata;
use super::value::{copy_or_null, get, int, limited, opt, opt_int, or_null, owned, required, text};
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
    let amount = opt_int(sent, "amount").ok_or_else(|| ApiError::required("amount"))?;
    limited(
        core.balance_in(call.id(), currency) + amount,
        currency,
        "amount",
    )?;
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

    /// The balance of a customer in a currency. An invoice only uses the balance in its own one.
    /// <https://docs.stripe.com/invoicing/multi-currency-customers>
    pub(super) fn balance_in(&self, customer: &str, currency: &str) -> i64 {
        let row = self.row(customer);
        if opt(row, "currency").is_none_or(|own| own == currency) {
            return int(row, "balance");
        }
        int(&self.note(customer, "balances"), currency)
    }

    /// The balances of a customer in all currencies, as expanded customers show them: a credit is
    /// positive.
    pub(super) fn credit_balances(&self, customer: &Value) -> Value {
        let mut shown = Map::new();
        let others = self.note(text(customer, "id"), "balances");
        for (currency, balance) in others.as_object().into_iter().flatten() {
            shown.insert(currency.clone(), json!(-balance.as_i64().unwrap_or(0)));
        }
        if let Some(own) = opt(customer, "currency") {
            shown.insert(own.to_owned(), json!(-int(customer, "balance")));
        }
        shown.retain(|_, balance| *balance != 0);
        Value::Object(shown)
    }

    /// Changes the balance of a customer in a currency and records why. The caller emits the event.
    pub(super) fn change_balance(&mut self, customer: &str, change: &BalanceChange<'_>) -> String {
        let ending = self.balance_in(customer, change.currency) + change.amount;
        let own = opt(self.row(customer), "currency");
        if own.is_none_or(|own| own == change.currency) {
            self.modify(customer, |row| {
                row["balance"] = ending.into();
                row["currency"] = change.currency.into();
            });
        } else {
            let mut others = self.note(customer, "balances");
            others[change.currency] = ending.into();
            self.set_note(customer, "balances", others);
        }
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

    /// Applies the balance of a customer to an invoice that is finalized. What is carried over to
    /// the next invoice, because it cannot be charged, is recorded as a transaction of its own.
    pub(super) fn settle_balance(
        &mut self,
        customer: &str,
        invoice: &Value,
        carried_as: Option<&str>,
    ) {
        let id = owned(invoice, "id");
        let currency = owned(invoice, "currency");
        let starting = int(invoice, "starting_balance");
        let ending = int(invoice, "ending_balance");
        let (applied, carried) = if carried_as.is_some() {
            (-starting, ending)
        } else {
            (ending - starting, 0)
        };
        let before = self.row(customer).clone();
        for (amount, kind) in [
            (applied, "applied_to_invoice"),
            (carried, carried_as.unwrap_or_default()),
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
