//! Makes Rust of `proto/segue/v1`, without protoc.

use std::error::Error;
use std::path::PathBuf;

use prost::Message;

const FILES: [&str; 5] = ["jobs", "workers", "segments", "admin", "commands"];

fn main() -> Result<(), Box<dyn Error>> {
    let root = PathBuf::from(std::env::var("CARGO_MANIFEST_DIR")?).join("../../proto");
    println!("cargo::rerun-if-changed={}", root.display());
    let files = FILES.map(|name| format!("segue/v1/{name}.proto"));
    let descriptors = protox::compile(files, [&root])?;
    // What reflection serves.
    let path = PathBuf::from(std::env::var("OUT_DIR")?).join("descriptors.bin");
    std::fs::write(path, descriptors.encode_to_vec())?;
    // Without the generated `connect`, which `Workers.Connect` would be called like; channels are made
    // by whoever knows how to reach a scheduler.
    tonic_prost_build::configure().build_transport(false).compile_fds(descriptors)?;
    Ok(())
}
