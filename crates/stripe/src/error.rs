//! The errors of a call, named for what the caller can do about them.

use crate::objects::ApiError;
use std::fmt;
use std::time::Duration;

/// The result of a call.
pub type Result<T> = std::result::Result<T, Error>;

/// The reason why a call has no result.
///
/// Neither `Display` nor `Debug` shows Stripe's message, which may quote what a customer entered.
/// It is a field for code that shows it to that customer or to an operator.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Stripe refused the call. The call itself is wrong, so sending it again changes nothing.
    #[error(
        "Stripe refused the call: {status} {kind}{}{}",
        field("code", code.as_deref()),
        field("param", param.as_deref())
    )]
    Refused {
        /// The HTTP status of the answer.
        status: u16,
        /// Stripe's code, such as `resource_missing` for a referenced id.
        code: Option<Box<str>>,
        /// The type, such as `invalid_request_error` or `idempotency_error`.
        kind: Box<str>,
        /// The parameter at fault.
        param: Option<Box<str>>,
        /// Stripe's message, which may quote what a customer entered.
        message: Option<Box<str>>,
        /// The request id, which Stripe's support asks for.
        request_id: Option<Box<str>>,
        /// Whether this is the answer that Stripe saved under the idempotency key.
        replayed: bool,
    },
    /// The card was declined. Ask the customer for another one.
    #[error(
        "the card was declined:{}{}",
        field("code", code.as_deref()),
        field("decline_code", decline_code.as_deref())
    )]
    Card {
        /// Stripe's code, such as `card_declined`, `expired_card` or `authentication_required`.
        code: Option<Box<str>>,
        /// The reason that the bank gave, such as `insufficient_funds`.
        decline_code: Option<Box<str>>,
        /// The message for the customer.
        message: Option<Box<str>>,
        /// The id of the payment intent that failed.
        payment_intent: Option<Box<str>>,
        /// The id of the charge that failed.
        charge: Option<Box<str>>,
        /// The request id, which Stripe's support asks for.
        request_id: Option<Box<str>>,
        /// Whether this is the answer that Stripe saved under the idempotency key.
        replayed: bool,
    },
    /// The object that the call names doesn't exist.
    #[error("Stripe has no such object{}", field("param", param.as_deref()))]
    NotFound {
        /// The parameter at fault.
        param: Option<Box<str>>,
        /// Stripe's message, which may quote what a customer entered.
        message: Option<Box<str>>,
        /// The request id, which Stripe's support asks for.
        request_id: Option<Box<str>>,
    },
    /// After all retries, Stripe did not answer in time, was busy or failed. Try later with the
    /// same idempotency key.
    #[error("Stripe is not available: {}", match status {
        Some(status) => format!("it answered {status}"),
        None => "no answer in time".to_owned(),
    })]
    Unavailable {
        /// The HTTP status, or `None` if there was no answer in time.
        status: Option<u16>,
        /// Stripe's code, such as `lock_timeout` or `idempotency_key_in_use`.
        code: Option<Box<str>>,
        /// The request id, which Stripe's support asks for.
        request_id: Option<Box<str>>,
        /// The time to wait that Stripe asked for.
        retry_after: Option<Duration>,
        /// Whether this is the answer that Stripe saved under the idempotency key. In that case,
        /// the key can't be used for another attempt.
        replayed: bool,
        /// Whether the call may have been executed nevertheless.
        outcome_unknown: bool,
    },
    /// There is no connection to Stripe, or it broke. Try later with the same idempotency key.
    #[error("Stripe cannot be reached: {reason}")]
    Unreachable {
        /// The error of the connection.
        reason: String,
        /// Whether the call may have been executed nevertheless.
        outcome_unknown: bool,
    },
    /// The answer is not one of Stripe's: it comes from a proxy, or from a version that we cannot
    /// read.
    #[error("Stripe's answer ({status}) cannot be read: {reason}")]
    Malformed {
        /// The HTTP status of the answer.
        status: u16,
        /// The reason why the answer cannot be read.
        reason: String,
        /// The request id, which Stripe's support asks for.
        request_id: Option<Box<str>>,
        /// Whether the call was or may have been executed.
        outcome_unknown: bool,
    },
    /// The call was not sent, because the configuration or an argument is invalid.
    #[error("the call to Stripe was not sent: {0}")]
    Unsendable(&'static str),
}

impl Error {
    /// Whether the call may have been executed although there is no result. To find out, send the
    /// same parameters under the same idempotency key, never under a new one.
    #[must_use]
    pub fn is_outcome_unknown(&self) -> bool {
        matches!(
            self,
            Self::Unavailable {
                outcome_unknown: true,
                ..
            } | Self::Unreachable {
                outcome_unknown: true,
                ..
            } | Self::Malformed {
                outcome_unknown: true,
                ..
            }
        )
    }

    /// Whether Stripe replayed the answer that it saved under the idempotency key. The key can't be
    /// used for another attempt: the same call would get the same answer.
    #[must_use]
    pub fn is_replayed(&self) -> bool {
        matches!(
            self,
            Self::Refused { replayed: true, .. }
                | Self::Card { replayed: true, .. }
                | Self::Unavailable { replayed: true, .. }
        )
    }

    /// Whether the same call may succeed later.
    #[must_use]
    pub fn is_temporary(&self) -> bool {
        let temporary = matches!(self, Self::Unavailable { .. } | Self::Unreachable { .. });
        temporary && !self.is_replayed()
    }

    /// The time to wait that Stripe asked for.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        if let Self::Unavailable { retry_after, .. } = self {
            *retry_after
        } else {
            None
        }
    }

    /// Stripe's code, if there is one.
    #[must_use]
    pub fn code(&self) -> Option<&str> {
        match self {
            Self::Refused { code, .. }
            | Self::Card { code, .. }
            | Self::Unavailable { code, .. } => code.as_deref(),
            _ => None,
        }
    }

    /// The request id, which Stripe's support asks for.
    #[must_use]
    pub fn request_id(&self) -> Option<&str> {
        match self {
            Self::Refused { request_id, .. }
            | Self::Card { request_id, .. }
            | Self::NotFound { request_id, .. }
            | Self::Unavailable { request_id, .. }
            | Self::Malformed { request_id, .. } => request_id.as_deref(),
            _ => None,
        }
    }

    /// Stripe's message, if there is one. It is meant for the customer or an operator, not for the
    /// log.
    #[must_use]
    pub fn message(&self) -> Option<&str> {
        match self {
            Self::Refused { message, .. }
            | Self::Card { message, .. }
            | Self::NotFound { message, .. } => message.as_deref(),
            _ => None,
        }
    }

    /// The error for an answer with a 4xx status.
    pub(crate) fn from_answer(
        status: u16,
        error: ApiError,
        request_id: Option<Box<str>>,
        replayed: bool,
    ) -> Self {
        let boxed = |text: Option<String>| text.map(String::into_boxed_str);
        if status == 404 {
            return Self::NotFound {
                param: boxed(error.param),
                message: boxed(error.message),
                request_id,
            };
        }
        if error.kind.as_deref() == Some("card_error") {
            return Self::Card {
                code: boxed(error.code),
                decline_code: boxed(error.decline_code),
                message: boxed(error.message),
                payment_intent: boxed(error.payment_intent),
                charge: boxed(error.charge),
                request_id,
                replayed,
            };
        }
        Self::Refused {
            status,
            code: boxed(error.code),
            kind: boxed(error.kind).unwrap_or_else(|| "unknown".into()),
            param: boxed(error.param),
            message: boxed(error.message),
            request_id,
            replayed,
        }
    }

    /// Keeps the outcome unknown if an earlier attempt may have been executed.
    pub(crate) fn after_unknown_outcome(mut self, earlier_unknown: bool) -> Self {
        if let Self::Unavailable {
            outcome_unknown, ..
        }
        | Self::Unreachable {
            outcome_unknown, ..
        }
        | Self::Malformed {
            outcome_unknown, ..
        } = &mut self
        {
            *outcome_unknown |= earlier_unknown;
        }
        self
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{self}")?;
        if let Some(id) = self.request_id() {
            write!(formatter, " (request {id})")?;
        }
        if self.is_outcome_unknown() {
            formatter.write_str(" (the outcome is unknown)")?;
        }
        Ok(())
    }
}

fn field(name: &str, value: Option<&str>) -> String {
    value
        .map(|value| format!(" {name}={value}"))
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn api_error(json: &str) -> ApiError {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn a_message_is_a_field_and_never_shown() {
        let error = api_error(
            r#"{"type":"invalid_request_error","code":"email_invalid","param":"email",
                "message":"Invalid email address: ann@example"}"#,
        );

        let error = Error::from_answer(400, error, Some("req_1".into()), false);

        assert_eq!(error.message(), Some("Invalid email address: ann@example"));
        let expected =
            "Stripe refused the call: 400 invalid_request_error code=email_invalid param=email";
        assert_eq!(error.to_string(), expected);
        assert_eq!(format!("{error:?}"), format!("{expected} (request req_1)"));
    }

    #[test]
    fn a_declined_card_names_the_payment_whether_it_is_expanded_or_not() {
        for payment in [
            r#""pi_1""#,
            r#"{"id":"pi_1","status":"requires_payment_method"}"#,
        ] {
            let error = api_error(&format!(
                r#"{{"type":"card_error","code":"card_declined","decline_code":"lost_card",
                    "charge":"ch_1","payment_intent":{payment}}}"#
            ));

            let Error::Card {
                payment_intent,
                charge,
                decline_code,
                ..
            } = Error::from_answer(402, error, None, false)
            else {
                panic!("a card error");
            };

            assert_eq!(payment_intent.as_deref(), Some("pi_1"));
            assert_eq!(charge.as_deref(), Some("ch_1"));
            assert_eq!(decline_code.as_deref(), Some("lost_card"));
        }
    }
}
