//! The value of prepaid credits over a month: what was owed at its start, what was sold, used,
//! expired and refunded during it, and what is owed at its end (requirement N17).
//!
//! The money is a purchase's price, excluding tax, allocated across its credits. Shares are rounded
//! half up and always computed from the cumulative amount (used first, then expired, then refunded,
//! then the rest), so that the months of a purchase add up to its price to the last minor unit.

use std::collections::BTreeMap;

use crate::ledger::{Body, Entry, EntryKind, GrantKind, LotId};
use crate::money::{Credits, MinorUnits, share_of};
use crate::time::Timestamp;

/// An amount of credits and the money that was paid for them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Amounts {
    /// The number of credits.
    pub credits: Credits,
    /// The money, in minor units; zero for credits that were not paid for.
    pub minor: i64,
}

impl Amounts {
    fn add(&mut self, credits: Credits, minor: i64) {
        self.credits = self.credits.saturating_add(credits);
        self.minor = self.minor.saturating_add(minor);
    }
}

/// The movements of the prepaid credits of one currency, or of all credits that were not paid for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flow {
    /// What was unspent at the start.
    pub opening: Amounts,
    /// What was sold, or granted without payment.
    pub sold: Amounts,
    /// What was spent on calls, or on a debt.
    pub used: Amounts,
    /// What expired unspent: breakage.
    pub expired: Amounts,
    /// What was clawed back because its payment was reversed, less what was reinstated.
    pub refunded: Amounts,
    /// What was voided or removed by a correction.
    pub corrected: Amounts,
    /// What was unspent at the end.
    pub closing: Amounts,
}

impl Flow {
    /// Whether opening plus the movements equals closing, in credits and in money.
    pub fn adds_up(&self) -> bool {
        let gone = [self.used, self.expired, self.refunded, self.corrected];
        let credits = gone.iter().map(|part| part.credits).sum::<Credits>();
        let minor = gone.iter().map(|part| i128::from(part.minor)).sum::<i128>();
        let [opening, sold, closing] = [self.opening, self.sold, self.closing]
            .map(|part| (i128::from(part.credits.micros()), i128::from(part.minor)));
        let credits = i128::from(credits.micros());
        // What was too large to add up can't be verified.
        let most = i128::from(i64::MAX);
        let is_saturated = [opening.0, sold.0, credits, closing.0].contains(&most);
        (is_saturated || opening.0 + sold.0 - credits == closing.0)
            && opening.1 + sold.1 - minor == closing.1
    }

    fn add(&mut self, other: &Flow) {
        let pairs = [
            (&mut self.opening, other.opening),
            (&mut self.sold, other.sold),
            (&mut self.used, other.used),
            (&mut self.expired, other.expired),
            (&mut self.refunded, other.refunded),
            (&mut self.corrected, other.corrected),
            (&mut self.closing, other.closing),
        ];
        for (sum, part) in pairs {
            sum.add(part.credits, part.minor);
        }
    }
}

/// The flows by currency, and the flow of credits that were not paid for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Prepaid credits, by currency code.
    pub prepaid: BTreeMap<String, Flow>,
    /// Allowances, promotions, bonuses and upward corrections.
    pub free: Flow,
    /// Credits in all wallets at the end, according to the sums of their journals.
    pub posted: Credits,
}

impl Report {
    /// Adds another account's report to this one.
    pub fn add(&mut self, other: &Report) {
        for (currency, flow) in &other.prepaid {
            self.prepaid.entry(currency.clone()).or_default().add(flow);
        }
        self.free.add(&other.free);
        self.posted = self.posted.saturating_add(other.posted);
    }

    /// Whether every flow adds up and the closing balances match the journals.
    pub fn ties(&self) -> bool {
        let flows = || self.prepaid.values().chain([&self.free]);
        let closing: Credits = flows().map(|flow| flow.closing.credits).sum();
        flows().all(Flow::adds_up) && closing == self.posted
    }
}

/// The ways in which credits leave a grant, in the order in which the money is allocated to them.
const WAYS: usize = 4;
const USED: usize = 0;
const EXPIRED: usize = 1;
const REFUNDED: usize = 2;
const CORRECTED: usize = 3;

#[derive(Clone, Debug)]
struct Lot {
    amount: Credits,
    paid: Option<MinorUnits>,
    granted_at: Timestamp,
    /// The credits that left each way before the start, and before the end.
    before: [Credits; WAYS],
    until_end: [Credits; WAYS],
}

/// Reads one account's journal, entry by entry, oldest first.
#[derive(Clone, Debug)]
pub struct Reader {
    from: Timestamp,
    until: Timestamp,
    lots: BTreeMap<LotId, Lot>,
    posted: Credits,
}

impl Reader {
    /// Makes a reader for the time from `from` up to but not including `until`.
    pub fn new(from: Timestamp, until: Timestamp) -> Reader {
        Reader {
            from,
            until,
            lots: BTreeMap::new(),
            posted: Credits::ZERO,
        }
    }

    /// Takes the next entry; entries at or after the end are ignored.
    pub fn take(&mut self, entry: &Entry) {
        if entry.at >= self.until {
            return;
        }
        self.posted = self.posted + entry.posted_delta;
        if let Body::Grant {
            kind, amount, paid, ..
        } = &entry.body
        {
            let lot = Lot {
                amount: *amount,
                paid: paid.filter(|paid| *kind == GrantKind::Purchase && paid.amount > 0),
                granted_at: entry.at,
                before: [Credits::ZERO; WAYS],
                until_end: [Credits::ZERO; WAYS],
            };
            self.lots.insert(entry.seq, lot);
        }
        let way = way(entry.kind);
        for line in &entry.lines {
            let Some(lot) = self.lots.get_mut(&line.lot) else {
                continue;
            };
            lot.until_end[way] = lot.until_end[way] + line.taken;
            if entry.at < self.from {
                lot.before[way] = lot.before[way] + line.taken;
            }
        }
    }

    /// The report of the account's journal.
    pub fn finish(self) -> Report {
        let mut report = Report {
            posted: self.posted,
            ..Report::default()
        };
        for lot in self.lots.values() {
            let flow = flow_of(lot, self.from);
            match lot.paid {
                Some(paid) => report
                    .prepaid
                    .entry(paid.currency.code().to_owned())
                    .or_default()
                    .add(&flow),
                None => report.free.add(&flow),
            }
        }
        report
    }
}

fn way(kind: EntryKind) -> usize {
    match kind {
        EntryKind::Expire => EXPIRED,
        EntryKind::Clawback | EntryKind::Reinstate => REFUNDED,
        EntryKind::Void | EntryKind::Adjust => CORRECTED,
        _ => USED,
    }
}

fn flow_of(lot: &Lot, from: Timestamp) -> Flow {
    let price = lot.paid.map_or(0, |paid| paid.amount);
    let (before, after) = (money(lot, &lot.before), money(lot, &lot.until_end));
    let part = |way: usize| Amounts {
        credits: lot.until_end[way] - lot.before[way],
        minor: after[way] - before[way],
    };
    let left = |gone: &[Credits; WAYS], shared: &[i64; WAYS]| Amounts {
        credits: lot.amount - gone.iter().copied().sum(),
        minor: price - shared.iter().sum::<i64>(),
    };
    let was_there = lot.granted_at < from;
    Flow {
        opening: if was_there {
            left(&lot.before, &before)
        } else {
            Amounts::default()
        },
        sold: if was_there {
            Amounts::default()
        } else {
            Amounts {
                credits: lot.amount,
                minor: price,
            }
        },
        used: part(USED),
        expired: part(EXPIRED),
        refunded: part(REFUNDED),
        corrected: part(CORRECTED),
        closing: left(&lot.until_end, &after),
    }
}

/// Each way's share of the price, from the cumulative credits.
fn money(lot: &Lot, gone: &[Credits; WAYS]) -> [i64; WAYS] {
    let price = lot.paid.map_or(0, |paid| paid.amount);
    let mut shares = [0; WAYS];
    let (mut sum, mut shared) = (Credits::ZERO, 0);
    for (share, part) in shares.iter_mut().zip(gone) {
        sum = sum + *part;
        let upto = share_of(price, sum.micros(), lot.amount.micros());
        *share = upto - shared;
        shared = upto;
    }
    shares
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::{Command, Ledger, NewGrant, Request, Terms, WalletStatus};
    use crate::money::Currency;
    use crate::time::parse;

    fn at(text: &str) -> Timestamp {
        parse(text).unwrap()
    }

    fn amounts(credits: &str, minor: i64) -> Amounts {
        Amounts {
            credits: Credits::parse(credits).unwrap(),
            minor,
        }
    }

    /// An account's life over three months, by hand:
    ///
    /// | when | what | pack A, 300 for $1.00 | pack B, 1,000 for $10.00, ends 15 Dec | free |
    /// |---|---|---|---|---|
    /// | 10 Oct | A bought | 300 | | |
    /// | 20 Oct | 100 used | 200, $0.67 | | |
    /// | 5 Nov | 50 promo, B bought | 200 | 1,000 | 50 |
    /// | 10 Nov | 150 used: 50 promo, 100 of B, which ends first | 200 | 900, $9.00 | 0 |
    /// | 20 Nov | half of A's payment refunded: 150 of it | 50, $0.17 | 900 | 0 |
    /// | 25 Nov | 30 taken by a correction, of B | 50 | 870, $8.70 | 0 |
    /// | 15 Dec | B ends | 50 | 0 | 0 |
    fn journal() -> Vec<Entry> {
        let terms = Terms {
            period_start: Timestamp::default(),
            calls_limit: None,
            status: WalletStatus::Active,
        };
        let mut ledger = Ledger::new(7, terms);
        let mut run = |command: Command, when: &str| {
            if ledger.is_due(at(when)) {
                ledger.settle(&[], at(when));
            }
            ledger
                .apply(&Request::internal(command), at(when))
                .unwrap_or_else(|refusal| panic!("{when}: {refusal}"));
        };
        let bought = |key: &str, credits: i64, cents: i64, ends: Option<&str>| {
            Command::Grant(NewGrant {
                paid: Some(MinorUnits::new(cents, Currency::USD)),
                expires_at: ends.map(at),
                ..NewGrant::new(GrantKind::Purchase, key, Credits::new(credits))
            })
        };
        let debit = |credits: i64| Command::Debit {
            amount: Credits::new(credits),
        };
        run(bought("topup:a", 300, 100, None), "2026-10-10");
        run(debit(100), "2026-10-20");
        let promo = NewGrant::new(GrantKind::Promo, "promo:1", Credits::new(50));
        run(Command::Grant(promo), "2026-11-05");
        run(
            bought("topup:b", 1_000, 1_000, Some("2026-12-15")),
            "2026-11-05",
        );
        run(debit(150), "2026-11-10");
        let clawback = Command::Clawback {
            source_key: "topup:a".into(),
            reversed: 50,
            whole: 100,
        };
        run(clawback, "2026-11-20");
        let adjust = Command::Adjust {
            amount: Credits::new(-30),
            source_key: "adjust:1".into(),
        };
        run(adjust, "2026-11-25");
        run(Command::Settle, "2026-12-15");
        ledger.take_changes().entries
    }

    fn month(from: &str, until: &str) -> Report {
        let mut reader = Reader::new(at(from), at(until));
        for entry in journal() {
            reader.take(&entry);
        }
        reader.finish()
    }

    #[test]
    fn a_month_computed_by_hand() {
        let report = month("2026-11-01", "2026-12-01");

        let expected = Flow {
            opening: amounts("200", 67),
            sold: amounts("1000", 1_000),
            used: amounts("100", 100),
            expired: Amounts::default(),
            refunded: amounts("150", 50),
            corrected: amounts("30", 30),
            closing: amounts("920", 887),
        };
        assert_eq!(report.prepaid["usd"], expected);
        assert_eq!(report.free.sold, amounts("50", 0));
        assert_eq!(report.free.used, amounts("50", 0));
        assert_eq!(report.free.closing, Amounts::default());
        assert_eq!(report.posted, Credits::new(920));
        assert!(report.ties());
    }

    #[test]
    fn a_month_begins_where_the_one_before_ended_and_all_months_add_up_to_the_price() {
        let months = [
            month("2026-10-01", "2026-11-01"),
            month("2026-11-01", "2026-12-01"),
            month("2026-12-01", "2027-01-01"),
        ];

        for pair in months.windows(2) {
            assert_eq!(
                pair[0].prepaid["usd"].closing,
                pair[1].prepaid["usd"].opening
            );
        }
        let december = &months[2].prepaid["usd"];
        assert_eq!(december.expired, amounts("870", 870));
        assert_eq!(december.closing, amounts("50", 17));
        assert!(months.iter().all(Report::ties));
    }
}
