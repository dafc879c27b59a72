//! A token with which the host application hands over a signed-in user: a JWT, signed with a
//! shared secret (HS256) or with one of the host's published keys (`jwks.rs`), issued for this
//! service, short-lived and valid once.

use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use serde::Deserialize;
use serde_json::{Map, Value};
use sha2::Sha256;

use crate::sign_in::claims::is_verified;
use crate::sign_in::jwks;
use base64::Engine as _;

/// Longest lifetime of a token, from `iat` to `exp`.
const LIFE_SECONDS_MAX: i64 = 300;

/// Allowed clock difference.
const CLOCK_SECONDS: i64 = 15;

/// Longest token that is parsed.
const TOKEN_BYTES_MAX: usize = 4_096;

/// Allowed length of a token's id (`jti`).
const ID_CHARS: std::ops::RangeInclusive<usize> = 8..=200;

/// The claims of a valid token.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct HandOver {
    /// The email address of the user who is handed over.
    pub email: String,
    /// The token's unique id; a token works once.
    pub jti: String,
    /// When it expires, in Unix seconds.
    pub exp: i64,
    iat: i64,
    aud: Audience,
    nbf: Option<i64>,
    /// What else it says: who the user is, and whether the address is verified.
    #[serde(flatten)]
    pub others: Map<String, Value>,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Several(Vec<String>),
}

#[derive(Deserialize)]
struct JoseHeader {
    alg: String,
    kid: Option<String>,
    crit: Option<serde_json::Value>,
}

/// A parsed token; nothing in it is trusted yet.
pub struct Token<'a> {
    header: JoseHeader,
    signed: &'a str,
    body: &'a str,
    signature: Vec<u8>,
}

/// What a token's signature is verified with.
#[derive(Clone, Copy, Debug)]
pub enum Proof<'a> {
    /// Shared secrets, with HS256.
    Secrets(&'a [&'a str]),
    /// Published keys, each with its own algorithm.
    Keys(&'a [jwks::Key]),
}

impl<'a> Token<'a> {
    /// Splits and decodes a token without verifying it.
    pub fn parse(token: &'a str) -> Option<Token<'a>> {
        if token.len() > TOKEN_BYTES_MAX {
            return None;
        }
        let (signed, signature) = token.rsplit_once('.')?;
        let (head, body) = signed.split_once('.')?;
        let header: JoseHeader =
            serde_json::from_slice(&URL_SAFE_NO_PAD.decode(head).ok()?).ok()?;
        Some(Token {
            header,
            signed,
            body,
            signature: URL_SAFE_NO_PAD.decode(signature).ok()?,
        })
    }

    /// Whether its header names the algorithm of a shared secret.
    pub fn is_shared(&self) -> bool {
        self.header.alg == "HS256"
    }

    /// The id of the signing key that its header names.
    pub fn key_id(&self) -> Option<&str> {
        self.header.kid.as_deref()
    }

    /// Its claims, if the signature is valid and the token is good for `audience` at `now`. We
    /// choose the algorithm, never the token.
    pub fn read(&self, proof: Proof<'_>, audience: &str, now: i64) -> Option<HandOver> {
        if self.header.crit.is_some() || !self.is_signed(proof) {
            return None;
        }
        let said: HandOver =
            serde_json::from_slice(&URL_SAFE_NO_PAD.decode(self.body).ok()?).ok()?;
        said.is_good(audience, now).then_some(said)
    }

    fn is_signed(&self, proof: Proof<'_>) -> bool {
        let text = self.signed.as_bytes();
        match proof {
            Proof::Secrets(secrets) => {
                let is_by = |secret: &&str| {
                    let mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes());
                    mac.is_ok_and(|mac| {
                        mac.chain_update(text).verify_slice(&self.signature).is_ok()
                    })
                };
                self.header.alg == "HS256" && secrets.iter().any(is_by)
            }
            Proof::Keys(keys) => {
                let (alg, id) = (self.header.alg.as_str(), self.header.kid.as_deref());
                keys.iter()
                    .any(|key| key.signed(alg, id, text, &self.signature))
            }
        }
    }
}

impl HandOver {
    fn is_good(&self, audience: &str, now: i64) -> bool {
        let is_for_us = match &self.aud {
            Audience::One(aud) => aud == audience,
            Audience::Several(all) => all.iter().any(|aud| aud == audience),
        };
        is_for_us
            && now < self.exp.saturating_add(CLOCK_SECONDS)
            && self.iat <= now + CLOCK_SECONDS
            && self.exp.saturating_sub(self.iat) <= LIFE_SECONDS_MAX
            && self.nbf.is_none_or(|from| from <= now + CLOCK_SECONDS)
            // A hand-over vouches for its address unless it says otherwise.
            && is_verified(&self.others) != Some(false)
            && ID_CHARS.contains(&self.jti.len())
    }

    /// Until when its use must be remembered, in Unix seconds.
    pub fn forgotten_at(&self) -> i64 {
        self.exp.saturating_add(CLOCK_SECONDS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const HERE: &str = "https://billing.example";

    fn read(token: &str, secrets: &[&str], audience: &str, now: i64) -> Option<HandOver> {
        Token::parse(token)?.read(Proof::Secrets(secrets), audience, now)
    }

    fn fixtures() -> Value {
        serde_json::from_str(include_str!("../../tests/data/host-tokens.json")).unwrap()
    }

    fn at(seconds: i64) -> i64 {
        fixtures()["issuedAt"].as_i64().unwrap() + seconds
    }

    fn fixture(name: &str, audience: &str, now: i64) -> Option<HandOver> {
        let all = fixtures();
        let secret = all["secret"].as_str().unwrap();
        read(all[name].as_str().unwrap(), &["x", secret], audience, now)
    }

    fn signed(head: Value, body: Value) -> String {
        let encode = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", encode(head), encode(body));
        let mac = Hmac::<Sha256>::new_from_slice(b"secret").unwrap();
        let tag = mac.chain_update(signed.as_bytes()).finalize().into_bytes();
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(tag))
    }

    #[test]
    fn a_token_of_a_real_library_is_read_while_it_is_good() {
        let read = fixture("hand-over", HERE, at(1)).unwrap();

        assert_eq!(read.email, "maya@example.com");
        assert_eq!(fixture("hand-over", HERE, at(75)), None, "too late");
        assert_eq!(fixture("hand-over", HERE, at(-16)), None, "too early");
        assert_eq!(fixture("hand-over", "https://other.example", at(1)), None);
    }

    #[test]
    fn case_a2_the_algorithm_is_not_the_tokens_to_choose() {
        for name in ["hand-over none", "hand-over HS512"] {
            assert_eq!(fixture(name, HERE, at(1)), None, "{name}");
        }
        let body = json!({"email": "a@b.c", "aud": HERE, "jti": "12345678", "iat": 0, "exp": 60});
        for alg in ["none", "HS512", "RS256", "hs256", ""] {
            let token = signed(json!({ "alg": alg }), body.clone());
            assert_eq!(read(&token, &["secret"], HERE, 1), None, "{alg}");
        }
        let critical = signed(json!({"alg": "HS256", "crit": ["b64"]}), body);
        assert_eq!(read(&critical, &["secret"], HERE, 1), None);
    }

    #[test]
    fn a_token_that_lives_long_or_lacks_something_is_refused() {
        let good = json!({"email": "a@b.c", "aud": [HERE], "jti": "12345678", "iat": 0, "exp": 60});
        let with = |name: &str, value: Value| {
            let mut body = good.clone();
            body[name] = value;
            read(&signed(json!({"alg": "HS256"}), body), &["secret"], HERE, 1)
        };

        assert!(with("extra", json!(1)).is_some());
        for (name, value) in [
            ("exp", json!(301)),
            ("exp", json!(null)),
            ("jti", json!("short")),
            ("jti", json!(null)),
            ("aud", json!([])),
            ("email", json!(null)),
            ("email_verified", json!(false)),
            ("nbf", json!(17)),
        ] {
            assert!(with(name, value.clone()).is_none(), "{name} {value}");
        }
    }
    #[test]
    fn case_a2_a_published_key_and_a_shared_secret_never_stand_for_each_other() {
        use ring::signature::Ed25519KeyPair;
        use ring::signature::KeyPair;
        let pair = Ed25519KeyPair::from_seed_unchecked(&[7; 32]).unwrap();
        let public = URL_SAFE_NO_PAD.encode(pair.public_key());
        let set = json!({ "keys": [{ "kty": "OKP", "crv": "Ed25519", "x": public }] });
        let keys = jwks::parse(set.to_string().as_bytes()).unwrap();
        let body = json!({"email": "a@b.c", "aud": HERE, "jti": "12345678", "iat": 0, "exp": 60});
        let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let by_key = |alg: &str| {
            let signed = format!("{}.{}", encode(&json!({ "alg": alg })), encode(&body));
            let signature = URL_SAFE_NO_PAD.encode(pair.sign(signed.as_bytes()));
            format!("{signed}.{signature}")
        };
        let read_by = |token: &str, proof: Proof<'_>| Token::parse(token)?.read(proof, HERE, 1);

        assert!(read_by(&by_key("EdDSA"), Proof::Keys(&keys)).is_some());
        assert!(read_by(&by_key("HS256"), Proof::Keys(&keys)).is_none());
        assert!(read_by(&by_key("none"), Proof::Keys(&keys)).is_none());
        assert!(read_by(&by_key("EdDSA"), Proof::Secrets(&[&public])).is_none());
        let with_public = {
            let signed = format!("{}.{}", encode(&json!({ "alg": "HS256" })), encode(&body));
            let mac = Hmac::<Sha256>::new_from_slice(public.as_bytes()).unwrap();
            let tag = mac.chain_update(signed.as_bytes()).finalize().into_bytes();
            format!("{signed}.{}", URL_SAFE_NO_PAD.encode(tag))
        };
        assert!(read_by(&with_public, Proof::Keys(&keys)).is_none());
    }
}
