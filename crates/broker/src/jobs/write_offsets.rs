//! Once a second: consumer offsets that were heard but not answered become records, one per group.

use store::{AppendError, Staged};

use crate::broker::Broker;

impl Broker {
    /// One round. On an error the offsets wait for the next one.
    pub fn write_offsets(&self, staged: &mut Staged) -> Result<(), AppendError> {
        let records = self.machines.offsets.lock().take_unwritten();
        for record in &records {
            staged.clear();
            staged.system(record);
            if let Err(error) = self.log.append(staged) {
                self.machines.offsets.lock().give_back(&records);
                return Err(error);
            }
        }
        Ok(())
    }
}
