//! The public keys that the host application signs hand-over tokens with (RFC 7517): fetched when
//! needed, cached for minutes, and fetched again for an unknown key id.
//!
//! The key decides its algorithm, never the token: each kind of key has exactly one, and a shared
//! secret is never among them.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use billing::app::App;
use billing::error::{Error, Result};
use billing::outbound;
use domain::time::Timestamp;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ED25519, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents,
    UnparsedPublicKey,
};
use serde::Deserialize;
use tokio::sync::Mutex;

/// Maximum number of keys that are read from a set.
const KEYS_MAX: usize = 32;

/// How long cached keys are trusted, so a revoked key soon stops working.
const FRESH_SECONDS: i64 = 600;

/// How long cached keys are trusted while the host doesn't answer.
const STALE_SECONDS: i64 = 3_600;

/// Shortest time between two fetches, whatever key ids tokens name.
const AGAIN_SECONDS: i64 = 5;

/// A public key of the host application.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    id: Option<String>,
    kind: Kind,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Kind {
    Rsa { n: Vec<u8>, e: Vec<u8> },
    P256(Vec<u8>),
    Ed25519(Vec<u8>),
}

#[derive(Deserialize)]
struct Jwk {
    kty: String,
    kid: Option<String>,
    alg: Option<String>,
    #[serde(rename = "use")]
    usage: Option<String>,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
}

#[derive(Deserialize)]
struct Jwks {
    keys: Vec<serde_json::Value>,
}

impl Key {
    fn read(jwk: &Jwk) -> Option<Key> {
        let part = |text: &Option<String>| URL_SAFE_NO_PAD.decode(text.as_deref()?).ok();
        let kind = match (jwk.kty.as_str(), jwk.crv.as_deref()) {
            ("RSA", _) => Kind::Rsa {
                n: part(&jwk.n)?,
                e: part(&jwk.e)?,
            },
            ("EC", Some("P-256")) => {
                let (x, y) = (part(&jwk.x)?, part(&jwk.y)?);
                if (x.len(), y.len()) != (32, 32) {
                    return None;
                }
                Kind::P256([&[4], x.as_slice(), y.as_slice()].concat())
            }
            ("OKP", Some("Ed25519")) => Kind::Ed25519(part(&jwk.x)?),
            _ => return None,
        };
        let key = Key {
            id: jwk.kid.clone(),
            kind,
        };
        let is_to_sign = jwk.usage.as_deref().is_none_or(|usage| usage == "sig");
        let is_ours = jwk.alg.as_deref().is_none_or(|alg| alg == key.algorithm());
        (is_to_sign && is_ours).then_some(key)
    }

    /// The only algorithm that the key may be used with.
    fn algorithm(&self) -> &'static str {
        match self.kind {
            Kind::Rsa { .. } => "RS256",
            Kind::P256(_) => "ES256",
            Kind::Ed25519(_) => "EdDSA",
        }
    }

    /// Whether the key made this signature, with its own algorithm.
    pub fn signed(&self, algorithm: &str, id: Option<&str>, text: &[u8], signature: &[u8]) -> bool {
        let is_named = id.is_none() || self.id.as_deref() == id;
        if !is_named || algorithm != self.algorithm() {
            return false;
        }
        let checked = match &self.kind {
            Kind::Rsa { n, e } => {
                let key = RsaPublicKeyComponents { n, e };
                key.verify(&RSA_PKCS1_2048_8192_SHA256, text, signature)
            }
            Kind::P256(point) => {
                UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).verify(text, signature)
            }
            Kind::Ed25519(point) => UnparsedPublicKey::new(&ED25519, point).verify(text, signature),
        };
        checked.is_ok()
    }
}

/// Parses a key set. Anything but public keys for verifying signatures is skipped.
pub fn parse(text: &[u8]) -> Option<Vec<Key>> {
    let set: Jwks = serde_json::from_slice(text).ok()?;
    let keys = set.keys.into_iter().take(KEYS_MAX);
    let known = keys.filter_map(|key| Key::read(&serde_json::from_value(key).ok()?));
    Some(known.collect())
}

/// The cached keys.
#[derive(Debug, Default)]
pub struct Cache(Mutex<Seen>);

#[derive(Debug, Default)]
struct Seen {
    keys: Arc<[Key]>,
    read_at: Option<Timestamp>,
    tried_at: Option<Timestamp>,
}

impl Seen {
    fn is_younger(&self, seconds: i64, now: Timestamp) -> bool {
        self.read_at
            .is_some_and(|at| now < at.plus_seconds(seconds))
    }
}

/// The keys to verify a token with; fetched again if `id` is unknown.
pub async fn keys(app: &App, cache: &Cache, id: Option<&str>) -> Result<Arc<[Key]>> {
    let now = app.real_now();
    // The lock is held during the fetch, so concurrent callers share one.
    let mut seen = cache.0.lock().await;
    let is_known = id.is_none() || seen.keys.iter().any(|key| key.id.as_deref() == id);
    if is_known && seen.is_younger(FRESH_SECONDS, now) {
        return Ok(Arc::clone(&seen.keys));
    }
    let may_ask = seen
        .tried_at
        .is_none_or(|at| now >= at.plus_seconds(AGAIN_SECONDS));
    if may_ask {
        seen.tried_at = Some(now);
        match fetch(&app.settings.session.hand_over_jwks).await {
            Ok(keys) => {
                seen.keys = keys.into();
                seen.read_at = Some(now);
            }
            Err(error) => tracing::warn!(error, "Failed to read the host application's keys"),
        }
    }
    if seen.is_younger(STALE_SECONDS, now) {
        return Ok(Arc::clone(&seen.keys));
    }
    let detail = "The keys that this token is checked with cannot be read now; try again.";
    Err(Error::unavailable("keys_unavailable", detail).retry_after(AGAIN_SECONDS.unsigned_abs()))
}

async fn fetch(address: &str) -> std::result::Result<Vec<Key>, String> {
    let request = http::Request::get(address)
        .header(http::header::ACCEPT, "application/json")
        .body(Vec::new())
        .map_err(|error| error.to_string())?;
    let answer = outbound::call(request).await;
    let answer = answer.map_err(|error| error.to_string())?;
    if !answer.status().is_success() {
        return Err(format!("the answer's status is {}", answer.status()));
    }
    parse(answer.body()).ok_or_else(|| "the answer is no set of keys".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use ring::signature::Ed25519KeyPair;
    use ring::signature::KeyPair;
    use serde_json::json;

    fn pair() -> Ed25519KeyPair {
        Ed25519KeyPair::from_seed_unchecked(&[7; 32]).unwrap()
    }

    fn public() -> String {
        URL_SAFE_NO_PAD.encode(pair().public_key())
    }

    #[test]
    fn a_set_of_keys_is_read_but_for_what_does_not_verify() {
        let set = json!({ "keys": [
            { "kty": "OKP", "crv": "Ed25519", "kid": "a", "x": public() },
            { "kty": "oct", "kid": "secret", "k": "c2VjcmV0", "alg": "HS256" },
            { "kty": "OKP", "crv": "Ed25519", "kid": "enc", "use": "enc", "x": public() },
            { "kty": "OKP", "crv": "Ed25519", "kid": "odd", "alg": "RS256", "x": public() },
            { "kty": "EC", "crv": "P-256", "kid": "short", "x": "AA", "y": "AA" },
            { "kty": 5 },
        ] });

        let keys = parse(set.to_string().as_bytes()).unwrap();

        let ids: Vec<_> = keys.iter().filter_map(|key| key.id.as_deref()).collect();
        assert_eq!(ids, ["a"]);
        assert_eq!(parse(b"[]"), None);
    }

    #[test]
    fn case_a2_a_key_verifies_by_its_own_algorithm_only() {
        let set =
            json!({ "keys": [{ "kty": "OKP", "crv": "Ed25519", "kid": "a", "x": public() }] });
        let keys = parse(set.to_string().as_bytes()).unwrap();
        let signature = pair().sign(b"text");
        let signed = |alg: &str, id: Option<&str>, text: &[u8]| {
            keys[0].signed(alg, id, text, signature.as_ref())
        };

        assert!(signed("EdDSA", Some("a"), b"text"));
        assert!(signed("EdDSA", None, b"text"));
        assert!(!signed("EdDSA", Some("b"), b"text"));
        assert!(!signed("EdDSA", Some("a"), b"other"));
        for alg in ["none", "HS256", "RS256", "ES256", ""] {
            assert!(!signed(alg, Some("a"), b"text"), "{alg}");
        }
    }
}
