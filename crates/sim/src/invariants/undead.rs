//! What a recovery has cut off never comes back: a message that reached the broker in earlier lives only is not there beyond
//! the end its queue had when a later one started.

use std::collections::BTreeMap;

use crate::history::{Drained, History};
use crate::op::{SPARE, When};

pub fn check(history: &History, end: &Drained) -> Result<(), String> {
    // The last life in which each message may have been stored.
    let mut last_life: BTreeMap<u64, u32> = BTreeMap::new();
    for send in history.sends(|queue| queue.0 != SPARE).filter(|send| send.when == When::Now) {
        let Some(life) = send.call.runs.iter().map(|run| run.life).max() else { continue };
        send.ids.iter().for_each(|id| _ = last_life.insert(*id, life));
    }
    for (queue, content) in end.queues.iter().filter(|(queue, _)| queue.0 != SPARE) {
        for message in content.messages.iter().filter(|message| message.attempt == 0) {
            let Some(life) = message.id.and_then(|id| last_life.get(&id)) else { continue };
            let later = history.recovered.iter().filter(|recovered| recovered.life > *life);
            let ends = later.filter_map(|recovered| Some((recovered.life, *recovered.ends.get(queue)?)));
            if let Some((later, end)) = ends.min_by_key(|(_, end)| *end).filter(|(_, end)| *end <= message.offset) {
                return Err(format!("{message:?} was sent in life {life}, in life {later} the queue ended at {end}"));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::testing::{QUEUE, drained, history};
    use super::*;
    use crate::history::Recovered;

    #[test]
    fn a_message_that_comes_back_from_behind_a_cut_is_found() {
        let mut history = history();
        history.send(7, 1, 2, Some(0));
        history.send(8, 3, 4, None);
        let mut found = |end| {
            history.recovered = vec![Recovered { life: 2, ends: BTreeMap::from([(QUEUE, end)]) }];
            check(&history, &drained(0, &[7, 8]))
        };
        assert_eq!(found(2), Ok(()));
        found(1).expect_err("8 was gone when the second life began");
    }
}
