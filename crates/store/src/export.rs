//! Every table of business data, page by page, for an operator who moves the data elsewhere.
//! Credentials (hashes of secrets, tokens, settings that contain keys) and temporary data (leases,
//! limits, contents of emails, payloads) are excluded by name ([`LEFT_OUT`]). The same tables,
//! limited to one account, are the account's own data export.

use crate::db::{Arg, Record, Row, Tx};
use crate::error::Result;

/// The data type of a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A whole number.
    Int,
    /// Text.
    Text,
    /// A time, in microseconds.
    Time,
    /// An amount in micro-credits, or units in millionths.
    Credits,
}

/// A table that is exported.
#[derive(Debug)]
pub struct Table {
    /// The name of the table.
    pub name: &'static str,
    /// Its columns, in the order of the rows.
    pub columns: &'static [(&'static str, Kind)],
    /// The indexes of the columns by which rows are ordered.
    key: &'static [usize],
    sql: &'static str,
    /// Selects the rows of one account; `None` if no row belongs to an account.
    sql_of_account: Option<&'static str>,
}

impl Table {
    /// Whether some of its rows belong to an account.
    pub fn is_of_accounts(&self) -> bool {
        self.sql_of_account.is_some()
    }
}

/// The values of one row as text; `None` for a null.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Values(pub Vec<Option<String>>);

impl Record for Values {
    fn from_row(row: &Row<'_>) -> Result<Self> {
        let values = (0..row.len()).map(|index| row.get::<Option<String>>(index));
        values.collect::<Result<_>>().map(Values)
    }
}

macro_rules! columns {
    ($first:ident $(, $column:ident)*) => {
        concat!(
            "select cast(", stringify!($first), " as text)",
            $(", cast(", stringify!($column), " as text)",)*
            " from "
        )
    };
}

macro_rules! table {
    ($name:literal, [$first:ident $first_kind:ident $(, $column:ident $kind:ident)* $(,)?],
     key [$($key:literal),+], $after:literal $(, of $of:literal)?) => {
        Table {
            name: $name,
            columns: &[
                (stringify!($first), Kind::$first_kind),
                $((stringify!($column), Kind::$kind)),*
            ],
            key: &[$($key),+],
            sql: concat!(columns!($first $(, $column)*), $name, " ", $after),
            sql_of_account: table!(@of columns!($first $(, $column)*), $name, $after $(, $of)?),
        }
    };
    (@of $columns:expr, $name:literal, $after:literal) => { None };
    // The account is the last parameter, after those of the key and the limit.
    (@of $columns:expr, $name:literal, $after:literal, $of:literal) => {
        Some(concat!(
            $columns, "(select * from ", $name, " where ", $of, ") ", $name, " ", $after
        ))
    };
}

/// The tables, each before those that refer to it.
pub static TABLES: &[Table] = &[
    table!("account", [id Int, public_id Text, external_id Text, kind Text, name Text, email Text,
        status Text, stripe_customer_id Text, stripe_subscription_id Text, subscription_tier Text,
        subscription_status Text, subscription_expires_at Time, past_due_since Time,
        tier_override Text, tier_override_reason Text, tier_override_actor Text,
        tier_override_until Time, anchor_at Time, email_verified_at Time, created_at Time,
        updated_at Time, closed_at Time, suspended_at Time, kind_told Int],
        key [0], "where id > $1 order by id limit $2",
        of "id = $3"),
    table!("user_account", [id Int, public_id Text, email Text, name Text, role Text,
        created_at Time, disabled_at Time, tokens_after Int, external_id Text],
        key [0], "where id > $1 order by id limit $2",
        of "id in (select user_id from membership where account_id = $3)"),
    table!("membership", [user_id Int, account_id Int, role Text, created_at Time],
        key [0, 1], "where (user_id, account_id) > ($1, $2) order by user_id, account_id limit $3",
        of "account_id = $4"),
    table!("api_key", [id Int, public_id Text, account_id Int, name Text, prefix Text, scope Text,
        mode Text, created_by Text, created_at Time, last_used_at Time, revoked_at Time, user_id Int,
        revoked_because Text],
        key [0], "where id > $1 order by id limit $2",
        of "account_id = $3"),
    table!("catalog_version", [version Int, digest Text, body Text, loaded_at Time],
        key [0], "where version > $1 order by version limit $2"),
    table!("price_map", [price_id Text, lookup_key Text, kind Text, name Text, currency Text,
        amount_minor Int, billing_interval Text, first_version Int, archived_at Time],
        key [0], "where price_id > $1 order by price_id limit $2"),
    table!("addon_price", [price_id Text, lookup_key Text, name Text, currency Text,
        amount_minor Int, first_version Int],
        key [0], "where price_id > $1 order by price_id limit $2"),
    table!("journal", [n Int, account_id Int, seq Int, kind Text, at Time, posted_delta Credits,
        held_delta Credits, debt_delta Credits, idempotency_key Text, hold_id Text, operation Text,
        units Int, api_key_id Int, charged Credits, exact_units Text],
        key [1, 2], "where (account_id, seq) > ($1, $2) order by account_id, seq limit $3",
        of "account_id = $4"),
    table!("wallet", [account_id Int, posted Credits, held Credits, debt Credits, seq Int,
        open_holds Int, period_start Time, period_calls Int, next_due_at Time, status Text,
        plan_start Time, plan_calls_limit Int, plan_valid_until Time, updated_at Time, limits Int,
        low_below Credits, low_level Int, low_due Int, low_seq Int, topup_below Credits,
        topup_due Int],
        key [0], "where account_id > $1 order by account_id limit $2",
        of "account_id = $3"),
    table!("credit_grant", [account_id Int, lot Int, kind Text, source_key Text, parent Int,
        amount Credits, used Credits, expired Credits, clawed Credits, held Credits,
        reversed Credits, priority Int, effective_at Time, expires_at Time, frozen Int, voided Int,
        paid_minor Int, currency Text, kept_until Time],
        key [0, 1], "where (account_id, lot) > ($1, $2) order by account_id, lot limit $3",
        of "account_id = $4"),
    table!("hold", [hold_id Text, account_id Int, amount Credits, captured Credits,
        uncollected Credits, state Text, pins Text, period_start Time, authorized_at Time, expires_at Time, resolved_at Time, api_key_id Int, user_id Int],
        key [0], "where hold_id > $1 order by hold_id limit $2",
        of "account_id = $3"),
    table!("usage_day", [account_id Int, day Int, operation Text, api_key_id Int, calls Int,
        credits Credits],
        key [0, 1, 2, 3],
        "where (account_id, day, operation, api_key_id) > ($1, $2, $3, $4)
         order by account_id, day, operation, api_key_id limit $5",
        of "account_id = $6"),
    table!("usage_meter_day", [account_id Int, day Int, operation Text, api_key_id Int, meter Text,
        units Credits],
        key [0, 1, 2, 3, 4],
        "where (account_id, day, operation, api_key_id, meter) > ($1, $2, $3, $4, $5)
         order by account_id, day, operation, api_key_id, meter limit $6",
        of "account_id = $7"),
    table!("stripe_customer", [customer_id Text, account_id Int, state Text, created_at Time],
        key [0], "where customer_id > $1 order by customer_id limit $2",
        of "account_id = $3"),
    table!("foreign_object", [object_id Text, account_id Int, kind Text, status Text,
        amount_minor Int, currency Text, price_id Text, is_decided Int, created_at Time,
        seen_at Time],
        key [0], "where object_id > $1 order by object_id limit $2",
        of "account_id = $3"),
    table!("stripe_intent", [id Text, account_id Int, user_id Int, kind Text, state Text,
        credits_micros Credits, amount_minor Int, currency Text, tier Text, price_id Text,
        stripe_object_id Text, error Text, created_at Time, updated_at Time, expires_at Time,
        bonus_micros Credits, expires_after_days Int, attempts Int, next_attempt_at Time,
        is_owed Int, needs_attention Int],
        key [0], "where id > $1 order by id limit $2",
        of "account_id = $3"),
    table!("intent_step", [intent_id Text, position Int, account_id Int, kind Text, object_id Text,
        amount_minor Int, currency Text, state Text, key_number Int, key_at Time, result_id Text,
        error Text, created_at Time, updated_at Time],
        key [0, 1], "where (intent_id, position) > ($1, $2) order by intent_id, position limit $3",
        of "account_id = $4"),
    table!("stripe_event", [n Int, event_id Text, type Text, created_at Time, received_at Time,
        livemode Int, api_version Text, object_type Text, object_id Text, customer_id Text,
        account_id Int, state Text, attempts Int, next_attempt_at Time, last_error Text,
        outcome Text, processed_at Time],
        key [0], "where n > $1 order by n limit $2",
        of "account_id = $3"),
    table!("subscription", [subscription_id Text, account_id Int, customer_id Text, status Text,
        tier Text, price_id Text, currency Text, amount_minor Int, billing_interval Text,
        period_start Time, period_end Time, cancel_at Time, cancel_at_period_end Int,
        canceled_at Time, ended_at Time, trial_end Time, paused Int, past_due_since Time,
        pending_change Text, schedule_id Text, live Int, created_at Time, synced_at Time,
        items Text, anchor_at Time, quantity Int, monthly_minor Int, discount_ends_at Time,
        pause_behavior Text, resumes_at Time,
        paused_by_us Int],
        key [0], "where subscription_id > $1 order by subscription_id limit $2",
        of "account_id = $3"),
    table!("next_charge", [subscription_id Text, account_id Int, inputs Text, due_at Time,
        currency Text, amount_minor Int, lines Text, fetched_at Time],
        key [0], "where subscription_id > $1 order by subscription_id limit $2",
        of "account_id = $3"),
    table!("invoice", [invoice_id Text, account_id Int, subscription_id Text, number Text,
        status Text, billing_reason Text, amount_due Int, amount_paid Int, currency Text,
        created_at Time, period_start Time, period_end Time, attempt_count Int,
        next_payment_attempt Time, hosted_url Text, pdf_url Text, paid_at Time,
        discount_minor Int, tier Text, prorated Int, charged_minor Int, reversed_minor Int,
        disputed Int],
        key [0], "where invoice_id > $1 order by invoice_id limit $2",
        of "account_id = $3"),
    table!("dispute", [dispute_id Text, account_id Int, charge_id Text, payment_intent_id Text,
        subscription_id Text, status Text, amount_minor Int, currency Text, reason Text,
        due_by Time, decision Text, decided_by Text, created_at Time],
        key [0], "where dispute_id > $1 order by dispute_id limit $2",
        of "account_id = $3"),
    table!("credit_note", [credit_note_id Text, account_id Int, invoice_id Text, number Text,
        status Text, amount_minor Int, refunded_minor Int, out_of_band_minor Int,
        pre_payment_minor Int, currency Text, reason Text, pdf_url Text, created_at Time,
        voided_at Time],
        key [0], "where credit_note_id > $1 order by credit_note_id limit $2",
        of "account_id = $3"),
    table!("transactions", [id Int, public_id Text, account_id Int, user_id Int,
        stripe_payment_intent_id Text, stripe_checkout_session_id Text, stripe_invoice_id Text,
        stripe_refund_id Text, natural_key Text, type Text, status Text, amount_minor Int,
        currency Text, refunded_minor Int, product_type Text, subscription_tier Text,
        credits_purchased_micros Credits, description Text, metadata Text, failure Text,
        attempts Int, receipt_url Text, occurred_at Time, created_at Time, updated_at Time,
        disputed Int, tax_minor Int],
        key [0], "where id > $1 order by id limit $2",
        of "account_id = $3"),
    table!("payment_method", [account_id Int, brand Text, last4 Text, exp_month Int, exp_year Int,
        synced_at Time],
        key [0], "where account_id > $1 order by account_id limit $2",
        of "account_id = $3"),
    table!("audit_log", [id Int, at Time, actor Text, action Text, subject Text, detail Text,
        request_id Text],
        key [0], "where id > $1 order by id limit $2",
        of "subject = (select public_id from account where id = $3)"),
    table!("session", [id Int, user_id Int, created_at Time, expires_at Time, last_seen_at Time,
        user_agent Text, beside_host Int],
        key [0], "where id > $1 order by id limit $2",
        of "user_id in (select m.user_id
                          from membership m
                          join account a on a.id = m.account_id
                         where m.account_id = $3
                           and m.role = 'owner'
                           and a.kind = 'personal'
                           and (select count(*)
                                  from membership o
                                 where o.account_id = a.id
                                   and o.role = 'owner') = 1)"),
    table!("invitation", [id Int, public_id Text, account_id Int, email Text, role Text,
        invited_by Int, created_at Time, expires_at Time, closed_at Time, accepted_by Int],
        key [0], "where id > $1 order by id limit $2",
        of "account_id = $3"),
    table!("account_setting", [account_id Int, name Text, value Text, updated_at Time],
        key [0, 1], "where (account_id, name) > ($1, $2) order by account_id, name limit $3",
        of "account_id = $4"),
    table!("account_price", [account_id Int, price_id Text, tier Text, currency Text,
        amount_minor Int, billing_interval Text, is_current Int, created_at Time],
        key [0, 1],
        "where (account_id, price_id) > ($1, $2) order by account_id, price_id limit $3",
        of "account_id = $4"),
    table!("trial", [subscription_id Text, account_id Int, state Text, created_at Time],
        key [0], "where subscription_id > $1 order by subscription_id limit $2",
        of "account_id = $3"),
    table!("trial_card", [card_hash Text, account_id Int, subscription_id Text, created_at Time],
        key [0], "where card_hash > $1 order by card_hash limit $2",
        of "account_id = $3"),
    table!("checkout_attempt", [account_id Int, attempt Text, intent_id Text, created_at Time],
        key [0, 1],
        "where (account_id, attempt) > ($1, $2) order by account_id, attempt limit $3",
        of "account_id = $4"),
    table!("spend_limit", [id Int, public_id Text, account_id Int, scope Text, subject Int,
        time_window Text, cap Credits, window_start Time, used Credits, held Credits,
        created_by Text, created_at Time, updated_at Time],
        key [0], "where id > $1 order by id limit $2",
        of "account_id = $3"),
    table!("auto_topup", [account_id Int, state Text, pack Int, month_max_minor Int, user_id Int,
        declines Int, next_attempt_at Time, off_reason Text, updated_at Time],
        key [0], "where account_id > $1 order by account_id limit $2",
        of "account_id = $3"),
    table!("outbox", [id Int, kind Text, account_id Int, recipient Text, state Text, attempts Int,
        next_attempt_at Time, created_at Time, sent_at Time, last_error Text, last_status Int],
        key [0], "where id > $1 order by id limit $2",
        of "account_id = $3"),
    table!("operator_view", [id Int, user_id Int, name Text, query Text, created_at Time],
        key [0], "where id > $1 order by id limit $2"),
    table!("webhook_endpoint", [id Int, public_id Text, url Text, description Text, events Text,
        state Text, disabled_reason Text, failing_since Time, created_by Text, created_at Time,
        updated_at Time],
        key [0], "where id > $1 order by id limit $2"),
    table!("alert", [id Int, public_id Text, rule Text, subject Text, severity Text, summary Text,
        state Text, opened_at Time, closed_at Time, acknowledged_at Time, acknowledged_by Text],
        key [0], "where id > $1 order by id limit $2"),
];

/// Tables and columns that are not exported, each with the reason. A test checks that this list and
/// the tables above cover the whole schema.
pub static LEFT_OUT: &[(&str, &str)] = &[
    ("login_link", "grants access, for minutes"),
    (
        "used_token",
        "only prevents a second use of a token, for minutes",
    ),
    ("rate_limit", "only counts requests, for minutes"),
    (
        "free_allowance",
        "keyed hashes of addresses, until the month of their allowance has ended",
    ),
    (
        "operator_request",
        "only prevents another request under a used key",
    ),
    ("operator_turn", "only makes requests wait for each other"),
    ("tally", "only counts failures, for two days"),
    ("job_state", "positions of this program's background jobs"),
    (
        "setting",
        "this program's own settings, including signing secrets",
    ),
    (
        "account_sync",
        "the sync state of this program; a sync rebuilds it",
    ),
    ("sync_object", "objects that a sync has yet to fetch"),
    (
        "stripe_event_payload",
        "Stripe's own copy of its rows, dropped after days",
    ),
    ("session.token_hash", "grants access"),
    ("invitation.token_hash", "grants access"),
    ("api_key.secret_hash", "grants access"),
    ("webhook_endpoint.secret", "signs on behalf of this service"),
    (
        "webhook_endpoint.former_secret",
        "signs on behalf of this service",
    ),
    (
        "webhook_endpoint.former_until",
        "concerns the former secret only",
    ),
    ("outbox.key", "only prevents a second delivery of a message"),
    ("outbox.payload", "emails hold links that grant access"),
    (
        "journal.canonical",
        "the same row as it is hashed; `backup` copies it",
    ),
    (
        "journal.hash",
        "the chain, which `audit` checks; `backup` copies it",
    ),
    (
        "wallet.hash",
        "the chain, which `audit` checks; `backup` copies it",
    ),
    (
        "stripe_intent.params",
        "the parameters of a call to Stripe, which has them",
    ),
    (
        "stripe_intent.url",
        "a page at Stripe that grants access, for a day",
    ),
];

/// The table with this name, if it is exported.
pub fn table(name: &str) -> Option<&'static Table> {
    TABLES.iter().find(|table| table.name == name)
}

/// Rows after `last`, in the order of the key; without `last`, from the first. With `account`, only
/// the rows of that account: none of a table whose rows belong to no account.
pub fn page(
    tx: &mut Tx<'_>,
    table: &'static Table,
    account: Option<i64>,
    last: Option<&Values>,
    limit: i64,
) -> Result<Vec<Values>> {
    let mut args: Vec<Arg<'_>> = Vec::new();
    for place in table.key {
        let value = last.and_then(|row| row.0[*place].as_deref());
        args.push(match (table.columns[*place].1, value) {
            (Kind::Text, value) => Arg::Text(value.unwrap_or("")),
            (_, value) => Arg::Int(value.and_then(|text| text.parse().ok()).unwrap_or(i64::MIN)),
        });
    }
    args.push(Arg::Int(limit));
    match (account, table.sql_of_account) {
        (None, _) => tx.query(table.sql, &args),
        (Some(_), None) => Ok(Vec::new()),
        (Some(account), Some(sql)) => {
            args.push(Arg::Int(account));
            tx.query(sql, &args)
        }
    }
}
