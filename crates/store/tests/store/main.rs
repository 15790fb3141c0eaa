//! What a store promises, on a directory and on a real S3 server, and which stores are refused.

mod keeps;
mod refuses;
#[path = "../../../hls/tests/sample/mod.rs"]
mod sample;
mod server;
