//! Batches in order whose messages are all visible again: who waits for their queue looks again. What the group has had as
//! often as it may goes to its dead-letter topic first; until it is there, the queue gives nothing. The dead letters and the
//! batch without them are one append.

use model::record::pop::{Batch, OpenMessage};
use model::{GroupName, QueueOffset, Timestamp};
use store::{AppendError, Staged};
use tracing::{error, warn};

use super::redeliver::Step;
use crate::broker::Broker;
use crate::state::inflight::Due;
use crate::state::offsets::Queue;

impl Broker {
    /// Ends what is due. False: some of it must be tried again.
    pub(super) fn end_batches(&self, now: Timestamp, staged: &mut Staged) -> bool {
        let take = || {
            let mut offsets = self.machines.offsets.lock();
            offsets.take_batch_due(now).map(|(group, queue, batch)| (group, queue, batch.clone()))
        };
        let mut waiting = Vec::new();
        while let Some((group, queue, batch)) = take() {
            match self.bury_worn_out(&group, queue, &batch, staged) {
                Ok(true) => self.machines.polls.wake_all(queue.0, &group),
                Ok(false) => waiting.push((group, queue)),
                Err(failed) => {
                    warn!(error = %failed, %group, "dead letters of a batch wait: the append failed");
                    waiting.push((group, queue));
                }
            }
        }
        // Not before the loop has ended, or it never would.
        for (group, queue) in &waiting {
            self.machines.offsets.lock().remind_of_batch(group.as_str(), *queue);
        }
        waiting.is_empty()
    }

    /// Moves the messages away that the group has had as often as it may. False: one of them cannot be read now.
    fn bury_worn_out(
        &self,
        group: &GroupName,
        queue: Queue,
        batch: &Batch,
        staged: &mut Staged,
    ) -> Result<bool, AppendError> {
        let deliveries_max = self.deliveries_max(group.as_str());
        staged.clear();
        let (mut gone, mut all): (Vec<QueueOffset>, _) = (Vec::new(), true);
        for message in batch.open.iter().filter(|message| message.delivered >= deliveries_max) {
            if self.stage_worn_out(group, queue, batch.popped_at, message, staged)? {
                gone.push(message.offset);
            } else {
                all = false;
            }
        }
        if gone.is_empty() {
            return Ok(all);
        }
        let record = self.machines.offsets.lock().batch_record_without(group, queue, &gone);
        // `None`: it was acked or reset after all.
        let Some(record) = record else { return Ok(true) };
        staged.system(&record);
        self.append_and_wait(staged)?;
        let still_there = {
            let mut offsets = self.machines.offsets.lock();
            let open = offsets.batch(group.as_str(), queue).map(|batch| batch.open.clone()).unwrap_or_default();
            let again: Vec<_> = open.iter().filter(|message| gone.contains(&message.offset)).collect();
            for message in &again {
                let _ = offsets.ack_in_order(group.as_str(), queue, message.offset, Timestamp(i64::MAX));
            }
            (!again.is_empty()).then(|| offsets.batch_record(group, queue))
        };
        // An ack of another message has written the batch as it was before: once more.
        if let Some(record) = still_there {
            staged.clear();
            staged.system(&record);
            self.append_and_wait(staged)?;
        }
        Ok(all)
    }

    /// Stages a dead letter. False: the message cannot be read now.
    fn stage_worn_out(
        &self,
        group: &GroupName,
        queue: Queue,
        popped_at: Timestamp,
        message: &OpenMessage,
        staged: &mut Staged,
    ) -> Result<bool, AppendError> {
        let due = Due { group: group.clone(), queue, offset: message.offset, popped_at };
        let attempts = i32::try_from(message.delivered).unwrap_or(i32::MAX);
        match self.stage_on(&due, staged, |_, _| (attempts, true))? {
            Step::Staged => {}
            Step::Lost(reason) => error!(%group, offset = %message.offset, %reason, "a dead letter is dropped"),
            Step::Later(error) => {
                warn!(%group, offset = %message.offset, %error, "a dead letter waits");
                return Ok(false);
            }
        }
        Ok(true)
    }
}
