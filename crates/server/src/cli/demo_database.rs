//! Recognizes the database of a demo. A demo stores the URL of its twin in the settings table,
//! where a command in another process and perhaps another folder finds it.

use billing::app::App;
use billing::config::Settings;
use store::DatabaseUrl;

use crate::cli::twin_config;
use crate::cli::twin_config::STRIPE_KEY;

const TWIN_URL: &str = "demo.twin_url";

const BASE_URL: &str = "demo.base_url";

/// Marks the database as belonging to a demo.
pub async fn mark(app: &App) -> anyhow::Result<()> {
    let twin = app.settings.stripe.api_base.clone();
    let origin = app.settings.service.base_url.clone();
    let now = app.real_now();
    app.db
        .write(0, move |tx| {
            store::settings::put(tx, TWIN_URL, &twin, now)?;
            store::settings::put(tx, BASE_URL, &origin, now)
        })
        .await?;
    Ok(())
}

/// Removes the mark: from now on the database belongs to a service.
pub async fn unmark(app: &App) -> anyhow::Result<()> {
    app.db
        .write(0, |tx| {
            store::settings::remove(tx, TWIN_URL)?;
            store::settings::remove(tx, BASE_URL)
        })
        .await?;
    Ok(())
}

/// Opens the database for a command. A demo's database is opened with the demo's twin as Stripe,
/// unless the configuration names another Stripe than the default.
pub async fn open(settings: Settings) -> anyhow::Result<App> {
    let is_default = settings.stripe.api_base == Settings::STRIPE && !settings.stripe.is_live();
    let app = App::open(settings).await?;
    if !is_default {
        billing::jobs::clock::catch_up(&app).await?;
        return Ok(app);
    }
    let mark = app
        .read(|tx| {
            Ok((
                store::settings::get(tx, TWIN_URL)?,
                store::settings::get(tx, BASE_URL)?,
            ))
        })
        .await?;
    let (Some(twin), Some(origin)) = mark else {
        return Ok(app);
    };
    let mut settings = app.settings.clone();
    settings.stripe.secret_key = STRIPE_KEY.into();
    settings.stripe.api_base.clone_from(&twin);
    settings.stripe.webhook_secret = "".into();
    settings.service.base_url = origin;
    if let Some(smtp) = twin_config::smtp_address(&twin).await {
        settings.mail.host = smtp.ip().to_string();
        settings.mail.port = smtp.port();
        settings.mail.encryption = "none".to_owned();
    }
    settings.clock.follow = twin;
    let app = App::with_db(settings, app.db.clone()).await?;
    if let Err(error) = billing::jobs::clock::catch_up(&app).await {
        tracing::info!(%error, "The demo's twin is not running; using the system clock");
    }
    Ok(app)
}

/// Deletes all tables of a PostgreSQL database that a demo marked. Fails if the database has tables
/// but no mark.
pub async fn drop_tables(settings: &Settings) -> anyhow::Result<()> {
    let url = settings.database_url()?;
    let (steps, options) = (steps_applied(&url).await?, settings.database_options());
    if steps == 0 {
        return Ok(());
    }
    let is_demos = {
        let url = url.clone();
        tokio::task::spawn_blocking(move || {
            let db = store::Db::open(&url, &options)?;
            let mark = db.read_blocking(|tx| store::settings::get(tx, TWIN_URL));
            db.close();
            mark
        })
        .await??
        .is_some()
    };
    anyhow::ensure!(
        is_demos,
        "--reset only deletes a database that a demo created, and this one was not: nothing was \
         deleted."
    );
    tokio::task::spawn_blocking(move || store::migrate::down(&url, usize::MAX)).await??;
    Ok(())
}

/// How many migrations are applied.
async fn steps_applied(url: &DatabaseUrl) -> anyhow::Result<usize> {
    let url = url.clone();
    let steps = tokio::task::spawn_blocking(move || store::migrate::status(&url)).await??;
    Ok(steps
        .iter()
        .filter(|step| step.applied_at.is_some())
        .count())
}
