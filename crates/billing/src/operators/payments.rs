//! Payments that nothing explains (G2): what each of them can be, and an operator's decision.
//!
//! A sync recovers what follows from the price that was paid. What it can't know for certain is a
//! finding with these ways out: grant the pack that was paid for, record that the payment belongs to
//! another product, accept it without credits, or refund it.

use domain::catalog::Pack;
use domain::money::{Credits, Currency, MinorUnits};
use domain::time::Timestamp;
use serde_json::json;
use store::accounts::Account;
use store::foreign::{Foreign, ForeignKind};
use store::intents::{Intent, IntentKind, IntentState};
use store::transactions::{Transaction, unexplained};

use crate::app::App;
use crate::error::{Error, Result};
use crate::operators::audit_log::{Action, Author};
use crate::sync;
use crate::sync::recovery::{self, Sold};

/// Maximum number of an account's open payments that are read.
const PAYMENTS_MAX: i64 = 1_000;

/// What a payment was for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// It bought a pack, on these terms.
    Pack(Sold),
    /// It belongs to another product.
    OtherProduct,
    /// It is ours and needs no credits.
    Accept,
}

impl Decision {
    /// What the decision does, as the end of a sentence that begins with the payment.
    pub fn text(&self) -> String {
        match self {
            Decision::Pack(sold) if sold.bonus.is_positive() => {
                format!(
                    "grants {} credits and a bonus of {}",
                    sold.credits, sold.bonus
                )
            }
            Decision::Pack(sold) => format!("grants {} credits", sold.credits),
            Decision::OtherProduct => {
                "belongs to another product and is counted no longer".to_owned()
            }
            Decision::Accept => "stays recorded without credits".to_owned(),
        }
    }

    fn word(&self) -> &'static str {
        match self {
            Decision::Pack(_) => "pack",
            Decision::OtherProduct => "other_product",
            Decision::Accept => "accept",
        }
    }
}

/// A payment that nothing explains.
#[derive(Clone, Debug)]
pub struct OpenPayment {
    /// The row of the payment.
    pub row: Transaction,
    /// Stripe's id of the payment: a payment intent, or a charge without one.
    pub payment: String,
    /// The account that paid.
    pub account: Account,
    /// The pack that Stripe's line items name, if they do.
    pub proposed: Option<Sold>,
}

impl OpenPayment {
    /// The amount of the payment.
    pub fn paid(&self) -> MinorUnits {
        let currency = Currency::parse(&self.row.currency).unwrap_or(Currency::USD);
        MinorUnits::new(self.row.amount_minor, currency)
    }
}

/// The account's payments that need a decision, with what is proposed for each.
pub async fn open(app: &App, account: i64) -> Result<Vec<OpenPayment>> {
    let (rows, account) = app
        .read(move |tx| {
            let rows = unexplained::of_account(tx, account, PAYMENTS_MAX)?;
            let row = store::accounts::find(tx, account)?.ok_or(store::Error::NotFound)?;
            Ok((rows, row))
        })
        .await?;
    let mut found = Vec::new();
    for row in rows {
        found.push(with_proposal(app, row, account.clone()).await?);
    }
    Ok(found)
}

/// The payment that an operator names by one of its ids, if it needs a decision.
pub async fn find(app: &App, name: &str) -> Result<OpenPayment> {
    let name = name.to_owned();
    let found = app
        .read(move |tx| {
            let Some(row) = store::transactions::about(tx, &name)? else {
                return Ok(None);
            };
            let account = store::accounts::find(tx, row.account_id)?;
            Ok(account.map(|account| (row, account)))
        })
        .await?;
    let (row, account) = found.ok_or_else(|| Error::not_found("There is no such payment."))?;
    let is_open = row.natural_key.starts_with(unexplained::PREFIX) && row.metadata.is_none();
    if !is_open {
        let detail = "This payment needs no decision: it is explained already.";
        return Err(Error::conflict("payment_explained", detail));
    }
    with_proposal(app, row, account).await
}

async fn with_proposal(app: &App, row: Transaction, account: Account) -> Result<OpenPayment> {
    let payment = row.natural_key.trim_start_matches(unexplained::PREFIX);
    let payment = payment.to_owned();
    let proposed = recovery::proposal(app, &payment).await?;
    Ok(OpenPayment {
        row,
        payment,
        account,
        proposed,
    })
}

/// The terms of a pack of the current catalog, for a manual decision.
pub fn pack(app: &App, credits: i64) -> Result<Sold> {
    let pack: Option<Pack> = app.catalog().pack(credits).cloned();
    let pack = pack.ok_or_else(|| Error::field("pack", "There is no such pack."))?;
    Ok(Sold {
        credits: Credits::new(pack.credits),
        bonus: Credits::new(pack.bonus),
        expires_after_days: pack.expires_after_days,
        amount_minor: pack.price.amount,
        currency: pack.price.currency,
        is_certain: false,
    })
}

/// Carries out a decision, and syncs the account, which grants what the payment bought.
pub async fn decide(app: &App, open: &OpenPayment, decision: &Decision, actor: &str) -> Result<()> {
    let (account, payment, now) = (open.account.id, open.payment.clone(), app.now());
    let (row, decision) = (open.row.clone(), decision.clone());
    let author = Author::new(app, actor);
    let subject = open.account.public_id.clone();
    let is_ours = decision != Decision::OtherProduct;
    app.write(account, move |tx| {
        // Another operator may have decided since the payment was read.
        let open = unexplained::of_account(tx, account, PAYMENTS_MAX)?;
        if !open.iter().any(|one| one.id == row.id) {
            return Err(store::Error::Conflict(format!("{payment} was decided")));
        }
        match &decision {
            Decision::Pack(sold) => {
                let order = order(&row, &payment, sold, now);
                if !store::intents::recover(tx, &order)? {
                    return Err(store::Error::Conflict(format!("{payment} has an order")));
                }
            }
            Decision::OtherProduct => {
                store::foreign::put(tx, &foreign(&row, &payment, now))?;
                store::disputes::take_out(tx, account, &payment)?;
                unexplained::take_out(tx, account, &payment)?;
            }
            Decision::Accept => {
                unexplained::accept(tx, account, &payment)?;
            }
        }
        let act = author.act(Action::PaymentDecide, &subject);
        let act = act.with("payment", json!(payment));
        act.with("decision", json!(decision.word())).append(tx)?;
        // A payment of last year is not among what a sync reads.
        let object = payment.starts_with("pi_").then_some("payment_intent");
        let object = object.or(Some("charge")).filter(|_| is_ours);
        let named = (object, Some(payment.as_str()));
        store::sync::mark_object(tx, account, named, author.at())
    })
    .await?;
    sync::account(app, account).await?;
    Ok(())
}

/// The order that the payment gets.
fn order(row: &Transaction, payment: &str, sold: &Sold, now: Timestamp) -> Intent {
    Intent {
        id: format!("rec_{payment}"),
        account_id: row.account_id,
        user_id: None,
        kind: IntentKind::CheckoutTopup,
        state: IntentState::Closed,
        params: String::new(),
        credits_micros: Some(sold.credits.micros()),
        amount_minor: Some(sold.amount_minor),
        currency: Some(sold.currency.code().to_owned()),
        tier: None,
        price_id: None,
        stripe_object_id: Some(payment.to_owned()),
        url: None,
        error: None,
        created_at: row.occurred_at,
        updated_at: now,
        expires_at: None,
        bonus_micros: Some(sold.bonus.micros()),
        expires_after_days: sold.expires_after_days,
        attempts: 0,
        next_attempt_at: store::intents::unfinished::NEVER,
        is_owed: false,
        needs_attention: false,
    }
}

fn foreign(row: &Transaction, payment: &str, now: Timestamp) -> Foreign {
    Foreign {
        object_id: payment.to_owned(),
        account_id: row.account_id,
        kind: ForeignKind::Payment,
        status: "paid".to_owned(),
        amount_minor: Some(row.amount_minor),
        currency: Some(row.currency.clone()),
        price_id: None,
        is_decided: true,
        created_at: row.occurred_at,
        seen_at: now,
    }
}
