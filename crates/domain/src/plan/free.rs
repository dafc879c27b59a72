//! The free allowance of an address: once a month, over all accounts that the address has had.

use crate::time::Timestamp;

/// The latest free allowance that an address was granted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FreeClaim {
    /// Whether it was granted to the account that asks.
    pub is_own: bool,
    /// The start of the month that it was granted for.
    pub month_start: Timestamp,
    /// The end of that month.
    pub month_end: Timestamp,
}

impl FreeClaim {
    /// Whether the address gets no free allowance for the month from `start` until `end`: it had
    /// one for a time that is a part of that month. Its own grant of the same month is that one.
    pub fn bars(&self, start: Timestamp, end: Timestamp) -> bool {
        let is_same = self.is_own && self.month_start == start;
        !is_same && self.month_start < end && start < self.month_end
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_months_of_one_address_never_overlap() {
        let at = Timestamp::from_seconds;
        let claim = |is_own| FreeClaim {
            is_own,
            month_start: at(100),
            month_end: at(200),
        };

        assert!(claim(false).bars(at(100), at(200)), "another account's");
        assert!(!claim(true).bars(at(100), at(200)), "its own");
        assert!(claim(true).bars(at(150), at(250)));
        assert!(claim(false).bars(at(50), at(101)));
        assert!(!claim(false).bars(at(200), at(300)), "the month after it");
        assert!(!claim(false).bars(at(0), at(100)), "the month before it");
    }
}
