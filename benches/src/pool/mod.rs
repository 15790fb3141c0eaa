//! What the pool gives and costs: real schedulers and workers, as processes of their own, in a
//! directory of their own. Measured from outside: by what is in the store, by what a client is
//! answered, and by what the kernel counts.
//!
//! Start at [`house::House`] for how a pool is run.

mod film;
pub mod house;
pub mod kill;
pub mod kills;
pub mod many_jobs;
pub mod share;
mod stub;
pub mod submits;

use std::time::Duration;

use tokio::runtime::Runtime;

/// What runs the clients.
pub fn runtime() -> anyhow::Result<Runtime> {
    Ok(tokio::runtime::Builder::new_multi_thread().enable_all().build()?)
}

/// The value that `share` of all do not exceed.
pub fn quantile(values: &[f64], share: f64) -> f64 {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    let at = (values.len() as f64 * share).ceil() as usize;
    values.get(at.clamp(1, values.len().max(1)) - 1).copied().unwrap_or(f64::NAN)
}

/// Milliseconds.
pub fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

/// Numbers that look drawn, the same in each run.
pub struct Draws(pub u64);

impl Draws {
    /// From 0 up to 1.
    pub fn share(&mut self) -> f64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// From 0 up to `bound`, which is never drawn.
    pub fn below(&mut self, bound: u32) -> u32 {
        (self.share() * f64::from(bound)) as u32
    }
}
