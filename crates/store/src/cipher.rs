//! Encryption at rest: email addresses, payloads and secrets are encrypted ("sealed") with an
//! operator's key before they are written, and decrypted ("opened") when they are read.
//!
//! A sealed value is `lbx1.KEY.HEX` (bytes for blobs): the key's name, so that keys can be rotated,
//! and the value under AES-256-GCM-SIV. The nonce is a keyed hash of the value: the same address
//! sealed with the same key gives the same text, so that unique indexes and lookups keep working.
//! All that this reveals to someone who steals the file is that two values are equal.

use std::sync::Arc;

use aes_gcm_siv::aead::{Aead, KeyInit as _};
use aes_gcm_siv::{Aes256GcmSiv, Nonce};
use hmac::{Hmac, Mac};
use sha2::Sha256;

/// The prefix of every sealed value.
const MARK: &str = "lbx1.";
/// The length in bytes of a key, and of a nonce.
const KEY_BYTES: usize = 32;
const NONCE_BYTES: usize = 12;
/// The maximum length of a key's name, in characters.
const NAME_CHARS_MAX: usize = 16;
/// Keys that may be configured at once: the one in use, and those being phased out.
pub const KEYS_MAX: usize = 3;

/// An operator's keys, starting with the one in use.
#[derive(Clone)]
pub struct Vault {
    keys: Arc<Vec<Key>>,
}

impl std::fmt::Debug for Vault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names = self.keys.iter().map(|key| &key.name);
        f.debug_list().entries(names).finish()
    }
}

struct Key {
    name: String,
    /// The prefix of values sealed with this key: `lbx1.NAME.`
    prefix: String,
    cipher: Aes256GcmSiv,
    nonces: Hmac<Sha256>,
}

impl Vault {
    /// Makes a vault with these keys, by name, starting with the one in use. The error says what is
    /// wrong without revealing the key.
    pub fn new(keys: &[(String, Vec<u8>)]) -> std::result::Result<Vault, String> {
        if keys.is_empty() || keys.len() > KEYS_MAX {
            return Err(format!("there are 1 to {KEYS_MAX} encryption keys"));
        }
        let mut made: Vec<Key> = Vec::with_capacity(keys.len());
        for (name, secret) in keys {
            if made.iter().any(|key| key.name == *name) {
                return Err(format!("the encryption key {name} is there twice"));
            }
            made.push(Key::new(name, secret)?);
        }
        Ok(Vault {
            keys: Arc::new(made),
        })
    }

    /// Seals the text with the key in use.
    pub(crate) fn seal(&self, plain: &str) -> String {
        self.keys[0].seal(plain)
    }

    /// Seals the bytes with the key in use.
    pub(crate) fn seal_bytes(&self, plain: &[u8]) -> Vec<u8> {
        let key = &self.keys[0];
        [key.prefix.as_bytes(), &key.encrypt(plain)].concat()
    }

    /// Decrypts sealed text. Text that isn't sealed, or not with one of our keys, is returned
    /// unchanged: text that only looks sealed may come from any user.
    pub(crate) fn open(&self, text: String) -> String {
        let opened = self.key_of(text.as_bytes()).and_then(|key| {
            let bytes = unhex(&text[key.prefix.len()..])?;
            String::from_utf8(key.decrypt(&bytes)?).ok()
        });
        opened.unwrap_or(text)
    }

    /// Decrypts sealed bytes; see [`Vault::open`].
    pub(crate) fn open_bytes(&self, bytes: Vec<u8>) -> Vec<u8> {
        let opened = self
            .key_of(&bytes)
            .and_then(|key| key.decrypt(&bytes[key.prefix.len()..]));
        opened.unwrap_or(bytes)
    }

    /// The text sealed with each key, starting with the one in use.
    pub(crate) fn seal_with_each(&self, plain: &str) -> Vec<String> {
        self.keys.iter().map(|key| key.seal(plain)).collect()
    }

    /// The prefix of values sealed with each key, starting with the one in use.
    pub(crate) fn prefixes(&self) -> impl Iterator<Item = &str> {
        self.keys.iter().map(|key| key.prefix.as_str())
    }

    fn key_of(&self, bytes: &[u8]) -> Option<&Key> {
        if !bytes.starts_with(MARK.as_bytes()) {
            return None;
        }
        let mut keys = self.keys.iter();
        keys.find(|key| bytes.starts_with(key.prefix.as_bytes()))
    }
}

impl Key {
    fn new(name: &str, secret: &[u8]) -> std::result::Result<Key, String> {
        let is_name = (1..=NAME_CHARS_MAX).contains(&name.len())
            && name
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        if !is_name {
            let said = "the name of an encryption key has 1 to 16 of a-z, 0-9 and -";
            return Err(said.to_owned());
        }
        if secret.len() != KEY_BYTES {
            return Err(format!("the encryption key {name} is not of 32 bytes"));
        }
        let derived = |purpose: &str| -> std::result::Result<Hmac<Sha256>, String> {
            let mut mac = Hmac::<Sha256>::new_from_slice(secret).map_err(|e| e.to_string())?;
            mac.update(purpose.as_bytes());
            Ok(mac)
        };
        let sealing = derived("seal")?.finalize().into_bytes();
        let nonces = derived("nonce")?.finalize().into_bytes();
        Ok(Key {
            name: name.to_owned(),
            prefix: format!("{MARK}{name}."),
            cipher: Aes256GcmSiv::new_from_slice(&sealing).map_err(|e| e.to_string())?,
            nonces: Hmac::<Sha256>::new_from_slice(&nonces).map_err(|e| e.to_string())?,
        })
    }

    fn seal(&self, plain: &str) -> String {
        let sealed = self.encrypt(plain.as_bytes());
        let mut text = String::with_capacity(self.prefix.len() + sealed.len() * 2);
        text.push_str(&self.prefix);
        for byte in sealed {
            text.push(char::from(HEX[usize::from(byte >> 4)]));
            text.push(char::from(HEX[usize::from(byte & 15)]));
        }
        text
    }

    fn encrypt(&self, plain: &[u8]) -> Vec<u8> {
        let mut mac = self.nonces.clone();
        mac.update(plain);
        let digest = mac.finalize().into_bytes();
        let mut nonce = [0; NONCE_BYTES];
        nonce.copy_from_slice(&digest[..NONCE_BYTES]);
        let sealed = self.cipher.encrypt(&Nonce::from(nonce), plain);
        let sealed = sealed.expect("values are far shorter than the cipher's 64 GiB");
        [nonce.as_slice(), &sealed].concat()
    }

    fn decrypt(&self, bytes: &[u8]) -> Option<Vec<u8>> {
        let (nonce, sealed) = bytes.split_at_checked(NONCE_BYTES)?;
        let nonce: [u8; NONCE_BYTES] = nonce.try_into().ok()?;
        self.cipher.decrypt(&Nonce::from(nonce), sealed).ok()
    }
}

/// The hexadecimal digits, in lower case like the addresses that are sealed.
const HEX: &[u8; 16] = b"0123456789abcdef";

fn unhex(text: &str) -> Option<Vec<u8>> {
    let bytes = text.as_bytes();
    if !bytes.len().is_multiple_of(2) {
        return None;
    }
    let digit = |byte: u8| HEX.iter().position(|known| *known == byte);
    let pairs = bytes.chunks_exact(2);
    pairs
        .map(|pair| u8::try_from(digit(pair[0])? * 16 + digit(pair[1])?).ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[expect(clippy::cast_possible_truncation, reason = "the value is small")]
    fn vault(names: &[&str]) -> Vault {
        let key = |name: &&str| ((*name).to_owned(), vec![name.len() as u8; KEY_BYTES]);
        Vault::new(&names.iter().map(key).collect::<Vec<_>>()).unwrap()
    }

    #[test]
    fn what_is_sealed_is_opened_by_its_key_and_hides_its_text() {
        let vault = vault(&["a", "bb"]);

        let sealed = vault.seal("ann@example.com");

        assert!(sealed.starts_with("lbx1.a.") && !sealed.contains("ann"));
        assert_eq!(sealed, sealed.to_lowercase());
        assert_eq!(vault.open(sealed.clone()), "ann@example.com");
        assert_eq!(vault.seal("ann@example.com"), sealed, "lookups find it");
        assert_ne!(vault.seal("bob@example.com")[..40], sealed[..40]);
    }

    #[test]
    fn a_former_key_still_opens_and_a_stranger_does_not() {
        let sealed = vault(&["a"]).seal("ann@example.com");

        assert_eq!(vault(&["bb", "a"]).open(sealed.clone()), "ann@example.com");
        assert_eq!(vault(&["bb"]).open(sealed.clone()), sealed);
        // The same name with another secret.
        let other = Vault::new(&[("a".to_owned(), vec![9; KEY_BYTES])]).unwrap();
        assert_eq!(other.open(sealed.clone()), sealed);
    }

    #[test]
    fn a_changed_character_is_detected_and_text_that_looks_sealed_stays() {
        let vault = vault(&["a"]);
        let mut sealed = vault.seal("ann@example.com");
        let last = if sealed.ends_with('0') { '1' } else { '0' };
        sealed.pop();
        sealed.push(last);

        for text in [sealed.as_str(), "lbx1.a.", "lbx1.a.zz", "lbx1.", "plain"] {
            assert_eq!(vault.open(text.to_owned()), text);
        }
    }

    #[test]
    fn bytes_are_sealed_too() {
        let vault = vault(&["a"]);
        let body = br#"{"email":"ann@example.com"}"#.to_vec();

        let sealed = vault.seal_bytes(&body);

        assert!(!sealed.windows(3).any(|part| part == b"ann"));
        assert_eq!(vault.open_bytes(sealed), body);
        assert_eq!(vault.open_bytes(b"plain".to_vec()), b"plain");
    }

    #[test]
    fn keys_with_a_wrong_length_a_duplicate_or_an_invalid_name_are_refused() {
        let key = |name: &str, length| (name.to_owned(), vec![1; length]);

        assert!(Vault::new(&[]).is_err());
        assert!(Vault::new(&[key("a", 16)]).is_err());
        assert!(Vault::new(&[key("A", KEY_BYTES)]).is_err());
        assert!(Vault::new(&[key("a%", KEY_BYTES)]).is_err());
        assert!(Vault::new(&[key("a", KEY_BYTES), key("a", KEY_BYTES)]).is_err());
        assert!(!format!("{:?}", vault(&["a"])).contains("1, 1"));
    }
}
