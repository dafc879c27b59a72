//! The processes of the application: how they run, end and start again.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use billing::app::{App, Parts};
use billing::clock::BillingClock;
use billing::config::Settings;
use billing::jobs;
use billing::sync::worker;
use domain::time::{ManualClock, Timestamp};
use store::Db;
use stripe::{Client, ClientConfig};

use super::{API_BASE, World};
use crate::chance::Chance;
use crate::linked::Linked;

/// A piece of work that advances one step at a time.
type Piece<'a, T> = Pin<Box<dyn Future<Output = T> + 'a>>;

impl World {
    /// Runs a piece of the application until it is done, or until a fault ends the process. Then
    /// the application is started again on what was committed, and `None` is returned.
    pub async fn run<T>(&mut self, work: impl Future<Output = T>) -> Option<T> {
        let mut work: Option<Piece<'_, T>> = Some(Box::pin(work));
        let mut beside = self.beside();
        let (stripe, chance) = (self.stripe.clone(), &self.chance);
        let mut done = None;
        std::future::poll_fn(|context| {
            let is_second_first = beside.is_some() && chance.one_in(2);
            if is_second_first {
                advance(&mut beside, context);
            }
            if let Some(value) = advance(&mut work, context) {
                done = Some(value);
            }
            if !is_second_first {
                advance(&mut beside, context);
            }
            if stripe.has_ended() || (work.is_none() && beside.is_none()) {
                return Poll::Ready(());
            }
            Poll::Pending
        })
        .await;
        drop((work, beside));
        for fate in self.stripe.take_met() {
            self.mark(format!("fault {fate:?}"));
            self.note(format!("    met the fault {fate:?}"));
        }
        for refused in self.stripe.take_refused() {
            self.note(format!("    Stripe refused {refused}"));
        }
        if self.stripe.has_ended() {
            self.note("    the process ended");
            self.restart().await;
        }
        self.collect_mail();
        done
    }

    /// What the second process does meanwhile: a piece of the work that is due.
    fn beside(&self) -> Option<Piece<'static, ()>> {
        let app = self.second.clone()?;
        let piece = self.chance.below(6);
        Some(Box::pin(async move {
            match piece {
                0 => drop(worker::one(&app, true).await),
                1 => jobs::round(&app).await,
                2 => drop(jobs::poll::once(&app).await),
                _ => {}
            }
        }))
    }

    /// Ends the application and starts it again on what was committed.
    pub async fn restart(&mut self) {
        self.stripe.take_end();
        let db = self.app.db.clone();
        self.start_on(db).await;
    }

    /// Starts the application on another database.
    pub async fn start_on(&mut self, db: Db) {
        self.mark("restart");
        let opened = open(
            &self.settings,
            &self.stripe,
            db,
            &self.clock,
            &self.rng,
            self.now,
        );
        self.app = opened.await.expect("the application starts again");
        if self.second.is_some() {
            self.start_second().await;
        }
    }

    /// Starts a second process on the database.
    pub async fn start_second(&mut self) {
        let opened = open(
            &self.settings,
            &self.stripe,
            self.app.db.clone(),
            &self.clock,
            &self.rng,
            self.now,
        );
        self.second = Some(opened.await.expect("a second process starts"));
    }
}

/// Polls what is still going on, and forgets it when it is done.
fn advance<T>(work: &mut Option<Piece<'_, T>>, context: &mut Context<'_>) -> Option<T> {
    match work.as_mut()?.as_mut().poll(context) {
        Poll::Ready(value) => {
            *work = None;
            Some(value)
        }
        Poll::Pending => None,
    }
}

pub(super) async fn open(
    settings: &Settings,
    stripe: &Linked,
    db: Db,
    clock: &Arc<ManualClock>,
    rng: &Arc<Chance>,
    now: Timestamp,
) -> anyhow::Result<App> {
    let mut config = ClientConfig::new(API_BASE, "sk_test_stories");
    config.backoff = std::time::Duration::ZERO;
    let parts = Parts {
        db,
        stripe: Client::over(config, Arc::new(stripe.clone()))?,
        clock: BillingClock::standing(now),
        security_clock: clock.clone(),
        rng: rng.clone(),
    };
    App::of_parts(settings.clone(), parts).await
}
