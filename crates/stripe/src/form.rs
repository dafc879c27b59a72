//! Parameters in Stripe's format: a form whose names nest with brackets.

use std::fmt;

/// The parameters of a call, in order.
///
/// Encoded as text, it can be stored before the call and sent again byte for byte. Stripe refuses a
/// known idempotency key with different parameters.
///
/// ```
/// let form = stripe::Form::new()
///     .push("mode", "payment")
///     .push("line_items[0][price]", "price_1")
///     .push("line_items[0][quantity]", 1)
///     .metadata("order", "7");
///
/// assert_eq!(stripe::Form::decode(&form.encode()), form);
/// ```
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Form {
    pairs: Vec<(String, String)>,
}

impl Form {
    /// A form without parameters.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a parameter. An empty value unsets the field at Stripe.
    #[must_use]
    pub fn push(mut self, name: impl Into<String>, value: impl ToString) -> Self {
        self.pairs.push((name.into(), value.to_string()));
        self
    }

    /// Adds a parameter if there is a value.
    #[must_use]
    pub fn push_opt(self, name: impl Into<String>, value: Option<impl ToString>) -> Self {
        match value {
            Some(value) => self.push(name, value),
            None => self,
        }
    }

    /// Adds a metadata entry: `metadata[key]=value`.
    #[must_use]
    pub fn metadata(self, key: &str, value: impl ToString) -> Self {
        self.push(format!("metadata[{key}]"), value)
    }

    /// Requests an object in place of its id. A repeated expansion is added only once.
    #[must_use]
    pub fn expand(self, path: &str) -> Self {
        let asked = |(name, value): &(String, String)| name == "expand[]" && value == path;
        if self.pairs.iter().any(asked) {
            self
        } else {
            self.push("expand[]", path)
        }
    }

    /// The value of the first parameter of that name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.iter()
            .find(|(each, _)| *each == name)
            .map(|(_, value)| value)
    }

    /// The names and values in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.pairs
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// Whether there are no parameters.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.pairs.is_empty()
    }

    /// Encodes the form as it is sent.
    #[must_use]
    pub fn encode(&self) -> String {
        form_urlencoded::Serializer::new(String::new())
            .extend_pairs(self.iter())
            .finish()
    }

    /// Decodes the output of [`encode`](Self::encode).
    #[must_use]
    pub fn decode(text: &str) -> Self {
        let pairs = form_urlencoded::parse(text.as_bytes());
        Self {
            pairs: pairs
                .map(|(name, value)| (name.into_owned(), value.into_owned()))
                .collect(),
        }
    }
}

/// Shows only the names, because the values may be email addresses.
impl fmt::Debug for Form {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_set()
            .entries(self.pairs.iter().map(|(name, _)| name))
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn values_are_encoded_and_names_keep_their_nesting() {
        let form = Form::new()
            .push("email", "a+b@example.com")
            .push("items[0][price]", "price_1")
            .push("cancel_at_period_end", true)
            .push_opt("name", None::<&str>)
            .push_opt("limit", Some(5));

        let encoded = form.encode();

        assert_eq!(
            encoded,
            "email=a%2Bb%40example.com&items%5B0%5D%5Bprice%5D=price_1\
             &cancel_at_period_end=true&limit=5"
        );
    }

    #[test]
    fn the_same_expansion_is_requested_once() {
        let form = Form::new().expand("data.refunds").expand("data.refunds");

        assert_eq!(form.iter().count(), 1);
    }

    #[test]
    fn debug_output_shows_no_values() {
        let form = Form::new().push("email", "ann@example.com");

        assert_eq!(format!("{form:?}"), r#"{"email"}"#);
    }

    proptest! {
        #[test]
        fn a_stored_form_is_sent_again_byte_for_byte(
            pairs in proptest::collection::vec((".{0,20}", ".{0,20}"), 0..8),
        ) {
            let form = pairs.into_iter().fold(Form::new(), |form, (name, value)| {
                form.push(name, value)
            });

            let again = Form::decode(&form.encode());

            prop_assert_eq!(again.encode(), form.encode());
            prop_assert_eq!(again, form);
        }
    }
}
