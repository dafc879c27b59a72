//! Converts Stripe's invoices to the domain's.

use domain::money::Currency;
use domain::projection::{Invoice, InvoiceStatus};
use stripe::objects;
use stripe::objects::PaymentIntentStatus;

use crate::app::App;
use crate::error::Result;
use crate::sync::at;
use crate::sync::meaning::Meaning;

/// Looks at the payment of an open invoice, for what the invoice itself doesn't say: whether it
/// requires the cardholder's authentication, and whether the last attempt, such as a bank debit, is
/// still in progress. Stripe counts such an attempt when it begins; it hasn't failed.
pub async fn look_at_payment(app: &App, invoice: &mut Invoice) -> Result<()> {
    let Some(payment) = invoice.payment_intent.as_deref() else {
        return Ok(());
    };
    if invoice.status() == Some(InvoiceStatus::Open) {
        let payment = app.stripe.retrieve_payment_intent(payment).await?;
        invoice.needs_confirmation = payment.status == PaymentIntentStatus::RequiresAction;
        if payment.status == PaymentIntentStatus::Processing {
            invoice.attempt_count = (invoice.attempt_count - 1).max(0);
        }
    }
    Ok(())
}

/// The line of the plan itself, not a proration or an add-on. If there are only prorations, the
/// line of the new plan; the credit for the old plan's unused time has a negative amount.
fn plan_line<'a>(
    object: &'a objects::Invoice,
    meaning: &Meaning,
) -> Option<&'a objects::InvoiceLine> {
    let among = |wanted: &dyn Fn(&objects::InvoiceLine) -> bool| {
        let lines = object.lines.data.iter().rev();
        let lines: Vec<_> = lines.filter(|line| wanted(line)).collect();
        let prices: Vec<_> = lines.iter().map(|line| line.price()).collect();
        let plan = meaning.plan(prices.iter().map(|price| price.id()))?;
        Some(lines[plan])
    };
    among(&|line| !line.is_proration())
        .or_else(|| among(&|line| line.amount > 0))
        .or(object.lines.data.last())
}

/// Converts an invoice of any API version. `None` for a preview or an unknown currency.
pub fn read(object: &objects::Invoice, meaning: &Meaning) -> Option<Invoice> {
    let status = object.status.as_ref()?;
    let line = plan_line(object, meaning);
    // Stripe takes the customer's balance off a draft's amount already, which pays only when the draft
    // is finalized; until then, nothing of it is paid.
    let due = match status {
        objects::InvoiceStatus::Draft => object.total,
        _ => object.amount_due,
    };
    Some(Invoice {
        id: object.id.clone(),
        number: object.number.clone(),
        status: status.as_str().to_owned(),
        billing_reason: object
            .billing_reason
            .as_ref()
            .map_or_else(String::new, |reason| reason.as_str().to_owned()),
        subscription_id: object.subscription().id().map(str::to_owned),
        payment_intent: object.payment_intent().id().map(str::to_owned),
        amount_due: due.max(0),
        amount_paid: object.amount_paid.max(0),
        total: object.total.max(0),
        discount: object.discount().max(0),
        tax: object.tax().max(0),
        currency: Currency::parse(&object.currency)?,
        created_at: at(object.created),
        paid_at: object.paid_at().map(at),
        attempt_count: object.attempt_count,
        next_payment_attempt: object.next_payment_attempt.map(at),
        needs_confirmation: false,
        period: line
            .and_then(|line| line.period.as_ref())
            .map(|period| (at(period.start), at(period.end))),
        is_proration: line.is_some_and(objects::InvoiceLine::is_proration),
        price_id: line.and_then(|line| line.price().id()).map(str::to_owned),
        hosted_url: object.hosted_invoice_url.clone(),
        pdf_url: object.invoice_pdf.clone(),
    })
}

/// The payment intents that paid an invoice, also in parts.
pub fn payments_of(invoice: &objects::Invoice) -> impl Iterator<Item = &str> {
    let parts = invoice.payments.iter().flat_map(|list| &list.data);
    let parts = parts.filter_map(|part| part.payment.payment_intent.id());
    parts.chain(invoice.payment_intent().id())
}
