//! Accounts, users, sessions, sign-in links, API keys.

use domain::people::{MemberRole, UserRole};
use domain::plan::{AccountStatus, PlanStatus};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use store::accounts::{self, NewAccount, Shown, TierOverride};
use store::api_keys::{self, KeyMode, KeyScope, NewApiKey};
use store::login_links::{self, LinkKind};
use store::{Db, Error, args, sessions, users};

use crate::help::{account, at, new_account, on_both, read, user, write};

on_both!(an_account_is_found_by_its_number_and_by_both_its_names);
fn an_account_is_found_by_its_number_and_by_both_its_names(db: &Db) {
    let ann = write(db, |tx| {
        let new = NewAccount {
            external_id: Some("host-7"),
            ..new_account("Ann", "acc_ann")
        };
        accounts::insert(tx, &new, at(5))
    });
    let id = ann.id;
    assert_eq!(ann.anchor_at, at(5));
    assert_eq!(ann.status, AccountStatus::Active);
    assert_eq!(ann.email_verified_at, None);

    assert_eq!(
        read(db, move |tx| accounts::find(tx, id)),
        Some(ann.clone())
    );
    assert_eq!(
        read(db, |tx| accounts::named(tx, "acc_ann")),
        Some(ann.clone())
    );
    assert_eq!(read(db, |tx| accounts::named(tx, "host-7")), Some(ann));
    assert_eq!(read(db, |tx| accounts::named(tx, "acc_bob")), None);
    assert_eq!(read(db, |tx| accounts::find(tx, 999)), None);
}

on_both!(our_own_name_for_an_account_wins_over_a_hosts_equal_name_for_another);
fn our_own_name_for_an_account_wins_over_a_hosts_equal_name_for_another(db: &Db) {
    let ann = account(db, "ann");
    write(db, |tx| {
        let new = NewAccount {
            external_id: Some("acc_ann"),
            ..new_account("Bob", "acc_bob")
        };
        accounts::insert(tx, &new, at(1))
    });

    assert_eq!(
        read(db, |tx| accounts::named(tx, "acc_ann")).map(|a| a.id),
        Some(ann.id)
    );
}

on_both!(putting_an_account_of_the_host_twice_makes_one_and_updates_it);
fn putting_an_account_of_the_host_twice_makes_one_and_updates_it(db: &Db) {
    let put = |public_id: &'static str, name: &'static str, email, now| {
        write(db, move |tx| {
            let new = NewAccount {
                external_id: Some("host-7"),
                email,
                ..new_account(name, public_id)
            };
            accounts::put_external(tx, &new, at(now))
        })
    };
    let first = put("acc_1", "Ann", Some("ann@example.com"), 5);
    let second = put("acc_2", "Anna", None, 6);

    assert_eq!((second.id, second.public_id.as_str()), (first.id, "acc_1"));
    assert_eq!((second.name.as_str(), second.anchor_at), ("Anna", at(5)));
    assert_eq!(
        second.email.as_deref(),
        Some("ann@example.com"),
        "unchanged where nothing was given"
    );
    assert_eq!(second.updated_at, at(6));
}

on_both!(what_is_shown_of_a_subscription_is_overwritten);
fn what_is_shown_of_a_subscription_is_overwritten(db: &Db) {
    let id = account(db, "ann").id;
    write(db, move |tx| {
        let shown = Shown {
            stripe_subscription_id: Some("sub_1"),
            tier: "PRO",
            status: PlanStatus::Active,
            expires_at: Some(at(100)),
            past_due_since: Some(at(50)),
        };
        accounts::show_subscription(tx, id, &shown, at(2))?;
        accounts::show_customer(tx, id, Some("cus_1"), at(3))
    });
    let pro = read(db, move |tx| accounts::find(tx, id)).unwrap();
    assert_eq!(pro.subscription_tier, "PRO");
    assert_eq!(pro.subscription_status, PlanStatus::Active);
    assert_eq!(pro.stripe_subscription_id.as_deref(), Some("sub_1"));
    assert_eq!(pro.subscription_expires_at, Some(at(100)));
    assert_eq!(pro.past_due_since, Some(at(50)));
    assert_eq!(pro.stripe_customer_id.as_deref(), Some("cus_1"));
    assert_eq!(pro.updated_at, at(3));
    let tiers = read(db, accounts::count_by_tier);
    assert_eq!(tiers, [("PRO".into(), PlanStatus::Active, 1)]);

    write(db, move |tx| {
        let shown = Shown {
            stripe_subscription_id: None,
            tier: "FREE",
            status: PlanStatus::None,
            expires_at: None,
            past_due_since: None,
        };
        accounts::show_subscription(tx, id, &shown, at(4))
    });
    let free = read(db, move |tx| accounts::find(tx, id)).unwrap();
    assert_eq!(free.stripe_subscription_id, None);
    assert_eq!(free.past_due_since, None);
}

on_both!(a_tier_that_a_person_set_has_a_reason_and_an_actor_and_can_be_taken_away);
fn a_tier_that_a_person_set_has_a_reason_and_an_actor_and_can_be_taken_away(db: &Db) {
    let id = account(db, "ann").id;
    write(db, move |tx| {
        let pro = TierOverride {
            tier: "PRO",
            reason: "pilot",
            actor: "usr_1",
            until: None,
        };
        accounts::set_tier_override(tx, id, Some(&pro), at(2))
    });
    let set = read(db, move |tx| accounts::find(tx, id)).unwrap();
    assert_eq!(set.tier_override.as_deref(), Some("PRO"));
    assert_eq!(set.tier_override_reason.as_deref(), Some("pilot"));
    assert_eq!(set.tier_override_actor.as_deref(), Some("usr_1"));

    write(db, move |tx| {
        accounts::set_tier_override(tx, id, None, at(3))
    });
    let gone = read(db, move |tx| accounts::find(tx, id)).unwrap();
    assert_eq!(gone.tier_override, None);
    assert_eq!(gone.tier_override_reason, None);
}

on_both!(an_address_is_verified_once_and_the_first_time_stays);
fn an_address_is_verified_once_and_the_first_time_stays(db: &Db) {
    let id = account(db, "ann").id;

    assert!(write(db, move |tx| accounts::verify_email(tx, id, at(2))));
    assert!(!write(db, move |tx| accounts::verify_email(tx, id, at(3))));

    let ann = read(db, move |tx| accounts::find(tx, id)).unwrap();
    assert_eq!(ann.email_verified_at, Some(at(2)));
}

on_both!(accounts_are_listed_newest_first_page_by_page_and_found_by_part_of_a_name);
fn accounts_are_listed_newest_first_page_by_page_and_found_by_part_of_a_name(db: &Db) {
    let (ann, bob) = (account(db, "ann").id, account(db, "bxb").id);
    let cy = account(db, "b_b").id;
    let list = |search: Option<&'static str>, before, limit| {
        let rows = read(db, move |tx| accounts::list(tx, search, before, limit));
        rows.into_iter()
            .map(|account| account.id)
            .collect::<Vec<_>>()
    };

    assert_eq!(list(None, None, 2), [cy, bob]);
    assert_eq!(list(None, Some(bob), 2), [ann]);
    assert_eq!(list(Some("NN"), None, 10), [ann]);
    assert_eq!(list(Some("b_b"), None, 10), [cy], "_ stands for itself");
    assert_eq!(list(Some("%"), None, 10), Vec::<i64>::new());
    assert_eq!(
        read(db, move |tx| accounts::ids_after(tx, ann, 10)),
        [bob, cy]
    );
}

on_both!(an_anonymized_account_is_closed_and_nameless_and_stays);
fn an_anonymized_account_is_closed_and_nameless_and_stays(db: &Db) {
    let id = account(db, "ann").id;
    write(db, move |tx| {
        accounts::rename(tx, id, "Ann", Some("ann@example.com"), at(2))?;
        accounts::anonymize(tx, id, at(3))
    });

    let gone = read(db, move |tx| accounts::find(tx, id)).unwrap();

    assert_eq!(
        (gone.name.as_str(), gone.email, gone.status.word()),
        ("", None, "closed")
    );
    assert_eq!(
        write(db, move |tx| accounts::set_status(
            tx,
            id,
            AccountStatus::Suspended,
            at(4)
        )),
        0
    );
    let named = write(db, move |tx| {
        accounts::rename(tx, id, "Ann", Some("ann@example.com"), at(4))
    });
    assert_eq!(named, 0);
    assert_eq!(
        write(db, move |tx| accounts::set_tier_override(
            tx,
            id,
            None,
            at(4)
        )),
        0
    );
    let wrong = db.write_blocking(0, move |tx| {
        tx.execute("update account set status = 'odd' where id = $1", args![id])
    });
    assert!(matches!(wrong, Err(Error::Constraint(_))), "{wrong:?}");
}

on_both!(one_address_is_one_user);
fn one_address_is_one_user(db: &Db) {
    let ann = user(db, "ann@example.com");
    let id = ann.id;
    let again = write(db, |tx| {
        users::insert(
            tx,
            "usr_2",
            "ann@example.com",
            "Other",
            UserRole::Admin,
            at(2),
        )
    });
    assert_eq!(again, None);

    assert_eq!(
        read(db, |tx| users::by_email(tx, "ann@example.com")),
        Some(ann.clone())
    );
    assert_eq!(
        read(db, |tx| users::by_public_id(tx, "usr_ann@example.com")),
        Some(ann.clone())
    );
    assert_eq!(read(db, move |tx| users::find(tx, id)), Some(ann));
    assert_eq!(
        read(db, |tx| users::list(tx, Some("ANN@"), None, 10)).len(),
        1
    );
    assert_eq!(read(db, |tx| users::list(tx, None, Some(1), 10)).len(), 0);

    write(db, move |tx| {
        users::set_role(tx, id, UserRole::Support)?;
        users::rename(tx, id, "Anna")
    });
    let changed = read(db, move |tx| users::find(tx, id)).unwrap();
    assert_eq!(
        (changed.role.word(), changed.name.as_str()),
        ("support", "Anna")
    );

    write(db, move |tx| users::anonymize(tx, id, at(9)));
    let gone = read(db, move |tx| users::find(tx, id)).unwrap();
    assert!(!gone.email.contains("example.com") || gone.email.contains("deleted"));
    assert_eq!((gone.name.as_str(), gone.role.word()), ("", "user"));
    assert_eq!(gone.disabled_at, Some(at(9)));
    assert_eq!(read(db, |tx| users::by_email(tx, "ann@example.com")), None);
}

on_both!(a_member_has_one_role_in_an_account);
fn a_member_has_one_role_in_an_account(db: &Db) {
    let (team, home) = (account(db, "team").id, account(db, "home").id);
    let ann = user(db, "ann@example.com").id;
    write(db, move |tx| {
        users::put_member(tx, ann, home, MemberRole::Owner, at(1))
    });
    write(db, move |tx| {
        users::put_member(tx, ann, team, MemberRole::Member, at(2))
    });
    write(db, move |tx| {
        users::put_member(tx, ann, team, MemberRole::Billing, at(3))
    });

    assert_eq!(
        read(db, move |tx| users::role_in(tx, ann, team)),
        Some(MemberRole::Billing)
    );
    let mine = read(db, move |tx| users::memberships(tx, ann));
    assert_eq!(
        mine.iter().map(|m| m.account_id).collect::<Vec<_>>(),
        [home, team]
    );
    let members = read(db, move |tx| users::members(tx, team));
    assert_eq!(
        (members.len(), members[0].email.as_str()),
        (1, "ann@example.com")
    );

    assert_eq!(write(db, move |tx| users::remove_member(tx, ann, team)), 1);
    assert_eq!(read(db, move |tx| users::role_in(tx, ann, team)), None);
    assert_eq!(
        read(db, move |tx| users::role_in(tx, ann, home)),
        Some(MemberRole::Owner)
    );
}

on_both!(a_session_holds_until_it_ends_or_its_user_is_disabled);
fn a_session_holds_until_it_ends_or_its_user_is_disabled(db: &Db) {
    let ann = user(db, "ann@example.com").id;
    let id = write(db, move |tx| {
        sessions::insert(tx, b"hash", ann, "Firefox", at(10), at(100))
    });
    let find = |hash: &'static [u8], now| read(db, move |tx| sessions::find(tx, hash, at(now)));

    let session = find(b"hash", 99).unwrap();
    assert_eq!(
        (session.id, session.user_id, session.role.word()),
        (id, ann, "user")
    );
    assert_eq!(session.user_agent, "Firefox");
    assert_eq!(find(b"hash", 100), None, "it ended");
    assert_eq!(find(b"hush", 50), None);

    write(db, move |tx| users::set_disabled(tx, ann, Some(at(20))));
    assert_eq!(find(b"hash", 50), None);
    write(db, move |tx| users::set_disabled(tx, ann, None));
    write(db, move |tx| sessions::touch(tx, id, at(60)));
    assert_eq!(find(b"hash", 60).unwrap().last_seen_at, at(60));
}

on_both!(sessions_end_one_by_one_or_all_at_once);
fn sessions_end_one_by_one_or_all_at_once(db: &Db) {
    let (ann, bob) = (
        user(db, "ann@example.com").id,
        user(db, "bob@example.com").id,
    );
    let hashes: [&[u8]; 4] = [b"a", b"b", b"c", b"d"];
    for (hash, seconds) in hashes.into_iter().zip([100, 200, 300, 400]) {
        write(db, move |tx| {
            sessions::insert(tx, hash, ann, "", at(1), at(seconds))
        });
    }
    let list = |now| read(db, move |tx| sessions::of_user(tx, ann, at(now)));

    assert_eq!(list(50).len(), 4);
    assert_eq!(write(db, |tx| sessions::sweep(tx, at(100))), 1);
    let one = list(50)[0].id;
    assert_eq!(
        write(db, move |tx| sessions::delete_one(tx, bob, one)),
        0,
        "not bob's"
    );
    assert_eq!(write(db, move |tx| sessions::delete_one(tx, ann, one)), 1);
    assert_eq!(write(db, |tx| sessions::delete(tx, b"b")), 1);
    assert_eq!(write(db, move |tx| sessions::delete_of_user(tx, ann)), 1);
    assert_eq!(list(50).len(), 0);
}

on_both!(a_sign_in_link_works_once_even_when_it_is_opened_many_times_at_once);
fn a_sign_in_link_works_once_even_when_it_is_opened_many_times_at_once(db: &Db) {
    write(db, |tx| {
        let next = Some("/dashboard");
        login_links::insert(
            tx,
            (LinkKind::Mailed, b"t"),
            "ann@example.com",
            None,
            next,
            at(1),
            at(100),
        )
    });
    assert_eq!(
        read(db, |tx| login_links::find(tx, b"t")).unwrap().used_at,
        None
    );
    let wins = Arc::new(AtomicUsize::new(0));
    let threads: Vec<_> = (0..16)
        .map(|number| {
            let (db, wins) = (db.clone(), wins.clone());
            std::thread::spawn(move || {
                let used = db.write_blocking(number, |tx| login_links::redeem(tx, b"t", at(50)));
                if let Some(link) = used.unwrap() {
                    assert_eq!(link.next_path.as_deref(), Some("/dashboard"));
                    wins.fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();
    for thread in threads {
        thread.join().unwrap();
    }

    assert_eq!(wins.load(Ordering::Relaxed), 1);
    assert_eq!(
        read(db, |tx| login_links::find(tx, b"t")).unwrap().used_at,
        Some(at(50))
    );
}

on_both!(an_expired_sign_in_link_signs_no_one_in);
fn an_expired_sign_in_link_signs_no_one_in(db: &Db) {
    write(db, |tx| {
        login_links::insert(
            tx,
            (LinkKind::Mailed, b"t"),
            "ann@example.com",
            None,
            None,
            at(1),
            at(100),
        )
    });

    assert_eq!(write(db, |tx| login_links::redeem(tx, b"t", at(100))), None);
    assert_eq!(write(db, |tx| login_links::sweep(tx, at(99))), 0);
    assert_eq!(write(db, |tx| login_links::sweep(tx, at(100))), 1);
}

fn key<'a>(public_id: &'a str, account_id: Option<i64>, hash: &'a [u8]) -> NewApiKey<'a> {
    NewApiKey {
        public_id,
        account_id,
        name: "ci",
        prefix: "lbx_test_ab",
        secret_hash: hash,
        scope: if account_id.is_some() {
            KeyScope::Meter
        } else {
            KeyScope::Server
        },
        mode: KeyMode::Test,
        created_by: "usr_1",
    }
}

on_both!(a_key_opens_its_account_until_it_is_revoked);
fn a_key_opens_its_account_until_it_is_revoked(db: &Db) {
    let (ann, bob) = (account(db, "ann").id, account(db, "bob").id);
    let made = write(db, move |tx| {
        api_keys::insert(tx, &key("key_1", Some(ann), b"h1"), at(1))
    });
    write(db, |tx| {
        api_keys::insert(tx, &key("key_2", None, b"h2"), at(2))
    });

    let found = read(db, |tx| api_keys::by_secret(tx, b"h1"));
    assert_eq!(found, Some(made.clone()));
    assert_eq!((made.account_id, made.scope.word()), (Some(ann), "meter"));
    assert_eq!(
        read(db, |tx| api_keys::by_secret(tx, b"h2"))
            .unwrap()
            .account_id,
        None
    );
    assert_eq!(read(db, |tx| api_keys::by_secret(tx, b"h3")), None);
    write(db, move |tx| api_keys::touch(tx, made.id, at(5)));

    assert_eq!(
        write(db, move |tx| api_keys::revoke(tx, bob, "key_1", at(6))),
        None
    );
    assert!(write(db, move |tx| api_keys::revoke(tx, ann, "key_1", at(6))).is_some());
    assert_eq!(
        write(db, move |tx| api_keys::revoke(tx, ann, "key_1", at(7))),
        None
    );
    assert_eq!(read(db, |tx| api_keys::by_secret(tx, b"h1")), None);
    let listed = read(db, move |tx| api_keys::of_account(tx, ann));
    assert_eq!(
        (listed[0].last_used_at, listed[0].revoked_at),
        (Some(at(5)), Some(at(6)))
    );

    assert_eq!(read(db, api_keys::of_host).len(), 1);
    assert!(write(db, |tx| api_keys::revoke_of_host(tx, "key_2", at(8))).is_some());
    assert_eq!(read(db, |tx| api_keys::by_secret(tx, b"h2")), None);
}

on_both!(a_meter_key_without_an_account_is_refused_by_the_schema);
fn a_meter_key_without_an_account_is_refused_by_the_schema(db: &Db) {
    let refused = db.write_blocking(0, |tx| {
        let new = NewApiKey {
            scope: KeyScope::Meter,
            ..key("key_1", None, b"h1")
        };
        api_keys::insert(tx, &new, at(1))
    });

    assert!(matches!(refused, Err(Error::Constraint(_))), "{refused:?}");
}
