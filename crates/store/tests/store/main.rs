//! What a store promises, on a directory and on a real S3 server, and which stores are refused.

mod keeps;
mod refuses;
#[path = "../../../hls/tests/sample/mod.rs"]
mod sample;

use segue_s3_lab::Server;
use segue_store::S3Settings;

/// How a test's server is reached.
fn settings(server: &Server) -> S3Settings {
    S3Settings::of(server.variables())
}
