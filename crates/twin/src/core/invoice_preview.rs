//! Previews of invoices: the next invoice, or what a change would bill.

use serde_json::{Value, json};
use stripe::objects::BillingReason;

use super::behavior::ProrationBehavior;
use super::errors::{Answer, ApiError};
use super::invoice_build::NewInvoice;
use super::lines::Draft;
use super::lists::inner;
use super::status;
use super::subscriptions::period_end;
use super::value::{flag, get, has, list, opt, opt_int, owned, period, required, set, text};
use super::{Call, Core};

/// `POST /v1/invoices/create_preview`: the next invoice, or what a change would bill.
pub(super) fn preview(core: &mut Core, call: &Call) -> Answer {
    let sent = &call.params;
    let details = get(sent, "subscription_details").clone();
    let Some(id) = opt(sent, "subscription") else {
        return core.preview_new(sent, &details);
    };
    let row = core.need("subscription", id, "subscription")?;
    if status::has_ended(&row) {
        let message = "No upcoming invoices for customer: the subscription is canceled.";
        return Err(ApiError::bad("invoice_upcoming_none", "", message).with_status(404));
    }
    if flag(&details, "cancel_now") {
        return Ok(core.preview_end(&row, &details));
    }
    let changes = has(&details, "items") || text(&details, "billing_cycle_anchor") == "now";
    if !changes && !has(&details, "trial_end") && flag(&row, "cancel_at_period_end") {
        let message = "No upcoming invoices for customer: the subscription ends with its period.";
        return Err(ApiError::bad("invoice_upcoming_none", "", message).with_status(404));
    }
    let (lines, reason, period) = core.preview_lines(id, &row, &details, changes)?;
    let mut invoice = core.build_invoice(&NewInvoice {
        period,
        ..NewInvoice::of(&row, reason, lines, core.now)
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
    /// The lines, reason and period of a preview for a subscription.
    fn preview_lines(
        &mut self,
        id: &str,
        row: &Value,
        details: &Value,
        changes: bool,
    ) -> Answer<(Vec<Draft>, BillingReason, (i64, i64))> {
        let customer = owned(row, "customer");
        let mut after = row.clone();
        let mut lines = Vec::new();
        if changes {
            let change = self.change_from(id, details)?;
            let bill = self.bill_for(row, &change);
            lines.extend(bill.prorations.into_iter().map(|mut draft| {
                // The prorations of a preview come from invoice items that don't exist yet.
                draft.invoice_item = Some("ii_preview".to_owned());
                draft
            }));
            if bill.now {
                lines.extend(bill.full);
                lines.extend(self.pending_items(&customer, Some(id)));
                return Ok((
                    lines,
                    BillingReason::SubscriptionUpdate,
                    (self.now, self.now),
                ));
            }
            after["items"]["data"] = change.items.into();
        }
        lines.extend(self.pending_items(&customer, Some(id)));
        let first = get(row, "items.data.0");
        let (start, end) = period(first);
        let next = period_end(row, get(&after, "items.data.0.price"), end);
        lines.extend(self.period_lines(&after, (end, next)));
        Ok((lines, BillingReason::Upcoming, (start, end)))
    }

    /// A preview of the credit for canceling a subscription now.
    fn preview_end(&mut self, row: &Value, details: &Value) -> Value {
        let at = opt_int(details, "proration_date").unwrap_or(self.now);
        let is_creditable = status::is_creditable(row);
        let mut lines = Vec::new();
        if is_creditable && ProrationBehavior::from_params(details) != ProrationBehavior::None {
            for item in inner(row, "items") {
                let mut draft = self.rest_of_period(row, item, at, true);
                draft.invoice_item = Some("ii_preview".to_owned());
                lines.push(draft);
            }
        }
        let (customer, id) = (owned(row, "customer"), owned(row, "id"));
        lines.extend(self.pending_items(&customer, Some(&id)));
        let mut invoice = self.build_invoice(&NewInvoice::of(
            row,
            BillingReason::SubscriptionUpdate,
            lines,
            self.now,
        ));
        mark_preview(&mut invoice);
        invoice
    }

    /// A preview of a subscription that does not exist yet.
    fn preview_new(&mut self, sent: &Value, details: &Value) -> Answer {
        let customer = required(sent, "customer")?;
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
            let (interval, count) = super::subscriptions::billing_interval(&price);
            let end = super::time::add_interval(self.now, interval, count);
            let mut line = self.period_line(&none, &row, self.now, end);
            line.subscription = None;
            lines.push(line);
        }
        if lines.is_empty() {
            let message = "Nothing to preview: the customer has no pending invoice items.";
            return Err(ApiError::bad("invoice_upcoming_none", "", message).with_status(404));
        }
        let customer = customer.to_owned();
        let mut invoice = self.build_invoice(&NewInvoice {
            customer: &customer,
            subscription: None,
            reason: BillingReason::Upcoming,
            currency: &currency,
            lines,
            period: (self.now, self.now),
            advances: false,
        });
        mark_preview(&mut invoice);
        Ok(invoice)
    }
}
