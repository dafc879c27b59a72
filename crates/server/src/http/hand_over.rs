//! A token with which the host application hands somebody over: a JWT that it signs with a secret
//! of its own (HS256), for this service, for minutes, for one use.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use serde::Deserialize;
use sha2::Sha256;

/// Longest life of a token, from its making to its end.
const LIFE_SECONDS_MAX: i64 = 300;
/// What clocks may differ by.
const CLOCK_SECONDS: i64 = 15;
/// Longest token that is looked at.
const TOKEN_BYTES_MAX: usize = 4_096;
/// Length of a token's own id.
const ID_CHARS: std::ops::RangeInclusive<usize> = 8..=200;

/// What a token says that is good.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct HandOver {
    /// Who is handed over.
    pub email: String,
    /// The token's own id: it works once.
    pub jti: String,
    /// When it ends, in unix seconds.
    pub exp: i64,
    iat: i64,
    aud: Audience,
    nbf: Option<i64>,
    email_verified: Option<bool>,
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
    crit: Option<serde_json::Value>,
}

/// Reads a token, if it is signed with one of the secrets, for `audience`, and good at `now`. The
/// algorithm is ours to choose, never the token's.
pub fn read(token: &str, secrets: &[&str], audience: &str, now: i64) -> Option<HandOver> {
    if token.len() > TOKEN_BYTES_MAX {
        return None;
    }
    let (signed, signature) = token.rsplit_once('.')?;
    let (head, body) = signed.split_once('.')?;
    let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
    let is_signed = secrets.iter().any(|secret| {
        let mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes());
        mac.is_ok_and(|mac| {
            let mac = mac.chain_update(signed.as_bytes());
            mac.verify_slice(&signature).is_ok()
        })
    });
    if !is_signed {
        return None;
    }
    let header: JoseHeader = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(head).ok()?).ok()?;
    if header.alg != "HS256" || header.crit.is_some() {
        return None;
    }
    let said: HandOver = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(body).ok()?).ok()?;
    said.is_good(audience, now).then_some(said)
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
            && self.email_verified != Some(false)
            && ID_CHARS.contains(&self.jti.len())
    }

    /// Until when its use is remembered, in unix seconds.
    pub fn forgotten_at(&self) -> i64 {
        self.exp.saturating_add(CLOCK_SECONDS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    const HERE: &str = "https://billing.example";

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
}
