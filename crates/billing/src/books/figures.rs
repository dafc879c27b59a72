//! The numbers of the business: how payments and webhooks go, what accounts hold, who leaves, what
//! comes in. Read from their rows at most once a minute; `/admin` and `/metrics` show the same.

use std::sync::{Arc, PoisonError};

use domain::figures::{DAYS, Figures, Share};
use domain::money::{Credits, Currency, MinorUnits, share_of};
use domain::time::Timestamp;
use store::metrics::{Payments, Recurring};

use crate::app::App;
use crate::error::Result;

/// The time for which an answer is kept, on either clock.
const SECONDS_KEPT: i64 = 60;

/// Computes the figures from the rows as they are now.
pub async fn read(app: &App) -> Result<Figures> {
    let at = app.now();
    let from = at.plus_days(-DAYS);
    // Events are counted by the clock that stamped their arrival.
    let arrived = app.real_now().plus_days(-DAYS);
    let currency = app.catalog().currency;
    app.read(move |tx| {
        let payments = store::metrics::payments(tx, from, at.plus_seconds(1))?;
        let events = store::metrics::events(tx, arrived)?;
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
        Ok(facts.figures(at, from, currency))
    })
    .await
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
    fn figures(&self, at: Timestamp, from: Timestamp, currency: Currency) -> Figures {
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

/// What subscriptions of one interval pay in a month. A year has twelve months, 52 weeks, 365 days.
fn monthly(row: &Recurring) -> i64 {
    match row.interval.as_str() {
        "year" => share_of(row.amount_minor, 1, 12),
        "week" => share_of(row.amount_minor, 52, 12),
        "day" => share_of(row.amount_minor, 365, 12),
        _ => row.amount_minor,
    }
}

/// The numbers, a minute old at most. The billing clock counts too: where it is moved by a twin,
/// they follow.
pub async fn of(app: &App) -> Result<Arc<Figures>> {
    let (real, now) = (app.real_now(), app.now());
    let kept = app.figures.0.lock();
    let kept = kept.unwrap_or_else(PoisonError::into_inner).clone();
    if let Some((read_at, figures)) = kept
        && real < read_at.plus_seconds(SECONDS_KEPT)
        && now < figures.at.plus_seconds(SECONDS_KEPT)
        && now >= figures.at
    {
        return Ok(figures);
    }
    let figures = Arc::new(read(app).await?);
    let mut kept = app.figures.0.lock().unwrap_or_else(PoisonError::into_inner);
    *kept = Some((real, figures.clone()));
    Ok(figures)
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
        };

        assert_eq!(monthly(&row("month", 1_900)), 1_900);
        assert_eq!(monthly(&row("year", 19_000)), 1_583);
        assert_eq!(monthly(&row("week", 1_200)), 5_200);
    }
}
