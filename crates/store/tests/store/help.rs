//! Helpers shared by the tests.

use domain::people::UserRole;
use domain::plan::AccountKind;
use domain::time::Timestamp;
use store::accounts::{Account, NewAccount};
use store::users::User;
use store::{Db, Result, Tx, accounts, users};

/// Creates two tests of a plain function: `name::sqlite` and `name::postgres`.
///
/// The function takes an open database, or with `unopened` the database itself. A function that
/// isn't passed to this macro is dead code, which the lints refuse.
macro_rules! on_both {
    ($name:ident) => {
        mod $name {
            #[test]
            fn sqlite() {
                super::$name(&store::testing::sqlite().opened());
            }

            #[test]
            fn postgres() {
                super::$name(&store::testing::postgres().opened());
            }
        }
    };
    (unopened $name:ident) => {
        mod $name {
            #[test]
            fn sqlite() {
                super::$name(store::testing::sqlite());
            }

            #[test]
            fn postgres() {
                super::$name(store::testing::postgres());
            }
        }
    };
}
pub(crate) use on_both;

/// The time `seconds` after the epoch.
pub fn at(seconds: i64) -> Timestamp {
    Timestamp::from_micros(seconds * 1_000_000)
}

/// Runs a job that writes, and returns its value. An error fails the test.
#[track_caller]
pub fn write<T: Send + 'static>(
    db: &Db,
    job: impl FnMut(&mut Tx<'_>) -> Result<T> + Send + 'static,
) -> T {
    db.write_blocking(0, job).expect("the job succeeds")
}

/// Runs a job that reads, and returns its value. An error fails the test.
#[track_caller]
pub fn read<T: Send + 'static>(
    db: &Db,
    job: impl FnMut(&mut Tx<'_>) -> Result<T> + Send + 'static,
) -> T {
    db.read_blocking(job).expect("the job succeeds")
}

/// A new account called `name`, created at second 1.
#[track_caller]
pub fn account(db: &Db, name: &'static str) -> Account {
    write(db, move |tx| {
        accounts::insert(tx, &new_account(name, &format!("acc_{name}")), at(1))
    })
}

/// The columns of a new account called `name`.
pub fn new_account<'a>(name: &'a str, public_id: &'a str) -> NewAccount<'a> {
    NewAccount {
        public_id,
        external_id: None,
        kind: AccountKind::Personal,
        name,
        email: None,
        tier: "FREE",
        email_verified_at: None,
    }
}

/// A new user with this address, created at second 1.
#[track_caller]
pub fn user(db: &Db, email: &'static str) -> User {
    write(db, move |tx| {
        users::insert(
            tx,
            &format!("usr_{email}"),
            email,
            "Ann",
            UserRole::User,
            at(1),
        )
    })
    .expect("the address is new")
}

/// Waits for a future without a runtime.
pub fn block_on<T>(future: impl Future<Output = T>) -> T {
    let mut future = std::pin::pin!(future);
    loop {
        if let Some(value) = poll(future.as_mut()) {
            return value;
        }
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
}

/// The future's value, if it is ready.
pub fn poll<T>(future: std::pin::Pin<&mut impl Future<Output = T>>) -> Option<T> {
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    match future.poll(&mut context) {
        std::task::Poll::Ready(value) => Some(value),
        std::task::Poll::Pending => None,
    }
}
