//! Marks that show when a request arrives or is answered.

use super::World;
use crate::op::{Answer, Op, PLAIN};
use crate::wanted;

impl World {
    /// A request has reached the broker.
    pub(super) fn mark_arrival(&mut self, call: usize, granted: bool) {
        let call = &self.history.calls[call];
        match call.op {
            Op::Lock { queue, .. } if granted => {
                let (holder, life) = (call.client, self.node.life);
                let before = self.lock_holders.insert(queue, (holder, life));
                if before.is_some_and(|before| before.0 != holder && before.1 == life) {
                    self.marks.hit("queue lock taken over");
                }
            }
            Op::Unlock { queue, .. } => {
                self.lock_holders.remove(&queue);
            }
            _ => {}
        }
    }

    /// A client has been answered.
    pub(super) fn mark_answer(&mut self, call: usize, answer: Option<&Answer>) {
        match (&self.history.calls[call].op, answer) {
            (Op::Lock { .. }, Some(Answer::Locked(false))) => self.marks.hit("queue lock refused"),
            (Op::EndTransaction { commit, asked, .. }, Some(_)) => self.marks.hit(match (commit, asked) {
                (true, true) => "transaction committed when asked",
                (true, false) => "transaction committed",
                (false, _) => "transaction rolled back",
            }),
            (Op::Ack { .. }, Some(_)) => {
                self.marks.hit("popped message acked");
                if self.history.calls[call].runs.len() > 1 {
                    self.marks.hit("popped message acked twice");
                }
            }
            (Op::Recall { .. }, Some(_)) => self.marks.hit("timed message recalled"),
            (Op::Recall { .. }, None) if !self.history.calls[call].runs.is_empty() => {
                self.marks.hit("timed message recalled too late");
            }
            (Op::Scan { wanted, .. }, Some(Answer::Scanned { found, .. })) if !found.is_empty() => {
                self.marks.hit(if wanted::ALL[*wanted].kind.is_some() { "found by SQL" } else { "found by tag" });
            }
            (Op::Hide { .. }, Some(_)) => self.marks.hit("popped message hidden for longer"),
            (Op::Pop { .. }, Some(Answer::Popped(found))) if found.iter().any(|popped| popped.message.attempt > 0) => {
                self.marks.hit("popped message came again");
            }
            (Op::Delete { .. }, Some(_)) => self.marks.hit("topic deleted"),
            (Op::Pull { group: PLAIN, .. }, Some(Answer::Pulled { reset: true, .. })) => {
                self.marks.hit("consumer offset reset");
            }
            _ => {}
        }
    }
}
