//! Stripe's types of payment methods that pay in some currencies only
//! (<https://docs.stripe.com/payments/payment-methods/payment-method-support>).

use crate::money::Currency;

/// Bank debits, their names, and the currencies that they pay in.
const DEBITS: [(&str, &str, &[&str]); 6] = [
    ("acss_debit", "pre-authorized debit", &["cad", "usd"]),
    ("au_becs_debit", "BECS bank debit", &["aud"]),
    ("bacs_debit", "Bacs bank debit", &["gbp"]),
    ("nz_bank_account", "New Zealand bank debit", &["nzd"]),
    ("sepa_debit", "SEPA bank debit", &["eur"]),
    ("us_bank_account", "US bank debit", &["usd"]),
];

/// Whether a payment method of this type can pay in a currency, as far as its type says.
pub fn can_pay(kind: &str, currency: Currency) -> bool {
    let debit = DEBITS.iter().find(|debit| debit.0 == kind);
    debit.is_none_or(|debit| debit.2.contains(&currency.code()))
}

/// The name of a type of payment methods, in a sentence.
pub fn name_of(kind: &str) -> &'static str {
    let debit = DEBITS.iter().find(|debit| debit.0 == kind);
    debit.map_or("payment method", |debit| debit.1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bank_debit_pays_in_its_own_currency_only_and_a_card_in_any() {
        let euro = Currency::parse("eur").unwrap();

        assert!(can_pay("sepa_debit", euro));
        assert!(!can_pay("sepa_debit", Currency::USD));
        assert!(!can_pay("us_bank_account", euro));
        assert!(can_pay("card", euro) && can_pay("card", Currency::USD));
        assert_eq!(name_of("sepa_debit"), "SEPA bank debit");
    }
}
