//! The endpoints of invoices and invoice payments.

use serde_json::{Value, json};
use stripe::objects::{BillingReason, InvoiceStatus};

use super::collection::plan_finalizing;
use super::customers::check_custom_fields;
use super::errors::{Answer, ApiError, refuse_param};
use super::invoice_build::NewInvoice;
use super::invoice_items::INVOICE_ITEMS_MAX;
use super::params::{metadata, only_one_of};
use super::payments::{Initiator, Paid};
use super::status;
use super::time::{DAY, HOUR};
use super::value::{copy, copy_or_null, flag, get, has, int, opt, opt_int, or_null, owned, text};
use super::{Call, Core};

/// `GET /v1/invoices`
pub(super) fn index(core: &mut Core, call: &Call) -> Answer {
    let subscription = opt(&call.params, "subscription");
    core.page(call, "invoice", &["subscription"], |row| {
        subscription.is_none_or(|id| get(row, "parent.subscription_details.subscription") == id)
    })
}

/// `POST /v1/invoices`
pub(super) fn create(core: &mut Core, call: &Call) -> Answer {
    let sent = &call.params;
    let subscription = match opt(sent, "subscription") {
        Some(id) => Some(core.need("subscription", id, "subscription")?),
        None => None,
    };
    let customer = match (opt(sent, "customer"), &subscription) {
        (Some(customer), _) => customer.to_owned(),
        (None, Some(row)) => owned(row, "customer"),
        _ => return Err(ApiError::required("customer")),
    };
    let row = core.need("customer", &customer, "customer[id]")?;
    if let Some(other) = subscription
        .as_ref()
        .filter(|row| text(row, "customer") != customer)
    {
        return Err(core.missing("subscription", text(other, "id"), "subscription"));
    }
    check_due(&json!({}), sent)?;
    check_custom_fields(sent, "custom_fields")?;
    let method = method_from(core, sent, &customer)?;
    let id = subscription.as_ref().map(|row| text(row, "id"));
    // An invoice for a subscription always includes its pending items.
    let includes = match opt(sent, "pending_invoice_items_behavior") {
        Some(word) => word == "include",
        None => subscription.is_some(),
    };
    let lines = if includes {
        let mut pending = core.pending_items(&customer, id);
        pending.truncate(INVOICE_ITEMS_MAX);
        pending
    } else {
        Vec::new()
    };
    let currency = opt(sent, "currency")
        .map(str::to_owned)
        .or_else(|| lines.first().map(|line| line.currency.clone()))
        .or_else(|| opt(&row, "currency").map(str::to_owned))
        .unwrap_or_else(|| "usd".to_owned());
    core.refuse_other_currency(&customer, &currency)?;
    let kept = metadata(&Value::Null, get(sent, "metadata"))?;
    let new = NewInvoice {
        customer: &customer,
        subscription: id,
        reason: BillingReason::Manual,
        currency: &currency,
        lines,
        period: (core.now, core.now),
        advances: flag(sent, "auto_advance"),
    };
    let id = core.store_invoice(&new, |invoice| {
        invoice["metadata"] = kept;
        fill(invoice, sent, method);
    });
    core.set_invoice_terms(&id, sent)?;
    core.emit("invoice.created", &id);
    if let Some(before) = &subscription {
        core.emit_change("customer.subscription.updated", text(before, "id"), before);
    }
    core.wake_draft(&id);
    core.need("invoice", &id, "invoice")
}

/// Refuses a due date for an invoice that is charged automatically, and `send_invoice` without one.
fn check_due(row: &Value, sent: &Value) -> Answer<()> {
    only_one_of(sent, &["days_until_due", "due_date"], "")?;
    let known = opt(row, "collection_method").unwrap_or("charge_automatically");
    let is_sent = opt(sent, "collection_method").unwrap_or(known) == "send_invoice";
    let is_due = has(sent, "due_date") || has(sent, "days_until_due");
    if is_due && !is_sent {
        let message = "You can only specify 'due_date' or 'days_until_due' if invoice collection method is 'send_invoice'.";
        return Err(ApiError::invalid(message));
    }
    if is_sent && !is_due && !has(row, "due_date") {
        let message = "If invoice collection method is 'send_invoice', you must specify 'due_date' or 'days_until_due'.";
        return Err(ApiError::invalid(message));
    }
    Ok(())
}

fn method_from(core: &mut Core, sent: &Value, customer: &str) -> Answer<Option<String>> {
    opt(sent, "default_payment_method")
        .map(|name| core.attached_method(name, customer, "default_payment_method"))
        .transpose()
}

fn fill(row: &mut Value, sent: &Value, method: Option<String>) {
    let texts = [
        "custom_fields",
        "description",
        "effective_at",
        "footer",
        "number",
        "statement_descriptor",
    ];
    copy_or_null(row, sent, &texts);
    copy(
        row,
        sent,
        &["collection_method", "auto_advance", "due_date"],
    );
    if has(sent, "payment_settings") {
        row["payment_settings"]["payment_method_types"] =
            or_null(sent, "payment_settings.payment_method_types");
    }
    if let Some(method) = method {
        row["default_payment_method"] = method.into();
    }
    if text(row, "collection_method") == "charge_automatically" {
        row["due_date"] = Value::Null;
    } else if let Some(days) = opt_int(sent, "days_until_due") {
        row["due_date"] = (int(row, "created") + days * DAY).into();
    }
    let names = [
        "auto_advance",
        "collection_method",
        "automatically_finalizes_at",
    ];
    if status::is_draft(row) && names.iter().any(|name| has(sent, name)) {
        let created = int(row, "created");
        let at = opt_int(sent, "automatically_finalizes_at").map(|at| at - 1);
        plan_finalizing(row, at.unwrap_or(created + HOUR));
    }
}

/// `POST /v1/invoices/{invoice}`: a finalized invoice only takes what does not change its content.
pub(super) fn update(core: &mut Core, call: &Call) -> Answer {
    let before = core.need_path("invoice", call.id(), "invoice")?;
    let sent = &call.params;
    let allowed: &[&str] = match status::invoice(&before) {
        InvoiceStatus::Draft => &[],
        InvoiceStatus::Open | InvoiceStatus::Uncollectible => {
            &["metadata", "auto_advance", "default_payment_method"]
        }
        _ => &["metadata"],
    };
    let mut names = sent.as_object().into_iter().flatten().map(|(name, _)| name);
    if let Some(name) = names.find(|name| !allowed.contains(&name.as_str()))
        && !status::is_draft(&before)
    {
        let message = "Finalized invoices can't be updated in this way";
        return refuse_param("", name, message);
    }
    check_due(&before, sent)?;
    check_custom_fields(sent, "custom_fields")?;
    let method = method_from(core, sent, text(&before, "customer"))?;
    let kind = ("invoice", "invoice");
    let after = core.update(kind, call, &["invoice.updated"], |core, after| {
        fill(after, sent, method);
        core.change_invoice_terms(after, sent)
    })?;
    core.wake_draft(call.id());
    Ok(after)
}

/// `DELETE /v1/invoices/{invoice}`: only drafts can be deleted.
pub(super) fn delete(core: &mut Core, call: &Call) -> Answer {
    let invoice = core.need_path("invoice", call.id(), "invoice")?;
    if !status::is_draft(&invoice) {
        let message = "You can only delete draft invoices.";
        return Err(ApiError::invalid(message));
    }
    if !invoice["parent"].is_null() {
        let message = "You can only delete draft invoices that are not part of a subscription.";
        return Err(ApiError::invalid(message));
    }
    let gone = core.erase("invoice", call.id());
    core.emit_object("invoice.deleted", invoice, None);
    Ok(gone)
}

/// `POST /v1/invoices/{invoice}/finalize`
pub(super) fn finalize(core: &mut Core, call: &Call) -> Answer {
    let invoice = core.need_path("invoice", call.id(), "invoice")?;
    if !status::is_draft(&invoice) {
        let message =
            "This invoice is already finalized, you can't re-finalize a non-draft invoice.";
        return refuse_param("invoice_not_editable", "", message);
    }
    core.need("customer", text(&invoice, "customer"), "customer")?;
    core.need_tax_location(&invoice)?;
    core.modify(call.id(), |row| {
        copy(row, &call.params, &["auto_advance"]);
    });
    core.finalize_invoice(call.id());
    core.need_path("invoice", call.id(), "invoice")
}

/// `POST /v1/invoices/{invoice}/pay`
pub(super) fn pay(core: &mut Core, call: &Call) -> Answer {
    let id = call.id();
    let invoice = core.need("invoice", id, "invoice")?;
    if status::invoice(&invoice) == InvoiceStatus::Paid {
        let message = "Invoice is already paid";
        return Err(ApiError::invalid(message));
    }
    if flag(&call.params, "paid_out_of_band") {
        core.finalize_invoice(id);
        core.pay_outside(id)?;
        return core.need("invoice", id, "invoice");
    }
    let customer = owned(&invoice, "customer");
    let method = match opt(&call.params, "payment_method") {
        Some(name) => Some(core.attached_method(name, &customer, "payment_method")?),
        None => None,
    };
    let by = match get(&call.params, "off_session") {
        Value::Bool(false) => Initiator::Customer,
        _ => Initiator::Merchant,
    };
    if core.pay_invoice(id, method.as_deref(), by)? == Paid::RequiresAction {
        let message = "Payment for this invoice requires additional user action before it can be completed successfully. Payment can be completed using the PaymentIntent associated with the invoice.";
        return Err(ApiError::card(
            "invoice_payment_intent_requires_action",
            "",
            message,
        ));
    }
    core.need("invoice", id, "invoice")
}

/// `POST /v1/invoices/{invoice}/void`
pub(super) fn void(core: &mut Core, call: &Call) -> Answer {
    let invoice = core.need_path("invoice", call.id(), "invoice")?;
    if status::invoice(&invoice) == InvoiceStatus::Paid {
        let message = "Invoices with `paid` payments cannot be voided.";
        return Err(ApiError::invalid(message));
    }
    if !status::is_payable(&invoice) {
        let message = "You can only pass in open invoices. This invoice isn't open.";
        return Err(ApiError::invalid(message));
    }
    core.void_invoice(call.id());
    core.discard_pending(&invoice);
    core.invoice_written_off(call.id());
    core.need_path("invoice", call.id(), "invoice")
}

/// `POST /v1/invoices/{invoice}/mark_uncollectible`
pub(super) fn uncollectible(core: &mut Core, call: &Call) -> Answer {
    let invoice = core.need_path("invoice", call.id(), "invoice")?;
    if status::invoice(&invoice) == InvoiceStatus::Uncollectible {
        let message = "This invoice has already been marked uncollectible.";
        return Err(ApiError::invalid(message));
    }
    if !status::is_open(&invoice) {
        let message = "You can only pass in open invoices. This invoice isn't open.";
        return Err(ApiError::invalid(message));
    }
    core.mark_uncollectible(call.id());
    core.set_delinquent(call.id(), false);
    core.invoice_written_off(call.id());
    core.need_path("invoice", call.id(), "invoice")
}

/// `POST /v1/invoices/{invoice}/send`
pub(super) fn send(core: &mut Core, call: &Call) -> Answer {
    let invoice = core.need_path("invoice", call.id(), "invoice")?;
    let is_sent = text(&invoice, "collection_method") == "send_invoice";
    let can_be_sent = status::is_draft(&invoice) || status::is_open(&invoice);
    if !is_sent || !can_be_sent {
        let message = "This invoice cannot be sent right now. Please contact us via https://support.stripe.com/contact with details, so we can help.";
        return Err(ApiError::invalid(message));
    }
    core.finalize_invoice(call.id());
    core.emit("invoice.sent", call.id());
    core.need_path("invoice", call.id(), "invoice")
}

impl Core {
    /// Schedules the finalizing of a draft.
    fn wake_draft(&mut self, id: &str) {
        if let Some(at) = opt_int(self.row(id), "automatically_finalizes_at") {
            self.wake((at - 1).max(self.now), id);
        }
    }

    /// Marks an open invoice as paid outside of Stripe.
    fn pay_outside(&mut self, id: &str) -> Answer<()> {
        let invoice = self.need("invoice", id, "invoice")?;
        match status::invoice(&invoice) {
            InvoiceStatus::Paid => return Ok(()),
            InvoiceStatus::Open | InvoiceStatus::Uncollectible => {}
            status => {
                let message = format!("This invoice cannot be paid because it is {status}.");
                return Err(ApiError::invalid(message));
            }
        }
        if let Some(intent) = self.invoice_intent(id)
            && status::is_unfinished(self.row(&intent))
        {
            self.cancel_intent(&intent, Value::Null);
        }
        let due = int(&invoice, "amount_remaining");
        self.modify(id, |row| row["amount_paid_off_stripe"] = due.into());
        self.invoice_paid(id, due);
        Ok(())
    }
}
