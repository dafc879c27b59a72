//! `twin`: runs a Stripe twin without the service, and controls a running one.

use std::process::ExitCode;

use clap::Subcommand;
use serde_json::{Value, json};
use twin::client::{Control, PayBy};

use crate::cli::output::Output;
use crate::cli::twin_config::config;
use crate::cli::{CommandResult, Context, demo_state};
use crate::service;

/// Where a twin that `twin serve` started listens by default.
const DEFAULT_URL: &str = "http://127.0.0.1:12111";

/// The command-line options of `twin`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// URL of the running twin (default: the twin of the demo in --data, otherwise port 12111).
    #[arg(long, env = "LBX_TWIN_URL", global = true)]
    twin_url: Option<String>,
    #[command(subcommand)]
    command: Twin,
}

#[derive(Clone, Debug, Subcommand)]
enum Twin {
    /// Runs a twin without the service. With --data FILE its state survives a restart.
    Serve {
        /// Port to listen on. Only this machine can connect.
        #[arg(long, default_value_t = 12111)]
        port: u16,
    },
    /// Pays a Checkout session.
    Pay {
        /// Id of the session (cs_...).
        session: String,
        /// How to pay: card, delayed (a bank debit), or a test payment method such as `pm_card_visa`.
        #[arg(long, default_value = "card")]
        method: String,
    },
    /// Settles a session that was paid by bank debit.
    Settle {
        /// Id of the session (cs_...).
        session: String,
        /// Lets the debit fail.
        #[arg(long)]
        failed: bool,
    },
    /// Moves the billing clock forward.
    Advance {
        /// How far: a number with s, m, h or d, for example 30d.
        duration: String,
    },
    /// Creates the objects that cause an event, as `stripe trigger` does.
    Trigger {
        /// Type of the event, for example `invoice.payment_failed`.
        event_type: String,
    },
    /// Declines the next payment.
    DeclineNext {
        /// Only a payment of this customer (cus_...).
        #[arg(long)]
        customer: Option<String>,
        /// Decline code, for example `insufficient_funds`.
        #[arg(long)]
        code: Option<String>,
    },
    /// Disputes a charge, or closes a dispute.
    Dispute {
        /// Id of the charge (ch_...), or with --close of the dispute (du_... or dp_...).
        id: String,
        /// Reason, for example fraudulent or `product_not_received`.
        #[arg(long)]
        reason: Option<String>,
        /// Closes the dispute as won or lost.
        #[arg(long, value_parser = ["won", "lost"], conflicts_with = "reason")]
        close: Option<String>,
    },
    /// Disturbs webhook deliveries. Without options, deliveries are normal again.
    Chaos {
        /// Share of deliveries to lose, 0 to 1.
        #[arg(long)]
        drop: Option<f64>,
        /// How many times to send each event.
        #[arg(long)]
        duplicate: Option<u32>,
        /// Delivers events out of order.
        #[arg(long)]
        reorder: bool,
        /// Delays deliveries, for example by 60s.
        #[arg(long)]
        delay: Option<String>,
    },
    /// Turns webhook deliveries on or off.
    Webhooks {
        /// New state: on or off.
        #[arg(value_parser = ["on", "off"])]
        state: String,
    },
}

/// Runs a subcommand of `twin`.
pub async fn run(context: &Context, args: Args) -> CommandResult {
    if let Twin::Serve { port } = args.command {
        return serve(context, port).await;
    }
    let url = args
        .twin_url
        .or_else(|| demo_state::twin_url(context.data.as_deref()));
    let control = Control::new(url.as_deref().unwrap_or(DEFAULT_URL))?;
    let answer = control_twin(&control, args.command).await?;
    let mut out = Output::new(context.json);
    let pretty = serde_json::to_string_pretty(&answer)?;
    out.answer(&answer, pretty);
    out.print();
    Ok(ExitCode::SUCCESS)
}

async fn control_twin(control: &Control, command: Twin) -> anyhow::Result<Value> {
    Ok(match command {
        Twin::Serve { .. } => unreachable!("`twin serve` controls no running twin"),
        Twin::Pay { session, method } => {
            let by = match method.as_str() {
                "card" => PayBy::Card,
                "delayed" => PayBy::Delayed,
                method => PayBy::Method(method),
            };
            control.pay(&session, by).await?
        }
        Twin::Settle { session, failed } => control.settle(&session, !failed).await?,
        Twin::Advance { duration } => control.advance(&duration).await?,
        Twin::Trigger { event_type } => control.trigger(&event_type).await?,
        Twin::DeclineNext { customer, code } => {
            control
                .decline_next(customer.as_deref(), code.as_deref())
                .await?
        }
        Twin::Dispute { id, reason, close } => match close {
            Some(outcome) => control.close_dispute(&id, outcome == "won").await?,
            None => control.dispute(&id, reason.as_deref()).await?,
        },
        Twin::Chaos {
            drop,
            duplicate,
            reorder,
            delay,
        } => {
            let mut settings = json!({ "reorder": reorder });
            if let Some(share) = drop {
                settings["drop"] = share.into();
            }
            if let Some(copies) = duplicate {
                settings["duplicate"] = copies.into();
            }
            if let Some(delay) = delay {
                settings["delay"] = delay.into();
            }
            control.chaos(&settings).await?
        }
        Twin::Webhooks { state } => control.webhooks(state == "on").await?,
    })
}

async fn serve(context: &Context, port: u16) -> CommandResult {
    crate::telemetry::start_as_text(None);
    let twin = twin::serve(config(port, context.data.as_deref())).await?;
    let mut out = Output::new(context.json);
    let url = twin.url();
    let value = json!({ "url": url, "smtp": twin.smtp_address() });
    out.answer(
        &value,
        format!("The Stripe twin is listening at {url} (control page: {url}/_twin)."),
    );
    out.print();
    service::stop_signal().await;
    twin.shutdown();
    twin.join().await;
    Ok(ExitCode::SUCCESS)
}
