//! Which grants a call was charged to.

use domain::ledger::Entry;
use domain::money::Credits;

/// One grant's part in a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// The grant, by its number.
    pub lot: i64,
    /// What a hold pinned of it.
    pub held: Credits,
    /// What was charged to it.
    pub charged: Credits,
}

/// What each grant was pinned and charged for, in the order of consumption: `origin` authorized the
/// call, `end` settled it.
pub fn parts(origin: Option<&Entry>, end: Option<&Entry>) -> Vec<Part> {
    let pinned = origin.into_iter().flat_map(|entry| &entry.lines);
    let pinned = pinned.map(|line| Part {
        lot: line.lot,
        held: line.held,
        charged: Credits::ZERO,
    });
    let mut parts: Vec<Part> = pinned.collect();
    for line in end.into_iter().flat_map(|entry| &entry.lines) {
        match parts.iter_mut().find(|part| part.lot == line.lot) {
            Some(part) => part.charged = line.taken,
            None => parts.push(Part {
                lot: line.lot,
                held: Credits::ZERO,
                charged: line.taken,
            }),
        }
    }
    parts
}
