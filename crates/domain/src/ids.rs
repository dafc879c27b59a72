//! Public ids, and the source of randomness they are made from.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::time::Timestamp;

/// A source of random bits for ids, tokens and lease numbers. A parameter, so that a run is
/// reproducible.
pub trait Rng: Send + Sync {
    /// Draws 128 fresh random bits.
    fn bits(&self) -> u128;
}

/// Crockford's alphabet: no letter that looks like a digit, and it sorts in numeric order.
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// An id such as `acc_01jd...`: a prefix, 48 bits of `now` in milliseconds and 80 random bits, so
/// that ids sort by age and cannot be guessed.
pub fn new_id(prefix: &str, now: Timestamp, rng: &dyn Rng) -> String {
    let millis = u128::from(
        (now.micros() / 1_000)
            .clamp(0, (1 << 48) - 1)
            .unsigned_abs(),
    );
    let value = (millis << 80) | (rng.bits() & ((1 << 80) - 1));
    let mut text = String::with_capacity(prefix.len() + 27);
    text.push_str(prefix);
    text.push('_');
    for index in (0..26).rev() {
        let digit = (value >> (index * 5)) & 31;
        text.push(char::from(
            ALPHABET[usize::try_from(digit).expect("five bits")],
        ));
    }
    text
}

/// A deterministic source: a counter spread over 128 bits. For tests and simulations.
#[derive(Debug, Default)]
pub struct SeededRng(AtomicU64);

impl SeededRng {
    /// Draws the same numbers for the same seed.
    pub fn new(seed: u64) -> SeededRng {
        SeededRng(AtomicU64::new(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15)))
    }
}

impl Rng for SeededRng {
    fn bits(&self) -> u128 {
        // SplitMix64 (Steele, Lea, Flood 2014), twice.
        let step = || {
            let mut z = self.0.fetch_add(0x9E37_79B9_7F4A_7C15, Ordering::SeqCst);
            z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
            z ^ (z >> 31)
        };
        (u128::from(step()) << 64) | u128::from(step())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_sort_by_age_and_differ() {
        let rng = SeededRng::new(1);
        let first = new_id("acc", Timestamp::from_seconds(1_000), &rng);
        let second = new_id("acc", Timestamp::from_seconds(1_001), &rng);

        assert!(first < second);
        assert_eq!(first.len(), 30);
        assert_ne!(second, new_id("acc", Timestamp::from_seconds(1_001), &rng));
    }
}
