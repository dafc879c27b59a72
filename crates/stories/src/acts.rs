//! What people do. An act names the person and says how, in small numbers that are read against
//! what exists when the act is performed: an act stays meaningful when others before it are removed.

mod customer;
mod dashboard;
mod operator;
mod pages;
mod people;
mod program;
mod terms;

use crate::judge::turn;
use crate::linked::Fate;
use crate::world::{Delivery, World};

/// How a customer pays on a hosted page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pay {
    /// With a card that works.
    Card,
    /// With a card that is declined.
    Declined,
    /// With a card whose bank asks its owner, who confirms.
    Confirmed,
    /// With a card that works once and is declined later.
    FailsLater,
    /// With a card whose refunds fail later.
    RefundFails,
    /// By a bank debit that settles.
    Bank,
    /// By a bank debit that fails.
    BankFails,
    /// Not at all: the page stays open.
    Leaves,
}

/// All ways to pay.
pub const WAYS: [Pay; 8] = [
    Pay::Card,
    Pay::Declined,
    Pay::Confirmed,
    Pay::FailsLater,
    Pay::RefundFails,
    Pay::Bank,
    Pay::BankFails,
    Pay::Leaves,
];

/// One act. `who` is the number of the person; other numbers choose among what there is.
#[expect(missing_docs, reason = "the act's description names its fields")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// A person signs in with their address.
    SignIn { who: u8 },
    /// The host application creates the person's account.
    Put { who: u8 },
    /// The person comes from the host application, which names them by its id.
    FromHost { who: u8 },
    /// The person's address changes at the host application.
    Address { who: u8 },
    /// Someone joins the person's account and makes a key.
    Join { who: u8 },
    /// The member is removed.
    Leave { who: u8 },
    /// A customer bounds what a day may spend.
    Limit { who: u8, credits: u32 },
    /// A customer does something in the portal.
    Portal { who: u8, task: u8 },
    /// The company gives a promotion code for the next purchase, in percent.
    Offer { who: u8, percent: u8 },
    /// An operator tries an unfinished request again.
    TryAgain { who: u8 },
    /// A customer buys a plan.
    BuyPlan { who: u8, plan: u8, pay: Pay },
    /// A customer buys a pack.
    BuyPack { who: u8, pack: u8, pay: Pay },
    /// A customer changes to another plan at the price that is shown.
    Change { who: u8, plan: u8 },
    /// A customer undoes the pending change.
    Undo { who: u8 },
    /// A customer cancels at the end of the period.
    Cancel { who: u8 },
    /// A customer resumes a canceled plan.
    Resume { who: u8 },
    /// A customer ends the plan now.
    EndNow { who: u8 },
    /// A customer turns on automatic top-up; `cap` is in packs.
    AutoOn {
        who: u8,
        threshold: u16,
        pack: u8,
        cap: u8,
    },
    /// A customer turns off automatic top-up.
    AutoOff { who: u8 },
    /// A customer closes the account.
    Close { who: u8 },
    /// A program debits; with `again`, under the key of the last debit.
    Debit { who: u8, credits: u32, again: bool },
    /// A program sets credits aside.
    Hold { who: u8, credits: u32 },
    /// A program captures a hold, in percent of it.
    Capture { who: u8, credits: u32 },
    /// A program releases a hold.
    Release { who: u8 },
    /// An operator adds or takes credits.
    Adjust { who: u8, credits: i32 },
    /// An operator refunds a part of a payment, in percent.
    Refund { who: u8, payment: u8, percent: u8 },
    /// An operator voids a grant.
    Void { who: u8, grant: u8 },
    /// An operator forgives the debt.
    Forgive { who: u8 },
    /// An operator suspends an account, or lifts it.
    Suspend { who: u8, on: bool },
    /// An operator syncs the account.
    Sync { who: u8 },
    /// A part of a charge is refunded at Stripe, in percent.
    StripeRefund { who: u8, charge: u8, percent: u8 },
    /// The bank disputes a charge.
    Dispute { who: u8, charge: u8 },
    /// A dispute is decided.
    Decide { who: u8, won: bool },
    /// The subscription is canceled at Stripe, now or at the end.
    StripeCancel { who: u8, now: bool },
    /// The collection is paused at Stripe: it keeps drafts, voids, or marks uncollectible.
    Pause { who: u8, how: u8 },
    /// The collection is resumed at Stripe.
    Unpause { who: u8 },
    /// An open invoice is paid on its page.
    PayInvoice { who: u8, pay: Pay },
    /// Another product sells a subscription to the person's customer.
    OtherPlan { who: u8 },
    /// Another product has a customer with the names of the person's account.
    OtherCustomer { who: u8 },
    /// The person's customer is deleted at Stripe.
    DeleteCustomer { who: u8 },
    /// The person's customer gets a credit or a debit at Stripe, in cents.
    CustomerBalance { who: u8, cents: i16 },
    /// An open invoice is voided, or marked uncollectible.
    EndInvoice { who: u8, void: bool },
    /// The quantity of the plan is changed at Stripe.
    Quantity { who: u8, number: u8 },
    /// The price of the plan is changed at Stripe to that of another plan.
    Price { who: u8, number: u8 },
    /// The plan gets a discount at Stripe, in percent.
    Discount { who: u8, percent: u8 },
    /// An item is added to the plan's next invoice, in cents.
    Item { who: u8, cents: i16 },
    /// The plan is canceled at a date.
    CancelAt { who: u8, days: u8 },
    /// The plan gets a trial at Stripe.
    Trial { who: u8, days: u8 },
    /// The plan's invoices are sent instead of charged.
    ByInvoice { who: u8 },
    /// An open invoice is paid outside Stripe.
    PaidElsewhere { who: u8 },
    /// The metadata of the customer or of the plan are lost.
    LoseMetadata { who: u8, of_plan: bool },
    /// A bank debit pays the plan from now on.
    PayByDebit { who: u8, works: bool },
    /// An operator gives credits that expire.
    Promote { who: u8, credits: u32 },
    /// An operator overrides the tier for some days, or ends the override.
    Override { who: u8, days: u8 },
    /// Time passes, in seconds.
    Pass { seconds: u32 },
    /// Time passes until some minutes before or after the next turn of the person's plan.
    ToTurn { who: u8, minutes: i8 },
    /// A later call to Stripe meets a fault.
    Fault {
        fate: Fate,
        after: u8,
        times: u8,
        changes_only: bool,
    },
    /// Events travel differently from now on.
    Events { delivery: Delivery },
    /// The process ends and starts again.
    Restart,
    /// A second process runs on the database from now on, or no longer.
    Second { on: bool },
    /// The database is copied.
    Backup,
    /// The database is replaced by its copy.
    Restore,
    /// The world comes to rest and is judged.
    Rest,
}

impl Act {
    /// The name of the act, for the marks.
    pub fn name(&self) -> String {
        let text = format!("{self:?}");
        text.split([' ', '{']).next().unwrap_or_default().to_owned()
    }

    /// The number of the person whom the act is about; the first one's if it is about nobody.
    pub fn who(&self) -> u8 {
        let text = format!("{self:?}");
        let number = text.split_once("who: ").map(|(_, rest)| rest);
        let number = number.and_then(|rest| rest.split([',', ' ']).next()?.parse().ok());
        number.unwrap_or(0)
    }

    /// Performs the act and says how it ended.
    #[expect(clippy::too_many_lines, reason = "one arm for each act")]
    pub async fn perform(self, world: &mut World) -> String {
        match self {
            Act::SignIn { who } => customer::sign_in(world, who).await,
            Act::Put { who } => customer::put(world, who).await,
            Act::FromHost { who } => people::come_from_host(world, who).await,
            Act::Address { who } => people::change_address(world, who).await,
            Act::Join { who } => people::join(world, who).await,
            Act::Leave { who } => people::leave(world, who).await,
            Act::Limit { who, credits } => people::limit(world, who, credits).await,
            Act::Portal { who, task } => pages::use_portal(world, who, task).await,
            Act::Offer { who, percent } => pages::offer(world, who, percent).await,
            Act::TryAgain { who } => people::try_again(world, who).await,
            Act::BuyPlan { who, plan, pay } => customer::buy_plan(world, who, plan, pay).await,
            Act::BuyPack { who, pack, pay } => customer::buy_pack(world, who, pack, pay).await,
            Act::Change { who, plan } => customer::change(world, who, plan).await,
            Act::Undo { who } => customer::undo(world, who).await,
            Act::Cancel { who } => customer::cancel(world, who).await,
            Act::Resume { who } => customer::resume(world, who).await,
            Act::EndNow { who } => customer::end_now(world, who).await,
            Act::AutoOn {
                who,
                threshold,
                pack,
                cap,
            } => customer::auto_on(world, who, (threshold, pack, cap)).await,
            Act::AutoOff { who } => customer::auto_off(world, who).await,
            Act::Close { who } => customer::close(world, who).await,
            Act::Debit {
                who,
                credits,
                again,
            } => program::debit(world, who, credits, again).await,
            Act::Hold { who, credits } => program::hold(world, who, credits).await,
            Act::Capture { who, credits } => program::capture(world, who, credits).await,
            Act::Release { who } => program::release(world, who).await,
            Act::Adjust { who, credits } => operator::adjust(world, who, credits).await,
            Act::Refund {
                who,
                payment,
                percent,
            } => operator::refund(world, who, payment, percent).await,
            Act::Void { who, grant } => operator::void(world, who, grant).await,
            Act::Forgive { who } => operator::forgive(world, who).await,
            Act::Suspend { who, on } => operator::suspend(world, who, on).await,
            Act::Sync { who } => operator::sync(world, who).await,
            Act::StripeRefund {
                who,
                charge,
                percent,
            } => dashboard::refund(world, who, charge, percent).await,
            Act::Dispute { who, charge } => dashboard::dispute(world, who, charge).await,
            Act::Decide { who, won } => dashboard::decide(world, who, won).await,
            Act::StripeCancel { who, now } => dashboard::cancel(world, who, now).await,
            Act::Pause { who, how } => dashboard::pause(world, who, how).await,
            Act::Unpause { who } => dashboard::unpause(world, who).await,
            Act::PayInvoice { who, pay } => dashboard::pay_invoice(world, who, pay).await,
            Act::OtherPlan { who } => dashboard::other_plan(world, who).await,
            Act::OtherCustomer { who } => dashboard::other_customer(world, who).await,
            Act::DeleteCustomer { who } => dashboard::delete_customer(world, who).await,
            Act::CustomerBalance { who, cents } => {
                dashboard::customer_balance(world, who, cents).await
            }
            Act::EndInvoice { who, void } => dashboard::end_invoice(world, who, void).await,
            Act::Quantity { who, number } => terms::quantity(world, who, number).await,
            Act::Price { who, number } => terms::price(world, who, number).await,
            Act::Discount { who, percent } => terms::discount(world, who, percent).await,
            Act::Item { who, cents } => terms::item(world, who, cents).await,
            Act::CancelAt { who, days } => terms::cancel_at(world, who, days).await,
            Act::Trial { who, days } => terms::trial(world, who, days).await,
            Act::ByInvoice { who } => terms::by_invoice(world, who).await,
            Act::PaidElsewhere { who } => terms::paid_elsewhere(world, who).await,
            Act::LoseMetadata { who, of_plan } => terms::lose_metadata(world, who, of_plan).await,
            Act::PayByDebit { who, works } => terms::pay_by_debit(world, who, works).await,
            Act::Promote { who, credits } => operator::promote(world, who, credits).await,
            Act::Override { who, days } => operator::override_tier(world, who, days).await,
            Act::Pass { seconds } => {
                world.pass(i64::from(seconds)).await;
                "passed".to_owned()
            }
            Act::ToTurn { who, minutes } => to_turn(world, who, minutes).await,
            Act::Fault {
                fate,
                after,
                times,
                changes_only,
            } => {
                world
                    .stripe
                    .plan(fate, u32::from(after), u32::from(times), changes_only);
                "planned".to_owned()
            }
            Act::Events { delivery } => {
                world.delivery = delivery;
                "from now on".to_owned()
            }
            Act::Restart => {
                world.restart().await;
                "restarted".to_owned()
            }
            Act::Second { on } => {
                if on {
                    world.start_second().await;
                } else {
                    world.second = None;
                }
                "from now on".to_owned()
            }
            Act::Backup => {
                world.backup = world.app.db.copy_in_memory().ok();
                "copied".to_owned()
            }
            Act::Restore => match world.backup.take() {
                Some(db) => {
                    world.start_on(db).await;
                    world.forget_what_was_lost().await;
                    world.mark("restored");
                    "restored".to_owned()
                }
                None => "nothing to restore".to_owned(),
            },
            Act::Rest => "at rest".to_owned(),
        }
    }
}

/// How a call of the application ended, in one line.
fn said<T: std::fmt::Debug, E: std::fmt::Display>(
    world: &mut World,
    act: &str,
    done: Option<Result<T, E>>,
) -> String {
    match done {
        Some(Ok(_)) => {
            world.mark(format!("{act} done"));
            "done".to_owned()
        }
        Some(Err(error)) => format!("refused: {error}"),
        None => "the process ended".to_owned(),
    }
}

fn person(world: &World, who: u8) -> usize {
    usize::from(who) % world.people.len()
}

async fn to_turn(world: &mut World, who: u8, minutes: i8) -> String {
    let who = person(world, who);
    let customers = world.customers(who).await;
    let end = world.stripe.read(|core| {
        let all = core.objects("subscription").into_iter();
        let theirs = all.filter(|one| customers.iter().any(|id| one["customer"] == id.as_str()));
        let ends = theirs.filter_map(|one| one["items"]["data"][0]["current_period_end"].as_i64());
        ends.filter(|end| *end > core.now()).min()
    });
    let Some(end) = end else {
        return "no plan".to_owned();
    };
    let wait = end + i64::from(minutes) * 60 - world.now().seconds();
    if wait <= 0 {
        return "already".to_owned();
    }
    // What the customer has is looked at right before the turn.
    let rest = wait.min((i64::from(minutes) + 1) * 60).max(0);
    if rest < wait {
        world.pass(wait - rest).await;
    }
    if rest == 0 {
        return "before the turn".to_owned();
    }
    let before = turn::before(world, who).await;
    world.pass(rest).await;
    if minutes > 0
        && let Some(before) = before
    {
        turn::after(world, who, before).await;
    }
    "turned".to_owned()
}
