//! Signatures according to Standard Webhooks: HMAC-SHA-256 over id, timestamp and body.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use domain::ids::Rng;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

const PREFIX: &str = "whsec_";

/// Generates a 256-bit secret, `whsec_...`.
pub fn new_secret(rng: &dyn Rng) -> String {
    let mut bytes = [0; 32];
    bytes[..16].copy_from_slice(&rng.bits().to_be_bytes());
    bytes[16..].copy_from_slice(&rng.bits().to_be_bytes());
    format!("{PREFIX}{}", STANDARD.encode(bytes))
}

/// The `webhook-signature` header: one signature per secret, separated by spaces. A malformed
/// secret is skipped.
pub fn signatures(secrets: &[&str], id: &str, seconds: i64, body: &str) -> String {
    let all: Vec<String> = secrets
        .iter()
        .filter_map(|secret| signature(secret, id, seconds, body))
        .collect();
    all.join(" ")
}

fn signature(secret: &str, id: &str, seconds: i64, body: &str) -> Option<String> {
    let key = STANDARD.decode(secret.strip_prefix(PREFIX)?).ok()?;
    let mut mac = Hmac::<Sha256>::new_from_slice(&key).ok()?;
    mac.update(format!("{id}.{seconds}.{body}").as_bytes());
    Some(format!(
        "v1,{}",
        STANDARD.encode(mac.finalize().into_bytes())
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example in the Standard Webhooks specification.
    #[test]
    fn the_specifications_example_has_the_specifications_signature() {
        let secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
        let id = "msg_p5jXN8AQM9LWM0D4loKWxJek";

        let signed = signatures(&[secret], id, 1_614_265_330, r#"{"test": 2432232314}"#);

        assert_eq!(signed, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn two_secrets_make_two_signatures_and_none_makes_none() {
        let first = new_secret(&crate::clock::SystemRng);
        let second = new_secret(&crate::clock::SystemRng);

        let both = signatures(&[&first, &second], "msg_1", 1, "{}");

        assert_eq!(both.split(' ').count(), 2);
        assert_eq!(signatures(&["not a secret"], "msg_1", 1, "{}"), "");
        assert_ne!(first, second);
    }
}
