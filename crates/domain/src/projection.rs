//! From Stripe's objects, as fetched, to the rows, ledger commands and mails we want.
//!
//! The projection reads no event and remembers nothing: the same snapshot gives the same answer,
//! so it does not matter which event, sweep, page or command asked for it, nor how often
//! (`docs/reference/sync.md`). What is only added carries a natural key.

use std::collections::{HashMap, HashSet};

use crate::dunning::DunningStep;
use crate::ledger::{Command, GrantKind, NewGrant};
use crate::money::{Credits, Currency, MinorUnits, share_of};
use crate::plan::{SubscriptionFacts, SubscriptionStatus};
use crate::time::Timestamp;

/// Facts older than this bring no mail: a first sync of an old customer stays silent. In days.
pub const MAIL_AGE_DAYS_MAX: i64 = 7;

/// One account at Stripe, fetched at one time, in our words.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// All subscriptions, ended ones included.
    pub subscriptions: Vec<Subscription>,
    /// Its invoices.
    pub invoices: Vec<Invoice>,
    /// Its Checkout sessions.
    pub sessions: Vec<Session>,
    /// Its charges with their refunds and disputes.
    pub charges: Vec<Charge>,
    /// What its subscriptions will become or were to become, ended schedules included.
    pub schedules: Vec<Schedule>,
    /// Its credit notes: documents about its invoices. The money they move shows elsewhere.
    pub credit_notes: Vec<CreditNote>,
}

/// A subscription as fetched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subscription {
    /// Stripe's id.
    pub id: String,
    /// The customer that pays it: the account's current one or a former.
    pub customer_id: Option<String>,
    /// As fetched.
    pub status: SubscriptionStatus,
    /// The price of the item that is the plan's ([`plan_among`]).
    pub price_id: Option<String>,
    /// What that price asks a period.
    pub price: Option<MinorUnits>,
    /// The price's interval: `month`.
    pub interval: Option<String>,
    /// Its other items.
    pub extras: Vec<Extra>,
    /// The current period.
    pub period_start: Timestamp,
    /// Its end.
    pub period_end: Timestamp,
    /// Whether it ends with the period.
    pub cancel_at_period_end: bool,
    /// When it ends, if that is set.
    pub cancel_at: Option<Timestamp>,
    /// When somebody asked to end it.
    pub canceled_at: Option<Timestamp>,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// When its trial ends or ended.
    pub trial_end: Option<Timestamp>,
    /// Whether collection is paused.
    pub is_paused: bool,
    /// A schedule that will change it.
    pub schedule_id: Option<String>,
    /// A change that waits for its payment: the price to come, and when it is given up.
    pub pending_update: Option<(String, Timestamp)>,
    /// When it was made.
    pub created_at: Timestamp,
}

/// An item of a subscription beside its plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Extra {
    /// Its price.
    pub price_id: String,
    /// How many of it.
    pub quantity: i64,
    /// What one of it asks a period.
    pub price: Option<MinorUnits>,
    /// The price's interval: `month`.
    pub interval: Option<String>,
}

impl Subscription {
    /// The moment it ends by request, from either of Stripe's two ways to say so.
    pub fn ends_at(&self) -> Option<Timestamp> {
        self.cancel_at
            .or(self.cancel_at_period_end.then_some(self.period_end))
    }
}

/// An invoice as fetched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invoice {
    /// Stripe's id.
    pub id: String,
    /// The number on it.
    pub number: Option<String>,
    /// draft, open, paid, void or uncollectible.
    pub status: String,
    /// Why it exists: `subscription_create`, `subscription_cycle`, `subscription_update`, ...
    pub billing_reason: String,
    /// The subscription it is of.
    pub subscription_id: Option<String>,
    /// The payment intent that pays it.
    pub payment_intent: Option<String>,
    /// What it asks.
    pub amount_due: i64,
    /// What was paid of it.
    pub amount_paid: i64,
    /// What codes and coupons took off it.
    pub discount: i64,
    /// In which currency.
    pub currency: Currency,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was paid.
    pub paid_at: Option<Timestamp>,
    /// Payments tried.
    pub attempt_count: i64,
    /// When the next is tried.
    pub next_payment_attempt: Option<Timestamp>,
    /// Whether its payment waits for the cardholder's word.
    pub needs_confirmation: bool,
    /// The period its subscription line pays for.
    pub period: Option<(Timestamp, Timestamp)>,
    /// The price of that line.
    pub price_id: Option<String>,
    /// Stripe's page of it.
    pub hosted_url: Option<String>,
    /// Its PDF.
    pub pdf_url: Option<String>,
}

/// A Checkout session as fetched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// Stripe's id.
    pub id: String,
    /// The intent of ours that made it; `None` for a session of somebody else's.
    pub intent: Option<Intent>,
    /// `payment`, `subscription` or `setup`.
    pub mode: String,
    /// `open`, `complete` or `expired`.
    pub status: String,
    /// `paid`, `unpaid` or `no_payment_required`.
    pub payment_status: String,
    /// Its total, tax included.
    pub amount_total: Option<i64>,
    /// Tax in it.
    pub amount_tax: i64,
    /// In which currency.
    pub currency: Option<Currency>,
    /// The payment intent that pays it.
    pub payment_intent: Option<String>,
    /// Whether that payment was tried after the session was completed, and failed.
    pub payment_failed: bool,
    /// The subscription it made.
    pub subscription_id: Option<String>,
    /// That subscription's first invoice.
    pub invoice_id: Option<String>,
    /// Whether there was no session at all: a payment that the service asked for by itself, whose
    /// payment intent names it.
    pub is_automatic: bool,
    /// When it was made.
    pub created_at: Timestamp,
}

/// What we sold with a session: frozen when it was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Intent {
    /// Its id.
    pub id: String,
    /// Who asked, by number.
    pub user: Option<i64>,
    /// Credits of the pack; zero for a subscription.
    pub credits: Credits,
    /// Credits that come on top.
    pub bonus: Credits,
    /// Days after which both end; never without.
    pub expires_after_days: Option<i64>,
    /// The price at that time.
    pub price: MinorUnits,
    /// The tier, for a subscription.
    pub tier: Option<String>,
}

/// A charge as fetched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Charge {
    /// Stripe's id.
    pub id: String,
    /// The payment intent it is of.
    pub payment_intent: Option<String>,
    /// What was charged.
    pub amount: i64,
    /// What of it was given back; falls again when a refund fails.
    pub amount_refunded: i64,
    /// In which currency.
    pub currency: Currency,
    /// Stripe's receipt page.
    pub receipt_url: Option<String>,
    /// Why it failed, in Stripe's words for customers.
    pub failure: Option<String>,
    /// Whether it was paid.
    pub is_paid: bool,
    /// Its refunds.
    pub refunds: Vec<Refund>,
    /// The status of its dispute, if it has one.
    pub dispute: Option<String>,
    /// When it was made.
    pub created_at: Timestamp,
}

/// A refund as fetched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refund {
    /// Stripe's id.
    pub id: String,
    /// What it gives back.
    pub amount: i64,
    /// pending, succeeded, failed, canceled or requires_action.
    pub status: String,
    /// When it was made.
    pub created_at: Timestamp,
}

/// A subscription's schedule as fetched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schedule {
    /// Stripe's id.
    pub id: String,
    /// The subscription it leads or led.
    pub subscription_id: Option<String>,
    /// What the subscription is in turn, the earliest first.
    pub phases: Vec<Phase>,
    /// When it was released, cancelled or completed; `None` while it leads.
    pub ended_at: Option<Timestamp>,
    /// When it was made.
    pub created_at: Timestamp,
}

/// One phase of a schedule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Phase {
    /// When it begins.
    pub starts_at: Timestamp,
    /// The price of its first item.
    pub price_id: Option<String>,
}

/// A credit note as fetched: a correction of an invoice, on paper. Of an open invoice it lowers what
/// is asked. Of a paid one it says how the money went back: as a refund, which is a refund like any
/// other and is recorded as such; to the customer's balance, which a later invoice asks less for;
/// or outside Stripe. So a credit note itself is never a transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreditNote {
    /// Stripe's id.
    pub id: String,
    /// The invoice it corrects.
    pub invoice_id: String,
    /// The number on it.
    pub number: String,
    /// issued or void.
    pub status: String,
    /// Its total.
    pub amount: i64,
    /// What of it was refunded.
    pub refunded: i64,
    /// What of it was paid back outside Stripe.
    pub out_of_band: i64,
    /// What of it lowered an open invoice.
    pub pre_payment: i64,
    /// In which currency.
    pub currency: Currency,
    /// Why, in Stripe's word.
    pub reason: Option<String>,
    /// Its PDF.
    pub pdf_url: Option<String>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was taken back.
    pub voided_at: Option<Timestamp>,
}

/// The seed's transaction types.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TransactionType {
    /// A period of a plan.
    SubscriptionPayment,
    /// The way up to a better plan.
    SubscriptionUpgrade,
    /// The way down to a lesser plan.
    SubscriptionDowngrade,
    /// The end of a plan.
    SubscriptionCancel,
    /// A credit pack.
    CreditTopup,
    /// Money given back.
    Refund,
}

impl TransactionType {
    /// The seed's word.
    pub const fn word(self) -> &'static str {
        match self {
            TransactionType::SubscriptionPayment => "SUBSCRIPTION_PAYMENT",
            TransactionType::SubscriptionUpgrade => "SUBSCRIPTION_UPGRADE",
            TransactionType::SubscriptionDowngrade => "SUBSCRIPTION_DOWNGRADE",
            TransactionType::SubscriptionCancel => "SUBSCRIPTION_CANCEL",
            TransactionType::CreditTopup => "CREDIT_TOPUP",
            TransactionType::Refund => "REFUND",
        }
    }
}

/// The seed's transaction statuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TransactionStatus {
    /// Under way.
    Pending,
    /// Done.
    Completed,
    /// The payment failed; a later one may still succeed.
    Failed,
    /// Given back in full.
    Refunded,
    /// Never paid.
    Cancelled,
}

impl TransactionStatus {
    /// The seed's word.
    pub const fn word(self) -> &'static str {
        match self {
            TransactionStatus::Pending => "PENDING",
            TransactionStatus::Completed => "COMPLETED",
            TransactionStatus::Failed => "FAILED",
            TransactionStatus::Refunded => "REFUNDED",
            TransactionStatus::Cancelled => "CANCELLED",
        }
    }
}

/// A transaction row as it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transaction {
    /// What it is the one row of: `topup:cs_...`, `invoice:in_...`, `refund:re_...`.
    pub natural_key: String,
    /// What it is.
    pub kind: TransactionType,
    /// Where it stands.
    pub status: TransactionStatus,
    /// How much.
    pub amount: MinorUnits,
    /// What of it was given back, in minor units.
    pub refunded_minor: i64,
    /// Stripe's payment intent.
    pub payment_intent: Option<String>,
    /// Stripe's session.
    pub session: Option<String>,
    /// Stripe's invoice.
    pub invoice: Option<String>,
    /// Stripe's refund.
    pub refund: Option<String>,
    /// Who paid, by number.
    pub user: Option<i64>,
    /// The tier it is of.
    pub tier: Option<String>,
    /// Credits bought.
    pub credits: Option<Credits>,
    /// A line for the payment history.
    pub description: String,
    /// Why it failed.
    pub failure: Option<String>,
    /// Payments tried.
    pub attempts: i64,
    /// Stripe's receipt or invoice page.
    pub receipt_url: Option<String>,
    /// When it happened.
    pub occurred_at: Timestamp,
}

/// A mail to send once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mail {
    /// At most one mail per key.
    pub key: String,
    /// What it says.
    pub content: MailContent,
}

/// What a mail says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MailContent {
    /// A payment arrived.
    Receipt {
        /// For what.
        description: String,
        /// For which plan, if for one.
        tier: Option<String>,
        /// How much.
        amount: MinorUnits,
        /// Stripe's page of it.
        url: Option<String>,
    },
    /// A payment failed; access goes on until `grace_until`, and ended at `Ended`.
    PaymentFailed {
        /// Which moment of it.
        step: DunningStep,
        /// Of which plan, where it is known.
        tier: Option<String>,
        /// What the bank said, in Stripe's words.
        failure: Option<String>,
        /// How much.
        amount: MinorUnits,
        /// When access ends.
        grace_until: Timestamp,
        /// Where it can be paid.
        url: Option<String>,
    },
    /// Credits were bought automatically.
    AutoTopup {
        /// How many.
        credits: Credits,
        /// What they cost.
        amount: MinorUnits,
    },
    /// A plan will end.
    PlanEnding {
        /// Which.
        tier: String,
        /// When.
        at: Timestamp,
    },
    /// A plan ended.
    PlanEnded {
        /// Which.
        tier: String,
    },
    /// A trial ends in three days, and the plan is paid from then on.
    TrialEnds {
        /// Of which plan.
        tier: String,
        /// When.
        at: Timestamp,
    },
    /// A payment waits for the cardholder's word.
    ConfirmPayment {
        /// For what.
        description: String,
        /// How much.
        amount: MinorUnits,
        /// Where it is confirmed.
        url: Option<String>,
    },
    /// A payment that had failed went through.
    PaymentRecovered {
        /// Of which plan, where it is known.
        tier: Option<String>,
    },
    /// Money was given back.
    Refunded {
        /// How much.
        amount: MinorUnits,
        /// What that did to the credits; zero for a plan's payment.
        credits: Credits,
    },
}

/// Something a person should look at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finding {
    /// A live subscription has a price the catalog never had: its tier is kept, the account is
    /// parked.
    UnknownPrice {
        /// The subscription.
        subscription: String,
        /// The price.
        price: String,
    },
    /// Two subscriptions can charge the account.
    SecondSubscription {
        /// The one that does not count.
        subscription: String,
    },
    /// A subscription has an item beside its plan that is no add-on of the catalog: its plan
    /// counts, the item is charged and brings nothing.
    StrayItem {
        /// The subscription.
        subscription: String,
        /// The item's price.
        price: String,
    },
}

impl Finding {
    /// The sentence for a person.
    pub fn text(&self) -> String {
        match self {
            Finding::UnknownPrice {
                subscription,
                price,
            } => format!("subscription {subscription} has the unknown price {price}"),
            Finding::SecondSubscription { subscription } => {
                format!("subscription {subscription} charges the account beside another one")
            }
            Finding::StrayItem {
                subscription,
                price,
            } => format!("subscription {subscription} has an item of the unknown price {price}"),
        }
    }
}

/// A subscription that was paid on a page of ours beside one that lives: it is cancelled and its
/// payment given back (F27).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecondPurchase {
    /// The one that came later.
    pub subscription: String,
    /// What paid its first invoice, if that cost something.
    pub payment_intent: Option<String>,
    /// Whether it was cancelled before, and only its payment came now: a bank debit takes days.
    pub is_late: bool,
}

impl SecondPurchase {
    /// What it is undone once for.
    pub fn object(&self) -> &str {
        match &self.payment_intent {
            Some(payment) if self.is_late => payment,
            _ => &self.subscription,
        }
    }
}

/// A subscription row as it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WantedSubscription {
    /// As fetched.
    pub fetched: Subscription,
    /// What access follows from.
    pub facts: SubscriptionFacts,
    /// The change that waits.
    pub pending: Option<PendingChange>,
}

/// Everything a sync writes for one account.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// Rows that are overwritten.
    pub subscriptions: Vec<WantedSubscription>,
    /// Rows that are overwritten.
    pub invoices: Vec<Invoice>,
    /// Rows that are overwritten.
    pub credit_notes: Vec<CreditNote>,
    /// Rows that are added or moved along.
    pub transactions: Vec<Transaction>,
    /// What the ledger is asked; each safe to ask again.
    pub commands: Vec<Command>,
    /// What is sent once.
    pub mails: Vec<Mail>,
    /// What a person should see.
    pub findings: Vec<Finding>,
    /// What was bought twice, to be undone at Stripe.
    pub undo: Vec<SecondPurchase>,
}

/// What the projection must know beside the snapshot.
#[derive(Clone, Debug)]
pub struct Known<'a> {
    /// Tier by price id, old prices included.
    pub tier_of_price: &'a HashMap<String, String>,
    /// Prices of the catalog's add-ons, old ones included.
    pub addon_prices: &'a HashSet<String>,
    /// Subscriptions that were cancelled as second purchases.
    pub undone: &'a HashSet<String>,
    /// Tier by subscription id, as held: kept when a price is unknown.
    pub tier_held: &'a HashMap<String, String>,
    /// Rank by tier: which of two is the larger plan.
    pub rank_of_tier: &'a HashMap<String, usize>,
    /// Days a failed payment keeps its tier.
    pub grace_days: i64,
    /// Whether a pack that a code took the whole price off brings its credits (F10).
    pub gives_unpaid_credits: bool,
}

/// The rows, commands and mails that a snapshot asks for.
pub fn project(snapshot: &Snapshot, known: &Known, now: Timestamp) -> Wanted {
    let mut wanted = Wanted {
        invoices: snapshot.invoices.clone(),
        credit_notes: snapshot.credit_notes.clone(),
        ..Wanted::default()
    };
    project_subscriptions(snapshot, known, now, &mut wanted);
    project_sessions(snapshot, known, now, &mut wanted);
    project_invoices(snapshot, known, now, &mut wanted);
    project_charges(snapshot, now, &mut wanted);
    changes::project_downgrades(snapshot, known, now, &mut wanted);
    wanted
}

fn project_subscriptions(snapshot: &Snapshot, known: &Known, now: Timestamp, wanted: &mut Wanted) {
    for fetched in &snapshot.subscriptions {
        let price = fetched.price_id.as_ref();
        let mapped = price.and_then(|price| known.tier_of_price.get(price));
        find_strays(fetched, known, wanted);
        if mapped.is_none() && fetched.status.is_live() && !items::is_addons_only(fetched, known) {
            wanted.findings.push(Finding::UnknownPrice {
                subscription: fetched.id.clone(),
                price: price.cloned().unwrap_or_default(),
            });
        }
        // A price that is not known by now keeps the tier that is held; add-ons alone give none.
        let held = known.tier_held.get(&fetched.id);
        let held = held.filter(|_| !items::is_addons_only(fetched, known));
        let tier = mapped.or(held).cloned();
        let unpaid = || unpaid_invoices(snapshot, &fetched.id);
        let failed =
            unpaid().filter(|invoice| invoice.status == "open" && invoice.attempt_count > 0);
        let facts = SubscriptionFacts {
            id: fetched.id.clone(),
            status: if fetched.is_paused && fetched.status == SubscriptionStatus::Paused {
                SubscriptionStatus::Paused
            } else {
                fetched.status.clone()
            },
            tier: tier.clone(),
            period_start: fetched.period_start,
            period_end: fetched.period_end,
            cancel_at: fetched.ends_at(),
            ended_at: fetched.ended_at,
            trial_end: fetched.trial_end,
            past_due_since: failed.map(|invoice| invoice.created_at).min(),
            awaits_payment: unpaid().any(|invoice| invoice.billing_reason != "subscription_update"),
            created_at: fetched.created_at,
        };
        mails::ending(fetched, tier.as_deref().unwrap_or_default(), now, wanted);
        if let Some(ended_at) = fetched.ended_at
            && fetched.status == SubscriptionStatus::Canceled
        {
            wanted
                .transactions
                .push(cancellation(fetched, tier, ended_at));
        }
        wanted.subscriptions.push(WantedSubscription {
            pending: changes::pending(snapshot, fetched, known, now),
            fetched: fetched.clone(),
            facts,
        });
    }
    find_second(snapshot, known, wanted);
    find_late(snapshot, known, wanted);
}

/// Items beside the plan that nobody configured: charged, and for nothing that we know.
fn find_strays(fetched: &Subscription, known: &Known, wanted: &mut Wanted) {
    let is_stray = |extra: &&Extra| !known.addon_prices.contains(&extra.price_id);
    for extra in fetched.extras.iter().filter(is_stray) {
        if fetched.status.is_live() {
            wanted.findings.push(Finding::StrayItem {
                subscription: fetched.id.clone(),
                price: extra.price_id.clone(),
            });
        }
    }
}

/// The payment of a second purchase that came after the purchase was undone goes back too.
fn find_late(snapshot: &Snapshot, known: &Known, wanted: &mut Wanted) {
    for invoice in &snapshot.invoices {
        let Some(subscription) = invoice.subscription_id.as_ref() else {
            continue;
        };
        let charge = invoice
            .payment_intent
            .as_deref()
            .and_then(|payment| paid_charge(snapshot, payment));
        let is_kept = charge.is_some_and(|charge| charge.amount_refunded < charge.amount);
        if known.undone.contains(subscription) && invoice.status == "paid" && is_kept {
            wanted.undo.push(SecondPurchase {
                subscription: subscription.clone(),
                payment_intent: invoice.payment_intent.clone(),
                is_late: true,
            });
        }
    }
}

/// Of several that can charge the account, all but the oldest: a finding, and undone where it was
/// paid on a page of ours.
fn find_second(snapshot: &Snapshot, known: &Known, wanted: &mut Wanted) {
    // Lists come newest first; of two of one second the later one is the second.
    let subscriptions = wanted.subscriptions.iter().rev();
    let mut live: Vec<&SubscriptionFacts> = subscriptions
        // Add-ons that are billed apart are no second plan.
        .filter(|subscription| !items::is_addons_only(&subscription.fetched, known))
        .map(|subscription| &subscription.facts)
        .filter(|facts| facts.status.is_live())
        .collect();
    live.sort_by_key(|facts| facts.created_at);
    let second: Vec<String> = live.iter().skip(1).map(|facts| facts.id.clone()).collect();
    for subscription in second {
        let bought = snapshot.sessions.iter().any(|session| {
            session.intent.is_some() && session.subscription_id.as_ref() == Some(&subscription)
        });
        if bought {
            let paid = snapshot.invoices.iter().find(|invoice| {
                invoice.subscription_id.as_ref() == Some(&subscription)
                    && invoice.status == "paid"
                    && invoice.amount_paid > 0
            });
            wanted.undo.push(SecondPurchase {
                subscription: subscription.clone(),
                payment_intent: paid.and_then(|invoice| invoice.payment_intent.clone()),
                is_late: false,
            });
        }
        wanted
            .findings
            .push(Finding::SecondSubscription { subscription });
    }
}

/// Invoices that ask for money which has not come, oldest first or not.
fn unpaid_invoices<'a>(
    snapshot: &'a Snapshot,
    subscription: &'a str,
) -> impl Iterator<Item = &'a Invoice> {
    snapshot.invoices.iter().filter(move |invoice| {
        invoice.subscription_id.as_deref() == Some(subscription)
            && matches!(invoice.status.as_str(), "draft" | "open" | "uncollectible")
            && invoice.amount_due > 0
    })
}

fn cancellation(fetched: &Subscription, tier: Option<String>, ended_at: Timestamp) -> Transaction {
    let currency = fetched.price.map_or(Currency::USD, |price| price.currency);
    Transaction {
        natural_key: format!("cancel:{}", fetched.id),
        tier,
        description: "Plan ended".to_owned(),
        occurred_at: ended_at,
        ..free_of_charge(TransactionType::SubscriptionCancel, currency)
    }
}

/// A change that moved no money.
fn free_of_charge(kind: TransactionType, currency: Currency) -> Transaction {
    Transaction {
        natural_key: String::new(),
        kind,
        status: TransactionStatus::Completed,
        amount: MinorUnits::new(0, currency),
        refunded_minor: 0,
        payment_intent: None,
        session: None,
        invoice: None,
        refund: None,
        user: None,
        tier: None,
        credits: None,
        description: String::new(),
        failure: None,
        attempts: 0,
        receipt_url: None,
        occurred_at: Timestamp::default(),
    }
}

fn project_sessions(snapshot: &Snapshot, known: &Known, now: Timestamp, wanted: &mut Wanted) {
    for session in &snapshot.sessions {
        let Some(intent) = &session.intent else {
            continue;
        };
        if session.mode == "payment" {
            let is_given = known.gives_unpaid_credits && is_given_away(session);
            if is_given {
                give_pack(session, intent, wanted);
            }
            project_topup(snapshot, (session, intent), is_given, now, wanted);
        } else if session.mode == "subscription" && session.invoice_id.is_none() {
            wanted
                .transactions
                .push(pending_subscription(session, intent));
        }
    }
}

/// A pack that was taken on our page and cost nothing.
fn is_given_away(session: &Session) -> bool {
    session.status == "complete"
        && session.payment_status == "no_payment_required"
        && session.amount_total == Some(0)
}

/// What was given away is a gift of the operator's: it is spent before what was bought, and there
/// is no payment that could take it back.
fn give_pack(session: &Session, intent: &Intent, wanted: &mut Wanted) {
    let ends = |days: i64| session.created_at.plus_days(days);
    wanted.commands.push(Command::Grant(NewGrant {
        expires_at: intent.expires_after_days.map(ends),
        ..NewGrant::new(
            GrantKind::Promo,
            format!("topup:{}", session.id),
            intent.credits + intent.bonus,
        )
    }));
}

fn project_topup(
    snapshot: &Snapshot,
    (session, intent): (&Session, &Intent),
    is_given: bool,
    now: Timestamp,
    wanted: &mut Wanted,
) {
    let currency = session.currency.unwrap_or(intent.price.currency);
    let amount = session.amount_total.unwrap_or(intent.price.amount);
    let charge = session
        .payment_intent
        .as_deref()
        .and_then(|id| paid_charge(snapshot, id));
    let refunded = charge.map_or(0, |charge| charge.amount_refunded);
    let status = match (session.payment_status.as_str(), session.status.as_str()) {
        ("paid", _) if refunded > 0 && refunded >= amount => TransactionStatus::Refunded,
        ("paid", _) => TransactionStatus::Completed,
        (_, "expired") => TransactionStatus::Cancelled,
        ("unpaid", "complete") if session.payment_failed => TransactionStatus::Failed,
        // Credits are not given away by a coupon unless the operator says so (F10).
        ("no_payment_required", "complete") if !is_given => TransactionStatus::Cancelled,
        ("no_payment_required", "complete") => TransactionStatus::Completed,
        _ => TransactionStatus::Pending,
    };
    let description = pack_description(intent);
    if let ("paid", Some(payment)) = (session.payment_status.as_str(), &session.payment_intent) {
        let source_key = format!("topup:{payment}");
        let paid = MinorUnits::new((amount - session.amount_tax).max(0), currency);
        grant_pack(session, intent, payment, paid, wanted);
        if let Some(charge) = charge {
            wanted.commands.push(claw_for(charge, &source_key, paid));
            wanted.commands.push(Command::Freeze {
                source_key,
                frozen: is_disputed(charge),
            });
        }
        if now < session.created_at.plus_days(MAIL_AGE_DAYS_MAX) {
            let amount = MinorUnits::new(amount, currency);
            let content = if session.is_automatic {
                MailContent::AutoTopup {
                    credits: intent.credits + intent.bonus,
                    amount,
                }
            } else {
                MailContent::Receipt {
                    description: description.clone(),
                    tier: None,
                    amount,
                    url: charge.and_then(|charge| charge.receipt_url.clone()),
                }
            };
            wanted.mails.push(Mail {
                key: format!("receipt:{}", session.id),
                content,
            });
        }
    }
    wanted.transactions.push(Transaction {
        natural_key: format!("topup:{}", session.id),
        kind: TransactionType::CreditTopup,
        status,
        amount: MinorUnits::new(amount, currency),
        refunded_minor: refunded,
        payment_intent: session.payment_intent.clone(),
        session: (!session.is_automatic).then(|| session.id.clone()),
        invoice: None,
        refund: None,
        user: intent.user,
        tier: None,
        credits: Some(intent.credits),
        description,
        failure: failure_of(snapshot, session.payment_intent.as_deref()),
        attempts: 0,
        receipt_url: charge.and_then(|charge| charge.receipt_url.clone()),
        occurred_at: session.created_at,
    });
}

/// The pack's credits, and its bonus as a child that ends and goes back with them.
fn grant_pack(
    session: &Session,
    intent: &Intent,
    payment: &str,
    paid: MinorUnits,
    wanted: &mut Wanted,
) {
    let source_key = format!("topup:{payment}");
    let ends = |days: i64| session.created_at.plus_days(days);
    let expires_at = intent.expires_after_days.map(ends);
    wanted.commands.push(Command::Grant(NewGrant {
        paid: Some(paid),
        expires_at,
        ..NewGrant::new(GrantKind::Purchase, source_key.clone(), intent.credits)
    }));
    if intent.bonus.is_positive() {
        let bonus_key = format!("bonus:{payment}");
        wanted.commands.push(Command::Grant(NewGrant {
            parent: Some(source_key),
            expires_at,
            ..NewGrant::new(GrantKind::Bonus, bonus_key, intent.bonus)
        }));
    }
}

/// `5,000 credits`, `5,000 credits and 500 as a bonus`, `5,000 credits, automatic`.
fn pack_description(intent: &Intent) -> String {
    let credits = grouped(intent.credits);
    if intent.bonus.is_positive() {
        return format!("{credits} credits and {} as a bonus", grouped(intent.bonus));
    }
    format!("{credits} credits")
}

/// What of a payment is reversed now, as a level: refunds, and the rest when a dispute was lost.
fn claw_for(charge: &Charge, source_key: &str, paid: MinorUnits) -> Command {
    let lost = charge.dispute.as_deref() == Some("lost");
    let reversed = if lost {
        charge.amount
    } else {
        charge.amount_refunded
    };
    let reversed_minor = if charge.amount > 0 {
        share_of(paid.amount, reversed.clamp(0, charge.amount), charge.amount)
    } else {
        0
    };
    Command::Claw {
        source_key: source_key.to_owned(),
        reversed_minor,
    }
}

/// An open dispute sets the credits aside; an inquiry (`warning_*`) does not.
fn is_disputed(charge: &Charge) -> bool {
    matches!(
        charge.dispute.as_deref(),
        Some("needs_response" | "under_review")
    )
}

fn paid_charge<'a>(snapshot: &'a Snapshot, payment_intent: &str) -> Option<&'a Charge> {
    let of = |charge: &&Charge| charge.payment_intent.as_deref() == Some(payment_intent);
    snapshot
        .charges
        .iter()
        .filter(of)
        .find(|charge| charge.is_paid)
}

fn failure_of(snapshot: &Snapshot, payment_intent: Option<&str>) -> Option<String> {
    let payment_intent = payment_intent?;
    if paid_charge(snapshot, payment_intent).is_some() {
        return None;
    }
    let of = |charge: &&Charge| charge.payment_intent.as_deref() == Some(payment_intent);
    let last = snapshot
        .charges
        .iter()
        .filter(of)
        .max_by_key(|charge| charge.created_at);
    last.and_then(|charge| charge.failure.clone())
}

/// A subscription Checkout that has no invoice yet, or never will.
fn pending_subscription(session: &Session, intent: &Intent) -> Transaction {
    let expired = session.status == "expired";
    Transaction {
        natural_key: format!("checkout:{}", session.id),
        kind: TransactionType::SubscriptionPayment,
        status: if expired {
            TransactionStatus::Cancelled
        } else {
            TransactionStatus::Pending
        },
        amount: MinorUnits::new(
            session.amount_total.unwrap_or(intent.price.amount),
            session.currency.unwrap_or(intent.price.currency),
        ),
        refunded_minor: 0,
        payment_intent: None,
        session: Some(session.id.clone()),
        invoice: None,
        refund: None,
        user: intent.user,
        tier: intent.tier.clone(),
        credits: None,
        description: "Plan, first payment".to_owned(),
        failure: None,
        attempts: 0,
        receipt_url: None,
        occurred_at: session.created_at,
    }
}

fn project_invoices(snapshot: &Snapshot, known: &Known, now: Timestamp, wanted: &mut Wanted) {
    for invoice in &snapshot.invoices {
        let Some(subscription) = &invoice.subscription_id else {
            continue;
        };
        let session = snapshot
            .sessions
            .iter()
            .find(|session| session.invoice_id.as_deref() == Some(invoice.id.as_str()));
        let session = session.filter(|session| session.intent.is_some());
        let charge = invoice
            .payment_intent
            .as_deref()
            .and_then(|id| paid_charge(snapshot, id));
        let refunded = charge.map_or(0, |charge| charge.amount_refunded);
        let Some(status) = invoice_status(invoice, refunded) else {
            continue;
        };
        let tier = invoice
            .price_id
            .as_ref()
            .and_then(|id| known.tier_of_price.get(id));
        let tier = tier.or_else(|| known.tier_held.get(subscription)).cloned();
        let row = Transaction {
            natural_key: match session {
                Some(session) => format!("checkout:{}", session.id),
                None => format!("invoice:{}", invoice.id),
            },
            kind: if invoice.billing_reason == "subscription_update" {
                TransactionType::SubscriptionUpgrade
            } else {
                TransactionType::SubscriptionPayment
            },
            status,
            amount: MinorUnits::new(
                invoice.amount_due.max(invoice.amount_paid),
                invoice.currency,
            ),
            refunded_minor: refunded,
            payment_intent: invoice.payment_intent.clone(),
            session: session.map(|session| session.id.clone()),
            invoice: Some(invoice.id.clone()),
            refund: None,
            user: session
                .and_then(|session| session.intent.as_ref())
                .and_then(|i| i.user),
            tier,
            credits: None,
            description: invoice_description(invoice),
            failure: failure_of(snapshot, invoice.payment_intent.as_deref()),
            attempts: invoice.attempt_count,
            receipt_url: invoice.hosted_url.clone(),
            occurred_at: invoice.paid_at.unwrap_or(invoice.created_at),
        };
        mails::invoice(invoice, &row, snapshot, known, now, wanted);
        wanted.transactions.push(row);
    }
}

fn invoice_status(invoice: &Invoice, refunded: i64) -> Option<TransactionStatus> {
    match invoice.status.as_str() {
        "paid" if refunded > 0 && refunded >= invoice.amount_paid => {
            Some(TransactionStatus::Refunded)
        }
        "paid" => Some(TransactionStatus::Completed),
        "open" if invoice.attempt_count > 0 => Some(TransactionStatus::Failed),
        "open" => Some(TransactionStatus::Pending),
        "void" => Some(TransactionStatus::Cancelled),
        "uncollectible" => Some(TransactionStatus::Failed),
        // A draft asks for nothing yet.
        _ => None,
    }
}

fn invoice_description(invoice: &Invoice) -> String {
    let what = match invoice.billing_reason.as_str() {
        "subscription_create" => "Plan, first payment",
        "subscription_update" => "Plan change",
        _ => "Plan, renewal",
    };
    match invoice.period {
        Some((start, end)) => format!("{what}, {} to {}", start.date_text(), end.date_text()),
        None => what.to_owned(),
    }
}

fn project_charges(snapshot: &Snapshot, now: Timestamp, wanted: &mut Wanted) {
    let ours: HashMap<String, (Option<String>, Option<Credits>)> = wanted
        .transactions
        .iter()
        .filter_map(|row| Some((row.payment_intent.clone()?, (row.tier.clone(), row.credits))))
        .collect();
    for charge in &snapshot.charges {
        let Some(payment) = charge.payment_intent.as_ref() else {
            continue;
        };
        let Some((tier, credits)) = ours.get(payment) else {
            continue;
        };
        for refund in &charge.refunds {
            let status = refund_status(&refund.status);
            mails::refund(charge, refund, *credits, now, wanted);
            wanted.transactions.push(Transaction {
                natural_key: format!("refund:{}", refund.id),
                kind: TransactionType::Refund,
                status,
                amount: MinorUnits::new(refund.amount, charge.currency),
                refunded_minor: 0,
                payment_intent: None,
                session: None,
                invoice: None,
                refund: Some(refund.id.clone()),
                user: None,
                tier: tier.clone(),
                credits: None,
                description: match credits {
                    Some(credits) => format!("Refund of {} credits", grouped(*credits)),
                    None => "Refund of a plan payment".to_owned(),
                },
                failure: None,
                attempts: 0,
                receipt_url: charge.receipt_url.clone(),
                occurred_at: refund.created_at,
            });
        }
    }
}

/// The status of a refund's row, from Stripe's word.
pub fn refund_status(word: &str) -> TransactionStatus {
    match word {
        "succeeded" => TransactionStatus::Completed,
        "failed" => TransactionStatus::Failed,
        "canceled" => TransactionStatus::Cancelled,
        _ => TransactionStatus::Pending,
    }
}

/// `5,000`.
fn grouped(credits: Credits) -> String {
    let digits = credits.floor().to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

mod changes;
mod items;
mod mails;
pub use changes::{PendingChange, PendingKind};
pub use items::plan_among;

#[cfg(test)]
mod orders;
#[cfg(test)]
mod tests;
