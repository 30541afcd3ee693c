//! Consumer groups by command: create, change, delete (codes 200, 225, 207).

use model::name::NameError;
use model::record::system::System;
use model::{GroupConfig, GroupName};
use store::Staged;

use crate::broker::Broker;
use crate::ops::topic::Change;

/// Why a group cannot be changed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Name(#[from] NameError),
    #[error("retryQueueNums of group {group} is {value}, allowed is 0 to {max}")]
    RetryQueues { group: String, value: u32, max: u32 },
}

/// Queues of a retry topic at most.
const RETRY_QUEUES_MAX: u32 = 1_024;

impl Broker {
    /// Creates a group or changes its configuration.
    pub fn begin_change_group(&self, config: GroupConfig, staged: &mut Staged) -> Result<Change, Error> {
        let name = GroupName::new(config.name.as_str())?;
        if config.retry_queues > RETRY_QUEUES_MAX {
            let group = name.to_string();
            return Err(Error::RetryQueues { group, value: config.retry_queues, max: RETRY_QUEUES_MAX });
        }
        if self.machines.groups.get(name.as_str()).is_some_and(|group| group.config == config) {
            return Ok(Change::Nothing);
        }
        staged.system(&System::GroupChanged { config });
        Ok(Change::Staged)
    }

    /// Creates or changes all of `groups`, or none of them if one is refused.
    pub fn begin_change_groups(
        &self,
        groups: impl Iterator<Item = GroupConfig>,
        staged: &mut Staged,
    ) -> Result<Change, Error> {
        let first = staged.len();
        for config in groups {
            if let Err(error) = self.begin_change_group(config, staged) {
                staged.truncate(first);
                return Err(error);
            }
        }
        Ok(if staged.len() > first { Change::Staged } else { Change::Nothing })
    }

    /// Deletes a group, with its consumer offsets if asked.
    pub fn begin_delete_group(&self, name: &str, with_offsets: bool, staged: &mut Staged) -> Result<Change, Error> {
        let name = GroupName::new(name)?;
        if self.machines.groups.get(name.as_str()).is_none() {
            return Ok(Change::Nothing);
        }
        staged.system(&System::GroupDeleted { name, with_offsets });
        Ok(Change::Staged)
    }
}
