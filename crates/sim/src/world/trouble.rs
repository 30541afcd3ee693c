//! What goes wrong, and how it ends.

use store::disk::recorded::SIZE;

use super::{Event, IDLE_US, Seat, World};
use crate::node::{Ending, START};
use crate::plan::{SYNC_SLOW_US, SYNC_US, Trouble, between};

impl World {
    /// Everything works from now on, and only consumers go on.
    pub fn heal(&mut self) {
        self.calm = true;
        self.sync_us = SYNC_US;
        self.node.disk().trouble(|trouble| *trouble = Default::default());
        // The clock is set right; it does not step back, or what is due would be late.
        let right = START.0 + i64::try_from(self.now_us / 1_000).expect("small");
        self.skew_ms = (self.clock_high.0 - right).max(0);
    }

    pub(super) fn trouble(&mut self, trouble: Trouble) {
        let soon = self.rng.draw() % 40;
        match trouble {
            Trouble::LosePower => self.node.disk().trouble(|disk| disk.power_lost_after = Some(soon)),
            Trouble::FailSync => self.node.disk().trouble(|disk| disk.sync_fails_after = Some(soon / 4)),
            Trouble::FailWrite => {
                self.marks.hit("write failed");
                self.node.disk().trouble(|disk| disk.write_fails_after = Some(soon));
            }
            Trouble::FillDisk => {
                self.marks.hit("disk full");
                self.history.disk_full = true;
                self.node.disk().trouble(|disk| disk.free = Some(SIZE / 20));
                self.after(soon * 50_000, Event::DiskHasRoom);
            }
            Trouble::SlowSync => {
                self.marks.hit("slow sync");
                self.sync_us = SYNC_SLOW_US;
                self.after(soon * 50_000, Event::DiskIsFast);
            }
            Trouble::Kill => {
                if self.node.broker().is_some() {
                    self.marks.hit("process killed");
                    self.end_process(Ending::Killed);
                }
            }
            Trouble::LoseState => {
                if self.node.broker().is_some() {
                    self.marks.hit("state deleted");
                    self.end_process(Ending::StateDeleted);
                }
            }
            Trouble::Restart => {
                if self.node.broker().is_some() {
                    self.marks.hit("clean restart");
                    for (call, answer) in self.node.stop() {
                        self.answer(call, Some(answer));
                    }
                    let pause = between(&mut self.rng, 1_000, 500_000);
                    self.after(pause, Event::Start);
                }
            }
            Trouble::JumpClock => {
                let by = i64::try_from(between(&mut self.rng, 0, 600_000)).expect("small") - 300_000;
                self.marks.hit(if by < self.skew_ms { "clock back" } else { "clock forward" });
                self.history.clock_jumps.push(self.tick);
                self.skew_ms = by;
            }
            Trouble::LoseClient => {
                self.marks.hit("client lost");
                let place = self.rng.below(self.seats.len());
                let role = self.seats[place].role.clone();
                if self.rng.once_in(2) {
                    // Its connection closes with it; of a machine that is lost the broker hears nothing.
                    self.node.disconnect(self.seats[place].number);
                }
                let (client, number) = self.new_client(&role);
                self.seats[place] = Seat { role, client, number, waits_for: None };
                self.after(IDLE_US, Event::Think { client: place, number });
            }
        }
    }
}
