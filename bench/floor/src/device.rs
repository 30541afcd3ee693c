//! What the device itself takes: one `pwrite` of 4 KiB and one `fdatasync`, on blocks written before.

use std::path::Path;
use std::time::Instant;

use anyhow::Result;

use crate::ring::Ring;

const BLOCK_LEN: usize = 4096;

/// Appends and syncs `count` blocks, one after another. Returns microseconds as a line of JSON.
pub fn measure(path: &Path, ring_len: u64, count: u32) -> Result<String> {
    let mut ring = Ring::create(path, ring_len)?;
    let block = [0x5A; BLOCK_LEN];
    let mut taken_us = Vec::with_capacity(count as usize);
    for _ in 0..count {
        let begin = Instant::now();
        ring.append(&block)?;
        ring.sync()?;
        taken_us.push(begin.elapsed().as_secs_f64() * 1e6);
    }
    taken_us.sort_unstable_by(f64::total_cmp);
    let at = |quantile: f64| taken_us[((count - 1) as f64 * quantile).round() as usize];
    Ok(format!(
        r#"{{"count":{count},"p50_us":{:.1},"p99_us":{:.1},"p999_us":{:.1},"max_us":{:.1}}}"#,
        at(0.5),
        at(0.99),
        at(0.999),
        at(1.0)
    ))
}
