//! CPU time and memory of the measured server, from `/proc`.

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result, bail};

/// `USER_HZ`, the unit of the times in `/proc/PID/stat`: 100 on every Linux we run on, whatever the kernel's own tick.
const TICKS_PER_SECOND: u64 = 100;

/// User and system time of all threads since the process started, in steps of 10 ms.
pub fn cpu_time(pid: u32) -> Result<Duration> {
    let path = format!("/proc/{pid}/stat");
    let stat = fs::read_to_string(&path).with_context(|| format!("no process {pid}"))?;
    match ticks(&stat) {
        Some(ticks) => Ok(Duration::from_millis(ticks * (1000 / TICKS_PER_SECOND))),
        None => bail!("{path} is not in the known format"),
    }
}

/// Fields 14 and 15, counted behind the name, which may contain anything.
fn ticks(stat: &str) -> Option<u64> {
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_ascii_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some(user + system)
}

/// Resident memory, KiB.
pub fn resident_kib(pid: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().trim_end_matches(" kB").parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_found_behind_any_name() {
        let stat = "42 (a ) b) S 1 42 42 0 -1 4194560 1 0 0 0 250 50 0 0 20 0 3 0 100 0 0";
        assert_eq!(ticks(stat), Some(300));
        assert_eq!(ticks("42 (x) S"), None);
    }
}
