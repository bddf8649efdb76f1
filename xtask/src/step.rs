//! What a person sees: one line when a step starts, with what it usually costs, and one when it ends.

use std::time::{Duration, Instant};

use anyhow::Result;

/// Does `work` between two lines: what it is and how long it usually takes; then how long it took.
pub fn step<T>(what: &str, usually: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
    eprintln!("--> {what} ({usually})");
    let start = Instant::now();
    let result = work();
    match &result {
        Ok(_) => eprintln!("    done in {}", took(start.elapsed())),
        Err(_) => eprintln!("    failed after {}", took(start.elapsed())),
    }
    result
}

/// A duration as a person says it: `0.4 s`, `12 s`, `3 min 20 s`.
pub fn took(time: Duration) -> String {
    let seconds = time.as_secs_f64();
    if seconds < 9.95 {
        format!("{seconds:.1} s")
    } else if seconds < 119.5 {
        format!("{seconds:.0} s")
    } else {
        let whole = seconds.round() as u64;
        format!("{} min {} s", whole / 60, whole % 60)
    }
}

/// Bytes as a person says them: `831 B`, `25.3 kB`, `2.10 MB`.
pub fn bytes(count: u64) -> String {
    let count_f = count as f64;
    if count < 1_000 {
        format!("{count} B")
    } else if count < 1_000_000 {
        format!("{:.1} kB", count_f / 1e3)
    } else {
        format!("{:.2} MB", count_f / 1e6)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_like_speech() {
        assert_eq!(took(Duration::from_millis(412)), "0.4 s");
        assert_eq!(took(Duration::from_millis(9_990)), "10 s");
        assert_eq!(took(Duration::from_secs(200)), "3 min 20 s");
    }

    #[test]
    fn byte_counts_are_decimal() {
        assert_eq!(bytes(831), "831 B");
        assert_eq!(bytes(25_301), "25.3 kB");
        assert_eq!(bytes(2_100_000), "2.10 MB");
    }
}
