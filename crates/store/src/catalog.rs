//! Catalog versions, and what each price at Stripe sells. Old prices stay mapped.

use domain::catalog::Interval;
use domain::time::Timestamp;
use domain::words;

use crate::args;
use crate::db::{Tx, record, word_column};
use crate::error::Result;

record! {
    /// A catalog as it was loaded.
    pub struct CatalogVersion {
        /// The number of the version, counted from 1.
        pub version: i64,
        /// The digest of the catalog's text.
        pub digest: String,
        /// The text of the catalog.
        pub body: String,
        /// The time at which it was first loaded.
        pub loaded_at: Timestamp,
    }
}

words! {
    /// What a price sells.
    pub enum PriceKind {
        /// It sells a period of a tier.
        Tier = "tier",
        /// It sells a credit pack.
        Pack = "pack",
    }
}
word_column!(PriceKind);

record! {
    /// A price at Stripe and what it sells.
    pub struct Price {
        /// Stripe's id of the price: `price_...`.
        pub price_id: String,
        /// The price's lookup key at Stripe.
        pub lookup_key: String,
        /// What the price sells.
        pub kind: PriceKind,
        /// The tier's name, or the pack's credits.
        pub name: String,
        /// The currency, as an ISO code in lower case.
        pub currency: String,
        /// The amount, in minor units.
        pub amount_minor: i64,
        /// How often a tier's price is paid: `month` or `year`; `None` for a pack.
        pub billing_interval: Option<String>,
        /// The first catalog version that has the price.
        pub first_version: i64,
        /// The time at which it was found to be archived at Stripe; it isn't sold after that.
        pub archived_at: Option<Timestamp>,
    }
}

impl Price {
    /// How often it is paid; a price from before yearly ones is paid each month.
    pub fn interval(&self) -> Interval {
        let word = self.billing_interval.as_deref();
        word.and_then(Interval::from_word)
            .unwrap_or(Interval::Month)
    }
}

/// Appends a catalog, unless one with its digest exists. Returns whether it was new.
pub fn append(tx: &mut Tx<'_>, digest: &str, body: &str, now: Timestamp) -> Result<bool> {
    let changed = tx.execute(
        "insert into catalog_version (version, digest, body, loaded_at)
         select coalesce(max(version), 0) + 1, $1, $2, $3
           from catalog_version
          where true
             on conflict (digest) do nothing",
        args![digest, body, now],
    )?;
    Ok(changed > 0)
}

/// Finds the catalog with this digest.
pub fn by_digest(tx: &mut Tx<'_>, digest: &str) -> Result<Option<CatalogVersion>> {
    tx.query_opt(
        "select version, digest, body, loaded_at from catalog_version where digest = $1",
        args![digest],
    )
}

/// Finds the catalog with this number.
pub fn find(tx: &mut Tx<'_>, version: i64) -> Result<Option<CatalogVersion>> {
    tx.query_opt(
        "select version, digest, body, loaded_at from catalog_version where version = $1",
        args![version],
    )
}

/// Finds the latest catalog version.
pub fn latest(tx: &mut Tx<'_>) -> Result<Option<CatalogVersion>> {
    tx.query_opt(
        "select version, digest, body, loaded_at
           from catalog_version
          order by version desc
          limit 1",
        args![],
    )
}

/// Maps a price; one that is already mapped keeps its first version and what it sells.
pub fn put_price(tx: &mut Tx<'_>, price: &Price) -> Result<u64> {
    tx.execute(
        "insert into price_map
                (price_id, lookup_key, kind, name, currency, amount_minor, billing_interval,
                 first_version)
         values ($1, $2, $3, $4, $5, $6, $7, $8)
             on conflict (price_id) do update
            set lookup_key = excluded.lookup_key,
                archived_at = null",
        args![
            &price.price_id,
            &price.lookup_key,
            price.kind,
            &price.name,
            &price.currency,
            price.amount_minor,
            &price.billing_interval,
            price.first_version,
        ],
    )
}

/// Records that a price was archived at Stripe.
pub fn archive_price(tx: &mut Tx<'_>, price_id: &str, now: Timestamp) -> Result<u64> {
    tx.execute(
        "update price_map set archived_at = $2 where price_id = $1 and archived_at is null",
        args![price_id, now],
    )
}

/// Finds what this price sells.
pub fn price(tx: &mut Tx<'_>, price_id: &str) -> Result<Option<Price>> {
    tx.query_opt(
        "select price_id, lookup_key, kind, name, currency, amount_minor, billing_interval,
                first_version, archived_at
           from price_map
          where price_id = $1",
        args![price_id],
    )
}

/// All mapped prices, from the newest catalog version to the oldest.
pub fn prices(tx: &mut Tx<'_>) -> Result<Vec<Price>> {
    tx.query(
        "select price_id, lookup_key, kind, name, currency, amount_minor, billing_interval,
                first_version, archived_at
           from price_map
          order by first_version desc, price_id",
        args![],
    )
}

/// Number, digest and load time of the versions, latest first.
pub fn versions(tx: &mut Tx<'_>, limit: i64) -> Result<Vec<(i64, String, Timestamp)>> {
    tx.query(
        "select version, digest, loaded_at
           from catalog_version
          order by version desc
          limit $1",
        args![limit],
    )
}

/// Maps an add-on's price; one that is already mapped keeps what it sells.
pub fn put_addon(tx: &mut Tx<'_>, price: &Price) -> Result<u64> {
    tx.execute(
        "insert into addon_price
                (price_id, lookup_key, name, currency, amount_minor, first_version)
         values ($1, $2, $3, $4, $5, $6)
             on conflict (price_id) do update
            set lookup_key = excluded.lookup_key",
        args![
            &price.price_id,
            &price.lookup_key,
            &price.name,
            &price.currency,
            price.amount_minor,
            price.first_version,
        ],
    )
}

/// The names of add-ons by their prices, including old ones.
pub fn addons(tx: &mut Tx<'_>) -> Result<Vec<(String, String)>> {
    tx.query(
        "select price_id, name from addon_price order by price_id",
        args![],
    )
}
