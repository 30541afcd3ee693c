//! A topic that was created again never shows messages of the one that was deleted.

use crate::history::{Drained, History};
use crate::op::{Op, SPARE};

pub fn check(history: &History, end: &Drained) -> Result<(), String> {
    let Some(content) = end.queues.get(&(SPARE, 0)) else { return Ok(()) };
    let deletions = history.calls.iter().filter(|call| matches!(call.op, Op::Delete { .. }) && call.answer.is_some());
    let Some(deleted) = deletions.map(|call| call.started).max() else { return Ok(()) };
    for send in history.sends(|queue| queue.0 == SPARE) {
        let old = send.call.runs.iter().all(|run| run.tick < deleted);
        let there = |id: &&u64| content.messages.iter().any(|message| message.id == Some(**id));
        if let Some(id) = send.ids.iter().find(there).filter(|_| old) {
            return Err(format!("message {id:x} is there, its topic was deleted after tick {deleted}"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::testing::history;
    use super::*;
    use crate::op::{Answer, When};

    #[test]
    fn a_message_of_the_deleted_topic_is_found() {
        let mut history = history();
        history.call(
            Op::Send { to: (SPARE, 0), ids: vec![7], when: When::Now },
            1,
            2,
            Some(Answer::Sent { first: Some(0) }),
        );
        history.call(Op::Delete { topic: SPARE }, 3, 4, Some(Answer::Done));
        history.call(
            Op::Send { to: (SPARE, 0), ids: vec![8], when: When::Now },
            5,
            6,
            Some(Answer::Sent { first: Some(0) }),
        );
        let mut end = Drained::default();
        end.put((SPARE, 0), 0, &[8]);
        assert_eq!(check(&history, &end), Ok(()));
        end.put((SPARE, 0), 0, &[7, 8]);
        check(&history, &end).expect_err("7 went with its topic");
    }
}
