//! Ids and random values. They all come from one seeded generator, so that the same calls give the
//! same bytes.

use serde::{Deserialize, Serialize};

const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// A `SplitMix64` generator: small, seedable and good enough for ids and outcomes, but not for
/// secrets.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Rng(u64);

impl Rng {
    /// Creates a generator that gives the same numbers for the same seed.
    pub fn new(seed: u64) -> Rng {
        Rng(seed)
    }

    /// The next random number.
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A random string of letters and digits.
    pub fn text(&mut self, length: usize) -> String {
        (0..length)
            .map(|_| char::from(ALPHABET[usize::try_from(self.next() % 62).unwrap_or(0)]))
            .collect()
    }

    /// A random string of capitals and digits, as in invoice prefixes and coupon ids.
    pub fn capitals(&mut self, length: usize) -> String {
        (0..length)
            .map(|_| char::from(ALPHABET[usize::try_from(self.next() % 36).unwrap_or(0)]))
            .collect()
    }

    /// An id in Stripe's format: the prefix `cus` gives `cus_` and 14 characters.
    pub fn id(&mut self, prefix: &str) -> String {
        match prefix {
            "cus" | "prod" | "si" | "req" | "wsess" => format!("{prefix}_{}", self.text(14)),
            "cs_test" => format!("cs_test_a1{}", self.text(56)),
            "pi" | "ch" | "py" | "re" | "pyr" | "txn" => format!("{prefix}_3{}", self.text(23)),
            "whsec" => format!("whsec_{}", self.text(32)),
            _ => format!("{prefix}_1{}", self.text(23)),
        }
    }
}
