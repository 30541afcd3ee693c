//! While one member of a group holds the lock of a queue, no other is granted it: not before it has been given up, or has
//! lived its 60 seconds by the broker's clock (the latest it has shown: clocks jump). A restart of the broker ends all locks (semantics.md section 14).

use std::collections::BTreeMap;

use model::{Millis, Timestamp};

use crate::history::{Drained, History, Run};
use crate::op::{Op, Queue};

/// How long a lock lives unless it is refreshed.
const LIFE: Millis = Millis(60_000);

struct Held {
    client: u32,
    life: u32,
    until: Timestamp,
}

pub fn check(history: &History, _: &Drained) -> Result<(), String> {
    let mut runs: Vec<(&Run, u32, &Op)> = Vec::new();
    for call in &history.calls {
        if let Op::Lock { .. } | Op::Unlock { .. } = call.op {
            runs.extend(call.runs.iter().map(|run| (run, call.client, &call.op)));
        }
    }
    runs.sort_by_key(|(run, ..)| run.tick);
    let mut held: BTreeMap<(&str, Queue), Held> = BTreeMap::new();
    for (run, client, op) in runs {
        match op {
            Op::Lock { group, queue } if run.granted => {
                if let Some(other) = held.get(&(*group, *queue))
                    && (other.client != client && other.life == run.life && run.clock_high < other.until)
                {
                    return Err(format!(
                        "{client} was granted {queue:?}, {} holds it until {:?}",
                        other.client, other.until
                    ));
                }
                let until = run.clock.after(LIFE);
                held.insert((*group, *queue), Held { client, life: run.life, until });
            }
            Op::Unlock { group, queue } if held.get(&(*group, *queue)).is_some_and(|held| held.client == client) => {
                held.remove(&(*group, *queue));
            }
            _ => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::testing::{QUEUE, history};
    use super::*;
    use crate::op::{Answer, ORDERED};

    fn lock(history: &mut History, client: u32, at: u64) {
        let op = Op::Lock { group: ORDERED, queue: QUEUE };
        history.call(op, at, at, Some(Answer::Locked(true))).client = client;
    }

    #[test]
    fn two_holders_of_one_lock_are_found() {
        let mut history = history();
        lock(&mut history, 1, 10);
        lock(&mut history, 1, 20);
        lock(&mut history, 2, 60_020);
        assert_eq!(check(&history, &Drained::default()), Ok(()), "the first one's has expired");
        lock(&mut history, 3, 60_021);
        check(&history, &Drained::default()).expect_err("2 holds it");
        history.calls.last_mut().expect("just pushed").runs[0].life = 2;
        assert_eq!(check(&history, &Drained::default()), Ok(()), "the broker has forgotten 2");
    }
}
