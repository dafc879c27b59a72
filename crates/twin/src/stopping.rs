//! The signal that ends the twin's tasks.

use tokio::sync::watch;

/// Waits until the twin is asked to stop.
pub(crate) async fn stopped(stop: &mut watch::Receiver<bool>) {
    // An error means that the sender was dropped, so no signal can arrive: stop as well.
    let _ = stop.wait_for(|stop| *stop).await;
}
