//! One process at a time, and what a data directory says about itself: `LOCK` and `node.toml`.

use std::fs;
use std::hash::{BuildHasher, RandomState};
use std::path::Path;

use crate::api::{OpenError, Options};
use crate::disk::{self, Disk};
use crate::recovery::io_error;

/// Version of everything in the directory. A newer one is refused, not guessed at.
const FORMAT_VERSION: u32 = 1;

const NODE_FILE: &str = "node.toml";

/// Held while the log is open; the kernel lets go of it when the process ends, however it ends.
pub struct Lock {
    _file: fs::File,
}

impl Lock {
    /// Takes the lock of the directory.
    pub fn take(dir: &Path) -> Result<Lock, OpenError> {
        let path = dir.join("LOCK");
        let file = fs::OpenOptions::new().create(true).truncate(false).write(true).open(path);
        let file = file.map_err(io_error("opening the LOCK file"))?;
        match rustix::fs::flock(&file, rustix::fs::FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Lock { _file: file }),
            Err(rustix::io::Errno::WOULDBLOCK) => Err(OpenError::Locked { dir: dir.display().to_string() }),
            Err(error) => Err(io_error("locking the data directory")(error.into())),
        }
    }
}

/// What `node.toml` says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    pub format_version: u32,
    /// Sixteen random bytes in hex: tells one data directory from another.
    pub identity: String,
    pub segment_bytes: u64,
}

impl Node {
    /// Reads the file, or writes it into a new directory.
    pub fn read_or_create(disk: &dyn Disk, options: &Options) -> Result<Node, OpenError> {
        let dir = || options.dir.display().to_string();
        let node = match disk.open(NODE_FILE) {
            Ok(file) => {
                let bytes = disk::read_all(&*file).map_err(io_error("reading node.toml"))?;
                let text = String::from_utf8_lossy(&bytes);
                Node::parse(&text).ok_or_else(|| {
                    let source = std::io::Error::other("format_version, identity or segment_bytes is missing");
                    OpenError::Io { what: "reading node.toml".into(), source }
                })?
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                let node = Node {
                    format_version: FORMAT_VERSION,
                    identity: new_identity(),
                    segment_bytes: options.segment_bytes,
                };
                disk::replace(disk, NODE_FILE, node.text().as_bytes()).map_err(io_error("writing node.toml"))?;
                node
            }
            Err(error) => return Err(io_error("opening node.toml")(error)),
        };
        if node.format_version != FORMAT_VERSION {
            return Err(OpenError::Version { dir: dir(), found: node.format_version, known: FORMAT_VERSION });
        }
        Ok(node)
    }

    fn text(&self) -> String {
        format!(
            "# Written by kerolox when the directory was created. Not to be edited.\n\
             format_version = {}\nidentity = \"{}\"\nsegment_bytes = {}\n",
            self.format_version, self.identity, self.segment_bytes
        )
    }

    /// Reads what [`Node::text`] wrote; keys of later versions are left alone.
    fn parse(text: &str) -> Option<Node> {
        let value = |key: &str| {
            let line = text.lines().find_map(|line| line.trim().strip_prefix(key)?.trim().strip_prefix('='))?;
            Some(line.trim().trim_matches('"'))
        };
        Some(Node {
            format_version: value("format_version")?.parse().ok()?,
            identity: value("identity")?.to_owned(),
            segment_bytes: value("segment_bytes")?.parse().ok()?,
        })
    }
}

fn new_identity() -> String {
    // The standard library seeds its hashers from the system; that is random enough for a name.
    format!("{:016x}{:016x}", RandomState::new().hash_one(1), RandomState::new().hash_one(2))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::RealDisk;

    #[test]
    fn a_directory_keeps_its_identity_and_its_segment_size() {
        let dir = tempfile::tempdir().expect("a directory");
        let disk = RealDisk::new(dir.path());
        let first = Node::read_or_create(&disk, &Options::new(dir.path())).expect("created");
        let other = Options { segment_bytes: 1 << 20, ..Options::new(dir.path()) };
        assert_eq!(Node::read_or_create(&disk, &other).expect("read"), first);
        assert_eq!(first.identity.len(), 32);
    }

    #[test]
    fn a_newer_format_is_refused() {
        let dir = tempfile::tempdir().expect("a directory");
        let node = Node { format_version: 2, identity: "x".into(), segment_bytes: 65_536 };
        fs::write(dir.path().join(NODE_FILE), node.text()).expect("written");
        let opened = Node::read_or_create(&RealDisk::new(dir.path()), &Options::new(dir.path()));
        assert!(matches!(opened, Err(OpenError::Version { found: 2, known: 1, .. })));
    }

    #[test]
    fn only_one_takes_the_lock() {
        let dir = tempfile::tempdir().expect("a directory");
        let held = Lock::take(dir.path()).expect("free");
        assert!(matches!(Lock::take(dir.path()), Err(OpenError::Locked { .. })));
        drop(held);
        Lock::take(dir.path()).expect("free again");
    }
}
