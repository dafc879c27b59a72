//! Stripe's test cards and the outcomes of payments with them.

use super::errors::ApiError;

/// When a bank requires the customer to authenticate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Authentication {
    /// The bank never requires authentication.
    Never,
    /// The bank requires it whenever the customer is present, and off session until the customer
    /// has authenticated once.
    OnSession,
    /// The bank requires it until the customer has authenticated once.
    FirstUse,
    /// The bank requires it every time, so an off-session payment fails.
    Always,
}

/// What happens to a payment after it succeeded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Afterwards {
    Nothing,
    /// It is disputed for this reason.
    Dispute(&'static str),
    /// The issuer warns of fraud.
    FraudWarning,
    /// The bank sends an inquiry first (`warning_needs_response`).
    Inquiry,
    /// Its refunds stay pending for a while.
    RefundPends,
    /// Its refunds fail later.
    RefundFails,
}

/// One of Stripe's test cards.
#[derive(Clone, Copy, Debug)]
pub(super) struct TestCard {
    /// The digits of the number.
    pub(super) number: &'static str,
    /// The brand, such as `visa`.
    pub(super) brand: &'static str,
    /// The decline code of the bank, or an empty string if it approves.
    pub(super) decline: &'static str,
    /// Whether it can be attached to a customer.
    pub(super) attaches: bool,
    /// When the bank requires authentication.
    pub(super) authentication: Authentication,
    /// What happens after a successful payment.
    pub(super) afterwards: Afterwards,
    /// The suffixes of `pm_card_...` and `tok_...` that name the card.
    names: &'static [&'static str],
}

const fn good(
    number: &'static str,
    brand: &'static str,
    names: &'static [&'static str],
) -> TestCard {
    TestCard {
        number,
        brand,
        decline: "",
        attaches: true,
        authentication: Authentication::Never,
        afterwards: Afterwards::Nothing,
        names,
    }
}

const fn bad(
    number: &'static str,
    decline: &'static str,
    names: &'static [&'static str],
) -> TestCard {
    TestCard {
        decline,
        attaches: false,
        ..good(number, "visa", names)
    }
}

const fn asks(
    number: &'static str,
    authentication: Authentication,
    names: &'static [&'static str],
) -> TestCard {
    TestCard {
        authentication,
        ..good(number, "visa", names)
    }
}

const fn then(number: &'static str, after: Afterwards, names: &'static [&'static str]) -> TestCard {
    TestCard {
        afterwards: after,
        ..good(number, "visa", names)
    }
}

const CARDS: &[TestCard] = &[
    good("4242424242424242", "visa", &["visa", "us"]),
    good("4000056655665556", "visa", &["visa_debit"]),
    good("5555555555554444", "mastercard", &["mastercard"]),
    good("2223003122003222", "mastercard", &["mastercard_2series"]),
    good("5200828282828210", "mastercard", &["mastercard_debit"]),
    good("5105105105105100", "mastercard", &["mastercard_prepaid"]),
    good("378282246310005", "amex", &["amex"]),
    good("371449635398431", "amex", &[]),
    good("6011111111111117", "discover", &["discover"]),
    good("3056930009020004", "diners", &["diners"]),
    good("3566002020360505", "jcb", &["jcb"]),
    good("6200000000000005", "unionpay", &["unionpay"]),
    bad(
        "4000000000000002",
        "generic_decline",
        &["chargeDeclined", "visa_chargeDeclined"],
    ),
    bad(
        "4000000000009995",
        "insufficient_funds",
        &[
            "chargeDeclinedInsufficientFunds",
            "visa_chargeDeclinedInsufficientFunds",
        ],
    ),
    bad(
        "4000000000009987",
        "lost_card",
        &["chargeDeclinedLostCard", "visa_chargeDeclinedLostCard"],
    ),
    bad(
        "4000000000009979",
        "stolen_card",
        &["chargeDeclinedStolenCard", "visa_chargeDeclinedStolenCard"],
    ),
    bad(
        "4000000000000069",
        "expired_card",
        &[
            "chargeDeclinedExpiredCard",
            "visa_chargeDeclinedExpiredCard",
        ],
    ),
    bad(
        "4000000000000127",
        "incorrect_cvc",
        &[
            "chargeDeclinedIncorrectCvc",
            "visa_chargeDeclinedIncorrectCvc",
        ],
    ),
    bad(
        "4000000000000119",
        "processing_error",
        &[
            "chargeDeclinedProcessingError",
            "visa_chargeDeclinedProcessingError",
        ],
    ),
    bad(
        "4000000000006975",
        "card_velocity_exceeded",
        &[
            "chargeDeclinedVelocityLimitExceeded",
            "visa_chargeDeclinedVelocityLimitExceeded",
        ],
    ),
    bad(
        "4100000000000019",
        "fraudulent",
        &["chargeDeclinedFraudulent", "radarBlock"],
    ),
    TestCard {
        attaches: true,
        ..bad(
            "4000000000000341",
            "generic_decline",
            &["chargeCustomerFail", "visa_chargeCustomerFail"],
        )
    },
    asks(
        "4000002500003155",
        Authentication::FirstUse,
        &["authenticationRequiredOnSetup"],
    ),
    asks(
        "4000002760003184",
        Authentication::Always,
        &["authenticationRequired"],
    ),
    asks(
        "4000000000003220",
        Authentication::OnSession,
        &["threeDSecure2Required", "threeDSecureRequired"],
    ),
    asks("4000000000003063", Authentication::OnSession, &[]),
    asks(
        "4000000000003055",
        Authentication::Never,
        &["threeDSecureOptional"],
    ),
    TestCard {
        authentication: Authentication::OnSession,
        attaches: true,
        ..bad(
            "4000008400001629",
            "generic_decline",
            &["threeDSecureRequiredChargeDeclined"],
        )
    },
    TestCard {
        authentication: Authentication::Always,
        attaches: true,
        ..bad(
            "4000008260003178",
            "insufficient_funds",
            &["authenticationRequiredChargeDeclinedInsufficientFunds"],
        )
    },
    then(
        "4000000000000259",
        Afterwards::Dispute("fraudulent"),
        &["createDispute", "visa_createDispute"],
    ),
    then(
        "4000000000002685",
        Afterwards::Dispute("product_not_received"),
        &["createDisputeProductNotReceived"],
    ),
    then(
        "4000000000001976",
        Afterwards::Inquiry,
        &["createDisputeInquiry"],
    ),
    then(
        "4000000000005423",
        Afterwards::FraudWarning,
        &["createIssuerFraudRecord"],
    ),
    then(
        "4000000000007726",
        Afterwards::RefundPends,
        &["pendingRefund"],
    ),
    then("4000000000005126", Afterwards::RefundFails, &["refundFail"]),
];

/// The card with a name such as `pm_card_visa` or `tok_visa`.
pub(super) fn by_name(name: &str) -> Option<&'static TestCard> {
    let ending = name
        .strip_prefix("pm_card_")
        .or_else(|| name.strip_prefix("tok_"))?;
    CARDS.iter().find(|card| card.names.contains(&ending))
}

/// The card with this number.
pub(super) fn by_number(number: &str) -> Option<&'static TestCard> {
    CARDS.iter().find(|card| card.number == number)
}

/// Stripe's error for a number that is not one of the test cards.
pub(super) fn unknown_card(number: &str) -> Box<ApiError> {
    if number.len() < 12 || !passes_luhn(number) {
        return ApiError::card("incorrect_number", "", "Your card number is incorrect.")
            .with_param("number");
    }
    let message = "Your card was declined. Your request was in test mode, but used a non test (live) card. For a list of valid test cards, visit: https://docs.stripe.com/testing.";
    ApiError::card("card_declined", "test_mode_live_card", message)
}

fn passes_luhn(number: &str) -> bool {
    let digits: Option<Vec<u32>> = number.chars().map(|one| one.to_digit(10)).collect();
    let Some(digits) = digits else { return false };
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(index, digit)| match (index % 2, digit * 2) {
            (0, _) => *digit,
            (_, double) if double > 9 => double - 9,
            (_, double) => double,
        })
        .sum();
    sum.is_multiple_of(10)
}

/// The card error for a decline code, with Stripe's wording.
pub(super) fn decline(code: &str) -> Box<ApiError> {
    let (outer, message) = match code {
        "insufficient_funds" => ("card_declined", "Your card has insufficient funds."),
        "expired_card" => ("expired_card", "Your card has expired."),
        "incorrect_cvc" => ("incorrect_cvc", "Your card's security code is incorrect."),
        "incorrect_number" => ("incorrect_number", "Your card number is incorrect."),
        "processing_error" => (
            "processing_error",
            "An error occurred while processing your card. Try again in a little bit.",
        ),
        "card_velocity_exceeded" => (
            "card_declined",
            "Your card was declined for making repeated attempts too frequently or exceeding its amount limit.",
        ),
        "authentication_required" => (
            "authentication_required",
            "Your card was declined. This transaction requires authentication.",
        ),
        _ => ("card_declined", "Your card was declined."),
    };
    ApiError::card(outer, code, message)
}

/// Whether a bank declines with this code. `card_declined` stands for any.
/// <https://docs.stripe.com/declines/codes>
pub fn is_decline_code(word: &str) -> bool {
    const CODES: &str = "approve_with_id authentication_required call_issuer card_declined \
        card_not_supported card_velocity_exceeded currency_not_supported do_not_honor \
        do_not_try_again duplicate_transaction expired_card fraudulent generic_decline \
        highest_risk_level incorrect_address incorrect_cvc incorrect_number incorrect_pin \
        incorrect_zip insufficient_funds invalid_account invalid_amount invalid_cvc \
        invalid_expiry_month invalid_expiry_year invalid_number invalid_pin \
        issuer_not_available lost_card merchant_blacklist mobile_device_authentication_required \
        new_account_information_available no_action_taken not_permitted \
        offline_pin_required online_or_offline_pin_required pickup_card pin_try_exceeded \
        processing_error reenter_transaction restricted_card \
        revocation_of_all_authorizations revocation_of_authorization security_violation \
        service_not_allowed stolen_card stop_payment_order testmode_decline \
        transaction_not_allowed try_again_later withdrawal_count_limit_exceeded";
    CODES.split_whitespace().any(|one| one == word)
}

/// Whether a decline code is final, so that the same card is not retried.
pub(super) fn is_hard(code: &str) -> bool {
    const HARD: [&str; 9] = [
        "incorrect_number",
        "lost_card",
        "pickup_card",
        "stolen_card",
        "revocation_of_authorization",
        "revocation_of_all_authorizations",
        "authentication_required",
        "highest_risk_level",
        "transaction_not_allowed",
    ];
    HARD.contains(&code)
}
