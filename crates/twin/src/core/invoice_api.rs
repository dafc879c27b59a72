//! The endpoints of invoices, invoice items, invoice payments and previews, and the hosted invoice page.

use serde_json::{Value, json};

use super::errors::{Answer, ApiError};
use super::invoices::NewInvoice;
use super::lines::Draft;
use super::lists::{inner, matches};
use super::params::metadata;
use super::payments::{By, Paid};
use super::subscriptions::period_end;
use super::time::HOUR;
use super::value::{flag, get, has, int, list, opt, opt_int, or_null, owned, set, text};
use super::{Call, Core, InvoiceView, LineView, PayError, Payment};

/// `GET /v1/invoices`
pub(super) fn index(core: &mut Core, call: &Call) -> Answer {
    let subscription = opt(&call.params, "subscription");
    core.page(call, "invoice", |row| {
        matches(
            &call.params,
            row,
            &["customer", "status", "collection_method"],
        ) && subscription
            .is_none_or(|id| get(row, "parent.subscription_details.subscription") == id)
    })
}

/// `GET /v1/invoices/search`
pub(super) fn search(core: &mut Core, call: &Call) -> Answer {
    core.search(call, "invoice")
}

/// `GET /v1/invoices/{invoice}`
pub(super) fn show(core: &mut Core, call: &Call) -> Answer {
    core.need_path("invoice", call.id(), "invoice")
}

/// `POST /v1/invoices`
pub(super) fn create(core: &mut Core, call: &Call) -> Answer {
    let sent = &call.params;
    let subscription = opt(sent, "subscription").map(str::to_owned);
    let customer = match (opt(sent, "customer"), &subscription) {
        (Some(customer), _) => customer.to_owned(),
        (None, Some(id)) => owned(&core.need("subscription", id, "subscription")?, "customer"),
        _ => return Err(ApiError::required("customer").boxed()),
    };
    let row = core.need("customer", &customer, "customer[id]")?;
    let includes = opt(sent, "pending_invoice_items_behavior") != Some("exclude");
    let lines = if includes {
        core.pending_items(&customer, subscription.as_deref())
    } else {
        Vec::new()
    };
    let currency = lines
        .first()
        .map(|line| line.currency.clone())
        .or_else(|| opt(sent, "currency").map(str::to_owned))
        .or_else(|| opt(&row, "currency").map(str::to_owned))
        .unwrap_or_else(|| "usd".to_owned());
    let id = core.new_invoice(NewInvoice {
        customer: &customer,
        subscription: subscription.as_deref(),
        reason: "manual",
        currency: &currency,
        lines,
        period: (core.now, core.now),
        advances: flag(sent, "auto_advance"),
    });
    let kept = metadata(&Value::Null, get(sent, "metadata"))?;
    core.modify(&id, |row| {
        row["metadata"] = kept;
        fill(row, sent);
    });
    core.need("invoice", &id, "invoice")
}

fn fill(row: &mut Value, sent: &Value) {
    for name in [
        "description",
        "footer",
        "default_payment_method",
        "due_date",
    ] {
        if has(sent, name) {
            row[name] = or_null(sent, name);
        }
    }
    for name in ["collection_method", "auto_advance"] {
        if has(sent, name) {
            row[name] = get(sent, name).clone();
        }
    }
    if let Some(days) = opt_int(sent, "days_until_due") {
        row["due_date"] = (int(row, "created") + days * 24 * HOUR).into();
    }
}

/// `POST /v1/invoices/{invoice}`
pub(super) fn update(core: &mut Core, call: &Call) -> Answer {
    let before = core.need_path("invoice", call.id(), "invoice")?;
    let kept = metadata(&before["metadata"], get(&call.params, "metadata"))?;
    core.modify_and_tell("invoice.updated", call.id(), |row| {
        row["metadata"] = kept;
        fill(row, &call.params);
    });
    core.need_path("invoice", call.id(), "invoice")
}

/// `DELETE /v1/invoices/{invoice}`: drafts only.
pub(super) fn delete(core: &mut Core, call: &Call) -> Answer {
    let invoice = core.need_path("invoice", call.id(), "invoice")?;
    if text(&invoice, "status") != "draft" || !invoice["parent"].is_null() {
        let message = "You can only delete draft invoices that are not part of a subscription.";
        return Err(ApiError::invalid(message).boxed());
    }
    let gone = json!({"id": call.id(), "object": "invoice", "deleted": true});
    core.store.put(call.id(), gone.clone());
    core.emit_object("invoice.deleted", invoice, None);
    Ok(gone)
}

/// `GET /v1/invoices/{invoice}/lines`
pub(super) fn lines(core: &mut Core, call: &Call) -> Answer {
    let invoice = core.need_path("invoice", call.id(), "invoice")?;
    core.page_of(call, "line_item", inner(&invoice, "lines").iter().collect())
}

/// `POST /v1/invoices/{invoice}/finalize`
pub(super) fn finalize(core: &mut Core, call: &Call) -> Answer {
    let invoice = core.need_path("invoice", call.id(), "invoice")?;
    if text(&invoice, "status") != "draft" {
        let message =
            "This invoice is already finalized, you can't re-finalize a non-draft invoice.";
        return Err(ApiError::bad("invoice_not_editable", "", message).boxed());
    }
    core.finalize_invoice(call.id());
    core.need_path("invoice", call.id(), "invoice")
}

/// `POST /v1/invoices/{invoice}/pay`
pub(super) fn pay(core: &mut Core, call: &Call) -> Answer {
    let id = call.id();
    let invoice = core.need("invoice", id, "invoice")?;
    if text(&invoice, "status") == "paid" {
        let message = "Invoice is already paid";
        return Err(ApiError::invalid(message).boxed());
    }
    if flag(&call.params, "paid_out_of_band") {
        core.finalize_invoice(id);
        core.modify(id, |row| {
            row["amount_paid_off_stripe"] = row["amount_due"].clone()
        });
        let due = int(&invoice, "amount_due");
        core.invoice_paid(id, due);
        return core.need("invoice", id, "invoice");
    }
    let customer = owned(&invoice, "customer");
    let method = match opt(&call.params, "payment_method") {
        Some(name) => Some(core.usable_method(name, Some(&customer), "payment_method")?),
        None => None,
    };
    let by = match get(&call.params, "off_session") {
        Value::Bool(false) => By::Customer,
        _ => By::Merchant,
    };
    if core.pay_invoice(id, method.as_deref(), by)? == Paid::NeedsCustomer {
        let message = "Payment for this invoice requires additional user action before it can be completed successfully. Payment can be completed using the PaymentIntent associated with the invoice.";
        return Err(ApiError::card("invoice_payment_intent_requires_action", "", message).boxed());
    }
    core.need("invoice", id, "invoice")
}

/// `POST /v1/invoices/{invoice}/void`
pub(super) fn void(core: &mut Core, call: &Call) -> Answer {
    let invoice = core.need_path("invoice", call.id(), "invoice")?;
    if !matches!(text(&invoice, "status"), "open" | "uncollectible") {
        let message = "You can only pass in open invoices. This invoice isn't open.";
        return Err(ApiError::invalid(message).boxed());
    }
    core.void_invoice(call.id());
    core.give_up_change(&invoice);
    core.need_path("invoice", call.id(), "invoice")
}

/// `POST /v1/invoices/{invoice}/mark_uncollectible`
pub(super) fn uncollectible(core: &mut Core, call: &Call) -> Answer {
    let invoice = core.need_path("invoice", call.id(), "invoice")?;
    if text(&invoice, "status") != "open" {
        let message = "You can only pass in open invoices. This invoice isn't open.";
        return Err(ApiError::invalid(message).boxed());
    }
    core.mark_uncollectible(call.id());
    core.need_path("invoice", call.id(), "invoice")
}

/// `POST /v1/invoices/{invoice}/send`
pub(super) fn send(core: &mut Core, call: &Call) -> Answer {
    core.need_path("invoice", call.id(), "invoice")?;
    core.finalize_invoice(call.id());
    core.emit("invoice.sent", call.id());
    core.need_path("invoice", call.id(), "invoice")
}

/// `GET /v1/invoice_payments`
pub(super) fn payments(core: &mut Core, call: &Call) -> Answer {
    let intent = opt(&call.params, "payment.payment_intent");
    core.page(call, "invoice_payment", |row| {
        matches(&call.params, row, &["invoice", "status"])
            && intent.is_none_or(|id| get(row, "payment.payment_intent") == id)
    })
}

/// `GET /v1/invoice_payments/{invoice_payment}`
pub(super) fn payment(core: &mut Core, call: &Call) -> Answer {
    core.need_path("invoice_payment", call.id(), "id")
}

/// `GET /v1/invoiceitems`
pub(super) fn items(core: &mut Core, call: &Call) -> Answer {
    let pending = get(&call.params, "pending").as_bool();
    core.page(call, "invoiceitem", |row| {
        matches(&call.params, row, &["customer", "invoice"])
            && pending.is_none_or(|wanted| row["invoice"].is_null() == wanted)
    })
}

/// `GET /v1/invoiceitems/{invoiceitem}`
pub(super) fn item(core: &mut Core, call: &Call) -> Answer {
    core.need_path("invoiceitem", call.id(), "id")
}

/// `POST /v1/invoiceitems`
pub(super) fn create_item(core: &mut Core, call: &Call) -> Answer {
    let sent = &call.params;
    let customer = opt(sent, "customer").ok_or_else(|| ApiError::required("customer").boxed())?;
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
        None if !price.is_null() => int(&price, "unit_amount") * quantity,
        None => return Err(ApiError::required("amount").boxed()),
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
pub(super) fn update_item(core: &mut Core, call: &Call) -> Answer {
    let before = core.need_path("invoiceitem", call.id(), "id")?;
    let kept = metadata(&before["metadata"], get(&call.params, "metadata"))?;
    core.modify(call.id(), |row| {
        row["metadata"] = kept;
        for name in ["amount", "description"] {
            if has(&call.params, name) {
                row[name] = get(&call.params, name).clone();
            }
        }
        row["net_amount"] = row["amount"].clone();
    });
    core.need_path("invoiceitem", call.id(), "id")
}

/// `DELETE /v1/invoiceitems/{invoiceitem}`
pub(super) fn delete_item(core: &mut Core, call: &Call) -> Answer {
    let item = core.need_path("invoiceitem", call.id(), "id")?;
    if !item["invoice"].is_null() {
        let message = "You cannot delete an invoice item that is attached to an invoice.";
        return Err(ApiError::invalid(message).boxed());
    }
    let gone = json!({"id": call.id(), "object": "invoiceitem", "deleted": true});
    core.store.put(call.id(), gone.clone());
    core.emit_object("invoiceitem.deleted", item, None);
    Ok(gone)
}

/// `POST /v1/invoices/create_preview`: the next invoice, or what a change would bill.
pub(super) fn preview(core: &mut Core, call: &Call) -> Answer {
    let sent = &call.params;
    let details = get(sent, "subscription_details").clone();
    let Some(id) = opt(sent, "subscription") else {
        return core.preview_new(sent, &details);
    };
    let row = core.need("subscription", id, "subscription")?;
    if matches!(text(&row, "status"), "canceled" | "incomplete_expired") {
        let message = "No upcoming invoices for customer: the subscription is canceled.";
        return Err(ApiError::bad("invoice_upcoming_none", "", message)
            .with_status(404)
            .boxed());
    }
    if flag(&details, "cancel_now") {
        return Ok(core.preview_end(&row, &details));
    }
    let changes = has(&details, "items") || text(&details, "billing_cycle_anchor") == "now";
    if !changes && !has(&details, "trial_end") && flag(&row, "cancel_at_period_end") {
        let message = "No upcoming invoices for customer: the subscription ends with its period.";
        return Err(ApiError::bad("invoice_upcoming_none", "", message)
            .with_status(404)
            .boxed());
    }
    let (lines, reason, period) = core.preview_lines(id, &row, &details, changes)?;
    let mut invoice = core.build_invoice(&NewInvoice {
        customer: text(&row, "customer"),
        subscription: Some(id),
        reason,
        currency: text(&row, "currency"),
        lines,
        period,
        advances: false,
    });
    mark_preview(&mut invoice);
    Ok(invoice)
}

fn mark_preview(invoice: &mut Value) {
    let id = owned(invoice, "id").replacen("in_", "upcoming_in_", 1);
    set(
        invoice,
        "lines.url",
        format!("/v1/invoices/upcoming/lines?invoice={id}"),
    );
    let lines = invoice["lines"]["data"]
        .as_array_mut()
        .into_iter()
        .flatten();
    for line in lines {
        line["invoice"] = id.clone().into();
    }
    invoice["id"] = id.into();
}

impl Core {
    /// Lines, reason and period of a preview for a subscription.
    fn preview_lines(
        &mut self,
        id: &str,
        row: &Value,
        details: &Value,
        changes: bool,
    ) -> Answer<(Vec<Draft>, &'static str, (i64, i64))> {
        let customer = owned(row, "customer");
        let mut after = row.clone();
        let mut lines = Vec::new();
        if changes {
            let change = self.change_from(id, details)?;
            let bill = self.bill_of(row, &change);
            lines.extend(bill.prorations.into_iter().map(|mut draft| {
                // A preview's prorations come from items that do not exist yet.
                draft.invoice_item = Some("ii_preview".to_owned());
                draft
            }));
            if bill.now {
                lines.extend(bill.full);
                lines.extend(self.pending_items(&customer, Some(id)));
                return Ok((lines, "subscription_update", (self.now, self.now)));
            }
            after["items"]["data"] = change.items.into();
        }
        lines.extend(self.pending_items(&customer, Some(id)));
        let first = get(row, "items.data.0");
        let (start, end) = (
            int(first, "current_period_start"),
            int(first, "current_period_end"),
        );
        let next = period_end(row, get(&after, "items.data.0.price"), end);
        lines.extend(self.period_lines(&after, (end, next)));
        Ok((lines, "upcoming", (start, end)))
    }

    /// What the end of a subscription at this moment gives back.
    fn preview_end(&mut self, row: &Value, details: &Value) -> Value {
        let at = opt_int(details, "proration_date").unwrap_or(self.now);
        let is_live = matches!(text(row, "status"), "active" | "past_due");
        let mut lines = Vec::new();
        if is_live && text(details, "proration_behavior") != "none" {
            for item in inner(row, "items") {
                let mut draft = self.rest_of_period(row, item, at, true);
                draft.invoice_item = Some("ii_preview".to_owned());
                lines.push(draft);
            }
        }
        let (customer, id) = (owned(row, "customer"), owned(row, "id"));
        lines.extend(self.pending_items(&customer, Some(&id)));
        let mut invoice = self.build_invoice(&NewInvoice {
            customer: &customer,
            subscription: Some(&id),
            reason: "subscription_update",
            currency: text(row, "currency"),
            lines,
            period: (self.now, self.now),
            advances: false,
        });
        mark_preview(&mut invoice);
        invoice
    }

    /// A preview of a subscription that does not exist yet.
    fn preview_new(&mut self, sent: &Value, details: &Value) -> Answer {
        let customer =
            opt(sent, "customer").ok_or_else(|| ApiError::required("customer").boxed())?;
        self.need("customer", customer, "customer")?;
        let mut lines = self.pending_items(customer, None);
        let none = json!({"metadata": {}});
        let mut currency = opt(sent, "currency").unwrap_or("usd").to_owned();
        for (index, item) in list(details, "items").iter().enumerate() {
            let price =
                self.recurring_price(item, &format!("subscription_details[items][{index}]"))?;
            currency = owned(&price, "currency");
            let quantity = opt_int(item, "quantity").unwrap_or(1);
            let row = self.new_item("", &price, quantity, &json!({}), (self.now, self.now));
            let (interval, count) = super::subscriptions::rhythm(&price);
            let end = super::time::add_interval(self.now, interval, count);
            let mut line = self.period_line(&none, &row, self.now, end);
            line.subscription = None;
            lines.push(line);
        }
        if lines.is_empty() {
            let message = "Nothing to preview: the customer has no pending invoice items.";
            return Err(ApiError::bad("invoice_upcoming_none", "", message)
                .with_status(404)
                .boxed());
        }
        let customer = customer.to_owned();
        let mut invoice = self.build_invoice(&NewInvoice {
            customer: &customer,
            subscription: None,
            reason: "upcoming",
            currency: &currency,
            lines,
            period: (self.now, self.now),
            advances: false,
        });
        mark_preview(&mut invoice);
        Ok(invoice)
    }

    /// Adds a stored item to a draft.
    fn add_line(&mut self, invoice: &str, item: &str, draft: &Draft) -> Answer<()> {
        let mut row = self.need("invoice", invoice, "invoice")?;
        if text(&row, "status") != "draft" {
            let message = "This invoice is no longer editable";
            return Err(ApiError::bad("invoice_not_editable", "invoice", message).boxed());
        }
        let line = draft.line(&mut self.rng, invoice);
        if let Some(lines) = row["lines"]["data"].as_array_mut() {
            lines.push(line);
        }
        self.sum_up(&mut row);
        self.store.put(invoice, row);
        self.modify(item, |row| row["invoice"] = invoice.into());
        Ok(())
    }

    /// Gives an open invoice up.
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

    fn invoice_behind(&self, token_or_id: &str) -> Option<String> {
        if self
            .store
            .get(token_or_id)
            .is_some_and(|row| row["object"] == "invoice")
        {
            return Some(token_or_id.to_owned());
        }
        self.store
            .get(&format!("token:{token_or_id}"))
            .map(|row| owned(row, "invoice"))
    }

    /// An invoice as its hosted page shows it, by its token or its id.
    pub fn invoice_view(&self, token_or_id: &str) -> Option<InvoiceView> {
        let id = self.invoice_behind(token_or_id)?;
        let row = self.store.get(&id).filter(|row| !flag(row, "deleted"))?;
        let intent = self
            .invoice_intent(&id)
            .and_then(|intent| self.store.get(&intent));
        let error = self.note(&id, "last_error").as_str().map(str::to_owned);
        let text_of = |name: &str| opt(row, name).map(str::to_owned);
        Some(InvoiceView {
            token: self.note(&id, "token").as_str().unwrap_or("").to_owned(),
            number: text_of("number"),
            status: text(row, "status").into(),
            created: int(row, "created"),
            lines: inner(row, "lines")
                .iter()
                .map(|line| self.line_view(line))
                .collect(),
            total: int(row, "total"),
            amount_due: int(row, "amount_due"),
            amount_remaining: int(row, "amount_remaining"),
            currency: owned(row, "currency"),
            customer_name: text_of("customer_name"),
            customer_email: text_of("customer_email"),
            last_error: error.filter(|_| text(row, "status") == "open"),
            awaits_authentication: intent
                .is_some_and(|intent| text(intent, "status") == "requires_action"),
            hosted_invoice_url: text_of("hosted_invoice_url"),
            invoice_pdf: text_of("invoice_pdf"),
            id,
        })
    }

    fn line_view(&self, line: &Value) -> LineView {
        let price = self.store.get(text(line, "pricing.price_details.price"));
        LineView {
            description: owned(line, "description"),
            quantity: int(line, "quantity"),
            unit_amount: text(line, "pricing.unit_amount_decimal")
                .parse()
                .unwrap_or(0),
            amount: int(line, "amount"),
            interval: price
                .and_then(|row| opt(row, "recurring.interval"))
                .map(str::to_owned),
            interval_count: price.map_or(1, |row| int(row, "recurring.interval_count").max(1)),
        }
    }

    /// Pays an open invoice on its hosted page. The payment method is saved with the customer.
    pub fn pay_invoice_page(
        &mut self,
        token_or_id: &str,
        payment: Payment,
        now: i64,
    ) -> Result<Value, PayError> {
        self.tick(now);
        let id = self.invoice_behind(token_or_id).ok_or(PayError::NotFound)?;
        let invoice = self.store.get(&id).cloned().ok_or(PayError::NotFound)?;
        if !matches!(text(&invoice, "status"), "open" | "uncollectible") {
            let message = format!("This invoice is {}.", text(&invoice, "status"));
            return Err(PayError::NotPossible(message));
        }
        let customer = owned(&invoice, "customer");
        let paid = self.on_page(|core| {
            let method = core.method_of(&payment)?;
            let can_save = core.test_card(&method).is_none_or(|card| card.attaches);
            if can_save {
                core.attach(&method, &customer, "payment_method")?;
            }
            core.pay_invoice(&id, Some(&method), By::Customer)
        })?;
        self.invoice_answer(&id, paid)
    }

    /// Goes on after the bank's confirmation page for an invoice.
    pub fn authenticate_invoice(
        &mut self,
        token_or_id: &str,
        ok: bool,
        now: i64,
    ) -> Result<Value, PayError> {
        self.tick(now);
        let id = self.invoice_behind(token_or_id).ok_or(PayError::NotFound)?;
        let intent = self.invoice_intent(&id).ok_or(PayError::NotFound)?;
        let paid = self.on_page(|core| core.authenticate_intent(&intent, ok))?;
        self.invoice_answer(&id, paid)
    }

    fn invoice_answer(&self, id: &str, paid: Paid) -> Result<Value, PayError> {
        if paid == Paid::NeedsCustomer {
            return Err(PayError::RequiresAuthentication);
        }
        self.store.get(id).cloned().ok_or(PayError::NotFound)
    }
}
