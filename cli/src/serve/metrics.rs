//! Counts and durations in Prometheus' text format.

use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::Response;
use prometheus::core::Collector;
use prometheus::{
    Encoder, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, Opts, Registry, TextEncoder,
};
use std::sync::Arc;
use std::time::Instant;

/// Upper bounds of the duration buckets, in seconds.
const BUCKETS: [f64; 12] = [0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 1.0, 5.0];

/// The metrics of the service.
pub(super) struct Metrics {
    registry: Registry,
    requests: IntCounterVec,
    seconds: HistogramVec,
    in_flight: IntGauge,
    pub(super) connections: IntGauge,
    pub(super) reloads: IntCounter,
    pub(super) failed_reloads: IntCounter,
}

impl Metrics {
    pub(super) fn new() -> prometheus::Result<Self> {
        let registry = Registry::new();
        let of = |name: &str, help: &str| Opts::new(format!("viral_{name}"), help);
        let counter = |name, help| registered(&registry, IntCounter::with_opts(of(name, help))?);
        let gauge = |name, help| registered(&registry, IntGauge::with_opts(of(name, help))?);
        let requests = IntCounterVec::new(of("http_requests_total", "Requests answered."), &["route", "status"])?;
        let help = "Seconds from the head of a request to that of its answer.";
        let seconds = HistogramOpts::new("viral_http_request_duration_seconds", help).buckets(BUCKETS.to_vec());
        Ok(Self {
            requests: registered(&registry, requests)?,
            seconds: registered(&registry, HistogramVec::new(seconds, &["route"])?)?,
            in_flight: gauge("http_requests_in_flight", "Requests that are being answered.")?,
            connections: gauge("connections", "Connections that are open.")?,
            reloads: counter("model_reloads_total", "Times the model was loaded again.")?,
            failed_reloads: counter("model_failed_reloads_total", "Times the model's file could not be loaded again.")?,
            registry,
        })
    }

    /// Renders all metrics as text.
    pub(super) fn text(&self) -> prometheus::Result<Vec<u8>> {
        let mut text = Vec::new();
        TextEncoder::new().encode(&self.registry.gather(), &mut text)?;
        Ok(text)
    }
}

/// Registers a metric.
fn registered<T: Collector + Clone + 'static>(registry: &Registry, metric: T) -> prometheus::Result<T> {
    registry.register(Box::new(metric.clone()))?;
    Ok(metric)
}

/// Decrements the gauge on drop, even if the client goes away before its answer.
struct InFlight(IntGauge);

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// Counts a request. Paths without a route count under `other`, so that unknown names are not kept.
pub(super) async fn count(State(metrics): State<Arc<Metrics>>, request: Request, next: Next) -> Response {
    let route = request.extensions().get::<MatchedPath>().map_or("other".to_string(), |path| path.as_str().to_string());
    metrics.in_flight.inc();
    let _in_flight = InFlight(metrics.in_flight.clone());
    let start = Instant::now();
    let response = next.run(request).await;
    metrics.seconds.with_label_values(&[&route]).observe(start.elapsed().as_secs_f64());
    metrics.requests.with_label_values(&[route.as_str(), response.status().as_str()]).inc();
    response
}
