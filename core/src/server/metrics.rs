//! Metrics, in the OpenMetrics text format (<https://prometheus.io/docs/specs/om/open_metrics_spec/>).
//!
//! They count what happens, and say of nobody who it was: no account, order or job is a label.

use std::time::Duration;

use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};

use super::state::State;

type Labels = Vec<(&'static str, String)>;

pub(crate) struct Metrics {
    registry: Registry,
    admissions: Family<Labels, Counter>,
    requests: Family<Labels, Counter>,
    completed: Counter,
    failed: Counter,
    seconds: Histogram,
    /// Time of all jobs that were completed, in microseconds.
    busy_micros: std::sync::atomic::AtomicU64,
    admission_seconds: Histogram,
    queued: Gauge,
    running: Gauge,
    pub(super) connections: Gauge,
}

impl Metrics {
    pub(super) fn new() -> Self {
        let buckets = || exponential_buckets(0.001, 2.0, 18);
        let metrics = Self {
            registry: Registry::default(),
            admissions: Family::default(),
            requests: Family::default(),
            completed: Counter::default(),
            failed: Counter::default(),
            seconds: Histogram::new(buckets()),
            busy_micros: Default::default(),
            admission_seconds: Histogram::new(buckets()),
            queued: Gauge::default(),
            running: Gauge::default(),
            connections: Gauge::default(),
        };
        let mut registry = Registry::with_prefix("sealock_node");
        registry.register("admissions", "Requests for jobs, by outcome", metrics.admissions.clone());
        registry.register("http_requests", "HTTP requests, by route and status", metrics.requests.clone());
        registry.register("jobs_completed", "Jobs completed since the start", metrics.completed.clone());
        registry.register("jobs_failed", "Jobs that could not be completed", metrics.failed.clone());
        let unit = || Unit::Seconds;
        registry.register_with_unit("job", "Time of a job's computation", unit(), metrics.seconds.clone());
        registry.register_with_unit("admission", "Time of an admission", unit(), metrics.admission_seconds.clone());
        registry.register("jobs_queued", "Jobs that wait", metrics.queued.clone());
        registry.register("jobs_running", "Jobs being computed", metrics.running.clone());
        registry.register("connections", "Open connections of clients", metrics.connections.clone());
        Self { registry, ..metrics }
    }

    pub(super) fn admitted(&self, outcome: &'static str, time: Duration) {
        self.admissions.get_or_create(&vec![("outcome", outcome.into())]).inc();
        self.admission_seconds.observe(time.as_secs_f64());
    }

    pub(super) fn requested(&self, route: &str, status: u16) {
        self.requests.get_or_create(&vec![("route", route.into()), ("status", status.to_string())]).inc();
    }

    pub(super) fn completed(&self, time: Duration) {
        self.completed.inc();
        self.seconds.observe(time.as_secs_f64());
        let micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        self.busy_micros.fetch_add(micros, std::sync::atomic::Ordering::Relaxed);
    }

    /// In how many seconds there will be room, at the rate so far.
    pub(super) fn seconds_for(&self, queued: usize, workers: usize) -> u64 {
        let all = self.busy_micros.load(std::sync::atomic::Ordering::Relaxed);
        let each = all.checked_div(self.completed.get()).unwrap_or(1_000_000);
        // A tenth of the queue, so that not everybody comes back to find one place.
        (each.saturating_mul(queued as u64 / 10 + 1) / workers as u64 / 1_000_000).clamp(1, 300)
    }

    pub(super) fn failed(&self) {
        self.failed.inc();
    }

    /// How many jobs were completed and how many failed since the start.
    pub(super) fn ended(&self) -> (u64, u64) {
        (self.completed.get(), self.failed.get())
    }

    /// The metrics as text.
    pub(super) fn text(&self, state: &State) -> String {
        let (queued, running) = state.queue.counts();
        self.queued.set(queued as i64);
        self.running.set(running as i64);
        let mut text = String::new();
        encode(&mut text, &self.registry).expect("a string takes any text");
        text
    }
}
