//! Ctrl-C, and being asked to end: children first, then everything else in order.

use std::io::{self, Read};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

const SIGNALS: [i32; 3] = [libc::SIGINT, libc::SIGTERM, libc::SIGHUP];

/// Whether somebody asked this process to end.
#[derive(Clone, Default)]
pub struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    /// From now on the first signal runs `act` once, on a thread of its own; a second one ends the
    /// process at once.
    pub fn on_signal(act: impl FnOnce() + Send + 'static) -> io::Result<Interrupt> {
        let interrupt = Interrupt::default();
        let (mut wakened, waker) = UnixStream::pair()?;
        for signal in SIGNALS {
            // Checked before it is set: the first signal finds it unset.
            let flag = interrupt.0.clone();
            signal_hook::flag::register_conditional_shutdown(signal, 130, flag.clone())?;
            signal_hook::flag::register(signal, flag)?;
            signal_hook::low_level::pipe::register(signal, waker.try_clone()?)?;
        }
        thread::Builder::new().name("interrupt".to_owned()).spawn(move || {
            if wakened.read(&mut [0]).is_ok_and(|count| count > 0) {
                act();
            }
        })?;
        Ok(interrupt)
    }

    /// Whether a signal came.
    pub fn happened(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}
