//! What is counted, for whoever is woken at night. Names and their meaning are in one place, here.

use std::sync::OnceLock;
use std::time::Duration;

use metrics::{counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};

/// What is true now, as the leader sees it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Gauges {
    /// Streams of workers that are open.
    pub connected: usize,
    /// Workers that are silent.
    pub suspected: usize,
    /// Workers that are to be empty, or want to leave.
    pub draining: usize,
    /// Devices that are not trusted now.
    pub quarantined: usize,
    /// Jobs that are known.
    pub jobs: usize,
    /// Claims on them.
    pub claims: usize,
    /// Viewers that could be given something and were not, for want of devices.
    pub viewers_waiting: usize,
    /// Jobs with batch work that nobody does yet.
    pub batches_queued: usize,
    /// Spans that are given out.
    pub leases: usize,
}

const COMMIT: &str = "segue_ledger_commit_seconds";

/// Where everything is counted: one for the process, as counters are.
pub fn install() -> &'static PrometheusHandle {
    static HANDLE: OnceLock<PrometheusHandle> = OnceLock::new();
    HANDLE.get_or_init(|| {
        let buckets = [0.0005, 0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 2.0];
        let builder = PrometheusBuilder::new();
        let matcher = Matcher::Full(COMMIT.to_owned());
        let builder = builder.set_buckets_for_metric(matcher, &buckets);
        let recorder = builder.unwrap_or_else(|_| PrometheusBuilder::new()).build_recorder();
        let handle = recorder.handle();
        // If the program that embeds us has one of its own, that one counts.
        let _ = metrics::set_global_recorder(recorder);
        describe();
        handle
    })
}

fn describe() {
    describe_gauge!("segue_workers_connected", "Workers whose stream is open");
    describe_gauge!("segue_workers_suspected", "Workers that are silent");
    describe_gauge!("segue_workers_draining", "Workers that are to be empty or want to leave");
    describe_gauge!("segue_devices_quarantined", "Devices that failed too often");
    describe_gauge!("segue_store_bytes", "Bytes in the store, when that was last looked at");
    describe_counter!("segue_jobs_removed_total", "Jobs that were removed to make room");
    describe_gauge!("segue_jobs", "Jobs that are known");
    describe_gauge!("segue_claims", "Claims on jobs, viewers among them");
    describe_gauge!("segue_viewers_waiting", "Viewers that wait for a device");
    describe_gauge!("segue_batches_queued", "Jobs with batch work that nobody does yet");
    describe_gauge!("segue_leases", "Spans that are given out");
    describe_counter!("segue_segments_published_total", "Segments that were stored");
    describe_counter!("segue_job_failures_total", "Jobs that failed, by class");
    describe_counter!("segue_fences_total", "Workers that lost what they held, by reason");
    describe_counter!("segue_quarantines_total", "Devices that were left alone for a while");
    describe_counter!("segue_stalls_total", "Spans that made no progress");
    describe_counter!("segue_suspicions_total", "Workers that fell silent");
    describe_counter!("segue_late_ticks_total", "Times that the scheduler itself woke late");
    describe_counter!("segue_submits_total", "Submits, by outcome");
    describe_counter!("segue_describes_total", "Sources that workers were asked to look at");
    describe_counter!("segue_ledger_failures_total", "Transactions that the ledger did not take");
    describe_counter!("segue_ledger_writes_total", "Writes that were made durable");
    describe_histogram!(COMMIT, "How long a transaction of the ledger took");
}

/// Sets all gauges.
pub fn show(gauges: &Gauges) {
    let set = |name: &'static str, value: usize| gauge!(name).set(value as f64);
    set("segue_workers_connected", gauges.connected);
    set("segue_workers_suspected", gauges.suspected);
    set("segue_workers_draining", gauges.draining);
    set("segue_devices_quarantined", gauges.quarantined);
    set("segue_jobs", gauges.jobs);
    set("segue_claims", gauges.claims);
    set("segue_viewers_waiting", gauges.viewers_waiting);
    set("segue_batches_queued", gauges.batches_queued);
    set("segue_leases", gauges.leases);
}

/// Counts something that has no label.
pub fn count(name: &'static str, times: u64) {
    counter!(name).increment(times);
}

/// Counts a job that failed.
pub fn job_failed(class: &'static str) {
    counter!("segue_job_failures_total", "class" => class).increment(1);
}

/// Counts a worker that lost what it held.
pub fn fenced(reason: &'static str) {
    counter!("segue_fences_total", "reason" => reason).increment(1);
}

/// Counts a submit, by the gRPC code of its answer.
pub fn submitted(outcome: &'static str) {
    counter!("segue_submits_total", "outcome" => outcome).increment(1);
}

/// Notes how much the store holds.
pub fn store_held(bytes: u64) {
    gauge!("segue_store_bytes").set(bytes as f64);
}

/// Takes the time of a transaction.
pub fn ledger_committed(took: Duration, writes: usize) {
    histogram!(COMMIT).record(took.as_secs_f64());
    counter!("segue_ledger_writes_total").increment(writes as u64);
}

/// Counts a transaction that failed.
pub fn ledger_failed() {
    counter!("segue_ledger_failures_total").increment(1);
}
