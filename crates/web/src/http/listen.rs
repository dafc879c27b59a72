//! The listener: a bounded number of connections, each with bounds on the time and size of a
//! request's head, and a graceful shutdown that completes requests in flight (cases D7, D13).
//!
//! When all connections are in use, the one that has been idle longest is closed: a client that
//! opens a thousand and sends nothing doesn't lock others out. Requests other than webhooks share
//! only part of the capacity ([`reserve`]), so webhooks are always accepted.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, HttpBody};
use axum::extract::{ConnectInfo, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use billing::error::Error;
use http_body::{Frame, SizeHint};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use tower::ServiceExt;

use crate::http::error::HttpError;
use crate::site::Site;

/// Largest head of a request: the request line and all headers.
const HEAD_BYTES_MAX: usize = 64 << 10;

/// Maximum number of headers of a request.
const HEADERS_MAX: usize = 100;

/// Pause after a failed accept, for example when no file descriptors are left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// How long a shutdown waits for the first request on a connection that has sent none.
const LAST_CALL: Duration = Duration::from_millis(300);

/// Paths that [`reserve`] never refuses.
const ALWAYS: &[&str] = &["/api/stripe/webhook", "/healthz", "/readyz"];

/// Bounds of the listener.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// The most connections open at the same time.
    pub connections_max: usize,
    /// The longest that a request's head may take or a connection may be idle.
    pub head_seconds_max: u64,
}

/// The state of one connection.
#[derive(Default)]
struct Connection {
    /// Requests whose response isn't fully sent.
    in_hand: AtomicUsize,
    /// Requests whose body hasn't fully arrived.
    receiving: AtomicUsize,
    /// Whether it has had a request: a shutdown closes such a connection after its response.
    is_used: AtomicBool,
    /// When it became idle, as a monotonic counter.
    idle_since: AtomicU64,
    /// Notified when another connection needs its place.
    leave: Notify,
}

impl Connection {
    fn is_idle(&self) -> bool {
        self.in_hand.load(Ordering::SeqCst) == 0
    }

    /// Whether it may be closed for another: no request is being executed.
    fn may_leave(&self) -> bool {
        self.is_idle() || self.receiving.load(Ordering::SeqCst) > 0
    }
}

/// All open connections.
#[derive(Default)]
struct Connections {
    open: Mutex<BTreeMap<u64, Arc<Connection>>>,
    ticks: AtomicU64,
}

impl Connections {
    fn tick(&self) -> u64 {
        self.ticks.fetch_add(1, Ordering::SeqCst)
    }

    fn all(&self) -> std::sync::MutexGuard<'_, BTreeMap<u64, Arc<Connection>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks the connection that has been idle longest to close; if none is idle, the one whose
    /// request has been arriving longest, so slow senders don't lock others out either.
    fn make_room(&self) {
        let open = self.all();
        let since = |connection: &&Arc<Connection>| connection.idle_since.load(Ordering::SeqCst);
        let idle = open.values().filter(|connection| connection.is_idle());
        let arriving = open.values().filter(|connection| connection.may_leave());
        let longest = idle
            .min_by_key(since)
            .or_else(|| arriving.min_by_key(since));
        if let Some(connection) = longest {
            connection.leave.notify_one();
        }
    }
}

/// A request in flight: until it is dropped, its connection isn't idle.
struct InHand(Arc<Connection>, Arc<Connections>);

impl InHand {
    fn new(connection: &Arc<Connection>, connections: &Arc<Connections>) -> InHand {
        connection.is_used.store(true, Ordering::SeqCst);
        connection.in_hand.fetch_add(1, Ordering::SeqCst);
        InHand(Arc::clone(connection), Arc::clone(connections))
    }
}

impl Drop for InHand {
    fn drop(&mut self) {
        self.0.idle_since.store(self.1.tick(), Ordering::SeqCst);
        self.0.in_hand.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Accepts connections until `stopped` is true, then completes the requests in flight.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    bounds: Bounds,
    mut stopped: watch::Receiver<bool>,
) {
    let connections = Arc::new(Connections::default());
    let places = Arc::new(Semaphore::new(bounds.connections_max));
    let mut tasks = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            _ = stopped.wait_for(|stopped| *stopped) => break,
            accepted = listener.accept() => accepted,
        };
        while tasks.try_join_next().is_some() {}
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "Failed to accept a connection");
                connections.make_room();
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let place = tokio::select! {
            _ = stopped.wait_for(|stopped| *stopped) => break,
            place = place(&places, &connections) => place,
        };
        let (router, connections, stopped) =
            (router.clone(), Arc::clone(&connections), stopped.clone());
        tasks.spawn(async move {
            connection(stream, peer, router, &connections, bounds, stopped).await;
            drop(place);
        });
    }
    drop(listener);
    while tasks.join_next().await.is_some() {}
}

/// Acquires a connection permit, closing an idle connection if none is free.
async fn place(places: &Arc<Semaphore>, connections: &Connections) -> Option<OwnedSemaphorePermit> {
    loop {
        if let Ok(place) = Arc::clone(places).try_acquire_owned() {
            return Some(place);
        }
        connections.make_room();
        let waiting = Arc::clone(places).acquire_owned();
        // The idle connection may just have received a request; then another is asked.
        if let Ok(place) = tokio::time::timeout(ACCEPT_PAUSE, waiting).await {
            return place.ok();
        }
    }
}

async fn connection(
    stream: TcpStream,
    peer: SocketAddr,
    router: Router,
    connections: &Arc<Connections>,
    bounds: Bounds,
    mut stopped: watch::Receiver<bool>,
) {
    let connection = Arc::new(Connection::default());
    let number = connections.tick();
    connection.idle_since.store(number, Ordering::SeqCst);
    connections.all().insert(number, Arc::clone(&connection));
    let service = service_fn(|request: hyper::Request<Incoming>| {
        let in_hand = InHand::new(&connection, connections);
        let mut request = request.map(|body| arriving(body, &connection));
        request.extensions_mut().insert(ConnectInfo(peer));
        let router = router.clone();
        async move {
            let response = router.oneshot(request).await?;
            Ok::<_, Infallible>(response.map(|body| held(body, in_hand)))
        }
    });
    let _ = stream.set_nodelay(true);
    let mut served = pin!(
        http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(Duration::from_secs(bounds.head_seconds_max))
            .max_header_size(HEAD_BYTES_MAX)
            .max_headers(HEADERS_MAX)
            .serve_connection(TokioIo::new(stream), service)
    );
    let mut is_ending = false;
    loop {
        tokio::select! {
            ended = served.as_mut() => {
                if let Err(error) = ended {
                    tracing::debug!(%error, "A connection ended");
                }
                break;
            }
            () = connection.leave.notified() => if connection.may_leave() { break },
            _ = stopped.wait_for(|stopped| *stopped), if !is_ending => {
                is_ending = true;
                served.as_mut().graceful_shutdown();
            }
            () = tokio::time::sleep(LAST_CALL), if is_ending => {
                if connection.is_idle() && !connection.is_used.load(Ordering::SeqCst) {
                    break;
                }
            }
        }
    }
    connections.all().remove(&number);
}

/// Reserves capacity for webhooks: other requests beyond their share are refused with a 503.
pub async fn reserve(State(site): State<Site>, request: Request, next: Next) -> Response {
    if ALWAYS.contains(&request.uri().path()) {
        return next.run(request).await;
    }
    let Ok(place) = Arc::clone(&site.requests).try_acquire_owned() else {
        let detail = "Too many requests are being answered; try again shortly.";
        return HttpError::from(Error::unavailable("too_busy", detail)).into_response();
    };
    next.run(request).await.map(|body| held(body, place))
}

/// A request's body; until it has fully arrived, its connection counts as receiving.
fn arriving(body: Incoming, connection: &Arc<Connection>) -> Body {
    if body.is_end_stream() {
        return Body::empty();
    }
    let kept = Some(Receiving::new(connection));
    Body::new(Held {
        body,
        kept,
        until_end: true,
    })
}

/// A request whose body hasn't fully arrived.
struct Receiving(Arc<Connection>);

impl Receiving {
    fn new(connection: &Arc<Connection>) -> Receiving {
        connection.receiving.fetch_add(1, Ordering::SeqCst);
        Receiving(Arc::clone(connection))
    }
}

impl Drop for Receiving {
    fn drop(&mut self) {
        self.0.receiving.fetch_sub(1, Ordering::SeqCst);
    }
}

/// A body that keeps a value alive until it is sent.
fn held<T: Send + Unpin + 'static>(body: Body, kept: T) -> Body {
    Body::new(Held {
        body,
        kept: Some(kept),
        until_end: false,
    })
}

/// A body that keeps a value alive until the body is dropped or has ended.
struct Held<B, T> {
    body: B,
    kept: Option<T>,
    until_end: bool,
}

impl<B: HttpBody + Unpin, T: Unpin> HttpBody for Held<B, T> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(context);
        let has_ended = matches!(polled, Poll::Ready(None | Some(Err(_)))) || self.is_end_stream();
        if self.until_end && has_ended {
            self.kept = None;
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
