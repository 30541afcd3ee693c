//! Consumer groups and their configuration. Facts: `GroupChanged`, `GroupDeleted`.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use model::record::codec::{Malformed, Put, Reader};
use model::record::system::{put_group, read_group};
use model::{GroupConfig, GroupName, LogOffset};
use papaya::HashMap;
use parking_lot::Mutex;

use crate::state::shared_map::SharedMap;

/// A group with the log offset of the newest record about it.
#[derive(Debug)]
pub struct Group {
    pub config: GroupConfig,
    pub changed_at: LogOffset,
}

/// All groups, by name.
#[derive(Debug, Default)]
pub struct Groups {
    by_name: HashMap<GroupName, Arc<Group>>,
    /// The same for checkpoints; changed as facts are applied, and never looked up.
    to_save: Mutex<SharedMap<GroupName, Arc<Group>>>,
    changes: AtomicU64,
}

/// Groups every broker knows from the start (message-format.md section 7).
pub const SYSTEM_GROUPS: [&str; 8] = [
    "TOOLS_CONSUMER",
    "FILTERSRV_CONSUMER",
    "SELF_TEST_C_GROUP",
    "CID_ONS-HTTP-PROXY",
    "CID_ONSAPI_PULL",
    "CID_ONSAPI_PERMISSION",
    "CID_ONSAPI_OWNER",
    "CID_RMQ_SYS_TRANS",
];

/// A group the broker or the tools use themselves.
#[must_use]
pub fn is_system(name: &str) -> bool {
    name.starts_with("CID_RMQ_SYS_") || SYSTEM_GROUPS.contains(&name)
}

impl Groups {
    #[must_use]
    pub fn get(&self, name: &str) -> Option<Arc<Group>> {
        self.by_name.pin().get(name).cloned()
    }

    #[must_use]
    pub fn len(&self) -> usize {
        self.by_name.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Changes since the process started; tools that list groups in pages notice by it that they must begin again.
    #[must_use]
    pub fn changes(&self) -> u64 {
        self.changes.load(Ordering::Acquire)
    }

    /// All groups, sorted by name.
    #[must_use]
    pub fn all(&self) -> Vec<Arc<Group>> {
        let mut all: Vec<_> = self.by_name.pin().values().cloned().collect();
        all.sort_by(|a, b| a.config.name.cmp(&b.config.name));
        all
    }

    /// Applies `GroupChanged`.
    pub fn changed(&self, at: LogOffset, config: GroupConfig) {
        let (name, group) = (config.name.clone(), Arc::new(Group { config, changed_at: at }));
        self.to_save.lock().insert(name.clone(), Arc::clone(&group));
        self.by_name.pin().insert(name, group);
        self.changes.fetch_add(1, Ordering::Release);
    }

    /// Applies `GroupDeleted`.
    pub fn deleted(&self, name: &GroupName) {
        self.to_save.lock().remove(name);
        self.by_name.pin().remove(name);
        self.changes.fetch_add(1, Ordering::Release);
    }

    /// All groups as they are now.
    #[must_use]
    pub fn freeze(&self) -> FrozenGroups {
        FrozenGroups(self.to_save.lock().clone())
    }

    pub fn load(&self, fields: &mut Reader<'_>) -> Result<(), Malformed> {
        for _ in 0..fields.u32()? {
            let at = LogOffset(fields.u64()?);
            self.changed(at, read_group(fields)?);
        }
        Ok(())
    }
}

/// All groups as they were at a moment.
#[derive(Debug)]
pub struct FrozenGroups(SharedMap<GroupName, Arc<Group>>);

impl FrozenGroups {
    /// What [`Groups::load`] reads.
    pub fn save(&self, out: &mut Vec<u8>) {
        out.put_u32(u32::try_from(self.0.len()).expect("groups are bounded far below"));
        for (_, group) in self.0.iter() {
            out.put_u64(group.changed_at.0);
            put_group(out, &group.config);
        }
    }
}
