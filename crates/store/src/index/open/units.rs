//! The units of one queue in one segment: small for one unit, and without large copies for a million.

use crate::index::Packed;
use crate::index::blocks::Blocks;

/// Units at which a run changes from one vector to blocks: a push never copies more than 2 KiB.
const FEW_MAX: usize = 128;

/// Never empty.
pub(super) enum Units {
    /// Most queues of a broker with very many. Inline, no allocation.
    One(Packed),
    Few(Vec<Packed>),
    /// Boxed, so that the enum is no larger than a vector.
    Many(Box<Blocks<Packed, FEW_MAX>>),
}

const _: () = assert!(size_of::<Units>() == size_of::<Vec<Packed>>());

impl Units {
    pub(super) fn len(&self) -> usize {
        match self {
            Units::One(_) => 1,
            Units::Few(few) => few.len(),
            Units::Many(many) => many.len(),
        }
    }

    /// Panics if `index >= len`.
    pub(super) fn at(&self, index: usize) -> Packed {
        match self {
            Units::One(one) => [*one][index],
            Units::Few(few) => few[index],
            Units::Many(many) => *many.at(index),
        }
    }

    pub(super) fn last(&self) -> Packed {
        self.at(self.len() - 1)
    }

    pub(super) fn push(&mut self, unit: Packed) {
        match self {
            // The default growth of a vector would begin with four.
            Units::One(one) => *self = Units::Few(Vec::from([*one, unit])),
            Units::Few(few) if few.len() < FEW_MAX => few.push(unit),
            Units::Few(few) => {
                let mut many = Blocks::from_block(std::mem::take(few));
                many.push(unit);
                *self = Units::Many(Box::new(many));
            }
            Units::Many(many) => many.push(unit),
        }
    }

    /// The number of leading units for which `before` holds; it must hold for none after them.
    pub(super) fn partition_point(&self, before: impl Fn(&Packed) -> bool) -> usize {
        match self {
            Units::One(one) => usize::from(before(one)),
            Units::Few(few) => few.partition_point(before),
            Units::Many(many) => many.partition_point(before),
        }
    }
}
