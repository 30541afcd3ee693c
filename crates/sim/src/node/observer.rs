//! Who hears what the log says: the broker's machines, or machines with a bug put in.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use broker::Machines;
use model::TopicId;
use model::record::system::System;
use store::{Fact, Frozen, LoadError, Observer};

use crate::plan::{Forgotten, Planted};

/// The machines of one process.
pub struct Planting {
    pub machines: Arc<Machines>,
    pub planted: Option<Planted>,
    /// The log is being opened: what it tells happened in earlier lives.
    pub opening: AtomicBool,
}

impl Planting {
    fn forgets(&self, fact: &Fact<'_>) -> bool {
        let (Some(Planted::Forgets(kind)), Fact::System { record, .. }) = (self.planted, fact) else { return false };
        match System::decode(record) {
            Ok(System::HalfStored { .. }) => kind == Forgotten::HalfStored,
            Ok(System::HalfResolved { .. }) => kind == Forgotten::HalfResolved,
            Ok(System::Popped(_)) => kind == Forgotten::Popped,
            Ok(System::Acked(_)) => kind == Forgotten::Acked,
            Ok(System::InvisibleChanged(_)) => kind == Forgotten::InvisibleChanged,
            Ok(System::TimerStored { .. }) => kind == Forgotten::TimerStored,
            Ok(System::TimersEnded { .. }) => kind == Forgotten::TimersEnded,
            Ok(System::TimerRecalled { .. }) => kind == Forgotten::TimerRecalled,
            _ => false,
        }
    }
}

impl Observer for Planting {
    fn topic_of(&self, name: &str) -> Option<TopicId> {
        self.machines.topic_of(name)
    }

    fn applied(&self, facts: &[Fact<'_>]) {
        if self.opening.load(Ordering::Relaxed) && facts.iter().any(|fact| self.forgets(fact)) {
            let known: Vec<_> = facts.iter().copied().filter(|fact| !self.forgets(fact)).collect();
            return self.machines.applied(&known);
        }
        self.machines.applied(facts);
    }

    fn freeze(&self) -> Frozen {
        if self.planted != Some(Planted::InflightNotSaved) {
            return self.machines.freeze();
        }
        let in_flight = std::mem::take(&mut *self.machines.inflight.lock());
        let frozen = self.machines.freeze();
        *self.machines.inflight.lock() = in_flight;
        frozen
    }

    fn load(&self, bytes: &[u8]) -> Result<(), LoadError> {
        self.machines.load(bytes)
    }
}
