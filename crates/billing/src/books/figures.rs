//! The business metrics: payment and webhook success, balances, churn, revenue. Read from the rows
//! at most once a minute; `/admin` and `/metrics` show the same values.

use std::sync::{Arc, PoisonError};

use domain::figures::{DAYS, Figures, Share};
use domain::money::{Credits, Currency, MinorUnits, share_of};
use domain::recurring::of_month;
use domain::time::Timestamp;
use store::Tx;
use store::metrics::{Payments, Recurring};

use crate::app::App;
use crate::error::Result;

/// Seconds for which the metrics are cached, on either clock.
const SECONDS_KEPT: i64 = 60;

/// The period that the metrics cover.
#[derive(Clone, Copy)]
struct Window {
    at: Timestamp,
    from: Timestamp,
    /// The start of the period on the security clock, which timestamps the arrival of events.
    arrived: Timestamp,
    currency: Currency,
}

impl Window {
    fn now(app: &App) -> Window {
        let at = app.now();
        Window {
            at,
            from: at.plus_days(-DAYS),
            arrived: app.real_now().plus_days(-DAYS),
            currency: app.catalog().currency,
        }
    }

    fn read(self, tx: &mut Tx<'_>) -> store::Result<Figures> {
        let Window { at, from, .. } = self;
        let payments = store::metrics::payments(tx, from, at.plus_seconds(1))?;
        let events = store::metrics::events(tx, self.arrived)?;
        let (wallets, held) = store::metrics::balances(tx)?;
        let (subscribed, left) = store::metrics::churn(tx, from, at)?;
        let recurring = store::metrics::recurring(tx, at)?;
        let (sold, granted) = store::metrics::bought(tx)?;
        let facts = Facts {
            payments: &payments,
            events: &events,
            wallets: (wallets, held),
            churn: (left, subscribed),
            recurring: &recurring,
            bought: (sold, granted),
        };
        Ok(facts.figures(self))
    }
}

struct Facts<'a> {
    payments: &'a [Payments],
    events: &'a [(String, i64)],
    wallets: (i64, i64),
    churn: (i64, i64),
    recurring: &'a [Recurring],
    bought: (i64, i64),
}

impl Facts<'_> {
    fn figures(&self, window: Window) -> Figures {
        let Window {
            at,
            from,
            arrived,
            currency,
        } = window;
        let of = |state: &str| {
            let found = self.events.iter().find(|(known, _)| known == state);
            found.map_or(0, |(_, count)| *count)
        };
        let good = of("done") + of("ignored");
        let paid: i64 = self.payments.iter().map(|row| row.paid).sum();
        let failed: i64 = self.payments.iter().map(|row| row.failed).sum();
        let ours = self
            .payments
            .iter()
            .find(|row| row.currency == currency.code());
        let (revenue, paying) = ours.map_or((0, 0), |row| (row.net_minor, row.accounts));
        let (wallets, held) = self.wallets;
        let running = self
            .recurring
            .iter()
            .filter(|row| row.currency == currency.code());
        Figures {
            at,
            from,
            events_from: arrived,
            payments: Share {
                part: paid,
                whole: paid + failed,
            },
            webhooks: Share {
                part: good,
                whole: good + of("parked"),
            },
            events_parked: of("parked"),
            wallets,
            balance: Credits::from_micros(if wallets > 0 { held / wallets } else { 0 }),
            churn: Share {
                part: self.churn.0,
                whole: self.churn.1,
            },
            paying,
            revenue: MinorUnits::new(revenue, currency),
            arpu: (paying > 0).then(|| {
                let each = if revenue >= 0 {
                    share_of(revenue, 1, paying)
                } else {
                    -share_of(-revenue, 1, paying)
                };
                MinorUnits::new(each, currency)
            }),
            mrr: MinorUnits::new(running.clone().map(monthly).sum(), currency),
            subscriptions: self.recurring.iter().map(|row| row.count).sum(),
            bought: (
                Credits::from_micros(self.bought.0),
                Credits::from_micros(self.bought.1),
            ),
        }
    }
}

/// Monthly revenue of subscriptions with one interval, each rounded once.
fn monthly(row: &Recurring) -> i64 {
    let listed = of_month(row.amount_minor, &row.interval, 1);
    listed.saturating_add(row.monthly_minor)
}

/// The metrics, at most a minute old on either clock: they also follow a billing clock that a twin
/// moves.
pub async fn of(app: &App) -> Result<Arc<Figures>> {
    match kept(app) {
        Some(figures) => Ok(figures),
        None => Ok(of_with(app, |_| Ok(())).await?.0),
    }
}

/// The metrics, as [`of`] returns them, and the result of `more`, in one database round trip.
pub async fn of_with<T, F>(app: &App, mut more: F) -> Result<(Arc<Figures>, T)>
where
    F: FnMut(&mut Tx<'_>) -> store::Result<T> + Send + 'static,
    T: Send + 'static,
{
    let (real, window, kept) = (app.real_now(), Window::now(app), kept(app));
    let is_kept = kept.is_some();
    let read = app.read(move |tx| {
        let figures = (!is_kept).then(|| window.read(tx)).transpose()?;
        Ok((figures, more(tx)?))
    });
    let (figures, beside) = read.await?;
    let figures = match figures {
        Some(figures) => Arc::new(figures),
        None => return Ok((kept.expect("they were not read"), beside)),
    };
    let mut kept = app.figures.0.lock().unwrap_or_else(PoisonError::into_inner);
    *kept = Some((real, figures.clone()));
    Ok((figures, beside))
}

/// The cached metrics, if read less than a minute ago on both clocks.
fn kept(app: &App) -> Option<Arc<Figures>> {
    let (real, now) = (app.real_now(), app.now());
    let kept = app.figures.0.lock().unwrap_or_else(PoisonError::into_inner);
    let (read_at, figures) = kept.as_ref()?;
    let is_fresh = real < read_at.plus_seconds(SECONDS_KEPT)
        && now < figures.at.plus_seconds(SECONDS_KEPT)
        && now >= figures.at;
    is_fresh.then(|| figures.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_of_nothing_says_nothing_and_others_are_rounded_half_up() {
        let share = |part, whole| Share { part, whole };

        assert_eq!(share(0, 0).ratio(), None);
        assert_eq!(share(1, 3).basis_points(), Some(3_333));
        assert_eq!(share(2, 3).ratio().as_deref(), Some("0.6667"));
        assert_eq!(share(7, 7).ratio().as_deref(), Some("1.0000"));
    }

    #[test]
    fn a_month_is_a_twelfth_of_a_year() {
        let row = |interval: &str, amount_minor| Recurring {
            currency: "usd".to_owned(),
            interval: interval.to_owned(),
            count: 1,
            amount_minor,
            monthly_minor: 0,
        };

        assert_eq!(monthly(&row("month", 1_900)), 1_900);
        assert_eq!(monthly(&row("year", 19_000)), 1_583);
        assert_eq!(monthly(&row("week", 1_200)), 5_200);
    }
}
