//! The host application's own session: the encrypted cookie of Auth.js (v5) or NextAuth.js (v4),
//! decrypted with the secret shared with the host.
//!
//! It only identifies the user: tier, credits and roles are read from the database on each request,
//! and an operator's role counts only with one of our own sessions.

use aes::Aes256;
use aes_gcm::aead::{Aead, Payload};
use aes_gcm::{Aes256Gcm, Nonce};
use axum::http::header;
use axum::http::request::Parts;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use billing::actors::KEY_PREFIX;
use billing::app::App;
use billing::config::{Host, Unverified};
use billing::people::users;
use cbc::cipher::block_padding::Pkcs7;
use cbc::cipher::{BlockModeDecrypt, KeyIvInit};
use domain::time::Timestamp;
use hkdf::Hkdf;
use hmac::{Hmac, KeyInit, Mac};
use secrecy::ExposeSecret;
use serde::Deserialize;
use serde_json::{Map, Value};
use sha2::{Sha256, Sha512};
use subtle::ConstantTimeEq;

use crate::sign_in::claims::{identity, is_verified};
use crate::sign_in::cookies::cookies;

/// Supported cookies and the library that writes them. The name is part of the key (v5).
const COOKIES: &[(&str, Library)] = &[
    ("__Secure-authjs.session-token", Library::AuthJs),
    ("authjs.session-token", Library::AuthJs),
    ("__Secure-next-auth.session-token", Library::NextAuth),
    ("next-auth.session-token", Library::NextAuth),
];

/// Maximum number of chunks that a large cookie is joined from.
const CHUNKS_MAX: usize = 8;

/// Longest token that is decrypted.
const TOKEN_BYTES_MAX: usize = 32 << 10;

/// Allowed clock difference, as in the libraries.
const CLOCK_SECONDS: i64 = 15;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Library {
    /// Auth.js: `@auth/core`, next-auth v5.
    AuthJs,
    /// NextAuth.js: next-auth v4.
    NextAuth,
}

/// The claims of a token that are read. The host may add others.
#[derive(Debug, Deserialize)]
struct Claims {
    email: Option<String>,
    #[serde(flatten)]
    others: Map<String, Value>,
    iat: i64,
    exp: i64,
    nbf: Option<i64>,
}

#[derive(Deserialize)]
struct JoseHeader {
    alg: String,
    enc: String,
    zip: Option<serde_json::Value>,
    crit: Option<serde_json::Value>,
}

/// What the host's session of a request says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Said {
    /// There is none.
    Nothing,
    /// It names this person.
    Person(HostPerson),
    /// It is not accepted.
    Refused(Refused),
}

/// The person whom a valid token names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostPerson {
    /// When the token was issued.
    pub issued_at: Timestamp,
    /// The host application's id of the person, if the token has one.
    pub external_id: Option<String>,
    /// The verified address.
    pub email: String,
}

/// Why a host session is not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// None of our shared secrets opens it.
    Signature,
    /// It has expired, or isn't valid yet.
    Expired,
    /// Its address isn't verified.
    Unverified,
    /// It has no email address.
    NoAddress,
    /// It was issued before the person signed out.
    SignedOut,
    /// An operator disabled the person.
    Disabled,
    /// Its address belongs to another user of the host application.
    AddressTaken,
}

/// How the codes begin that say why a host session is not accepted.
pub const WHY: &str = "host_session_";

const ALL: [Refused; 7] = [
    Refused::Signature,
    Refused::Expired,
    Refused::Unverified,
    Refused::NoAddress,
    Refused::SignedOut,
    Refused::Disabled,
    Refused::AddressTaken,
];

/// The reason with this code, in words.
pub fn reason(code: &str) -> Option<&'static str> {
    let all = ALL.into_iter().map(Refused::told);
    all.into_iter()
        .find_map(|(known, detail)| (known == code).then_some(detail))
}

impl Refused {
    /// The stable code, and the reason in words.
    pub const fn told(self) -> (&'static str, &'static str) {
        match self {
            Refused::Signature => (
                "host_session_signature",
                "The application's session could not be opened: its secret, or the name of its \
                 cookie, is not the one that is configured here.",
            ),
            Refused::Expired => (
                "host_session_expired",
                "The application's session has expired. Sign in there again.",
            ),
            Refused::Unverified => (
                "host_session_unverified",
                "The application's session doesn't say that your email address is verified. Verify \
                 it there, or sign in with an emailed link.",
            ),
            Refused::NoAddress => (
                "host_session_no_address",
                "The application's session has no email address. Sign in with an emailed link.",
            ),
            Refused::SignedOut => (
                "host_session_signed_out",
                "You signed out. Sign in to the application again.",
            ),
            Refused::Disabled => (
                "host_session_disabled",
                "This user was disabled by an operator. Contact support.",
            ),
            Refused::AddressTaken => (
                "host_session_address_taken",
                "Another user of the application has this email address here. The application must \
                 first give that user's account its new address.",
            ),
        }
    }
}

/// Reads the host's session of a request.
pub fn read(parts: &Parts, app: &App) -> Said {
    let shared = app.settings.session.secret.expose_secret();
    let secrets = shared.split(',').map(str::trim);
    let secrets: Vec<&str> = secrets.filter(|secret| !secret.is_empty()).collect();
    if secrets.is_empty() {
        return Said::Nothing;
    }
    let tokens = tokens(parts, &app.settings.host.cookie_name);
    if tokens.is_empty() {
        return Said::Nothing;
    }
    let claims = tokens
        .iter()
        .find_map(|(cookie, library, token)| open(token, &secrets, cookie, *library));
    let Some(claims) = claims else {
        return Said::Refused(Refused::Signature);
    };
    match claims.person(&app.settings.host, app.real_now().seconds()) {
        Ok(person) => Said::Person(person),
        Err(refused) => Said::Refused(refused),
    }
}

impl Claims {
    fn person(&self, host: &Host, now: i64) -> Result<HostPerson, Refused> {
        if !self.are_good_at(now) {
            return Err(Refused::Expired);
        }
        let accepts = host.unverified() == Unverified::Accept;
        if !is_verified(&self.others).unwrap_or(accepts) {
            return Err(Refused::Unverified);
        }
        let email = self.email.as_deref().map(users::read_email);
        let email = email.and_then(Result::ok).ok_or(Refused::NoAddress)?;
        Ok(HostPerson {
            issued_at: Timestamp::from_seconds(self.iat),
            external_id: identity(&self.others, &host.identity_claim),
            email,
        })
    }

    fn are_good_at(&self, now: i64) -> bool {
        now < self.exp.saturating_add(CLOCK_SECONDS)
            && self.iat <= now + CLOCK_SECONDS
            && self.nbf.is_none_or(|from| from <= now + CLOCK_SECONDS)
    }
}

/// The tokens of a request: cookies, whole or in chunks; without any, a bearer token, which may be
/// from either library.
fn tokens<'a>(parts: &Parts, renamed: &'a str) -> Vec<(&'a str, Library, String)> {
    let own = [(renamed, Library::AuthJs), (renamed, Library::NextAuth)];
    let own = own.into_iter().filter(|(name, _)| !name.is_empty());
    let all: Vec<(&str, Library)> = own.chain(COOKIES.iter().copied()).collect();
    let mut found = Vec::new();
    for (name, library) in &all {
        if let Some(token) = joined(parts, name) {
            found.push((*name, *library, token));
        }
    }
    if found.is_empty()
        && let Some(token) = bearer(parts)
    {
        let all = all.into_iter();
        found.extend(all.map(|(name, library)| (name, library, token.to_owned())));
    }
    found
}

fn bearer(parts: &Parts) -> Option<&str> {
    let value = parts.headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !token.starts_with(KEY_PREFIX)).then_some(token)
}

/// A cookie, or its chunks `NAME.0`, `NAME.1`, … in numeric order.
fn joined(parts: &Parts, name: &str) -> Option<String> {
    if let Some((_, whole)) = cookies(&parts.headers).find(|(known, _)| *known == name) {
        return Some(whole.to_owned());
    }
    let mut pieces: Vec<(usize, &str)> = cookies(&parts.headers)
        .filter_map(|(known, value)| {
            let number = known.strip_prefix(name)?.strip_prefix('.')?;
            Some((number.parse().ok()?, value))
        })
        .collect();
    pieces.sort_by_key(|(number, _)| *number);
    let is_whole = pieces.iter().map(|(number, _)| *number).eq(0..pieces.len());
    (is_whole && (1..=CHUNKS_MAX).contains(&pieces.len()))
        .then(|| pieces.into_iter().map(|(_, piece)| piece).collect())
}

/// Decrypts a token with the first secret that works.
fn open(token: &str, secrets: &[&str], cookie: &str, library: Library) -> Option<Claims> {
    if token.len() > TOKEN_BYTES_MAX {
        return None;
    }
    let pieces: Vec<&str> = token.split('.').collect();
    let [head, "", iv, text, tag] = pieces.as_slice() else {
        return None;
    };
    let header: JoseHeader = serde_json::from_slice(&decode(head)?).ok()?;
    if header.alg != "dir" || header.zip.is_some() || header.crit.is_some() {
        return None;
    }
    let sealed = Sealed {
        head: head.as_bytes(),
        iv: decode(iv)?,
        text: decode(text)?,
        tag: decode(tag)?,
    };
    let plain = secrets
        .iter()
        .find_map(|secret| match (header.enc.as_str(), library) {
            ("A256GCM", _) => sealed.open_gcm(&key::<32>(secret, cookie, library)?),
            ("A256CBC-HS512", Library::AuthJs) => {
                sealed.open_cbc(&key::<64>(secret, cookie, library)?)
            }
            _ => None,
        })?;
    serde_json::from_slice(&plain).ok()
}

fn decode(text: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text).ok()
}

/// The encryption key that a library derives from the secret.
fn key<const BYTES: usize>(secret: &str, cookie: &str, library: Library) -> Option<[u8; BYTES]> {
    let (salt, info) = match library {
        Library::AuthJs => (
            cookie,
            format!("Auth.js Generated Encryption Key ({cookie})"),
        ),
        Library::NextAuth => ("", "NextAuth.js Generated Encryption Key".to_owned()),
    };
    let mut key = [0; BYTES];
    let derived = Hkdf::<Sha256>::new(Some(salt.as_bytes()), secret.as_bytes());
    derived.expand(info.as_bytes(), &mut key).ok()?;
    Some(key)
}

/// The parts of a compact JWE with a shared key (RFC 7516, RFC 7518 section 5).
struct Sealed<'a> {
    /// The encoded header as received: the additional authenticated data.
    head: &'a [u8],
    iv: Vec<u8>,
    text: Vec<u8>,
    tag: Vec<u8>,
}

impl Sealed<'_> {
    fn open_gcm(&self, key: &[u8; 32]) -> Option<Vec<u8>> {
        let iv: [u8; 12] = self.iv.as_slice().try_into().ok()?;
        if self.tag.len() != 16 {
            return None;
        }
        let sealed = [self.text.as_slice(), &self.tag].concat();
        let payload = Payload {
            msg: &sealed,
            aad: self.head,
        };
        let cipher = Aes256Gcm::new_from_slice(key).ok()?;
        cipher.decrypt(&Nonce::from(iv), payload).ok()
    }

    /// Checks the tag, in constant time, before decrypting.
    fn open_cbc(&self, key: &[u8; 64]) -> Option<Vec<u8>> {
        let (mac_key, text_key) = key.split_at(32);
        let mut mac = Hmac::<Sha512>::new_from_slice(mac_key).ok()?;
        let bits = u64::try_from(self.head.len()).ok()?.checked_mul(8)?;
        mac.update(self.head);
        mac.update(&self.iv);
        mac.update(&self.text);
        mac.update(&bits.to_be_bytes());
        let expected = mac.finalize().into_bytes();
        if !bool::from(expected[..32].ct_eq(&self.tag)) {
            return None;
        }
        let cipher = cbc::Decryptor::<Aes256>::new_from_slices(text_key, &self.iv).ok()?;
        cipher.decrypt_padded_vec::<Pkcs7>(&self.text).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const V5: &str = "authjs.session-token";
    const V4: &str = "next-auth.session-token";

    fn fixtures() -> Value {
        serde_json::from_str(include_str!("../../tests/data/host-tokens.json")).unwrap()
    }

    fn token(name: &str) -> String {
        fixtures()[name].as_str().unwrap().to_owned()
    }

    fn opened(name: &str, cookie: &str, library: Library) -> Option<Claims> {
        let secret = token("secret");
        open(&token(name), &["an older secret", &secret], cookie, library)
    }

    #[test]
    fn tokens_of_both_libraries_are_opened_with_the_shared_secret() {
        let now = fixtures()["issuedAt"].as_i64().unwrap();
        let all = [
            (V5, Library::AuthJs),
            ("__Secure-authjs.session-token", Library::AuthJs),
            (V4, Library::NextAuth),
        ];
        for (name, library) in all {
            let claims = opened(name, name, library).unwrap();

            assert_eq!(claims.email.as_deref(), Some("Maya@example.com"), "{name}");
            assert!(claims.are_good_at(now + 3_600) && !claims.are_good_at(now + 3_616));
            assert!(!claims.are_good_at(now - 16), "from the future");
        }
    }

    #[test]
    fn case_a2_a_token_for_another_cookie_secret_or_library_is_nothing() {
        assert!(opened(V5, "__Secure-authjs.session-token", Library::AuthJs).is_none());
        assert!(opened(V5, V5, Library::NextAuth).is_none());
        assert!(opened(V4, V4, Library::AuthJs).is_none());
        assert!(open(&token(V5), &["another secret"], V5, Library::AuthJs).is_none());
    }

    #[test]
    fn case_a2_a_token_with_any_part_changed_is_nothing() {
        let secret = token("secret");
        for (name, library) in [(V5, Library::AuthJs), (V4, Library::NextAuth)] {
            let good = token(name);
            let mut at = 0;
            for (number, piece) in good.split('.').enumerate() {
                if !piece.is_empty() {
                    let mut changed = good.clone().into_bytes();
                    changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
                    let changed = String::from_utf8(changed).unwrap();
                    let claims = open(&changed, &[&secret], name, library);
                    assert!(claims.is_none(), "{name}, part {number}");
                }
                at += piece.len() + 1;
            }
        }
    }

    #[test]
    fn case_a2_only_the_two_known_algorithms_are_opened() {
        let secret = token("secret");
        let good = token(V5);
        let (_, rest) = good.split_once('.').unwrap();
        for head in [
            r#"{"alg":"none"}"#,
            r#"{"alg":"none","enc":"A256GCM"}"#,
            r#"{"alg":"dir","enc":"none"}"#,
            r#"{"alg":"A256KW","enc":"A256CBC-HS512"}"#,
            r#"{"alg":"dir","enc":"A256CBC-HS512","zip":"DEF"}"#,
            r#"{"alg":"dir","enc":"A256CBC-HS512","crit":["exp"]}"#,
        ] {
            let forged = format!("{}.{rest}", URL_SAFE_NO_PAD.encode(head));
            assert!(
                open(&forged, &[&secret], V5, Library::AuthJs).is_none(),
                "{head}"
            );
        }
        for shape in [
            "",
            "....",
            "a.b.c",
            "a..b.c.d.e",
            "\u{e4}....",
            &"x".repeat(40_000),
        ] {
            assert!(open(shape, &[&secret], V5, Library::AuthJs).is_none());
        }
    }

    #[test]
    fn a_large_cookie_is_joined_from_its_pieces_in_the_order_of_their_numbers() {
        let large = token("authjs.session-token large");
        let (first, second) = large.split_at(3_936);
        let request = |cookies: &str| {
            let request = http::Request::builder().header("cookie", cookies);
            request.body(()).unwrap().into_parts().0
        };

        let parts = request(&format!("{V5}.1={second}; a=b; {V5}.0={first}"));

        assert_eq!(joined(&parts, V5).as_deref(), Some(large.as_str()));
        assert_eq!(joined(&request(&format!("{V5}.1={second}")), V5), None);
        assert_eq!(joined(&request("other=1"), V5), None);
    }
}
