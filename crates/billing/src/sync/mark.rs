//! Our mark on Stripe's objects: which account of which database they were made for (G1).
//!
//! A customer is ours by our own row or by this mark, never by a name that a host application
//! chose: another product may use the same names.

use domain::time::Timestamp;
use store::Tx;
use stripe::Form;
use stripe::objects::{Customer, Metadata};

use crate::app::App;
use crate::error::Result;

/// The metadata key of the mark.
pub const MARK: &str = "localboxs_account";

/// The mark of an account of this database: `acc_...:inst_...`.
pub fn of(app: &App, account: &str) -> String {
    text(account, &app.instance)
}

fn text(account: &str, instance: &str) -> String {
    format!("{account}:{instance}")
}

/// The public id of the account that the metadata names, if this database wrote them.
pub fn account_in<'a>(app: &App, metadata: &'a Metadata) -> Option<&'a str> {
    read(metadata.get(MARK)?, &app.instance)
}

fn read<'a>(mark: &'a str, instance: &str) -> Option<&'a str> {
    let (account, made_by) = mark.split_once(':')?;
    (made_by == instance && account.starts_with("acc_")).then_some(account)
}

/// Marks a customer of ours that has no mark yet: it was made before there were marks, or adopted.
/// Another database's mark is left alone.
pub async fn put(app: &App, account: &str, customer: &Customer) -> Result<()> {
    if customer.deleted || customer.metadata.contains_key(MARK) {
        return Ok(());
    }
    let mark = of(app, account);
    let params = Form::new().metadata(MARK, &mark);
    let key = format!("mark-{}-{mark}", customer.id);
    app.stripe
        .update_customer(&customer.id, &params, &key)
        .await?;
    Ok(())
}

/// The account of a customer that carries our mark, linked to it from now on; `None` if the
/// customer isn't ours, or its account no longer exists.
pub async fn claim(app: &App, customer: &Customer) -> Result<Option<i64>> {
    let Some(name) = account_in(app, &customer.metadata) else {
        return Ok(None);
    };
    let (id, name, now) = (customer.id.clone(), name.to_owned(), app.now());
    let is_deleted = customer.deleted;
    app.write(0, move |tx| {
        let Some(account) = store::accounts::by_public_id(tx, &name)? else {
            return Ok(None);
        };
        link(tx, &id, account.id, is_deleted, now)?;
        Ok(Some(account.id))
    })
    .await
}

/// Links a customer to an account: as its current one, or as a former one if it has another.
pub fn link(
    tx: &mut Tx<'_>,
    customer: &str,
    account: i64,
    is_deleted: bool,
    now: Timestamp,
) -> store::Result<()> {
    if is_deleted || store::customers::current(tx, account)?.is_some() {
        store::customers::insert_former(tx, customer, account, now)?;
    } else {
        store::customers::insert(tx, customer, account, now)?;
        store::accounts::show_customer(tx, account, Some(customer), now)?;
    }
    store::foreign::remove(tx, account, customer)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_read_only_by_the_database_that_wrote_it() {
        let mark = text("acc_1", "inst_a");

        assert_eq!(read(&mark, "inst_a"), Some("acc_1"));
        for (other, instance) in [
            (&*mark, "inst_b"),
            ("acc_1", "inst_a"),
            ("42:inst_a", "inst_a"),
            ("", "inst_a"),
            (":inst_a", "inst_a"),
        ] {
            assert_eq!(read(other, instance), None, "{other}");
        }
    }
}
