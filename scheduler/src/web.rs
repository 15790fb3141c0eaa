//! What is told over plain HTTP on the same port: metrics, and whether all is well.

use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use axum::routing::get;

use crate::leader::Leader;
use crate::meters;

/// A leader that does not answer within this is not well.
const PATIENCE: Duration = Duration::from_secs(2);

/// `/metrics` and `/healthz`.
pub fn router(leader: Leader) -> Router {
    Router::new().route("/metrics", get(metrics)).route("/healthz", get(healthz)).with_state(leader)
}

async fn metrics(State(leader): State<Leader>) -> impl IntoResponse {
    if let Ok(Ok(gauges)) = tokio::time::timeout(PATIENCE, leader.gauges()).await {
        meters::show(&gauges);
    }
    let handle = meters::install();
    handle.run_upkeep();
    ([(CONTENT_TYPE, "text/plain; version=0.0.4")], handle.render())
}

async fn healthz(State(leader): State<Leader>) -> (StatusCode, &'static str) {
    match tokio::time::timeout(PATIENCE, leader.gauges()).await {
        Ok(Ok(_)) => (StatusCode::OK, "ok\n"),
        _ => (StatusCode::SERVICE_UNAVAILABLE, "the leader does not answer\n"),
    }
}
