//! The words of each enum are exactly those that the schema allows, so every row can be read.

use std::collections::BTreeSet;

use domain::ledger::{EntryKind, GrantKind, HoldState, LimitScope, LimitWindow, WalletStatus};
use domain::people::{MemberRole, UserRole};
use domain::plan::{AccountKind, AccountStatus};
use domain::projection::{TransactionStatus, TransactionType};
use store::alerts::{AlertState, Severity};
use store::api_keys::{KeyMode, KeyScope};
use store::auto_topup::AutoTopupState;
use store::catalog::PriceKind;
use store::customers::CustomerState;
use store::events::EventState;
use store::foreign::ForeignKind;
use store::intents::IntentState;
use store::outbox::{MessageKind, MessageState};
use store::trials::TrialState;
use store::webhook_endpoints::EndpointState;
use store::{Db, args};

use crate::help::on_both;

const MIGRATIONS: [(&str, &str); 2] = [
    (
        "sqlite",
        concat!(env!("CARGO_MANIFEST_DIR"), "/migrations/sqlite"),
    ),
    (
        "postgres",
        concat!(env!("CARGO_MANIFEST_DIR"), "/migrations/postgres"),
    ),
];

/// All migrations of one database as one text.
fn schema(folder: &str) -> String {
    let files = std::fs::read_dir(folder).unwrap();
    let texts = files.map(|file| std::fs::read_to_string(file.unwrap().path()).unwrap());
    texts.collect::<Vec<_>>().join("\n")
}

/// The words that the check of a column allows.
fn allowed(schema: &str, table: &str, column: &str) -> BTreeSet<String> {
    let start = format!("create table {table} (");
    let (_, rest) = schema.split_once(&start).expect("the table exists");
    let (table, _) = rest.split_once("\n)").expect("the table ends");
    let check = format!("check ({column} in (");
    let (_, rest) = table.split_once(&check).expect("the column has a check");
    let (words, _) = rest.split_once(')').expect("the check ends");
    let quoted = words.split(',').map(|word| word.trim().trim_matches('\''));
    quoted.map(str::to_owned).collect()
}

macro_rules! words_of {
    ($name:ty) => {
        <$name>::ALL
            .iter()
            .map(|variant| variant.word().to_owned())
            .collect::<BTreeSet<_>>()
    };
}

#[test]
fn every_enum_has_exactly_the_words_that_its_column_allows() {
    let enums = [
        ("account", "kind", words_of!(AccountKind)),
        ("account", "status", words_of!(AccountStatus)),
        ("alert", "severity", words_of!(Severity)),
        ("alert", "state", words_of!(AlertState)),
        ("api_key", "mode", words_of!(KeyMode)),
        ("api_key", "scope", words_of!(KeyScope)),
        ("auto_topup", "state", words_of!(AutoTopupState)),
        ("credit_grant", "kind", words_of!(GrantKind)),
        ("foreign_object", "kind", words_of!(ForeignKind)),
        ("hold", "state", words_of!(HoldState)),
        ("invitation", "role", words_of!(MemberRole)),
        ("membership", "role", words_of!(MemberRole)),
        ("outbox", "kind", words_of!(MessageKind)),
        ("outbox", "state", words_of!(MessageState)),
        ("price_map", "kind", words_of!(PriceKind)),
        ("spend_limit", "scope", words_of!(LimitScope)),
        ("spend_limit", "time_window", words_of!(LimitWindow)),
        ("stripe_customer", "state", words_of!(CustomerState)),
        ("stripe_event", "state", words_of!(EventState)),
        ("stripe_intent", "state", words_of!(IntentState)),
        ("transactions", "status", words_of!(TransactionStatus)),
        ("transactions", "type", words_of!(TransactionType)),
        ("trial", "state", words_of!(TrialState)),
        ("user_account", "role", words_of!(UserRole)),
        ("wallet", "status", words_of!(WalletStatus)),
        ("webhook_endpoint", "state", words_of!(EndpointState)),
    ];

    for (database, folder) in MIGRATIONS {
        let schema = schema(folder);
        for (table, column, words) in &enums {
            let allowed = allowed(&schema, table, column);
            assert_eq!(&allowed, words, "{table}.{column} on {database}");
        }
    }
}

on_both!(an_unknown_word_of_a_column_is_an_error_that_names_it);
fn an_unknown_word_of_a_column_is_an_error_that_names_it(db: &Db) {
    let read = db.write_blocking(0, |tx| {
        tx.query_one::<AccountStatus>("select cast('odd' as text)", args![])
    });

    let error = read.expect_err("no status of an account");
    assert!(
        error.to_string().contains("unknown word \"odd\""),
        "{error}"
    );
}

#[test]
fn no_two_kinds_of_entries_share_a_word() {
    assert_eq!(words_of!(EntryKind).len(), EntryKind::ALL.len());
}
