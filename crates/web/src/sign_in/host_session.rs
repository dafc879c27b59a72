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
use billing::actors::{KEY_PREFIX, Visitor};
use billing::app::App;
use billing::error::Result;
use billing::people::users;
use cbc::cipher::block_padding::Pkcs7;
use cbc::cipher::{BlockModeDecrypt, KeyIvInit};
use domain::people::UserRole;
use domain::time::Timestamp;
use hkdf::Hkdf;
use hmac::{Hmac, KeyInit, Mac};
use secrecy::ExposeSecret;
use serde::Deserialize;
use sha2::{Sha256, Sha512};
use store::Tx;
use subtle::ConstantTimeEq;

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
    email_verified: Option<bool>,
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

/// The user of the host's session, created if new, and what `more` reads by the user's row id;
/// `None` without a valid token.
pub async fn visitor<T, F>(parts: &Parts, app: &App, mut more: F) -> Result<Option<(Visitor, T)>>
where
    F: FnMut(&mut Tx<'_>, i64) -> store::Result<T> + Clone + Send + 'static,
    T: Send + 'static,
{
    let Some((issued_at, email)) = signed_in(parts, app) else {
        return Ok(None);
    };
    let (address, mut beside) = (email.clone(), more.clone());
    let known = app.read(move |tx| {
        let Some(user) = store::users::by_email(tx, &address)? else {
            return Ok(None);
        };
        let after = store::users::tokens_after(tx, user.id)?;
        Ok(Some((after, beside(tx, user.id)?, user)))
    });
    let (after, beside, user) = if let Some(known) = known.await? {
        known
    } else {
        let user = users::ensure(app, &email, UserRole::User, true).await?;
        let id = user.id;
        (None, app.read(move |tx| more(tx, id)).await?, user)
    };
    if after.is_some_and(|after| issued_at < after) || user.disabled_at.is_some() {
        return Ok(None);
    }
    let visitor = Visitor {
        id: user.id,
        public_id: user.public_id,
        email: user.email,
        name: user.name,
        role: UserRole::User,
    };
    Ok(Some((visitor, beside)))
}

/// When the request's valid token was issued, and the email address it names.
fn signed_in(parts: &Parts, app: &App) -> Option<(Timestamp, String)> {
    let shared = app.settings.session.secret.expose_secret();
    let secrets = shared.split(',').map(str::trim);
    let secrets: Vec<&str> = secrets.filter(|secret| !secret.is_empty()).collect();
    if secrets.is_empty() {
        return None;
    }
    let claims = tokens(parts)
        .iter()
        .find_map(|(cookie, library, token)| open(token, &secrets, cookie, *library))?;
    let email = users::read_email(claims.email.as_deref()?).ok()?;
    let is_good = claims.are_good_at(app.real_now().seconds());
    is_good.then(|| (Timestamp::from_seconds(claims.iat), email))
}

impl Claims {
    fn are_good_at(&self, now: i64) -> bool {
        now < self.exp.saturating_add(CLOCK_SECONDS)
            && self.iat <= now + CLOCK_SECONDS
            && self.nbf.is_none_or(|from| from <= now + CLOCK_SECONDS)
            && self.email_verified != Some(false)
    }
}

/// The tokens of a request: cookies, whole or in chunks; without any, a bearer token, which may be
/// from either library.
fn tokens(parts: &Parts) -> Vec<(&'static str, Library, String)> {
    let mut found = Vec::new();
    for (name, library) in COOKIES {
        if let Some(token) = joined(parts, name) {
            found.push((*name, *library, token));
        }
    }
    if found.is_empty()
        && let Some(token) = bearer(parts)
    {
        let all = COOKIES.iter();
        found.extend(all.map(|(name, library)| (*name, *library, token.to_owned())));
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
    use serde_json::Value;

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
