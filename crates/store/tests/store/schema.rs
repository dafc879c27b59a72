//! The schema: the same on both databases, migrated up and down, and what it refuses.

use std::collections::{BTreeMap, BTreeSet};

use store::intents::{self, IntentKind, IntentState, NewIntent, unfinished};
use store::testing::{TestDatabase, sqlite};
use store::{Db, Error, Options, args, export, migrate};

use crate::help::{account, at, on_both, read, write};

/// What both databases must have in common: columns with type and nullability, keys, unique
/// indexes.
#[derive(Debug, Default, PartialEq, Eq)]
struct Table {
    columns: BTreeMap<String, (String, bool)>,
    primary_key: Vec<String>,
    unique: BTreeSet<String>,
    indexes: BTreeSet<String>,
}

type Schema = BTreeMap<String, Table>;

fn sqlite_schema(db: &Db) -> Schema {
    read(db, |tx| {
        let mut schema = Schema::new();
        let columns = tx.query::<(String, String, String, i64, i64)>(
            "select m.name, c.name, lower(c.type), c.\"notnull\", c.pk
               from sqlite_master m
               join pragma_table_info(m.name) c
              where m.type = 'table'
                and m.name not like 'sqlite_%'
                and m.name <> 'refinery_schema_history'
              order by m.name, c.pk",
            args![],
        )?;
        for (table, column, kind, not_null, key) in columns {
            let table = schema.entry(table).or_default();
            let kind = kind.replace("integer", "bigint").replace("blob", "bytea");
            table
                .columns
                .insert(column.clone(), (kind, not_null == 1 || key > 0));
            if key > 0 {
                table.primary_key.push(column);
            }
        }
        let indexes = tx.query::<(String, i64, String, i64)>(
            "select m.name, i.\"unique\",
                    (select group_concat(name, ',')
                       from (select name from pragma_index_info(i.name) order by seqno)),
                    i.partial
               from sqlite_master m
               join pragma_index_list(m.name) i
              where m.type = 'table'
                and m.name <> 'refinery_schema_history'
                and i.origin <> 'pk'",
            args![],
        )?;
        for (table, is_unique, columns, is_partial) in indexes {
            note_index(
                &mut schema,
                &table,
                is_unique == 1,
                columns,
                is_partial == 1,
            );
        }
        Ok(schema)
    })
}

fn postgres_schema(db: &Db) -> Schema {
    read(db, |tx| {
        let mut schema = Schema::new();
        let columns = tx.query::<(String, String, String, i64)>(
            "select c.table_name::text, c.column_name::text, c.data_type::text,
                    case when c.is_nullable = 'NO' then 1 else 0 end
               from information_schema.columns c
               join information_schema.tables t using (table_schema, table_name)
              where c.table_schema = 'public'
                and t.table_type = 'BASE TABLE'
                and c.table_name <> 'refinery_schema_history'",
            args![],
        )?;
        for (table, column, kind, not_null) in columns {
            schema
                .entry(table)
                .or_default()
                .columns
                .insert(column, (kind, not_null == 1));
        }
        let indexes = tx.query::<(String, i64, i64, String, i64)>(
            "select t.relname::text, i.indisunique, i.indisprimary,
                    (select string_agg(a.attname::text, ',' order by k.place)
                       from unnest(i.indkey) with ordinality k (number, place)
                       join pg_attribute a on a.attrelid = t.oid and a.attnum = k.number),
                    i.indpred is not null
               from pg_index i
               join pg_class t on t.oid = i.indrelid
               join pg_namespace n on n.oid = t.relnamespace
              where n.nspname = 'public'
                and t.relname <> 'refinery_schema_history'",
            args![],
        )?;
        for (table, is_unique, is_primary, columns, is_partial) in indexes {
            if is_primary == 1 {
                let key = columns.split(',').map(str::to_owned).collect();
                schema.entry(table).or_default().primary_key = key;
            } else {
                note_index(
                    &mut schema,
                    &table,
                    is_unique == 1,
                    columns,
                    is_partial == 1,
                );
            }
        }
        Ok(schema)
    })
}

fn note_index(schema: &mut Schema, table: &str, is_unique: bool, columns: String, partial: bool) {
    let table = schema.entry(table.to_owned()).or_default();
    let name = if partial {
        format!("{columns} in part")
    } else {
        columns
    };
    if is_unique {
        table.unique.insert(name);
    } else {
        table.indexes.insert(name);
    }
}

#[test]
fn both_databases_have_the_same_tables_columns_and_indexes() {
    let sqlite = &sqlite_schema(&store::testing::sqlite().opened());
    let postgres = &postgres_schema(&store::testing::postgres().opened());

    let names = |schema: &Schema| schema.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(sqlite), names(postgres));
    for (name, table) in sqlite {
        assert_eq!(table, &postgres[name], "table {name}");
    }
    assert!(sqlite.len() > 20, "{}", sqlite.len());
}

#[test]
fn every_column_of_every_table_is_exported_or_left_out_for_a_reason_that_is_written_down() {
    let database = sqlite();
    let db = database.open();
    let schema = sqlite_schema(&db);
    let is_left_out = |name: &str| export::LEFT_OUT.iter().any(|(known, _)| *known == name);
    let columns = schema.iter().flat_map(|(table, of)| {
        let names = of.columns.keys();
        names.map(move |column| (table.as_str(), column.as_str()))
    });

    let mut forgotten = Vec::new();
    let mut twice = Vec::new();
    for (table, column) in columns {
        let exported = export::table(table)
            .is_some_and(|known| known.columns.iter().any(|(name, _)| *name == column));
        let name = format!("{table}.{column}");
        match (exported, is_left_out(table) || is_left_out(&name)) {
            (false, false) => forgotten.push(name),
            (true, true) => twice.push(name),
            _ => {}
        }
    }

    assert_eq!((forgotten, twice), (Vec::new(), Vec::new()));
    for (name, why) in export::LEFT_OUT {
        let (table, column) = name.split_once('.').unwrap_or((name, ""));
        let there = schema
            .get(table)
            .is_some_and(|known| column.is_empty() || known.columns.contains_key(column));
        assert!(there && !why.is_empty(), "{name} is not in the schema");
    }
    db.close();
}

on_both!(every_table_is_read_as_a_whole_and_of_one_account);
fn every_table_is_read_as_a_whole_and_of_one_account(db: &Db) {
    let (mine, other) = (account(db, "mine").id, account(db, "other").id);
    let page = |table, of, last: Option<export::Values>| {
        read(db, move |tx| export::page(tx, table, of, last.as_ref(), 10))
    };

    for table in export::TABLES {
        let all = page(table, None, None);
        let of_mine = page(table, Some(mine), None);
        let next = of_mine.last().cloned();
        let after = page(table, Some(mine), next.clone());

        assert!(of_mine.len() <= all.len(), "{}", table.name);
        assert!(after.is_empty() || next.is_none(), "{}", table.name);
    }
    let accounts = export::table("account").unwrap();
    let number = |of| page(accounts, Some(of), None)[0].0[0].clone();
    assert_eq!(page(accounts, None, None).len(), 2);
    assert_eq!(number(mine), Some(mine.to_string()));
    assert_eq!(number(other), Some(other.to_string()));
    let endpoints = export::table("webhook_endpoint").unwrap();
    assert!(!endpoints.is_of_accounts() && page(endpoints, Some(mine), None).is_empty());
}

#[test]
fn an_embedded_database_is_copied_before_its_schema_changes() {
    let database = store::testing::sqlite();
    let file = database.url_text.strip_prefix("sqlite://").unwrap();
    let newest = migrate::up(&database.url).unwrap().len();
    let copy = format!(
        "{file}.before-V{}",
        migrate::status(&database.url).unwrap()[newest - 1].version
    );
    assert!(
        !std::path::Path::new(&copy).exists(),
        "there was nothing to keep"
    );
    migrate::down(&database.url, 1).unwrap();

    for _ in 0..2 {
        migrate::up(&database.url).unwrap();
        let kept = store::DatabaseUrl::parse(&format!("sqlite://{copy}")).unwrap();
        let steps = migrate::status(&kept).unwrap();
        let had: Vec<bool> = steps.iter().map(|step| step.applied_at.is_some()).collect();
        assert_eq!(had.iter().filter(|had| **had).count(), newest - 1);
        assert!(!had[newest - 1], "it is the schema of before");
        migrate::down(&database.url, 1).unwrap();
    }
}

on_both!(unopened the_schema_goes_up_and_down_and_up_again);
fn the_schema_goes_up_and_down_and_up_again(database: TestDatabase) {
    let url = &database.url;
    assert!(
        migrate::status(url)
            .unwrap()
            .iter()
            .all(|step| step.applied_at.is_none())
    );

    let applied = migrate::up(url).unwrap();
    let status = migrate::status(url).unwrap();
    assert_eq!(applied.len(), status.len());
    assert!(status.iter().all(|step| step.applied_at.is_some()));
    assert_eq!(
        migrate::up(url).unwrap(),
        Vec::<String>::new(),
        "nothing is left to do"
    );

    assert_eq!(migrate::down(url, 1).unwrap().len(), 1);
    let status = migrate::status(url).unwrap();
    assert!(status.last().unwrap().applied_at.is_none());
    assert!(status[0].applied_at.is_some());

    assert_eq!(migrate::down(url, 100).unwrap().len(), status.len() - 1);
    assert!(
        migrate::status(url)
            .unwrap()
            .iter()
            .all(|step| step.applied_at.is_none())
    );
    migrate::up(url).unwrap();
    let db = database.open();
    assert_eq!(
        read(&db, |tx| tx
            .query_one::<i64>("select count(*) from account", args![])),
        0
    );
}

on_both!(unopened the_version_before_suspensions_reads_every_request);
fn the_version_before_suspensions_reads_every_request(database: TestDatabase) {
    let db = database.open();
    let ann = account(&db, "ann").id;
    write(&db, move |tx| {
        for (id, kind) in [("a", IntentKind::Suspension), ("b", IntentKind::Refund)] {
            intents::insert(tx, &NewIntent::new(id, ann, kind, ""), at(2))?;
            let step = [store::intent_steps::NewStep::call()];
            store::intent_steps::put(tx, (ann, id), &step, at(2), at(2))?;
        }
        Ok(())
    });
    db.close();
    drop(db);
    while migrate::status(&database.url).unwrap()[18]
        .applied_at
        .is_some()
    {
        migrate::down(&database.url, 1).unwrap();
    }

    migrate::up(&database.url).unwrap();

    let db = database.open();
    let found = |id| read(&db, move |tx| intents::find(tx, ann, id));
    assert!(found("a").is_none() && found("b").is_some());
}

on_both!(unopened unfinished_requests_of_an_older_schema_are_not_sent_weeks_later);
fn unfinished_requests_of_an_older_schema_are_not_sent_weeks_later(database: TestDatabase) {
    use IntentKind::{Closing, CustomerChange, DisputedPlanEnd, PlanEnd, Refund};
    let db = database.open();
    let ann = account(&db, "ann").id;
    let kinds = [Closing, CustomerChange, DisputedPlanEnd, PlanEnd, Refund];
    write(&db, move |tx| {
        for kind in kinds {
            let new = NewIntent::new(kind.word(), ann, kind, "sub_1");
            intents::insert(tx, &new, at(2))?;
        }
        intents::set_failed(tx, PlanEnd.word(), "refused", at(3))
    });
    db.close();
    drop(db);
    while migrate::status(&database.url).unwrap()[12]
        .applied_at
        .is_some()
    {
        migrate::down(&database.url, 1).unwrap();
    }

    migrate::up(&database.url).unwrap();

    let db = database.open();
    let due = |kind| read(&db, move |tx| unfinished::due(tx, kind, at(9_999), 9)).len();
    assert_eq!(kinds.map(due), [0, 1, 1, 0, 0]);
    let found = |kind: IntentKind| read(&db, move |tx| intents::find(tx, ann, kind.word()));
    let closing = found(Closing).unwrap();
    assert_eq!(closing.state, IntentState::Closed);
    let refund = found(Refund).unwrap();
    assert!(refund.is_unfinished() && refund.needs_attention && !refund.is_owed);
    let end = found(PlanEnd).unwrap();
    assert!(end.is_unfinished() && end.needs_attention && end.is_owed);
    assert!(found(DisputedPlanEnd).unwrap().is_owed);
}

on_both!(unopened a_schema_that_is_not_migrated_is_refused_when_migrating_is_not_allowed);
fn a_schema_that_is_not_migrated_is_refused_when_migrating_is_not_allowed(database: TestDatabase) {
    let options = Options {
        migrate: false,
        ..Options::default()
    };

    let refused = Db::open(&database.url, &options).unwrap_err();

    assert!(
        matches!(&refused, Error::Schema(said) if said.contains("migrate up")),
        "{refused}"
    );
    migrate::up(&database.url).unwrap();
    Db::open(&database.url, &options).unwrap();
}

on_both!(unopened a_program_older_than_the_schema_is_refused);
fn a_program_older_than_the_schema_is_refused(database: TestDatabase) {
    let db = database.open();
    write(&db, |tx| {
        tx.execute(
            "insert into refinery_schema_history (version, name, applied_on, checksum)
                 values (9999, 'from_tomorrow', '2099-01-01T00:00:00Z', '1')",
            args![],
        )
    });
    db.close();
    drop(db);

    let refused = Db::open(&database.url, &Options::default()).unwrap_err();

    assert!(
        matches!(&refused, Error::Schema(said) if said.contains("9999") && said.contains("newer")),
        "{refused}"
    );
    assert!(matches!(migrate::up(&database.url), Err(Error::Schema(_))));
    assert!(matches!(
        migrate::down(&database.url, 1),
        Err(Error::Schema(_))
    ));
}

#[test]
fn case_d8_a_second_opener_of_one_sqlite_file_is_refused_until_the_first_is_gone() {
    let database = sqlite();
    let first = database.open();

    let second = Db::open(&database.url, &Options::default()).unwrap_err();
    assert!(
        matches!(&second, Error::InUse(said) if said.contains("another process")),
        "{second}"
    );
    assert!(matches!(migrate::up(&database.url), Err(Error::InUse(_))));

    drop(first);
    database.open();
}

#[test]
fn several_processes_may_open_and_migrate_one_postgresql_database_at_once() {
    let database = store::testing::postgres();
    let threads: Vec<_> = (0..4)
        .map(|_| {
            let url = database.url.clone();
            std::thread::spawn(move || Db::open(&url, &Options::default()).map(drop))
        })
        .collect();

    for thread in threads {
        thread.join().unwrap().unwrap();
    }
}

#[test]
fn an_address_that_cannot_be_used_is_refused_without_repeating_it() {
    for wrong in [
        "mysql://u:secret@h/d",
        "sqlite://",
        "postgres://u:secret@h:port/d",
        "",
    ] {
        let refused = store::DatabaseUrl::parse(wrong).unwrap_err();

        assert!(matches!(refused, Error::Address(_)), "{wrong}");
        assert!(!refused.to_string().contains("secret"), "{refused}");
    }
}
