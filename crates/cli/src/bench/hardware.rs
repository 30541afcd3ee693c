//! What a figure was measured on: a rate without its machine says nothing.
//!
//! Everything is best effort; what the system does not tell is reported as empty.

use std::fs;

use serde::Serialize;

#[derive(Debug, Clone, Serialize)]
pub struct Hardware {
    pub cpu_model: String,
    /// Cores this process may use.
    pub cores: usize,
    pub memory_mib: u64,
    pub os: &'static str,
    pub arch: &'static str,
    pub kernel: String,
    /// File system and device of the working directory, such as `ext4 on /dev/vda`.
    pub disk: String,
}

impl Hardware {
    pub fn detect() -> Self {
        let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
        let field = |text: &str, name: &str| {
            text.lines()
                .find_map(|line| line.strip_prefix(name)?.trim_start().strip_prefix(':'))
                .map(|value| value.trim().to_owned())
                .unwrap_or_default()
        };
        let memory = field(&read("/proc/meminfo"), "MemTotal");
        let memory_kib: u64 = memory.trim_end_matches(" kB").parse().unwrap_or(0);
        let here = std::env::current_dir().map(|path| path.display().to_string()).unwrap_or_default();
        Self {
            cpu_model: field(&read("/proc/cpuinfo"), "model name"),
            cores: std::thread::available_parallelism().map_or(0, Into::into),
            memory_mib: memory_kib / 1024,
            os: std::env::consts::OS,
            arch: std::env::consts::ARCH,
            kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
            disk: disk_of(&read("/proc/self/mountinfo"), &here),
        }
    }
}

/// The file system that holds `path`: the mount with the longest prefix.
fn disk_of(mountinfo: &str, path: &str) -> String {
    let mount = |line: &str| {
        let (left, right) = line.split_once(" - ")?;
        let point = left.split(' ').nth(4)?.to_owned();
        let mut right = right.split(' ');
        Some((point, format!("{} on {}", right.next()?, right.next()?)))
    };
    let holds = |point: &str| {
        path.strip_prefix(point).is_some_and(|rest| point == "/" || rest.is_empty() || rest.starts_with('/'))
    };
    let best =
        mountinfo.lines().filter_map(mount).filter(|(point, _)| holds(point)).max_by_key(|(point, _)| point.len());
    best.map(|(_, disk)| disk).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_mount_holds_the_path() {
        let mountinfo = "22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw\n\
                         30 22 0:26 / /data rw - xfs /dev/vdb rw\n\
                         31 22 0:27 / /data/x rw - tmpfs tmpfs rw\n";
        assert_eq!(disk_of(mountinfo, "/data/y"), "xfs on /dev/vdb");
        assert_eq!(disk_of(mountinfo, "/database"), "ext4 on /dev/vda");
        assert_eq!(disk_of(mountinfo, "/data/x"), "tmpfs on tmpfs");
        assert_eq!(disk_of("", "/data"), "");
    }
}
