//! Plans and credit packs as offered to an account.

use billing::actors::Visitor;
use billing::app::App;
use billing::error::Result;
use store::account_prices::AccountPrice;
use views::components::Action;
use views::plans::PlanCard;

/// Shows the billing interval of each agreed price on its plan's card.
pub fn say_years(cards: &mut [PlanCard], agreed: &[AccountPrice]) {
    for row in agreed.iter().filter(|row| row.is_current) {
        for card in cards.iter_mut().filter(|card| card.id == row.tier) {
            card.per = format!("per {}, custom price", row.billing_interval);
        }
    }
}

/// The button of a plan whose price is negotiated.
pub fn contact(app: &App) -> Action {
    Action::link("Contact us", &app.settings.billing.contact_url)
}

/// The tier of a visitor's first account.
pub async fn tier_of(app: &App, visitor: &Visitor) -> Result<Option<String>> {
    let (user, rules, now) = (visitor.id, app.rules(), app.now());
    app.read(move |tx| {
        let memberships = store::users::memberships(tx, user)?;
        let Some(first) = memberships.first() else {
            return Ok(None);
        };
        let plan = store::ledger::plan(tx, &rules, first.account_id, now)?;
        Ok(Some(plan.tier))
    })
    .await
}
