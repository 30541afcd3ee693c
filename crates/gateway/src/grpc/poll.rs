//! Long polls: a call that waits for something to pop.

use std::sync::Arc;

use broker::ops::pop::poll::Poll;
use broker::state::arrivals::{TooMany, WaitId, Wake};
use tokio::sync::Notify;

use super::Door;

/// Wakes one call.
#[derive(Default)]
struct Alarm(Notify);

impl Wake for Alarm {
    fn wake(&self, _: &[WaitId]) {
        self.0.notify_one();
    }
}

/// A call's place among those who wait; dropping it gives it up.
pub struct Waiting<'a> {
    door: &'a Door,
    poll: &'a Poll,
    /// `None`: something has arrived meanwhile.
    id: Option<WaitId>,
    alarm: Arc<Alarm>,
}

impl<'a> Waiting<'a> {
    pub fn begin(door: &'a Door, poll: &'a Poll) -> Result<Waiting<'a>, TooMany> {
        let alarm = Arc::new(Alarm::default());
        let id = door.gateway.broker.wait_to_pop(poll, door.now(), alarm.clone())?;
        Ok(Waiting { door, poll, id, alarm })
    }

    /// Resolves when it is time to look again.
    pub async fn woken(&mut self) {
        if self.id.is_some() {
            self.alarm.0.notified().await;
            self.id = None;
        }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let Some(id) = self.id else { return };
        let broker = &self.door.gateway.broker;
        broker.machines.polls.cancel(&self.poll.key, id);
        // It may have been woken and does not look: somebody else shall.
        if broker.may_pop(self.poll, self.door.now()) {
            broker.machines.polls.wake_all(self.poll.key.topic, &self.poll.key.group);
        }
    }
}
