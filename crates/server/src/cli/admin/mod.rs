//! `admin`: the commands for operators. One module per group of commands; `adopt`, `export`
//! and `seed` are sibling modules of this one.

pub mod credits;
pub mod events;
pub mod payment;
pub mod people;
pub mod refund;

use billing::app::App;
use clap::Subcommand;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use domain::people::UserRole;
use serde_json::json;
use store::api_keys::KeyScope;

use crate::cli::output::Output;
use crate::cli::{access, adopt, export, seed};

/// The subcommands of `admin`.
#[derive(Clone, Debug, Subcommand)]
pub enum Admin {
    /// Creates a user, or changes a user's role.
    User {
        /// Email address of the user.
        email: String,
        /// Role of the user.
        #[arg(long, value_parser = one_of(UserRole::ALL.map(UserRole::word), UserRole::from_word))]
        role: Option<UserRole>,
    },
    /// Prints headers that authenticate a user. Creates the user if it doesn't exist.
    Session {
        /// Email address of the user.
        email: String,
        /// Role of the user.
        #[arg(long, value_parser = one_of(UserRole::ALL.map(UserRole::word), UserRole::from_word))]
        role: Option<UserRole>,
        /// Also creates an API key: `meter` for the user's account, `server` for the host
        /// application.
        #[arg(long, num_args = 0..=1, default_missing_value = "meter",
              value_parser = one_of(KeyScope::ALL.map(KeyScope::word), KeyScope::from_word))]
        with_key: Option<KeyScope>,
    },
    /// Prints a link that signs a user in once.
    LoginLink {
        /// Email address of the user.
        email: String,
    },
    /// Corrects an account's credits.
    #[command(subcommand)]
    Credits(credits::Correction),
    /// Decides what a payment was for that brought neither credits nor a plan. Shows what it would
    /// do unless --apply is given.
    Payment(payment::Args),
    /// Refunds a payment, in full or in part.
    Refund(refund::RefundArgs),
    /// Manages stored Stripe events.
    #[command(subcommand)]
    Events(events::Events),
    /// Exports every table of business rows, or the data of one account.
    Export(export::ExportArgs),
    /// Links existing Stripe customers to accounts, as `sync --adopt` does. Shows what it would do
    /// unless --apply is given.
    Adopt(adopt::AdoptArgs),
    /// Creates accounts for an application's existing users. It is safe to run again: accounts that
    /// exist are skipped.
    Seed(seed::SeedArgs),
}

/// Parses one of an enum's words, which `--help` lists.
fn one_of<T: Clone + Send + Sync + 'static>(
    words: impl IntoIterator<Item = &'static str>,
    read: fn(&str) -> Option<T>,
) -> impl TypedValueParser<Value = T> {
    PossibleValuesParser::new(words).map(move |word| read(&word).expect("it is one of the words"))
}

/// Runs a subcommand of `admin` and returns its exit code.
pub async fn run(app: &App, command: Admin, out: &mut Output) -> anyhow::Result<u8> {
    match command {
        Admin::User { email, role } => people::user(app, &email, role, out).await?,
        Admin::Session {
            email,
            role,
            with_key,
        } => people::session(app, &email, role, with_key, out).await?,
        Admin::LoginLink { email } => {
            let url = access::login_link(app, &email, app.settings.session.link_minutes).await?;
            out.answer(&json!({ "url": url }), &url);
        }
        Admin::Credits(command) => credits::run(app, &command, out).await?,
        Admin::Payment(args) => payment::run(app, &args, out).await?,
        Admin::Refund(args) => refund::run(app, &args, out).await?,
        Admin::Events(command) => events::run(app, command, out).await?,
        Admin::Export(args) => export::run(app, &args, out).await?,
        Admin::Adopt(args) => return adopt::run(app, &args, out).await,
        Admin::Seed(args) => seed::run(app, &args, out).await?,
    }
    Ok(0)
}
