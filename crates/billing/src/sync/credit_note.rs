//! Converts Stripe's credit notes to the domain's.

use domain::money::Currency;
use domain::projection::CreditNote;
use stripe::objects;

use crate::sync::at;

/// Converts a credit note of any API version. `None` without an invoice or with an unknown
/// currency.
pub fn read(object: &objects::CreditNote) -> Option<CreditNote> {
    Some(CreditNote {
        id: object.id.clone(),
        invoice_id: object.invoice.id()?.to_owned(),
        number: object.number.clone(),
        status: object.status.clone(),
        amount: object.amount.max(0),
        refunded: object.refunded().max(0),
        out_of_band: object.out_of_band_amount.unwrap_or(0).max(0),
        pre_payment: object.pre_payment().max(0),
        currency: Currency::parse(&object.currency)?,
        reason: object.reason.clone(),
        pdf_url: object.pdf.clone(),
        created_at: at(object.created),
        voided_at: object.voided_at.map(at),
    })
}
