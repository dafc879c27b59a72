//! Plans and credit packs as offered to an account.

use billing::actors::Visitor;
use billing::app::App;
use billing::error::Result;
use domain::catalog::Interval;
use store::account_prices::AccountPrice;
use store::subscriptions::Subscription;
use views::components::Action;
use views::plans::PlanCard;

/// Shows the billing interval of each agreed price on its plan's card.
pub fn say_years(cards: &mut [PlanCard], agreed: &[AccountPrice]) {
    for row in agreed.iter().filter(|row| row.is_current) {
        for card in cards.iter_mut().filter(|card| card.id == row.tier) {
            card.per = format!("per {}, custom price", row.billing_interval);
            card.tagline = String::new();
        }
    }
}

/// The button of a plan whose price is negotiated.
pub fn contact(app: &App) -> Action {
    Action::link("Contact us", &app.settings.billing.contact_url)
}

/// The interval that a page was asked for; another word is ignored.
pub fn asked(interval: Option<&str>) -> Option<Interval> {
    interval.and_then(Interval::from_word)
}

/// How often a plan is paid, if it is by one of the catalog's intervals.
pub fn interval_of(row: &Subscription) -> Option<Interval> {
    asked(row.billing_interval.as_deref())
}

/// The tier of a visitor's first account, and how often it is paid.
pub async fn tier_of(app: &App, visitor: &Visitor) -> Result<Option<(String, Option<Interval>)>> {
    let (user, rules, now) = (visitor.id, app.rules(), app.now());
    app.read(move |tx| {
        let memberships = store::users::memberships(tx, user)?;
        let Some(first) = memberships.first() else {
            return Ok(None);
        };
        let plan = store::ledger::plan(tx, &rules, first.account_id, now)?;
        let live = store::subscriptions::live(tx, first.account_id)?;
        Ok(Some((plan.tier, live.first().and_then(interval_of))))
    })
    .await
}
