//! libav's words, kept for whoever needs them.
//!
//! libav has one log callback per process and calls it from codec threads too. A thread that
//! decodes on its own (`threads = 1`) can [`Listener::start`] to hear what is said on its behalf;
//! all else goes to a short memory that failures quote from. Nothing is printed.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::ffi::{c_char, c_int, c_void};
use std::sync::{Mutex, Once, PoisonError};

use ffmpeg_next::ffi;

/// How many lines a process remembers.
const REMEMBERED: usize = 40;
/// A listener stops counting here: a broken stream says the same thing a million times.
const HEARD_MAX: usize = 1000;

static RECENT: Mutex<VecDeque<String>> = Mutex::new(VecDeque::new());
static INSTALL: Once = Once::new();

thread_local! {
    static LISTENING: RefCell<Option<Vec<String>>> = const { RefCell::new(None) };
}

#[cfg(target_arch = "x86_64")]
type Arguments = *mut ffi::__va_list_tag;
#[cfg(not(target_arch = "x86_64"))]
type Arguments = ffi::va_list;

/// Routes libav's log here; later calls do nothing.
pub(crate) fn install() {
    INSTALL.call_once(|| {
        // SAFETY: the callback has the signature libav wants and never unwinds into it.
        unsafe { ffi::av_log_set_callback(Some(on_line)) };
    });
}

/// Begins anew: what was said of one order is nothing to the next.
pub(crate) fn forget() {
    RECENT.lock().unwrap_or_else(PoisonError::into_inner).clear();
}

/// The process's last warnings and errors, oldest first.
pub(crate) fn recent() -> Vec<String> {
    RECENT.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
}

/// What this thread's listener, if it has one, heard since it was last asked. For what libav calls
/// back, and so does not hold the listener.
pub(crate) fn heard() -> Vec<String> {
    LISTENING.with_borrow_mut(|heard| heard.as_mut().map(std::mem::take).unwrap_or_default())
}

/// Hears what libav says on this thread while it lives.
pub(crate) struct Listener(std::marker::PhantomData<*const ()>);

impl Listener {
    pub(crate) fn start() -> Listener {
        install();
        LISTENING.with_borrow_mut(|heard| *heard = Some(Vec::new()));
        Listener(std::marker::PhantomData)
    }

    /// What was said since the last call.
    pub(crate) fn take(&self) -> Vec<String> {
        heard()
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        LISTENING.with_borrow_mut(|heard| *heard = None);
    }
}

unsafe extern "C" fn on_line(
    context: *mut c_void,
    level: c_int,
    format: *const c_char,
    arguments: Arguments,
) {
    if level > ffi::AV_LOG_WARNING as c_int {
        return;
    }
    let mut buffer = [0 as c_char; 512];
    let mut print_prefix: c_int = 1;
    // SAFETY: libav gives us its own context, format and arguments; the buffer is as long as said
    // and is terminated by the call.
    let line = unsafe {
        ffi::av_log_format_line2(
            context,
            level,
            format,
            arguments,
            buffer.as_mut_ptr(),
            buffer.len() as c_int,
            &mut print_prefix,
        );
        super::owned_string(buffer.as_ptr())
    };
    // Contexts are printed with their addresses, which differ from run to run.
    let line = without_addresses(line.trim());
    if line.is_empty() {
        return;
    }
    let heard = LISTENING.try_with(|listening| {
        let Ok(mut listening) = listening.try_borrow_mut() else { return false };
        let Some(lines) = listening.as_mut() else { return false };
        if lines.len() < HEARD_MAX {
            lines.push(line.clone());
        }
        true
    });
    if heard != Ok(true) {
        let mut recent = RECENT.lock().unwrap_or_else(PoisonError::into_inner);
        if recent.len() == REMEMBERED {
            recent.pop_front();
        }
        recent.push_back(line);
    }
}

/// `[h264 @ 0x55d0c0] words` becomes `[h264] words`.
fn without_addresses(line: &str) -> String {
    let mut rest = line;
    let mut out = String::with_capacity(line.len());
    while let Some((before, after)) = rest.split_once(" @ 0x") {
        out.push_str(before);
        rest = after.trim_start_matches(|c: char| c.is_ascii_hexdigit());
    }
    out.push_str(rest);
    out
}
