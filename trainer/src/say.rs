//! What is said to a person on the standard streams: a closed pipe or a full disk there never stops the work.
//!
//! Rust's own `println!` panics when its stream is gone, which would end a training for the sake of a progress line.

use std::fmt::Arguments;
use std::io::{ErrorKind, Write};
use std::sync::Mutex;

static FAULT: Mutex<Option<String>> = Mutex::new(None);

/// Says a line on standard output; what goes wrong is kept for [`fault`].
pub fn out(text: Arguments<'_>) {
    let written = writeln!(std::io::stdout(), "{text}");
    // A reader that has seen enough, such as `head`, is no fault.
    if let Err(error) = written
        && error.kind() != ErrorKind::BrokenPipe
        && let Ok(mut fault) = FAULT.lock()
    {
        fault.get_or_insert_with(|| format!("cannot write to standard output: {error}"));
    }
}

/// Says a line on standard error, if that is still there.
pub fn err(text: Arguments<'_>) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// The first thing that went wrong on standard output, a closed pipe aside.
pub fn fault() -> Option<String> {
    let flushed = std::io::stdout().flush();
    let kept = FAULT.lock().ok().and_then(|fault| fault.clone());
    kept.or_else(|| match flushed {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Some(format!("cannot write to standard output: {error}"))
        }
        _ => None,
    })
}

/// As `println!`, but never panics.
#[macro_export]
macro_rules! outln {
    ($($text:tt)*) => { $crate::say::out(format_args!($($text)*)) };
}

/// As `eprintln!`, but never panics.
#[macro_export]
macro_rules! errln {
    ($($text:tt)*) => { $crate::say::err(format_args!($($text)*)) };
}
