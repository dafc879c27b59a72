//! How time passes, and how the world comes to rest.

use billing::jobs;
use domain::time::Timestamp;
use twin::core::Core;

use super::{Delivery, World};

/// Maximum number of steps in which time passes at once.
const STEPS_MAX: usize = 600;

impl World {
    /// Lets time pass, from one moment at which something is due to the next.
    pub async fn pass(&mut self, seconds: i64) {
        let until = self.now.seconds().saturating_add(seconds);
        for _ in 0..STEPS_MAX {
            let next = self.next_due().await.clamp(self.now.seconds() + 1, until);
            self.set_now(next);
            self.look_after().await;
            self.work().await;
            if next >= until {
                return;
            }
        }
        self.set_now(until);
        self.work().await;
    }

    /// Lets the application read Stripe's list of events, at most once a minute, and audit its
    /// books, at most once a day.
    async fn look_after(&mut self) {
        let now = self.now.seconds();
        if now - self.polled_at >= 60 {
            self.polled_at = now;
            let app = self.app.clone();
            self.run(async move { jobs::poll::once(&app).await }).await;
        }
        if now - self.audited_at >= 86_400 {
            self.audited_at = now;
            let app = self.app.clone();
            self.run(async move { jobs::nightly::once(&app).await })
                .await;
        }
    }

    fn set_now(&mut self, seconds: i64) {
        let now = Timestamp::from_seconds(seconds);
        self.now = self.now.max(now);
        self.clock.set(self.now);
        self.app.clock.set(self.now);
        if let Some(second) = &self.second {
            second.clock.set(self.now);
        }
        self.stripe.set_now(self.now.seconds());
        self.collect_mail();
    }

    async fn next_due(&mut self) -> i64 {
        let stripe = self.stripe.read(Core::next_due);
        let mail = self.mail.iter().map(|(at, _)| *at).min();
        let app = self.app.clone();
        let ours = jobs::clock::next_due(&app).await.ok().flatten();
        let queued = app.read(store::sync::next_due).await.ok().flatten();
        let queued = queued.map(|due| due.seconds() + 1);
        let all = [stripe, mail, ours, queued];
        all.into_iter().flatten().min().unwrap_or(i64::MAX)
    }

    /// Ends all faults and waits until the application has come to rest: up to an hour in steps of
    /// a minute.
    pub async fn rest(&mut self) -> bool {
        self.stripe.calm();
        self.delivery = Delivery::Prompt;
        let mut calm = 0;
        for _ in 0..60 {
            self.pass(60).await;
            let app = self.app.clone();
            let polled = self.run(async move { jobs::poll::once(&app).await }).await;
            let is_idle = self.work().await && self.is_done().await;
            let nothing_new = matches!(polled, Some(Ok(0)));
            calm = if is_idle && nothing_new { calm + 1 } else { 0 };
            if calm == 3 {
                return true;
            }
        }
        false
    }

    /// Whether no account waits for a sync, not even later.
    async fn is_done(&mut self) -> bool {
        let next = self.app.read(store::sync::next_due).await;
        next.is_ok_and(|next| next.is_none())
    }
}
