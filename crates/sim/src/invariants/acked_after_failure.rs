//! A sync that fails makes nothing durable: nothing may be called so.

use crate::history::{Drained, History};

pub fn check(history: &History, _: &Drained) -> Result<(), String> {
    match history.sync_failures.iter().find(|failure| failure.committed_after > failure.committed_before) {
        Some(failure) => Err(format!("{failure:?}")),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::SyncFailure;

    #[test]
    fn a_committed_end_that_moves_at_a_failed_sync_is_found() {
        let mut history = History::default();
        history.sync_failures.push(SyncFailure { committed_before: 10, committed_after: 10 });
        assert_eq!(check(&history, &Drained::default()), Ok(()));
        history.sync_failures.push(SyncFailure { committed_before: 10, committed_after: 20 });
        check(&history, &Drained::default()).expect_err("20 was not synced");
    }
}
