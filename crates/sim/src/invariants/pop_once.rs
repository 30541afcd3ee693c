//! A message is given to one pop that is answered, and to no other one of the group: when its invisible time ends without an ack
//! it comes from the retry topic, as another message.

use std::collections::BTreeMap;

use crate::history::{Drained, History};

pub fn check(history: &History, _: &Drained) -> Result<(), String> {
    let mut given = BTreeMap::new();
    for (call, found) in history.pops() {
        for popped in found {
            let place = (popped.message.queue, popped.message.offset);
            if let Some(before) = given.insert(place, call.started) {
                return Err(format!("{popped:?} was given at tick {before} and at {}", call.started));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::testing::{QUEUE, history, popped};
    use super::*;

    #[test]
    fn a_message_that_is_popped_twice_is_found() {
        let mut history = history();
        history.pop(10, vec![popped(QUEUE, 0, 7, 0)]);
        history.pop(20, vec![popped(QUEUE, 1, 7, 0)]);
        assert_eq!(check(&history, &Drained::default()), Ok(()), "the producer sent it twice");
        history.pop(30, vec![popped(QUEUE, 0, 7, 0)]);
        check(&history, &Drained::default()).expect_err("it was given away at 10");
    }
}
