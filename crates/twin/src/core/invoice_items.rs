//! Invoice items: their endpoints, and the pending items for the next invoice.

use serde_json::{Value, json};

use super::errors::{Answer, ApiError, refuse_param};
use super::lines::Draft;
use super::lists::{agrees, inner};
use super::params::{inside, metadata};
use super::redemption::Purchase;
use super::status;
use super::value::{copy, flag, get, has, ids, list, opt, opt_int, owned, text};
use super::{Call, Core};

/// The largest number of invoice items of an invoice, beside the lines of its subscription. <https://docs.stripe.com/api/invoiceitems/create>
pub(super) const INVOICE_ITEMS_MAX: usize = 250;

/// `GET /v1/invoiceitems`
pub(super) fn index(core: &mut Core, call: &Call) -> Answer {
    let pending = get(&call.params, "pending").as_bool();
    let created = get(&call.params, "created");
    core.page(call, "invoiceitem", &["pending", "created"], |row| {
        pending.is_none_or(|wanted| row["invoice"].is_null() == wanted)
            && (created.is_null() || agrees(created, get(row, "date")))
    })
}

/// `POST /v1/invoiceitems`
pub(super) fn create(core: &mut Core, call: &Call) -> Answer {
    let invoice = owned(&call.params, "invoice");
    core.on_draft(&invoice, |core| {
        let id = core.new_invoice_item(&call.params, "")?;
        core.need("invoiceitem", &id, "id")
    })
}

/// `POST /v1/invoiceitems/{invoiceitem}`
pub(super) fn update(core: &mut Core, call: &Call) -> Answer {
    let item = core.need_path("invoiceitem", call.id(), "id")?;
    core.on_draft(text(&item, "invoice"), |core| {
        core.change_invoice_item(call.id(), &call.params, "")?;
        core.need_path("invoiceitem", call.id(), "id")
    })
}

/// `DELETE /v1/invoiceitems/{invoiceitem}`
pub(super) fn delete(core: &mut Core, call: &Call) -> Answer {
    let item = core.need_path("invoiceitem", call.id(), "id")?;
    core.on_draft(text(&item, "invoice"), |core| {
        core.delete_invoice_item(&item)
    })
}

/// The invoice item that a line was made from.
fn made_from(line: &Value) -> &str {
    opt(line, "parent.subscription_item_details.invoice_item")
        .or_else(|| opt(line, "parent.invoice_item_details.invoice_item"))
        .unwrap_or("")
}

impl Core {
    /// Does something with an item, and reports the change of its draft invoice, if it has one.
    fn on_draft(&mut self, invoice: &str, work: impl FnOnce(&mut Core) -> Answer) -> Answer {
        let before = self.row(invoice).clone();
        let answer = work(self)?;
        self.emit_change("invoice.updated", invoice, &before);
        Ok(answer)
    }

    /// Deletes an item, and its line on a draft.
    pub(super) fn delete_invoice_item(&mut self, item: &Value) -> Answer {
        let (id, invoice) = (text(item, "id"), text(item, "invoice"));
        let mut draft = self.row(invoice).clone();
        if !draft.is_null() {
            if !status::is_draft(&draft) {
                let message = "Can't delete an invoice item that is attached to an invoice that is no longer editable";
                return Err(ApiError::invalid(message));
            }
            if let Some(lines) = draft["lines"]["data"].as_array_mut() {
                lines.retain(|line| made_from(line) != id);
            }
            self.update_totals(&mut draft);
            self.store.put(invoice, draft);
        }
        let gone = self.erase("invoiceitem", id);
        self.emit_object("invoiceitem.deleted", item.clone(), None);
        Ok(gone)
    }

    /// Creates an invoice item and adds it to its draft invoice, if it names one.
    pub(super) fn new_invoice_item(&mut self, sent: &Value, outer: &str) -> Answer<String> {
        let customer = opt(sent, "customer").ok_or_else(|| ApiError::required("customer"))?;
        let row = self.need("customer", customer, "customer[id]")?;
        if let Some(id) = opt(sent, "subscription") {
            let subscription = self.need("subscription", id, "subscription")?;
            if text(&subscription, "customer") != customer || status::has_ended(&subscription) {
                return Err(self.missing("subscription", id, "subscription"));
            }
        }
        let wanted = opt(sent, "currency");
        let cost = self
            .cost_of_item(sent, &Value::Null, wanted, outer)?
            .ok_or_else(|| ApiError::required(&inside(outer, "amount")))?;
        let currency = opt(&cost.price, "currency")
            .or(wanted)
            .or_else(|| opt(&row, "currency"))
            .unwrap_or("usd")
            .to_owned();
        self.refuse_other_currency(customer, &currency)?;
        let purchase = Purchase {
            customer: customer.to_owned(),
            currency: Some(currency.clone()),
            lines: Some(vec![(owned(&cost.price, "product"), cost.amount)]),
        };
        let holders = [text(sent, "invoice"), text(sent, "subscription")];
        let discounts =
            self.discounts_for(sent, &inside(outer, "discounts"), &purchase, &holders)?;
        let rates = self.tax_rates_in(sent, "tax_rates", &inside(outer, "tax_rates"))?;
        let draft = Draft {
            amount: cost.amount,
            currency,
            description: opt(sent, "description")
                .map_or_else(|| self.product_name(&cost.price), str::to_owned),
            start: opt_int(sent, "period.start").unwrap_or(self.now),
            end: opt_int(sent, "period.end").unwrap_or(self.now),
            price: cost.price,
            unit: cost.unit,
            quantity: cost.quantity,
            subscription: opt(sent, "subscription").map(str::to_owned),
            metadata: metadata(&Value::Null, get(sent, "metadata"))?,
            discountable: get(sent, "discountable").as_bool(),
            discounts: discounts.iter().map(|id| json!(id)).collect(),
            tax_rates: rates,
            tax_behavior: opt(sent, "tax_behavior").map(str::to_owned),
            ..Draft::default()
        };
        let invoice = self.editable_invoice(sent, customer, &draft.currency)?;
        let stored = self.store_items(customer, vec![draft]);
        let id = stored[0].invoice_item.clone().unwrap_or_default();
        if let Some(invoice) = invoice {
            self.add_line(&invoice, &id, &stored[0]);
        }
        Ok(id)
    }

    /// The draft invoice that the parameters name, if they do.
    fn editable_invoice(
        &self,
        sent: &Value,
        customer: &str,
        currency: &str,
    ) -> Answer<Option<String>> {
        let Some(id) = opt(sent, "invoice") else {
            return Ok(None);
        };
        let row = self.need("invoice", id, "invoice")?;
        if text(&row, "customer") != customer {
            return Err(self.missing("invoice", id, "invoice"));
        }
        if !status::is_draft(&row) {
            let message = "This invoice is no longer editable";
            return refuse_param("invoice_not_editable", "invoice", message);
        }
        let items = inner(&row, "lines")
            .iter()
            .filter(|line| !made_from(line).is_empty());
        if items.count() >= INVOICE_ITEMS_MAX {
            let message = format!("An invoice can have at most {INVOICE_ITEMS_MAX} invoice items.");
            return refuse_param("", "invoice", message);
        }
        if flag(&row, "automatic_tax.enabled") && !list(sent, "tax_rates").is_empty() {
            let message =
                "Invoice items with `tax_rates` cannot be added to invoices with automatic tax.";
            return refuse_param("", "tax_rates", message);
        }
        if text(&row, "currency") != currency {
            let message = format!(
                "The currency of the invoice item ({currency}) must be that of the invoice ({}).",
                text(&row, "currency")
            );
            return refuse_param("", "currency", message);
        }
        Ok(Some(id.to_owned()))
    }

    /// Changes an invoice item that is pending or on a draft.
    pub(super) fn change_invoice_item(
        &mut self,
        id: &str,
        sent: &Value,
        outer: &str,
    ) -> Answer<()> {
        let before = self.need("invoiceitem", id, &inside(outer, "invoiceitem"))?;
        let draft = self.row(text(&before, "invoice")).clone();
        if !draft.is_null() && !status::is_draft(&draft) {
            let message = "This invoice item is attached to an invoice that is no longer editable.";
            return refuse_param("invoice_not_editable", "", message);
        }
        let mut after = before.clone();
        let currency = owned(&before, "currency");
        if let Some(cost) = self.cost_of_item(sent, &before, Some(&currency), outer)? {
            after["amount"] = cost.amount.into();
            after["quantity"] = cost.quantity.into();
            after["quantity_decimal"] = cost.quantity.to_string().into();
            let draft = Draft {
                price: cost.price,
                unit: cost.unit,
                ..Draft::default()
            };
            after["pricing"] = draft.pricing();
        }
        copy(&mut after, sent, &["description", "discountable", "period"]);
        if let Some(all) = after.as_object_mut() {
            all.remove("net_amount");
        }
        if !flag(&after, "discountable") {
            after["net_amount"] = after["amount"].clone();
        }
        if has(sent, "discounts") {
            let purchase = Purchase {
                customer: owned(&before, "customer"),
                currency: Some(currency),
                lines: None,
            };
            let named = inside(outer, "discounts");
            let holders = [
                id,
                text(&before, "invoice"),
                text(&before, "parent.subscription_details.subscription"),
            ];
            let discounts = self.discounts_for(sent, &named, &purchase, &holders)?;
            for discount in &discounts {
                self.own_discount(discount, &[("invoice_item", id)]);
            }
            after["discounts"] = discounts.into();
        }
        if has(sent, "tax_rates") {
            let rates = self.tax_rates_in(sent, "tax_rates", &inside(outer, "tax_rates"))?;
            after["tax_rates"] = rates.into();
        }
        after["metadata"] = metadata(&after["metadata"], get(sent, "metadata"))?;
        if let Some(behavior) = opt(sent, "tax_behavior") {
            self.set_note(id, "tax_behavior", behavior);
        }
        self.store.put(id, after);
        if !draft.is_null() {
            self.replace_line(draft, id);
        }
        Ok(())
    }

    /// Adds a stored item to a draft invoice.
    pub(super) fn add_line(&mut self, invoice: &str, item: &str, draft: &Draft) {
        let mut row = self.row(invoice).clone();
        let line = draft.line(&mut self.rng, invoice);
        self.remember_tax(invoice, &[(owned(&line, "id"), draft)]);
        if let Some(lines) = row["lines"]["data"].as_array_mut() {
            lines.push(line);
        }
        self.update_totals(&mut row);
        self.store.put(invoice, row);
        self.modify(item, |row| row["invoice"] = invoice.into());
    }

    /// Updates the line of a changed item on a draft invoice.
    fn replace_line(&mut self, mut invoice: Value, item: &str) {
        let id = owned(&invoice, "id");
        let draft = self.draft_of(item);
        let mut line = draft.line(&mut self.rng, &id);
        let lines = invoice["lines"]["data"]
            .as_array_mut()
            .into_iter()
            .flatten();
        for old in lines.filter(|line| made_from(line) == item) {
            line["id"] = old["id"].clone();
            *old = line.clone();
        }
        self.remember_tax(&id, &[(owned(&line, "id"), &draft)]);
        self.update_totals(&mut invoice);
        self.store.put(&id, invoice);
    }

    /// The line of a stored item.
    fn draft_of(&self, item: &str) -> Draft {
        let row = self.row(item);
        let price = self.row(text(row, "pricing.price_details.price")).clone();
        Draft {
            tax_behavior: self.note_text(item, "tax_behavior"),
            ..Draft::from_invoice_item(row, price)
        }
    }

    /// Adds the pending invoice items of a subscription that are not among the lines yet.
    pub(super) fn add_pending(&self, lines: &mut Vec<Draft>, customer: &str, subscription: &str) {
        let known: Vec<Option<String>> = lines.iter().map(|one| one.invoice_item.clone()).collect();
        let mut waiting = self.pending_items(customer, Some(subscription));
        waiting.retain(|one| !known.contains(&one.invoice_item));
        lines.extend(waiting);
    }

    /// The pending invoice items for the next invoice of a subscription or of the customer.
    pub(super) fn pending_items(&self, customer: &str, subscription: Option<&str>) -> Vec<Draft> {
        self.store
            .by("invoiceitem", "customer", customer)
            .filter(|item| item["invoice"].is_null())
            .filter(|item| {
                let of = opt(item, "parent.subscription_details.subscription");
                of.is_none() || subscription.is_none() || of == subscription
            })
            .map(|item| self.draft_of(text(item, "id")))
            .collect()
    }

    /// Stores lines as invoice items, emits their events and returns the lines with the ids of
    /// their items.
    pub(super) fn store_items(&mut self, customer: &str, drafts: Vec<Draft>) -> Vec<Draft> {
        drafts
            .into_iter()
            .map(|mut draft| {
                let id = self.rng.id("ii");
                let mut row = draft.invoice_item(&id, customer, self.now);
                row["tax_rates"] = self.rows_of(&draft.tax_rates).into();
                draft.tax_rates = ids(&draft.tax_rates);
                self.store.put(&id, row);
                if let Some(behavior) = &draft.tax_behavior {
                    self.set_note(&id, "tax_behavior", behavior.clone());
                }
                for discount in draft.discounts.iter().filter_map(Value::as_str) {
                    self.own_discount(discount, &[("invoice_item", &id)]);
                }
                self.emit("invoiceitem.created", &id);
                self.remember_proration(&draft, &id);
                draft.invoice_item = Some(id);
                draft
            })
            .collect()
    }

    /// The objects with these ids. Objects stay what they are.
    fn rows_of(&self, ids: &[Value]) -> Vec<Value> {
        let row = |one: &Value| {
            one.as_str()
                .map_or_else(|| one.clone(), |id| self.row(id).clone())
        };
        ids.iter().map(row).collect()
    }
}
