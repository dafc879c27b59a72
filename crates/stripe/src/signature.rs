//! Stripe's webhook signatures: `Stripe-Signature: t=1700000000,v1=<hex>[,v1=<hex>]`.
//!
//! The signature is an HMAC-SHA256 of `<t>.<raw body>`, keyed with the whole `whsec_...` text.
//! Verify the bytes as received: parsing and serializing the body again changes them.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use subtle::{Choice, ConstantTimeEq};

/// How far the timestamp of a delivery may be from now, in either direction, before it counts as a
/// replay.
pub const DEFAULT_TOLERANCE_SECONDS: i64 = 300;

/// The longest header that is read. Stripe sends about 90 bytes, plus one signature while a secret
/// is being rolled. A longer header is a denial-of-service attempt.
pub const HEADER_BYTES_MAX: usize = 4096;

/// The reason why a delivery is not trusted. Each of them is answered with 400.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// The header is longer than [`HEADER_BYTES_MAX`].
    #[error("the signature header is longer than {HEADER_BYTES_MAX} bytes")]
    HeaderTooLong,
    /// The header is not a list of `key=value` pairs.
    #[error("the signature header is not a list of key=value pairs")]
    Malformed,
    /// `t` is missing, duplicated or not a number of seconds.
    #[error("the signature header must have exactly one timestamp")]
    Timestamp,
    /// The header has no `v1` signature that could match.
    #[error("the signature header has no v1 signature")]
    NoSignature,
    /// No secret or only empty ones were passed, so nothing can be verified.
    #[error("no webhook secret is set")]
    NoSecret,
    /// No signature matches the body with any of our secrets.
    #[error("no signature matches the body")]
    Mismatch,
    /// The signature is valid, but its timestamp is too far in the past or in the future.
    #[error("the delivery was signed {age_seconds} seconds ago, outside the tolerance")]
    OutsideTolerance {
        /// The age of the signature in seconds. It is negative for a timestamp in the future.
        age_seconds: i64,
    },
}

/// Signs `payload` as Stripe does and returns the value of the header.
///
/// The whole secret is the key, including its `whsec_` prefix. The twin and the tests use this
/// function.
#[must_use]
pub fn sign(payload: &[u8], secret: &str, timestamp: i64) -> String {
    sign_with_all(payload, &[secret], timestamp)
}

/// Signs `payload` with several secrets, as Stripe does while the secret of an endpoint is being
/// rolled.
#[must_use]
pub fn sign_with_all(payload: &[u8], secrets: &[&str], timestamp: i64) -> String {
    let mut header = format!("t={timestamp}");
    for secret in secrets {
        header.push_str(",v1=");
        header.push_str(&hex::encode(mac(payload, secret, &timestamp.to_string())));
    }
    header
}

/// Checks that one of `secrets` signed `payload` within `tolerance_seconds` of `now_seconds`, and
/// returns the timestamp of the signature.
///
/// A `v1` signature counts in any position. Other schemes (`v0`) and signatures that aren't
/// hexadecimal are ignored. An empty secret never matches, so that an unset variable cannot disable
/// the check.
///
/// # Errors
///
/// Fails with a [`SignatureError`] if the delivery is not trusted. A timestamp outside the
/// tolerance is only reported as such if the signature is valid.
pub fn verify(
    payload: &[u8],
    header: &str,
    secrets: &[&str],
    now_seconds: i64,
    tolerance_seconds: i64,
) -> Result<i64, SignatureError> {
    if secrets.iter().all(|secret| secret.trim().is_empty()) {
        return Err(SignatureError::NoSecret);
    }
    let header = Header::parse(header)?;

    if !header.is_signed_by_any(payload, secrets) {
        return Err(SignatureError::Mismatch);
    }
    if now_seconds.abs_diff(header.timestamp) > tolerance_seconds.unsigned_abs() {
        let age_seconds = now_seconds.saturating_sub(header.timestamp);
        return Err(SignatureError::OutsideTolerance { age_seconds });
    }
    Ok(header.timestamp)
}

struct Header<'a> {
    timestamp: i64,
    /// The timestamp as written in the header, because that text was signed.
    timestamp_text: &'a str,
    signatures: Vec<[u8; 32]>,
}

impl<'a> Header<'a> {
    fn parse(header: &'a str) -> Result<Self, SignatureError> {
        if header.len() > HEADER_BYTES_MAX {
            return Err(SignatureError::HeaderTooLong);
        }
        let mut timestamp_text = None;
        let mut signatures = Vec::new();
        for item in header.split(',') {
            let (key, value) = item
                .trim()
                .split_once('=')
                .ok_or(SignatureError::Malformed)?;
            match key {
                "t" if timestamp_text.replace(value).is_some() => {
                    return Err(SignatureError::Timestamp);
                }
                "v1" => signatures.extend(signature_bytes(value)),
                _ => {}
            }
        }
        let timestamp_text = timestamp_text.ok_or(SignatureError::Timestamp)?;
        let timestamp = seconds(timestamp_text).ok_or(SignatureError::Timestamp)?;
        if signatures.is_empty() {
            return Err(SignatureError::NoSignature);
        }
        Ok(Self {
            timestamp,
            timestamp_text,
            signatures,
        })
    }

    /// Compares every secret with every signature and doesn't stop at the first match.
    fn is_signed_by_any(&self, payload: &[u8], secrets: &[&str]) -> bool {
        let mut matched = Choice::from(0);
        for secret in secrets.iter().filter(|secret| !secret.trim().is_empty()) {
            let expected = mac(payload, secret, self.timestamp_text);
            for signature in &self.signatures {
                matched |= expected.ct_eq(signature);
            }
        }
        matched.into()
    }
}

fn signature_bytes(value: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    hex::decode_to_slice(value, &mut bytes).ok()?;
    Some(bytes)
}

/// Parses digits only; `parse` alone would also accept a sign.
fn seconds(text: &str) -> Option<i64> {
    if text.bytes().all(|byte| byte.is_ascii_digit()) {
        text.parse().ok()
    } else {
        None
    }
}

fn mac(payload: &[u8], secret: &str, timestamp: &str) -> [u8; 32] {
    let mut mac =
        Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("HMAC takes keys of any length");
    mac.update(timestamp.as_bytes());
    mac.update(b".");
    mac.update(payload);
    mac.finalize().into_bytes().into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NOW: i64 = 1_700_000_000;
    const SECRET: &str = "whsec_right";
    const BODY: &[u8] = br#"{"id":"evt_1"}"#;

    fn check(payload: &[u8], header: &str, secrets: &[&str]) -> Result<i64, SignatureError> {
        verify(payload, header, secrets, NOW, DEFAULT_TOLERANCE_SECONDS)
    }

    fn v1_of(header: &str) -> &str {
        header.split_once(",v1=").unwrap().1
    }

    #[test]
    fn the_signature_is_hmac_sha256_over_timestamp_dot_body_with_the_whole_secret() {
        // `printf '12345.hello' | openssl dgst -sha256 -hmac whsec_test_secret`
        let expected =
            "t=12345,v1=e36b75e2dc10e0d5026d175e39ab4fb85c54f70f1f77fb303c827b08c0dcde0a";

        assert_eq!(sign(b"hello", "whsec_test_secret", 12_345), expected);
    }

    #[test]
    fn a_signed_body_is_accepted_and_returns_the_timestamp() {
        let header = sign(BODY, SECRET, NOW - 7);

        assert_eq!(check(BODY, &header, &[SECRET]), Ok(NOW - 7));
    }

    #[test]
    fn case_w1_a_missing_garbled_or_oversized_header_is_refused() {
        let v1 = v1_of(&sign(BODY, SECRET, NOW)).to_owned();
        for (header, error) in [
            (String::new(), SignatureError::Malformed),
            ("hello".to_owned(), SignatureError::Malformed),
            (format!("t={NOW},v1={v1},"), SignatureError::Malformed),
            (format!("v1={v1}"), SignatureError::Timestamp),
            (format!("t=,v1={v1}"), SignatureError::Timestamp),
            (format!("t=-5,v1={v1}"), SignatureError::Timestamp),
            (format!("t=+{NOW},v1={v1}"), SignatureError::Timestamp),
            (
                format!("t=99999999999999999999,v1={v1}"),
                SignatureError::Timestamp,
            ),
            (format!("t={NOW}"), SignatureError::NoSignature),
            (format!("t={NOW},v1="), SignatureError::NoSignature),
            (
                format!("t={NOW},v1={}", &v1[..62]),
                SignatureError::NoSignature,
            ),
            (format!("t={NOW},v1={v1}00"), SignatureError::NoSignature),
            (format!("t={NOW},V1={v1}"), SignatureError::NoSignature),
            ("v1=".repeat(2000), SignatureError::HeaderTooLong),
        ] {
            assert_eq!(check(BODY, &header, &[SECRET]), Err(error), "{header}");
        }
    }

    #[test]
    fn case_w1_two_headers_joined_into_one_are_refused() {
        let header = sign(BODY, SECRET, NOW);

        let joined = format!("{header}, {header}");

        assert_eq!(
            check(BODY, &joined, &[SECRET]),
            Err(SignatureError::Timestamp)
        );
    }

    #[test]
    fn case_w2_a_wrong_secret_is_refused() {
        let header = sign(BODY, "whsec_wrong", NOW);

        assert_eq!(
            check(BODY, &header, &[SECRET]),
            Err(SignatureError::Mismatch)
        );
        assert_eq!(
            check(BODY, &header, &["right"]),
            Err(SignatureError::Mismatch)
        );
    }

    #[test]
    fn case_w2_the_secret_without_its_prefix_is_another_secret() {
        let header = sign(BODY, "right", NOW);

        assert_eq!(
            check(BODY, &header, &[SECRET]),
            Err(SignatureError::Mismatch)
        );
    }

    #[test]
    fn case_w2_an_empty_secret_never_matches_what_was_signed_with_it() {
        for empty in ["", " ", "\n"] {
            let header = sign(BODY, empty, NOW);

            assert_eq!(check(BODY, &header, &[]), Err(SignatureError::NoSecret));
            assert_eq!(
                check(BODY, &header, &[empty]),
                Err(SignatureError::NoSecret)
            );
            assert_eq!(
                check(BODY, &header, &[empty, SECRET]),
                Err(SignatureError::Mismatch)
            );
        }
    }

    #[test]
    fn case_w2_an_empty_secret_does_not_prevent_a_match_with_a_valid_one() {
        let header = sign(BODY, SECRET, NOW);

        assert_eq!(check(BODY, &header, &["", SECRET]), Ok(NOW));
    }

    #[test]
    fn case_w2_v0_alone_is_refused() {
        let header = sign(BODY, SECRET, NOW).replace("v1=", "v0=");

        assert_eq!(
            check(BODY, &header, &[SECRET]),
            Err(SignatureError::NoSignature)
        );
    }

    #[test]
    fn case_w3_more_than_300_seconds_either_way_is_refused() {
        for (offset, accepted) in [
            (-240, true),
            (240, true),
            (-300, true),
            (300, true),
            (-301, false),
            (301, false),
        ] {
            let header = sign(BODY, SECRET, NOW + offset);

            let verdict = check(BODY, &header, &[SECRET]);

            let refused = SignatureError::OutsideTolerance {
                age_seconds: -offset,
            };
            assert_eq!(
                verdict,
                if accepted {
                    Ok(NOW + offset)
                } else {
                    Err(refused)
                }
            );
        }
    }

    #[test]
    fn case_w3_extreme_timestamps_and_clocks_do_not_overflow() {
        let header = sign(BODY, SECRET, i64::MAX);

        for now in [i64::MIN, -1, 0, NOW] {
            let verdict = verify(BODY, &header, &[SECRET], now, DEFAULT_TOLERANCE_SECONDS);
            assert!(
                matches!(verdict, Err(SignatureError::OutsideTolerance { .. })),
                "{now}"
            );
        }
    }

    #[test]
    fn case_w3_a_new_timestamp_on_an_old_signature_is_refused() {
        let v1 = v1_of(&sign(BODY, SECRET, NOW - 1000)).to_owned();

        let verdict = check(BODY, &format!("t={NOW},v1={v1}"), &[SECRET]);

        assert_eq!(verdict, Err(SignatureError::Mismatch));
    }

    #[test]
    fn case_w4_a_valid_v1_at_any_position_is_accepted() {
        let right = v1_of(&sign(BODY, SECRET, NOW)).to_owned();
        let wrong = "00".repeat(32);
        for position in 0..5 {
            let mut items = vec![
                format!("v1={wrong}"),
                "v1=no-hex-at-all".to_owned(),
                format!("v0={wrong}"),
                format!("t={NOW}"),
            ];
            items.insert(position, format!("v1={right}"));

            assert_eq!(
                check(BODY, &items.join(","), &[SECRET]),
                Ok(NOW),
                "at {position}"
            );
        }
    }

    #[test]
    fn case_w4_while_a_secret_is_rolled_either_secret_is_enough() {
        let header = sign_with_all(BODY, &["whsec_old", "whsec_new"], NOW);

        assert_eq!(check(BODY, &header, &["whsec_old"]), Ok(NOW));
        assert_eq!(check(BODY, &header, &["whsec_new"]), Ok(NOW));
        assert_eq!(check(BODY, &header, &["whsec_other", "whsec_new"]), Ok(NOW));
        assert_eq!(
            check(BODY, &header, &["whsec_other"]),
            Err(SignatureError::Mismatch)
        );
    }

    #[test]
    fn case_w5_the_same_json_serialized_again_is_refused() {
        let sent = b"{ \"a\" : \"\\u0041\",\r\n\t\"b\":1.0 }";
        let header = sign(sent, SECRET, NOW);
        let value: serde_json::Value = serde_json::from_slice(sent).unwrap();
        let rewritten = serde_json::to_vec(&value).unwrap();

        assert_eq!(check(sent, &header, &[SECRET]), Ok(NOW));
        assert_eq!(
            check(&rewritten, &header, &[SECRET]),
            Err(SignatureError::Mismatch)
        );
    }

    proptest! {
        #[test]
        fn case_w4_any_mixture_around_a_valid_signature_is_accepted(
            before in proptest::collection::vec("v[0-9]=[0-9a-z]{0,64}", 0..5),
            after in proptest::collection::vec("v[0-9]=[0-9a-z]{0,64}", 0..5),
            body in proptest::collection::vec(any::<u8>(), 0..200),
            secret in "[!-~]{1,64}",
        ) {
            let mut items = before;
            items.push(sign(&body, &secret, NOW));
            items.extend(after);

            prop_assert_eq!(check(&body, &items.join(","), &[&secret]), Ok(NOW));
        }

        #[test]
        fn case_w5_a_body_changed_by_one_byte_is_refused(
            body in proptest::collection::vec(any::<u8>(), 1..200),
            at in any::<proptest::sample::Index>(),
            flip in 1_u8..,
        ) {
            let header = sign(&body, SECRET, NOW);
            let mut changed = body.clone();
            changed[at.index(body.len())] ^= flip;

            prop_assert_eq!(check(&body, &header, &[SECRET]), Ok(NOW));
            prop_assert_eq!(check(&changed, &header, &[SECRET]), Err(SignatureError::Mismatch));
        }

        #[test]
        fn case_w1_no_header_makes_it_panic(header in ".{0,200}", now in any::<i64>()) {
            prop_assert!(verify(BODY, &header, &[SECRET], now, 300).is_err());
        }
    }
}
