//! The hosted invoice page: what it shows and how an invoice is paid there.

use serde_json::Value;

use super::lists::inner;
use super::payments::{Initiator, Paid};
use super::status;
use super::taxes::sum_of;
use super::value::{flag, get, int, list, opt, owned, rounded_price, text};
use super::{Core, InvoiceView, LineView, PayError, Payment};

impl Core {
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

    /// The invoice as its hosted page shows it, by its token or id.
    pub fn invoice_view(&self, token_or_id: &str) -> Option<InvoiceView> {
        let id = self.invoice_behind(token_or_id)?;
        let row = self.store.get(&id).filter(|row| !flag(row, "deleted"))?;
        let intent = self
            .invoice_intent(&id)
            .and_then(|intent| self.store.get(&intent));
        let error = self.note_text(&id, "last_error");
        let text_of = |name: &str| opt(row, name).map(str::to_owned);
        Some(InvoiceView {
            token: self.note_text(&id, "token").unwrap_or_default(),
            number: text_of("number"),
            status: status::invoice(row),
            created: int(row, "created"),
            lines: inner(row, "lines")
                .iter()
                .map(|line| self.line_view(line))
                .collect(),
            discount: list(row, "total_discount_amounts")
                .iter()
                .map(|one| int(one, "amount"))
                .sum(),
            tax: sum_of(list(row, "total_taxes"), "exclusive"),
            included_tax: sum_of(list(row, "total_taxes"), "inclusive"),
            total: int(row, "total"),
            amount_due: int(row, "amount_due"),
            amount_remaining: int(row, "amount_remaining"),
            currency: owned(row, "currency"),
            customer_name: text_of("customer_name"),
            customer_email: text_of("customer_email"),
            last_error: error.filter(|_| status::is_open(row)),
            awaits_authentication: intent.is_some_and(status::awaits_authentication),
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
            unit_amount: rounded_price(get(line, "pricing")),
            amount: int(line, "amount"),
            interval: price
                .and_then(|row| opt(row, "recurring.interval"))
                .map(str::to_owned),
            interval_count: price.map_or(1, |row| int(row, "recurring.interval_count").max(1)),
        }
    }

    /// Pays an open invoice on its hosted page. The payment method is attached to the customer.
    pub fn pay_invoice_page(
        &mut self,
        token_or_id: &str,
        payment: Payment,
        now: i64,
    ) -> Result<Value, PayError> {
        self.tick(now);
        let id = self.invoice_behind(token_or_id).ok_or(PayError::NotFound)?;
        let invoice = self.shown(&id)?;
        if !status::is_payable(&invoice) {
            let message = format!("This invoice is {}.", text(&invoice, "status"));
            return Err(PayError::NotPossible(message));
        }
        let customer = owned(&invoice, "customer");
        let paid = self.on_page(&id, |core| {
            let method = core.method_of(&payment)?;
            let can_save = core.test_card(&method).is_none_or(|card| card.attaches);
            if can_save {
                core.attach(&method, &customer, "payment_method")?;
            }
            core.pay_invoice(&id, Some(&method), Initiator::Customer)
        })?;
        self.invoice_answer(&id, paid)
    }

    /// Continues the payment of an invoice after the customer has authenticated or failed to.
    pub fn authenticate_invoice(
        &mut self,
        token_or_id: &str,
        ok: bool,
        now: i64,
    ) -> Result<Value, PayError> {
        self.tick(now);
        let id = self.invoice_behind(token_or_id).ok_or(PayError::NotFound)?;
        let intent = self.invoice_intent(&id).ok_or(PayError::NotFound)?;
        let paid = self.on_page(&id, |core| core.authenticate_intent(&intent, ok))?;
        self.invoice_answer(&id, paid)
    }

    fn invoice_answer(&self, id: &str, paid: Paid) -> Result<Value, PayError> {
        if paid == Paid::RequiresAction {
            return Err(PayError::RequiresAuthentication);
        }
        self.shown(id)
    }
}
