//! Marks in a demo's database: how a command beside it, which shares no memory and perhaps no
//! folder with it, finds its twin.

use billing::app::App;
use billing::config::Settings;
use store::DatabaseUrl;

use crate::cli::twins::STRIPE_KEY;

const TWIN_URL: &str = "demo.twin_url";

const BASE_URL: &str = "demo.base_url";

/// Marks the database as a demo's.
pub async fn put(app: &App) -> anyhow::Result<()> {
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

/// Takes the marks away: from now on it is the database of a service.
pub async fn remove(app: &App) -> anyhow::Result<()> {
    app.db
        .write(0, |tx| {
            store::settings::remove(tx, TWIN_URL)?;
            store::settings::remove(tx, BASE_URL)
        })
        .await?;
    Ok(())
}

/// Opens the database for a command. One that a demo marked is opened as the demo does it, with
/// the demo's Stripe, unless another than the default is configured.
pub async fn open(settings: Settings) -> anyhow::Result<App> {
    let is_default = settings.stripe.api_base == Settings::STRIPE && !settings.stripe.is_live();
    let app = App::open(settings).await?;
    if !is_default {
        billing::jobs::clock::catch_up(&app).await?;
        return Ok(app);
    }
    let marks = app
        .read(|tx| {
            Ok((
                store::settings::get(tx, TWIN_URL)?,
                store::settings::get(tx, BASE_URL)?,
            ))
        })
        .await?;
    let (Some(twin), Some(origin)) = marks else {
        return Ok(app);
    };
    let mut settings = app.settings.clone();
    settings.stripe.secret_key = STRIPE_KEY.into();
    settings.stripe.api_base.clone_from(&twin);
    settings.stripe.webhook_secret = "".into();
    settings.service.base_url = origin;
    if let Some(smtp) = crate::cli::twins::smtp(&twin).await {
        settings.mail.host = smtp.ip().to_string();
        settings.mail.port = smtp.port();
        settings.mail.encryption = "none".to_owned();
    }
    settings.clock.follow = twin;
    let app = App::with_db(settings, app.db.clone()).await?;
    if let Err(error) = billing::jobs::clock::catch_up(&app).await {
        tracing::info!(%error, "The demo's twin does not run; the clock is the system's");
    }
    Ok(app)
}

/// Empties a PostgreSQL database that a demo marked, or that is empty.
pub async fn forget_database(settings: &Settings) -> anyhow::Result<()> {
    let url = settings.database_url()?;
    let (steps, options) = (steps(&url).await?, settings.database_options());
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
        "--reset empties only a database that a demo filled, and this one is not: nothing was \
         deleted."
    );
    tokio::task::spawn_blocking(move || store::migrate::down(&url, usize::MAX)).await??;
    Ok(())
}

async fn steps(url: &DatabaseUrl) -> anyhow::Result<usize> {
    let url = url.clone();
    let steps = tokio::task::spawn_blocking(move || store::migrate::status(&url)).await??;
    Ok(steps
        .iter()
        .filter(|step| step.applied_at.is_some())
        .count())
}
