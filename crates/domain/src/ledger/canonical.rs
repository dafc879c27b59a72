//! The canonical bytes of an entry: what is hashed, stored and replayed.
//!
//! Version 1, fields in this order: every integer as eight bytes big-endian, every text or digest
//! as its length (four bytes) followed by its bytes, every optional field preceded by a byte 0 or
//! 1. Units are a whole number.
//!
//! Version 2 is written only for what version 1 can't say: units that aren't whole are in
//! millionths, and those of several meters are a list of names and millionths. Entries of version 1
//! stay as they are, and are still written.

use super::GrantKind;
use super::entry::{Body, Context, Entry, EntryKind, Line};
use crate::money::{Credits, Currency, MinorUnits};
use crate::time::Timestamp;
use crate::units::{Quantity, Units};

/// The version of entries whose units, if any, are a whole number.
const WHOLE_UNITS: u8 = 1;

/// The version of entries with other units.
const EXACT_UNITS: u8 = 2;

/// The bytes of a journal row are not a valid entry: tampered with, or written by a newer version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the journal row's bytes are not an entry of a known version")]
pub struct CorruptEntry;

struct Writer(Vec<u8>);

impl Writer {
    fn byte(&mut self, value: u8) {
        self.0.push(value);
    }
    fn int(&mut self, value: i64) {
        self.0.extend_from_slice(&value.to_be_bytes());
    }
    fn credits(&mut self, value: Credits) {
        self.int(value.micros());
    }
    fn time(&mut self, value: Timestamp) {
        self.int(value.micros());
    }
    fn bytes(&mut self, value: &[u8]) {
        let length = u32::try_from(value.len()).expect("texts in the journal are bounded");
        self.0.extend_from_slice(&length.to_be_bytes());
        self.0.extend_from_slice(value);
    }
    fn option<T>(&mut self, value: Option<T>, write: impl FnOnce(&mut Writer, T)) {
        match value {
            None => self.byte(0),
            Some(inner) => {
                self.byte(1);
                write(self, inner);
            }
        }
    }
    fn text(&mut self, value: Option<&str>) {
        self.option(value, |w, text| w.bytes(text.as_bytes()));
    }
}

struct Reader<'a>(&'a [u8]);

type Read<T> = Result<T, CorruptEntry>;

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Read<&'a [u8]> {
        if self.0.len() < count {
            return Err(CorruptEntry);
        }
        let (head, tail) = self.0.split_at(count);
        self.0 = tail;
        Ok(head)
    }
    fn byte(&mut self) -> Read<u8> {
        Ok(self.take(1)?[0])
    }
    fn int(&mut self) -> Read<i64> {
        Ok(i64::from_be_bytes(
            self.take(8)?.try_into().map_err(|_| CorruptEntry)?,
        ))
    }
    fn credits(&mut self) -> Read<Credits> {
        self.int().map(Credits::from_micros)
    }
    fn time(&mut self) -> Read<Timestamp> {
        self.int().map(Timestamp::from_micros)
    }
    fn bytes(&mut self) -> Read<&'a [u8]> {
        let length = u32::from_be_bytes(self.take(4)?.try_into().map_err(|_| CorruptEntry)?);
        self.take(length as usize)
    }
    fn string(&mut self) -> Read<String> {
        String::from_utf8(self.bytes()?.to_vec()).map_err(|_| CorruptEntry)
    }
    fn digest(&mut self) -> Read<[u8; 32]> {
        self.bytes()?.try_into().map_err(|_| CorruptEntry)
    }
    fn option<T>(&mut self, read: impl FnOnce(&mut Self) -> Read<T>) -> Read<Option<T>> {
        match self.byte()? {
            0 => Ok(None),
            1 => read(self).map(Some),
            _ => Err(CorruptEntry),
        }
    }
}

impl Entry {
    /// The bytes that are hashed and stored: everything but the hash.
    pub fn canonical_bytes(&self) -> Vec<u8> {
        let mut w = Writer(Vec::with_capacity(256));
        let version = version_of(&self.context);
        w.byte(version);
        w.int(self.account);
        w.int(self.seq);
        let code = EntryKind::ALL.iter().position(|kind| *kind == self.kind);
        w.byte(u8::try_from(code.expect("every kind is listed")).expect("few kinds"));
        w.time(self.at);
        w.credits(self.posted_delta);
        w.credits(self.held_delta);
        w.credits(self.debt_delta);
        w.int(i64::try_from(self.lines.len()).expect("lines are bounded"));
        for line in &self.lines {
            w.int(line.lot);
            w.credits(line.taken);
            w.credits(line.held);
        }
        write_body(&mut w, &self.body);
        w.text(self.key.as_deref());
        w.option(self.request_hash, |w, hash| w.bytes(&hash));
        w.credits(self.available);
        write_context(&mut w, &self.context);
        w.0
    }

    /// Parses canonical bytes; `hash` is the hash stored in the row.
    pub fn from_canonical(bytes: &[u8], hash: [u8; 32]) -> Result<Entry, CorruptEntry> {
        let mut r = Reader(bytes);
        let version = r.byte()?;
        if !matches!(version, WHOLE_UNITS | EXACT_UNITS) {
            return Err(CorruptEntry);
        }
        let account = r.int()?;
        let seq = r.int()?;
        let kind = *EntryKind::ALL
            .get(usize::from(r.byte()?))
            .ok_or(CorruptEntry)?;
        let at = r.time()?;
        let posted_delta = r.credits()?;
        let held_delta = r.credits()?;
        let debt_delta = r.credits()?;
        let count = r.int()?;
        let mut lines = Vec::new();
        for _ in 0..count {
            lines.push(Line {
                lot: r.int()?,
                taken: r.credits()?,
                held: r.credits()?,
            });
        }
        let body = read_body(&mut r)?;
        let key = r.option(Reader::string)?;
        let request_hash = r.option(Reader::digest)?;
        let available = r.credits()?;
        let context = read_context(&mut r, version)?;
        if !r.0.is_empty() {
            return Err(CorruptEntry);
        }
        Ok(Entry {
            account,
            seq,
            kind,
            at,
            posted_delta,
            held_delta,
            debt_delta,
            lines,
            body,
            key,
            request_hash,
            available,
            context,
            hash,
        })
    }
}

#[expect(clippy::too_many_lines, reason = "one arm for each body")]
fn write_body(w: &mut Writer, body: &Body) {
    match body {
        Body::Grant {
            kind,
            source_key,
            parent,
            amount,
            priority,
            effective_at,
            expires_at,
            paid,
        } => {
            w.byte(0);
            w.bytes(kind.word().as_bytes());
            w.bytes(source_key.as_bytes());
            w.option(*parent, Writer::int);
            w.credits(*amount);
            w.int(*priority);
            w.time(*effective_at);
            w.option(*expires_at, Writer::time);
            w.option(*paid, |w, paid| {
                w.int(paid.amount);
                w.bytes(paid.currency.code().as_bytes());
            });
        }
        Body::Hold {
            hold,
            amount,
            expires_at,
            period_start,
        } => {
            w.byte(1);
            w.bytes(hold.as_bytes());
            w.credits(*amount);
            w.time(*expires_at);
            w.time(*period_start);
        }
        Body::Settlement {
            hold,
            captured,
            released,
            uncollected,
            late,
        } => {
            w.byte(2);
            w.bytes(hold.as_bytes());
            w.credits(*captured);
            w.credits(*released);
            w.credits(*uncollected);
            w.byte(u8::from(*late));
        }
        Body::Debit {
            amount,
            period_start,
        } => {
            w.byte(3);
            w.credits(*amount);
            w.time(*period_start);
        }
        Body::Lot { lot, reversed } => {
            w.byte(4);
            w.int(*lot);
            w.credits(*reversed);
        }
        Body::Account { source_key } => {
            w.byte(5);
            w.text(source_key.as_deref());
        }
        Body::Kept { lot, until } => {
            w.byte(6);
            w.int(*lot);
            w.time(*until);
        }
    }
}

fn read_body(r: &mut Reader) -> Read<Body> {
    Ok(match r.byte()? {
        0 => Body::Grant {
            kind: GrantKind::from_word(&r.string()?).ok_or(CorruptEntry)?,
            source_key: r.string()?,
            parent: r.option(Reader::int)?,
            amount: r.credits()?,
            priority: r.int()?,
            effective_at: r.time()?,
            expires_at: r.option(Reader::time)?,
            paid: r.option(|r| {
                let amount = r.int()?;
                let currency = Currency::parse(&r.string()?).ok_or(CorruptEntry)?;
                Ok(MinorUnits { amount, currency })
            })?,
        },
        1 => Body::Hold {
            hold: r.string()?,
            amount: r.credits()?,
            expires_at: r.time()?,
            period_start: r.time()?,
        },
        2 => Body::Settlement {
            hold: r.string()?,
            captured: r.credits()?,
            released: r.credits()?,
            uncollected: r.credits()?,
            late: r.byte()? == 1,
        },
        3 => Body::Debit {
            amount: r.credits()?,
            period_start: r.time()?,
        },
        4 => Body::Lot {
            lot: r.int()?,
            reversed: r.credits()?,
        },
        5 => Body::Account {
            source_key: r.option(Reader::string)?,
        },
        6 => Body::Kept {
            lot: r.int()?,
            until: r.time()?,
        },
        _ => return Err(CorruptEntry),
    })
}

fn write_context(w: &mut Writer, context: &Context) {
    w.text(context.operation.as_deref());
    match context.units.as_ref() {
        Some(units) if version_of(context) == EXACT_UNITS => write_units(w, units),
        units => w.option(units.and_then(Quantity::as_whole), Writer::int),
    }
    w.option(context.rate_card, Writer::int);
    w.text(context.endpoint.as_deref());
    w.option(context.api_key, Writer::int);
    w.option(context.user, Writer::int);
    w.text(context.actor.as_deref());
    w.text(context.reason.as_deref());
    w.option(context.note_digest, |w, digest| w.bytes(&digest));
}

fn read_context(r: &mut Reader, version: u8) -> Read<Context> {
    Ok(Context {
        operation: r.option(Reader::string)?,
        units: if version == EXACT_UNITS {
            Some(read_units(r)?)
        } else {
            let whole = r.option(Reader::int)?;
            whole.map(|units| Quantity::Units(Units::whole(units)))
        },
        rate_card: r.option(Reader::int)?,
        endpoint: r.option(Reader::string)?,
        api_key: r.option(Reader::int)?,
        user: r.option(Reader::int)?,
        actor: r.option(Reader::string)?,
        reason: r.option(Reader::string)?,
        note_digest: r.option(Reader::digest)?,
    })
}

/// The oldest version that can say what a call used.
fn version_of(context: &Context) -> u8 {
    match &context.units {
        Some(units) if units.as_whole().is_none() => EXACT_UNITS,
        _ => WHOLE_UNITS,
    }
}

fn write_units(w: &mut Writer, units: &Quantity) {
    match units {
        Quantity::Units(units) => {
            w.byte(0);
            w.int(units.micros());
        }
        Quantity::Meters(meters) => {
            w.byte(1);
            w.int(i64::try_from(meters.len()).expect("meters are bounded"));
            for (name, units) in meters {
                w.bytes(name.as_bytes());
                w.int(units.micros());
            }
        }
    }
}

fn read_units(r: &mut Reader) -> Read<Quantity> {
    match r.byte()? {
        0 => r.int().map(Units::from_micros).map(Quantity::Units),
        1 => {
            let count = r.int()?;
            let mut meters = Vec::new();
            for _ in 0..count {
                meters.push((r.string()?, r.int().map(Units::from_micros)?));
            }
            Ok(Quantity::of_meters(meters))
        }
        _ => Err(CorruptEntry),
    }
}
