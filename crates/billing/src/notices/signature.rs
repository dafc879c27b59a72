//! Signatures as Standard Webhooks defines them: HMAC-SHA-256 over id, time and body.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use domain::ids::Rng;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

const PREFIX: &str = "whsec_";

/// A new secret, `whsec_...`, of 256 bits.
pub fn new_secret(rng: &dyn Rng) -> String {
    let mut bytes = [0; 32];
    bytes[..16].copy_from_slice(&rng.bits().to_be_bytes());
    bytes[16..].copy_from_slice(&rng.bits().to_be_bytes());
    format!("{PREFIX}{}", STANDARD.encode(bytes))
}

/// The header `webhook-signature`: one signature for each secret, separated by spaces. A secret
/// that is not one of ours signs nothing.
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

    /// The example of the Standard Webhooks specification.
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
