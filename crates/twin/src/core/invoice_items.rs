//! Invoice items: their endpoints, and the pending items for the next invoice.

use serde_json::Value;

use super::errors::{Answer, ApiError, refuse_param};
use super::lines::Draft;
use super::params::metadata;
use super::status;
use super::value::{copy, get, has, opt, opt_int, price_amount, required, text};
use super::{Call, Core};

/// `GET /v1/invoiceitems`
pub(super) fn index(core: &mut Core, call: &Call) -> Answer {
    let pending = get(&call.params, "pending").as_bool();
    core.page(call, "invoiceitem", &["pending"], |row| {
        pending.is_none_or(|wanted| row["invoice"].is_null() == wanted)
    })
}

/// `POST /v1/invoiceitems`
pub(super) fn create(core: &mut Core, call: &Call) -> Answer {
    let sent = &call.params;
    let customer = required(sent, "customer")?;
    let row = core.need("customer", customer, "customer[id]")?;
    let quantity = opt_int(sent, "quantity").unwrap_or(1);
    let price = match opt(sent, "pricing.price") {
        Some(id) => core.need("price", id, "pricing[price]")?,
        None if has(sent, "price_data") => {
            let id = core.create_price(get(sent, "price_data"), "price_data")?;
            core.need("price", &id, "price_data")?
        }
        None => Value::Null,
    };
    let amount = match opt_int(sent, "amount") {
        Some(amount) => amount,
        None if !price.is_null() => price_amount(&price, quantity),
        None => return Err(ApiError::required("amount")),
    };
    let currency = opt(&price, "currency")
        .or_else(|| opt(sent, "currency"))
        .or_else(|| opt(&row, "currency"));
    let draft = Draft {
        amount,
        currency: currency.unwrap_or("usd").to_owned(),
        description: opt(sent, "description")
            .map_or_else(|| core.product_name(&price), str::to_owned),
        start: opt_int(sent, "period.start").unwrap_or(core.now),
        end: opt_int(sent, "period.end").unwrap_or(core.now),
        price,
        quantity,
        proration: false,
        item: None,
        subscription: opt(sent, "subscription").map(str::to_owned),
        invoice_item: None,
        metadata: metadata(&Value::Null, get(sent, "metadata"))?,
    };
    let stored = core.store_items(customer, vec![draft]);
    let id = stored[0].invoice_item.clone().unwrap_or_default();
    if let Some(invoice) = opt(sent, "invoice") {
        core.add_line(invoice, &id, &stored[0])?;
    }
    core.need("invoiceitem", &id, "id")
}

/// `POST /v1/invoiceitems/{invoiceitem}`
pub(super) fn update(core: &mut Core, call: &Call) -> Answer {
    core.update(("invoiceitem", "id"), call, &[], |_, after| {
        copy(after, &call.params, &["amount", "description"]);
        after["net_amount"] = after["amount"].clone();
        Ok(())
    })
}

/// `DELETE /v1/invoiceitems/{invoiceitem}`
pub(super) fn delete(core: &mut Core, call: &Call) -> Answer {
    let item = core.need_path("invoiceitem", call.id(), "id")?;
    if !item["invoice"].is_null() {
        let message = "You cannot delete an invoice item that is attached to an invoice.";
        return Err(ApiError::invalid(message));
    }
    let gone = core.erase("invoiceitem", call.id());
    core.emit_object("invoiceitem.deleted", item, None);
    Ok(gone)
}

impl Core {
    /// Adds a stored item to a draft invoice.
    fn add_line(&mut self, invoice: &str, item: &str, draft: &Draft) -> Answer<()> {
        let mut row = self.need("invoice", invoice, "invoice")?;
        if !status::is_draft(&row) {
            let message = "This invoice is no longer editable";
            return refuse_param("invoice_not_editable", "invoice", message);
        }
        let line = draft.line(&mut self.rng, invoice);
        if let Some(lines) = row["lines"]["data"].as_array_mut() {
            lines.push(line);
        }
        self.update_totals(&mut row);
        self.store.put(invoice, row);
        self.modify(item, |row| row["invoice"] = invoice.into());
        Ok(())
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
            .map(|item| {
                let price = self
                    .store
                    .get(text(item, "pricing.price_details.price"))
                    .cloned();
                Draft::from_invoice_item(item, price.unwrap_or_default())
            })
            .collect()
    }

    /// Stores lines as invoice items, emits their events and returns the lines with the ids of
    /// their items.
    pub(super) fn store_items(&mut self, customer: &str, drafts: Vec<Draft>) -> Vec<Draft> {
        drafts
            .into_iter()
            .map(|mut draft| {
                let id = self.rng.id("ii");
                self.store
                    .put(&id, draft.invoice_item(&id, customer, self.now));
                self.emit("invoiceitem.created", &id);
                draft.invoice_item = Some(id);
                draft
            })
            .collect()
    }
}
