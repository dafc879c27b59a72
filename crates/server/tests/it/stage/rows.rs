//! Direct access to the database for tests, and helpers that wait.

use std::fmt::Debug;

use billing::books::audit;
use domain::people::MemberRole;
use store::Tx;

use super::*;

/// A row of the transactions table, as (type, status, amount).
pub type Row = (String, String, i64);

impl Stage {
    pub async fn read<T: Send + 'static>(
        &self,
        job: impl FnMut(&mut Tx<'_>) -> store::Result<T> + Send + 'static,
    ) -> T {
        self.app.read(job).await.expect("a read")
    }

    pub async fn write<T: Send + 'static>(
        &self,
        account: i64,
        job: impl FnMut(&mut Tx<'_>) -> store::Result<T> + Send + 'static,
    ) -> T {
        self.app.db.write(account, job).await.expect("a write")
    }

    pub async fn account(&self, account: i64) -> store::accounts::Account {
        let found = self.read(move |tx| store::accounts::find(tx, account));
        found.await.expect("the account")
    }

    pub async fn public_id(&self, account: i64) -> String {
        self.account(account).await.public_id
    }

    /// The stored sync state of an account.
    pub async fn sync_state(&self, account: i64) -> store::sync::AccountSync {
        let found = self.read(move |tx| store::sync::of_account(tx, account));
        found.await.expect("the account was synced")
    }

    /// Syncs an account and returns what changed.
    pub async fn sync(&self, account: i64) -> billing::sync::Report {
        let report = billing::sync::account(&self.app, account).await;
        report.expect("the sync succeeds")
    }

    /// Marks an account for sync, as a webhook does.
    pub async fn mark_for_sync(&self, account: i64) {
        let now = self.app.real_now();
        self.write(account, move |tx| {
            store::sync::mark_for_sync(tx, account, now)
        })
        .await;
        self.app.sync_due.notify_one();
    }

    /// Makes a user a member of an account.
    pub async fn put_member(&self, user: i64, account: i64, role: MemberRole) {
        let now = self.app.now();
        self.write(account, move |tx| {
            store::users::put_member(tx, user, account, role, now)
        })
        .await;
    }

    /// Asserts that the audit of the books finds nothing.
    pub async fn audited(&self) {
        let report = audit::run(&self.app, audit::Scope::Everything).await;
        let findings = report.expect("an audit").findings;
        assert!(findings.is_empty(), "{findings:?}");
    }

    /// Rows of the transactions table, oldest first.
    pub async fn transactions(&self, account: i64) -> Vec<Row> {
        let newest = store::transactions::Cursor {
            occurred_at: domain::time::Timestamp::from_micros(i64::MAX),
            id: i64::MAX,
        };
        let rows = self.read(move |tx| store::transactions::of_account(tx, account, newest, 100));
        let rows = rows.await.into_iter().rev();
        rows.map(|row| {
            (
                row.kind.to_string(),
                row.status.to_string(),
                row.amount_minor,
            )
        })
        .collect()
    }

    /// The subjects of the emails that arrived, oldest first.
    pub async fn mail_subjects(&self) -> Vec<String> {
        let mails = self.twin.get("/_twin/mails").await.expect("the mailbox");
        let mails = mails["data"].as_array().expect("a list").iter();
        mails
            .map(|mail| mail["subject"].as_str().unwrap_or("").to_owned())
            .collect()
    }

    /// How many emails arrived whose subject contains this text in any case, once all work is
    /// done.
    pub async fn mails_with(&self, part: &str) -> usize {
        self.settled().await;
        let subjects = self.mail_subjects().await;
        let part = part.to_lowercase();
        let with = |subject: &&String| subject.to_lowercase().contains(&part);
        subjects.iter().filter(with).count()
    }
}

/// Repeats `ask` until its result satisfies `wanted`, and returns that result.
pub async fn eventually<T: Debug>(ask: impl AsyncFn() -> T, wanted: impl Fn(&T) -> bool) -> T {
    let started = Instant::now();
    loop {
        let answer = ask().await;
        if wanted(&answer) {
            return answer;
        }
        assert!(started.elapsed() < PATIENCE, "it never came: {answer:?}");
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
}
