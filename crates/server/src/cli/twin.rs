//! `twin`: the Stripe twin alone, and what moves a running one.

use std::process::ExitCode;

use clap::Subcommand;
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use twin::client::{Control, PayBy};

use crate::cli::output::Output;
use crate::cli::twins::{STRIPE_KEY, config};
use crate::cli::{Context, Ended, notes};
use crate::service;

const URL: &str = "http://127.0.0.1:12111";

/// See the module.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// The running twin; by default the one of the demo in --data, else port 12111.
    #[arg(long, env = "LBX_TWIN_URL", global = true)]
    twin_url: Option<String>,
    #[command(subcommand)]
    command: Twin,
}

#[derive(Clone, Debug, Subcommand)]
enum Twin {
    /// Runs a twin alone. With --data FILE its state survives a restart.
    Serve {
        /// Where it listens, on this machine only.
        #[arg(long, default_value_t = 12111)]
        port: u16,
    },
    /// Pays a Checkout session.
    Pay {
        /// cs_...
        session: String,
        /// card, delayed (a bank debit), or a test payment method such as pm_card_visa.
        #[arg(long, default_value = "card")]
        method: String,
    },
    /// Settles a session that was paid by bank debit.
    Settle {
        /// cs_...
        session: String,
        /// Let the debit fail.
        #[arg(long)]
        failed: bool,
    },
    /// Moves the billing clock: 30d, 12h, 15m, 10s.
    Advance {
        /// A number and s, m, h or d.
        duration: String,
    },
    /// Makes what leads to an event of a type, as `stripe trigger` does.
    Trigger {
        /// invoice.payment_failed, ...
        event_type: String,
    },
    /// Declines the next payment.
    DeclineNext {
        /// Of this customer only: cus_...
        #[arg(long)]
        customer: Option<String>,
        /// insufficient_funds, ...
        #[arg(long)]
        code: Option<String>,
    },
    /// Disputes a charge, or closes a dispute.
    Dispute {
        /// The charge (ch_...); with --close the dispute (du_... or dp_...).
        id: String,
        /// fraudulent, product_not_received, ...
        #[arg(long)]
        reason: Option<String>,
        /// Closes it.
        #[arg(long, value_parser = ["won", "lost"], conflicts_with = "reason")]
        close: Option<String>,
    },
    /// Sets the trouble that deliveries meet; without options there is none.
    Chaos {
        /// Share of deliveries that is lost, 0 to 1.
        #[arg(long)]
        drop: Option<f64>,
        /// How often each is sent.
        #[arg(long)]
        duplicate: Option<u32>,
        /// Deliver out of order.
        #[arg(long)]
        reorder: bool,
        /// How late they are: 60s.
        #[arg(long)]
        delay: Option<String>,
    },
    /// Switches webhook deliveries on or off.
    Webhooks {
        /// on or off.
        #[arg(value_parser = ["on", "off"])]
        state: String,
    },
}

/// Runs one.
pub async fn run(context: &Context, args: Args) -> Ended {
    if let Twin::Serve { port } = args.command {
        return alone(context, port).await;
    }
    let url = args
        .twin_url
        .or_else(|| notes::twin_url(context.data.as_deref()));
    let control = Control::new(url.as_deref().unwrap_or(URL))?;
    let answer = move_it(&control, args.command).await?;
    let mut out = Output::new(context.json);
    let pretty = serde_json::to_string_pretty(&answer)?;
    out.answer(&answer, pretty);
    out.print();
    Ok(ExitCode::SUCCESS)
}

async fn move_it(control: &Control, command: Twin) -> anyhow::Result<Value> {
    Ok(match command {
        Twin::Serve { .. } => unreachable!("served before"),
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

async fn alone(context: &Context, port: u16) -> Ended {
    crate::telemetry::start_as_text(None);
    let settings = context.settings()?;
    let key = match settings.stripe.secret_key.expose_secret() {
        "" => STRIPE_KEY,
        key => key,
    };
    let twin = twin::serve(config(port, context.data.as_deref(), key)).await?;
    let mut out = Output::new(context.json);
    let url = twin.url();
    let value = json!({ "url": url, "smtp": twin.smtp_address() });
    out.answer(
        &value,
        format!("The Stripe twin listens at {url} (control page: {url}/_twin)."),
    );
    out.print();
    service::stop_signal().await;
    twin.shutdown();
    twin.join().await;
    Ok(ExitCode::SUCCESS)
}
