//! An account's current plan, credits and usage, as pages and API responses show them.

use domain::ledger::Lot;
use domain::money::Credits;
use domain::plan::{Plan, PlanStatus};
use domain::time::Timestamp;
use store::Tx;
use store::ledger::{Rules, WalletRow};

use crate::app::App;
use crate::error::Result;

/// An account's state at one moment.
#[derive(Clone, Debug)]
pub struct View {
    /// The account's current plan.
    pub plan: Plan,
    /// Credits in all grants.
    pub posted: Credits,
    /// Credits set aside by holds.
    pub held: Credits,
    /// The debt: what a clawback could not take back because the credits were already spent.
    pub debt: Credits,
    /// Credits that can be spent now.
    pub available: Credits,
    /// Grants with credits left.
    pub lots: Vec<Lot>,
    /// Calls that count against the plan's limit.
    pub calls_this_period: i64,
    /// Credits charged since the first of the month (UTC).
    pub used_this_month: Credits,
    /// When the wallet last changed.
    pub updated_at: Timestamp,
    /// The moment of this state. Whatever is judged by it uses the same moment.
    pub at: Timestamp,
}

impl View {
    /// Grants with credits left, in the order they are spent. All responses and pages list them in
    /// this order.
    pub fn lots_in_order(&self) -> Vec<&Lot> {
        let mut lots: Vec<&Lot> = self
            .lots
            .iter()
            .filter(|lot| lot.remaining().is_positive())
            .collect();
        lots.sort_by_key(|lot| lot.order());
        lots
    }
}

/// Returns the account's current state. Expiries and allowances that are due are applied first, so
/// the result is what the next call would meet.
pub async fn view(app: &App, account: i64) -> Result<View> {
    let (view, ()) = view_with(app, account, |_, _| Ok(())).await?;
    Ok(view)
}

/// Returns the account's current state, as [`view`] does, and the result of `more`. Takes one
/// database round trip, unless something is due and must be settled first.
pub async fn view_with<T, F>(app: &App, account: i64, mut more: F) -> Result<(View, T)>
where
    F: FnMut(&mut Tx<'_>, &View) -> store::Result<T> + Clone + Send + 'static,
    T: Send + 'static,
{
    let find = move |_: &mut Tx<'_>| Ok(Some((account, ())));
    let found = view_of(app, find, move |tx, view, ()| more(tx, view)).await?;
    Ok(found.expect("the account needs no finding"))
}

/// Like [`view_with`], for the account that `find` returns, in the same database round trip. `more`
/// also gets the other value that `find` returns. None if there is no such account.
pub async fn view_of<A, T, G, F>(app: &App, find: G, more: F) -> Result<Option<(View, T)>>
where
    G: FnMut(&mut Tx<'_>) -> store::Result<Option<(i64, A)>> + Clone + Send + 'static,
    F: FnMut(&mut Tx<'_>, &View, A) -> store::Result<T> + Clone + Send + 'static,
    T: Send + 'static,
{
    let rules = app.rules();
    let seen = |may_be_due: bool| {
        let (rules, mut find, mut more) = (rules.clone(), find.clone(), more.clone());
        let now = app.now();
        app.read(move |tx| {
            let Some((account, found)) = find(tx)? else {
                return Ok(Seen::Nothing);
            };
            let wallet = store::ledger::wallet(tx, account)?;
            if !may_be_due && store::ledger::is_due(wallet.as_ref(), now) {
                return Ok(Seen::Due(account));
            }
            let view = look(tx, &rules, account, wallet.as_ref(), now)?;
            let beside = more(tx, &view, found)?;
            Ok(Seen::Here(Box::new((view, beside))))
        })
    };
    let mut first = seen(false).await?;
    if let Seen::Due(account) = first {
        let (rules, now) = (rules.clone(), app.now());
        let settle =
            move |tx: &mut Tx<'_>| store::ledger::settle(tx, &rules, account, now).map(|_| ());
        app.write(account, settle).await?;
        first = seen(true).await?;
    }
    Ok(match first {
        Seen::Here(here) => Some(*here),
        Seen::Due(_) | Seen::Nothing => None,
    })
}

/// The result of reading an account.
enum Seen<T> {
    Nothing,
    /// Something is due for this account and must be settled first.
    Due(i64),
    Here(Box<(View, T)>),
}

fn look(
    tx: &mut Tx<'_>,
    rules: &Rules,
    account: i64,
    wallet: Option<&WalletRow>,
    now: Timestamp,
) -> store::Result<View> {
    let ledger = store::ledger::loaded(tx, account)?;
    let plan = store::ledger::plan(tx, rules, account, now)?;
    let month = now.month_start();
    let (_, used) = store::ledger::used_between(tx, account, month.day(), now.day() + 1)?;
    Ok(View {
        plan,
        posted: ledger.wallet.posted,
        held: ledger.wallet.held,
        debt: ledger.wallet.debt,
        available: ledger.available(now),
        calls_this_period: ledger.calls_this_period(),
        lots: ledger.lots.into_values().collect(),
        used_this_month: Credits::from_micros(used),
        updated_at: wallet.map_or(now, |wallet| wallet.updated_at),
        at: now,
    })
}

/// Stores the account's current plan where pages and lists show it. If the plan differs from the
/// one shown so far, queues the notification in the same commit (so it is sent once, whoever made
/// the change) and returns the plan.
pub fn show_plan(
    tx: &mut store::Tx<'_>,
    rules: &store::ledger::Rules,
    account: i64,
    now: Timestamp,
    real_now: Timestamp,
) -> store::Result<Option<Plan>> {
    let plan = store::ledger::plan(tx, rules, account, now)?;
    let held = store::accounts::find(tx, account)?.ok_or(store::Error::NotFound)?;
    let from = (held.subscription_tier.as_str(), held.subscription_status);
    let to = (plan.tier.as_str(), plan.status);
    let is_another = from != to;
    if is_another {
        crate::notices::plan_changed(tx, account, from, to, now, real_now)?;
    }
    let chosen = plan.subscription_id.as_deref();
    let chosen = chosen.filter(|_| plan.status != PlanStatus::Canceled);
    let shown = store::accounts::Shown {
        stripe_subscription_id: chosen,
        tier: &plan.tier,
        status: plan.status,
        expires_at: chosen.map(|_| plan.cancel_at.unwrap_or(plan.period_end)),
        past_due_since: plan
            .grace_until
            .map(|until| until.plus_days(-rules.plan.grace_days)),
    };
    store::accounts::show_subscription(tx, account, &shown, now)?;
    Ok(is_another.then_some(plan))
}
