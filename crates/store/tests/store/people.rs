//! What belongs to people: keys that end with a membership, and free allowances by address.

use std::sync::Arc;

use domain::catalog::Catalog;
use domain::people::{MemberRole, UserRole};
use domain::plan::PlanRules;
use store::api_keys::{self, KeyMode, KeyScope, NewApiKey, RevokedBecause};
use store::ledger::free_allowances::Mailboxes;
use store::ledger::{Listener, Rules};
use store::testing::TestDatabase;
use store::{Db, accounts, args, migrate, users};

use crate::help::{account, at, on_both, read, write};

fn rules() -> Arc<Rules> {
    let catalog = Catalog::parse(include_str!("../../../../catalog.toml")).unwrap();
    Arc::new(Rules {
        catalog,
        plan: PlanRules::default(),
        listener: Listener::default(),
        mailboxes: Mailboxes::default(),
    })
}

/// A user with this address, who owns this account.
fn owner(db: &Db, name: &'static str, email: &'static str) -> (i64, i64) {
    let account = account(db, name).id;
    let id = format!("usr_{name}");
    let user = write(db, move |tx| {
        let user = users::insert(tx, &id, email, "", UserRole::User, at(1))?.unwrap();
        users::put_member(tx, user.id, account, MemberRole::Owner, at(1))?;
        accounts::verify_email(tx, account, at(1))?;
        Ok(user.id)
    });
    (user, account)
}

on_both!(of_two_accounts_of_one_mailbox_that_ask_at_once_one_gets_the_free_allowance);
fn of_two_accounts_of_one_mailbox_that_ask_at_once_one_gets_the_free_allowance(db: &Db) {
    let all = [
        owner(db, "ann", "ann@example.com").1,
        owner(db, "bob", "ann+1@example.com").1,
        owner(db, "cid", "ann+2@example.com").1,
    ];
    let threads: Vec<_> = all
        .into_iter()
        .cycle()
        .take(9)
        .map(|account| {
            let (db, rules) = (db.clone(), rules());
            std::thread::spawn(move || {
                let settled = db.write_blocking(account, move |tx| {
                    store::ledger::settle(tx, &rules, account, at(10)).map(|_| ())
                });
                settled.unwrap();
            })
        })
        .collect();
    for thread in threads {
        thread.join().unwrap();
    }

    let granted = read(db, |tx| {
        tx.query_one::<i64>("select count(*) from credit_grant", args![])
    });
    assert_eq!(granted, 1);
}

on_both!(unopened keys_of_members_who_left_before_keys_ended_with_a_membership_stop);
fn keys_of_members_who_left_before_keys_ended_with_a_membership_stop(database: TestDatabase) {
    let db = database.open();
    let (ann, acme) = owner(&db, "ann", "ann@example.com");
    let (bob, _) = owner(&db, "bob", "bob@example.com");
    let (cid, _) = owner(&db, "cid", "cid@example.com");
    write(&db, move |tx| {
        users::put_member(tx, cid, acme, MemberRole::Member, at(2))?;
        for (id, by) in [
            ("ann", "usr_ann"),
            ("bob", "usr_bob"),
            ("cid", "usr_cid"),
            ("cli", "cli"),
        ] {
            let new = NewApiKey {
                public_id: &format!("key_{id}"),
                account_id: Some(acme),
                name: id,
                prefix: "lbx_test_",
                secret_hash: id.as_bytes(),
                scope: KeyScope::Meter,
                mode: KeyMode::Test,
                created_by: by,
            };
            api_keys::insert(tx, &new, at(3))?;
        }
        Ok(())
    });
    assert!(ann > 0 && bob > 0);
    db.close();
    drop(db);
    let is_applied = || {
        let all = migrate::status(&database.url).unwrap();
        let it = all.iter().find(|one| one.version == 17).unwrap();
        it.applied_at.is_some()
    };
    while is_applied() {
        migrate::down(&database.url, 1).unwrap();
    }

    migrate::up(&database.url).unwrap();

    let db = database.open();
    let why = |hash: &'static str| {
        let key = read(&db, move |tx| api_keys::any_by_secret(tx, hash.as_bytes())).unwrap();
        (key.revoked_at.is_some(), key.revoked_because)
    };
    assert_eq!(why("ann"), (false, None));
    assert_eq!(why("bob"), (true, Some(RevokedBecause::MemberLeft)));
    assert_eq!(why("cid"), (true, Some(RevokedBecause::RoleChanged)));
    assert_eq!(why("cli"), (false, None));
}
