//! Changing how long a popped message stays invisible: more time to work on it, or less to have it back (code 200053;
//! semantics.md section 13). The receipt handle stays valid, and so does a new one with the moment answered here.

use model::record::pop::InvisibleChanged;
use model::record::system::System;
use model::{Millis, Timestamp};
use store::Staged;

use crate::broker::Broker;
use crate::ops::ack::{self, Outcome};
use crate::ops::pop::turn::{Held, Pops};
use crate::state::inflight::{Hold, INVISIBLE_MAX};

impl Broker {
    /// Stages that the message stays invisible for `invisible` from now on.
    pub fn begin_change_invisible(
        &self,
        request: &ack::Request<'_>,
        invisible: Millis,
        now: Timestamp,
        staged: &mut Staged,
        pops: &mut Pops,
    ) -> Result<Outcome, ack::Error> {
        let (queue, offset, group) = self.acked_message(request)?;
        let due = now.after(invisible.min(INVISIBLE_MAX));
        if request.ordered {
            let mut offsets = self.machines.offsets.lock();
            let outcome = offsets.change_in_order(request.group, queue, offset, request.popped_at, due);
            drop(offsets);
            return ack::changed_batch(outcome, request, group, queue, pops);
        }
        let held = match self.machines.inflight.lock().hold(request.group, queue, offset, request.popped_at) {
            Hold::Gone => return Ok(Outcome::Late),
            Hold::Granted => true,
            Hold::Busy => false,
        };
        let (topic, queue_id) = queue;
        let changed = InvisibleChanged { group: group.clone(), topic, queue: queue_id, offset, due };
        staged.system(&System::InvisibleChanged(changed));
        pops.changed.push(Held { group, queue, offset, held });
        Ok(Outcome::Staged)
    }
}
