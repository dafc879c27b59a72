//! The card form shared by Checkout, the portal and invoices.

use std::collections::HashMap;

use super::FormError;
use crate::core::{Payment, is_email};

/// The test card numbers and their outcomes, as the pages list them.
pub(crate) const TEST_CARDS: [(&str, &str); 12] = [
    ("4242 4242 4242 4242", "Succeeds"),
    ("5555 5555 5555 4444", "Succeeds (Mastercard)"),
    ("4000 0000 0000 0002", "Declined"),
    ("4000 0000 0000 9995", "Declined: insufficient funds"),
    ("4000 0000 0000 0069", "Declined: expired card"),
    ("4000 0000 0000 0127", "Declined: wrong security code"),
    (
        "4000 0000 0000 0341",
        "Can be saved, but every charge is declined",
    ),
    (
        "4000 0025 0000 3155",
        "Requires authentication (3D Secure) the first time",
    ),
    ("4000 0027 6000 3184", "Requires authentication every time"),
    (
        "4000 0084 0000 1629",
        "Requires authentication, then is declined",
    ),
    (
        "4000 0000 0000 0259",
        "Succeeds, then is disputed as fraudulent",
    ),
    (
        "4000 0000 0000 2685",
        "Succeeds, then is disputed as not received",
    ),
];

/// The last expiration year that the form accepts.
const LATEST_YEAR: i64 = 2099;

/// One field of the form as the template shows it.
#[derive(Debug, Clone)]
pub(crate) struct Field {
    pub name: &'static str,
    pub label: &'static str,
    pub kind: &'static str,
    pub autocomplete: &'static str,
    pub inputmode: &'static str,
    pub length_max: u32,
    pub value: String,
    pub error: String,
    pub starts_pair: bool,
    pub ends_pair: bool,
    /// Whether only a payment by card needs it.
    pub is_card: bool,
}

/// The values that the user entered.
#[derive(Debug, Clone, Default)]
pub(crate) struct CardForm {
    values: HashMap<String, String>,
    asks_email: bool,
}

impl CardForm {
    /// An empty form. It asks for an email address if the customer's is not known yet.
    pub fn empty(asks_email: bool) -> Self {
        Self {
            values: HashMap::new(),
            asks_email,
        }
    }

    /// Reads a posted form.
    pub fn read(body: &[u8], asks_email: bool) -> Self {
        let values = form_urlencoded::parse(body).into_owned().collect();
        Self { values, asks_email }
    }

    /// The trimmed value of a field.
    pub fn value(&self, name: &str) -> &str {
        self.values.get(name).map_or("", |value| value.trim())
    }

    /// Whether the customer chose bank debit instead of a card.
    pub fn is_delayed(&self) -> bool {
        self.value("method") == "delayed"
    }

    /// The error of the email address, if the form asks for one and it is invalid.
    pub fn email_errors(&self) -> Vec<FormError> {
        if self.asks_email && !is_email(self.value("email")) {
            let text = "Enter an email address such as ada@example.com.";
            return vec![about("email", text)];
        }
        Vec::new()
    }

    /// Validates the form and returns the payment or the errors. `now` is the billing clock's time.
    pub fn payment(&self, now: i64) -> Result<Payment, Vec<FormError>> {
        let mut errors = self.email_errors();
        if self.is_delayed() {
            return if errors.is_empty() {
                Ok(Payment::Delayed)
            } else {
                Err(errors)
            };
        }
        let number: String = self
            .value("number")
            .chars()
            .filter(|c| !matches!(c, ' ' | '-'))
            .collect();
        if !is_card_number(&number) {
            errors.push(about("number", "Your card number is invalid."));
        }
        let expiration = expiration_in(self.value("exp"));
        match expiration {
            None => errors.push(about(
                "exp",
                "Enter the expiration date as MM / YY, for example 12 / 34.",
            )),
            Some((month, year)) if is_past(month, year, now) => {
                errors.push(about("exp", "Your card's expiration date is in the past."));
            }
            Some(_) => {}
        }
        let cvc = self.value("cvc");
        if !(3..=4).contains(&cvc.len()) || !cvc.bytes().all(|byte| byte.is_ascii_digit()) {
            errors.push(about(
                "cvc",
                "Enter the three or four digits of your card's CVC.",
            ));
        }
        if self.value("name").is_empty() {
            errors.push(about("name", "Enter the name on the card."));
        }
        match expiration {
            Some((exp_month, exp_year)) if errors.is_empty() => Ok(Payment::Card {
                number,
                exp_month,
                exp_year,
                cvc: cvc.to_owned(),
            }),
            _ => Err(errors),
        }
    }

    /// The fields with the entered values and their errors.
    pub fn fields(&self, errors: &[FormError]) -> Vec<Field> {
        let field = |name, label, autocomplete, inputmode, length_max| Field {
            name,
            label,
            kind: if name == "email" { "email" } else { "text" },
            autocomplete,
            inputmode,
            length_max,
            value: self.value(name).to_owned(),
            error: errors
                .iter()
                .find(|error| error.field == name)
                .map(|error| error.text.clone())
                .unwrap_or_default(),
            starts_pair: name == "exp",
            ends_pair: name == "cvc",
            is_card: name != "email",
        };
        let mut fields = Vec::new();
        if self.asks_email {
            fields.push(field("email", "Email", "email", "email", 254));
        }
        fields.push(field("number", "Card number", "cc-number", "numeric", 30));
        fields.push(field("exp", "Expiration (MM / YY)", "cc-exp", "numeric", 9));
        fields.push(field("cvc", "CVC", "cc-csc", "numeric", 4));
        fields.push(field("name", "Name on card", "cc-name", "text", 100));
        fields
    }
}

fn about(field: &'static str, text: &str) -> FormError {
    FormError {
        field,
        text: text.to_owned(),
    }
}

/// Whether the number has 12 to 19 digits and a valid check digit (Luhn).
fn is_card_number(number: &str) -> bool {
    if !(12..=19).contains(&number.len()) || !number.bytes().all(|byte| byte.is_ascii_digit()) {
        return false;
    }
    let sum: u32 = number
        .bytes()
        .rev()
        .map(|byte| u32::from(byte - b'0'))
        .enumerate()
        .map(|(place, digit)| match (place % 2, digit * 2) {
            (0, _) => digit,
            (_, doubled) if doubled > 9 => doubled - 9,
            (_, doubled) => doubled,
        })
        .sum();
    sum.is_multiple_of(10)
}

/// Reads the month and the four-digit year from `12 / 34`, `12/2034` or `1234`.
fn expiration_in(text: &str) -> Option<(u32, u32)> {
    let digits: String = text.chars().filter(char::is_ascii_digit).collect();
    if text
        .chars()
        .any(|c| !matches!(c, '0'..='9' | ' ' | '/' | '-'))
    {
        return None;
    }
    let (month, year) = match text.split_once(['/', '-']) {
        Some((month, year)) => (month.trim(), year.trim()),
        None => digits.split_at_checked(2)?,
    };
    let month: u32 = month
        .parse()
        .ok()
        .filter(|month| (1..=12).contains(month))?;
    let year: u32 = match year.len() {
        2 => year.parse::<u32>().ok()? + 2000,
        4 => year.parse().ok()?,
        _ => return None,
    };
    (i64::from(year) <= LATEST_YEAR).then_some((month, year))
}

/// Whether a card has expired. It is valid until the end of its month.
fn is_past(month: u32, year: u32, now: i64) -> bool {
    let today = jiff::Timestamp::from_second(now).map_or(jiff::civil::Date::MIN, |now| {
        now.to_zoned(jiff::tz::TimeZone::UTC).date()
    });
    let this_month = (i64::from(today.year()), i64::from(today.month()));
    (i64::from(year), i64::from(month)) < this_month
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_795_000_000; // November 2026

    fn form(text: &str) -> CardForm {
        CardForm::read(text.as_bytes(), false)
    }

    #[test]
    fn a_complete_form_gives_a_card() {
        let form = form("number=4242+4242+4242+4242&exp=12+%2F+34&cvc=123&name=Ada");

        let card = Payment::Card {
            number: "4242424242424242".to_owned(),
            exp_month: 12,
            exp_year: 2034,
            cvc: "123".to_owned(),
        };
        assert_eq!(form.payment(NOW), Ok(card));
    }

    #[test]
    fn each_invalid_field_is_reported_once() {
        let form = form("number=4242+4242+4242+4241&exp=13%2F34&cvc=1&name=");

        let fields: Vec<_> = form
            .payment(NOW)
            .unwrap_err()
            .iter()
            .map(|error| error.field)
            .collect();
        assert_eq!(fields, ["number", "exp", "cvc", "name"]);
    }

    #[test]
    fn a_card_is_valid_until_the_end_of_its_month() {
        assert!(is_past(10, 2026, NOW));
        assert!(!is_past(11, 2026, NOW));
        assert!(!is_past(1, 2027, NOW));
    }

    #[test]
    fn expiration_dates_are_accepted_in_every_common_format() {
        for text in ["12/34", "12 / 34", "12/2034", "1234", "12-34"] {
            assert_eq!(expiration_in(text), Some((12, 2034)), "{text}");
        }
        for text in ["", "0/34", "13/34", "12", "12/3", "ab/cd", "12/99999"] {
            assert_eq!(expiration_in(text), None, "{text}");
        }
    }

    #[test]
    fn every_listed_test_card_has_a_valid_check_digit() {
        for (number, _) in TEST_CARDS {
            assert!(is_card_number(&number.replace(' ', "")), "{number}");
        }
    }
}
