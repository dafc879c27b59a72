//! The endpoints of invoices and invoice payments.

use serde_json::Value;
use stripe::objects::{BillingReason, InvoiceStatus};

use super::errors::{Answer, ApiError, refuse_param};
use super::invoice_build::NewInvoice;
use super::lists::inner;
use super::params::metadata;
use super::payments::{Initiator, Paid};
use super::status;
use super::time::HOUR;
use super::value::{copy, copy_or_null, flag, get, int, opt, opt_int, owned};
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
    let subscription = opt(sent, "subscription").map(str::to_owned);
    let customer = match (opt(sent, "customer"), &subscription) {
        (Some(customer), _) => customer.to_owned(),
        (None, Some(id)) => owned(&core.need("subscription", id, "subscription")?, "customer"),
        _ => return Err(ApiError::required("customer")),
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
        reason: BillingReason::Manual,
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
    core.set_invoice_terms(&id, sent)?;
    core.need("invoice", &id, "invoice")
}

fn fill(row: &mut Value, sent: &Value) {
    copy_or_null(
        row,
        sent,
        &[
            "description",
            "footer",
            "default_payment_method",
            "due_date",
        ],
    );
    copy(row, sent, &["collection_method", "auto_advance"]);
    if let Some(days) = opt_int(sent, "days_until_due") {
        row["due_date"] = (int(row, "created") + days * 24 * HOUR).into();
    }
}

/// `POST /v1/invoices/{invoice}`
pub(super) fn update(core: &mut Core, call: &Call) -> Answer {
    let kind = ("invoice", "invoice");
    core.update(kind, call, &["invoice.updated"], |core, after| {
        fill(after, &call.params);
        core.change_invoice_terms(after, &call.params)
    })
}

/// `DELETE /v1/invoices/{invoice}`: only drafts can be deleted.
pub(super) fn delete(core: &mut Core, call: &Call) -> Answer {
    let invoice = core.need_path("invoice", call.id(), "invoice")?;
    if !status::is_draft(&invoice) || !invoice["parent"].is_null() {
        let message = "You can only delete draft invoices that are not part of a subscription.";
        return Err(ApiError::invalid(message));
    }
    let gone = core.erase("invoice", call.id());
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
    if !status::is_draft(&invoice) {
        let message =
            "This invoice is already finalized, you can't re-finalize a non-draft invoice.";
        return refuse_param("invoice_not_editable", "", message);
    }
    core.need_tax_location(&invoice)?;
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
        core.modify(id, |row| {
            row["amount_paid_off_stripe"] = row["amount_due"].clone();
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
    if !status::is_payable(&invoice) {
        let message = "You can only pass in open invoices. This invoice isn't open.";
        return Err(ApiError::invalid(message));
    }
    core.void_invoice(call.id());
    core.discard_pending(&invoice);
    core.need_path("invoice", call.id(), "invoice")
}

/// `POST /v1/invoices/{invoice}/mark_uncollectible`
pub(super) fn uncollectible(core: &mut Core, call: &Call) -> Answer {
    let invoice = core.need_path("invoice", call.id(), "invoice")?;
    if !status::is_open(&invoice) {
        let message = "You can only pass in open invoices. This invoice isn't open.";
        return Err(ApiError::invalid(message));
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
