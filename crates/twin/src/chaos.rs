//! Chaos on the way to the product: deliveries that are lost, duplicated, delayed or out of order.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::clock::{Micros, parse_duration};

/// The largest number of copies of one delivery.
const DUPLICATE_MAX: u32 = 20;

/// The window in microseconds within which deliveries are shuffled when no delay is given.
const REORDER_WINDOW: Micros = 2_000_000;

/// The configuration that `POST /_twin/chaos` sets.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Chaos {
    /// How many of one million deliveries are lost and never sent.
    pub drop_per_million: u32,
    /// How many copies of each delivery are sent.
    pub copies: u32,
    /// Whether each copy is delayed by a random time of up to `delay`.
    pub reorder: bool,
    /// The delay of a delivery in microseconds of the billing clock.
    pub delay: Micros,
}

impl Default for Chaos {
    fn default() -> Self {
        Self {
            drop_per_million: 0,
            copies: 1,
            reorder: false,
            delay: 0,
        }
    }
}

impl Chaos {
    /// Reads the body of `POST /_twin/chaos`. An empty object turns chaos off.
    pub fn read(body: &Value) -> Result<Self, String> {
        let body = body.as_object().ok_or("The body must be a JSON object.")?;
        let mut chaos = Self::default();
        for (key, value) in body {
            match key.as_str() {
                "drop" => chaos.drop_per_million = share(value)?,
                "duplicate" => {
                    chaos.copies = value
                        .as_u64()
                        .and_then(|copies| u32::try_from(copies).ok())
                        .filter(|copies| *copies <= DUPLICATE_MAX)
                        .ok_or_else(|| {
                            format!("duplicate must be a number from 0 to {DUPLICATE_MAX}.")
                        })?
                        .max(1);
                }
                "reorder" => {
                    chaos.reorder = value.as_bool().ok_or("reorder must be true or false.")?;
                }
                "delay" => {
                    chaos.delay = value.as_str().and_then(parse_duration).ok_or(
                        "delay must be a number followed by s, m, h or d, for example \"60s\".",
                    )?;
                }
                _ => {
                    return Err(format!(
                        "Unknown setting {key}. The settings are drop, duplicate, reorder and delay."
                    ));
                }
            }
        }
        Ok(chaos)
    }

    /// The delay of each copy of a delivery in microseconds. The list is empty if it is lost.
    pub fn delays(&self, rng: &mut Rng) -> Vec<Micros> {
        if self.drop_per_million > 0 && rng.below(1_000_000) < u64::from(self.drop_per_million) {
            return Vec::new();
        }
        (0..self.copies.max(1))
            .map(|_| self.delay_of_one(rng))
            .collect()
    }

    fn delay_of_one(&self, rng: &mut Rng) -> Micros {
        if !self.reorder {
            return self.delay;
        }
        let window = if self.delay > 0 {
            self.delay
        } else {
            REORDER_WINDOW
        };
        let window = u64::try_from(window).unwrap_or(0);
        Micros::try_from(rng.below(window.saturating_add(1))).unwrap_or(0)
    }
}

/// Reads a share between 0 and 1 and returns it in millionths.
fn share(value: &Value) -> Result<u32, String> {
    let wrong = || "drop must be a number from 0 to 1.".to_owned();
    let share = value
        .as_f64()
        .filter(|share| (0.0..=1.0).contains(share))
        .ok_or_else(wrong)?;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the share was checked to lie between 0 and 1"
    )]
    Ok((share * 1_000_000.0).round() as u32)
}

/// A random number generator that is deterministic for its seed (`SplitMix64`).
#[derive(Debug)]
pub(crate) struct Rng(u64);

impl Rng {
    pub fn from_seed(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number from 0 up to but not including `bound`. A `bound` of 0 counts as 1.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound.max(1)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_empty_body_turns_chaos_off_and_an_invalid_one_is_refused_with_a_message() {
        assert_eq!(Chaos::read(&json!({})), Ok(Chaos::default()));
        for wrong in [
            json!([]),
            json!({"drop": 2}),
            json!({"drop": "much"}),
            json!({"duplicate": -1}),
            json!({"delay": 60}),
            json!({"storm": true}),
        ] {
            assert!(Chaos::read(&wrong).unwrap_err().ends_with('.'), "{wrong}");
        }
    }

    #[test]
    fn the_same_seed_gives_the_same_chaos() {
        let chaos = Chaos::read(&json!({"drop": 0.2, "duplicate": 3, "reorder": true})).unwrap();
        let run = |seed| {
            let mut rng = Rng::from_seed(seed);
            (0..200).map(|_| chaos.delays(&mut rng)).collect::<Vec<_>>()
        };

        assert_eq!(run(7), run(7));
        assert_ne!(run(7), run(8));
        let lost = run(7).iter().filter(|copies| copies.is_empty()).count();
        assert!((15..70).contains(&lost), "{lost} of 200 lost at 0.2");
        assert!(
            run(7)
                .iter()
                .all(|copies| copies.is_empty() || copies.len() == 3)
        );
    }
}
