//! Connections: limits, timeouts and shutdown.

use super::model::Served;
use super::{App, Metrics, Pictures, api};
use crate::shell::{note, say};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::Semaphore;
use tokio_io_timeout::TimeoutStream;
use viral::{Error, Result};

/// How long pending answers may take when the service is asked to stop.
const GRACE: Duration = Duration::from_millis(1500);
/// How often the model's file is checked.
const WATCH: Duration = Duration::from_secs(2);

/// Limits on what clients may ask for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// Maximum number of bytes of a body.
    pub(crate) body: usize,
    /// For the head of a request to arrive, and again from there to its answer, body included; also how long a
    /// connection may be idle, and an answer unread.
    pub(crate) timeout: Duration,
    /// Maximum number of requests answered at a time; more get a 503.
    pub(crate) concurrency: usize,
    /// Maximum number of connections at a time; more wait.
    pub(crate) connections: usize,
    /// Whether to reject requests that change the catalogue.
    pub(crate) read_only: bool,
    /// Maximum number of items in one answer.
    pub(crate) k: usize,
}

/// Serves until the process is told to stop (SIGTERM, SIGINT), then completes pending answers within [`GRACE`].
///
/// SIGHUP or a change of the model's file reloads the model.
pub(crate) fn serve(bind: SocketAddr, served: Served, pictures: Option<Pictures>, limits: Limits) -> Result<()> {
    let failed = |what: &str, e: &dyn std::fmt::Display| Error::Data(format!("{what}: {e}"));
    let metrics = Metrics::new().map_err(|e| failed("metrics", &e))?;
    let app = App { served: Arc::new(served), pictures: Arc::new(pictures), metrics: Arc::new(metrics), limits };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|e| failed("the service's threads", &e))?;
    let ended = runtime.block_on(async {
        let advice = "is another service there? choose another one with --bind";
        let listener = TcpListener::bind(bind).await.map_err(|e| Error::Data(format!("{bind}: {e}; {advice}")))?;
        let address = listener.local_addr().unwrap_or(bind);
        let mut stop = [SignalKind::terminate(), SignalKind::interrupt()].map(signal);
        let [Ok(terminate), Ok(interrupt)] = &mut stop else {
            return Err(Error::Data("the signals that end the service cannot be listened to".into()));
        };
        tokio::spawn(watch(app.clone()));
        say!("http://{address}/")?;
        note!("viral answers at http://{address}/; SIGTERM or Ctrl-C ends it, SIGHUP loads the model again.");
        let stopped = async {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
        };
        answer(listener, app, stopped).await;
        Ok(())
    });
    // Does not wait for reads from a disk.
    runtime.shutdown_background();
    ended
}

/// Accepts connections and serves them.
async fn answer(listener: TcpListener, app: App, stopped: impl Future<Output = ()>) {
    let router = api::router(app.clone());
    let graceful = GracefulShutdown::new();
    let permits = Arc::new(Semaphore::new(app.limits.connections));
    let mut builder = hyper::server::conn::http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(app.limits.timeout).max_buf_size(64 << 10);
    tokio::pin!(stopped);
    loop {
        let accepted = async {
            let permit = Arc::clone(&permits).acquire_owned().await;
            (permit, listener.accept().await)
        };
        let (permit, stream) = tokio::select! {
            (permit, accepted) = accepted => match accepted {
                Ok((stream, _)) => (permit, stream),
                Err(e) => {
                    // Out of file handles, or a client that went away: both pass.
                    note!("a connection could not be accepted: {e}");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    continue;
                }
            },
            () = &mut stopped => break,
        };
        // An answer is small and complete: it is sent at once, without waiting for more data.
        let _ = stream.set_nodelay(true);
        // A client that does not read its answer runs into the timeout.
        let mut stream = TimeoutStream::new(stream);
        stream.set_write_timeout(Some(app.limits.timeout));
        let stream = TokioIo::new(Box::pin(stream));
        let connection = builder.serve_connection(stream, TowerToHyperService::new(router.clone()));
        let connection = graceful.watch(connection);
        let open = app.metrics.connections.clone();
        tokio::spawn(async move {
            open.inc();
            // A client that disconnects or sends nonsense ends its own connection and nothing else.
            let _ = connection.await;
            open.dec();
            drop(permit);
        });
    }
    drop(listener);
    tokio::select! {
        () = graceful.shutdown() => {}
        () = tokio::time::sleep(GRACE) => note!("some answers were still under way and were broken off"),
    }
}

/// Reloads the model when its file changes or SIGHUP arrives.
async fn watch(app: App) {
    let Ok(mut hang_up) = signal(SignalKind::hangup()) else {
        return;
    };
    loop {
        let asked = tokio::select! {
            _ = hang_up.recv() => true,
            () = tokio::time::sleep(WATCH) => false,
        };
        let served = Arc::clone(&app.served);
        let reloaded =
            tokio::task::spawn_blocking(move || (asked || served.has_changed()).then(|| served.reload())).await;
        match reloaded {
            Ok(Some(Ok(()))) => {
                app.metrics.reloads.inc();
                note!("{} was loaded again", app.served.path().display());
            }
            Ok(Some(Err(e))) => {
                app.metrics.failed_reloads.inc();
                note!("{e}");
            }
            Ok(None) | Err(_) => {}
        }
    }
}
