//! A timer fine enough for an open loop.
//!
//! The runtime's timers tick in milliseconds, which would be most of the latency we want to measure; on Linux a
//! `timerfd` wakes within tens of microseconds.

#[cfg(target_os = "linux")]
pub use fine::Timer;

#[cfg(not(target_os = "linux"))]
pub use coarse::Timer;

#[cfg(target_os = "linux")]
mod fine {
    use std::io;
    use std::os::fd::OwnedFd;
    use std::time::{Duration, Instant};

    use rustix::time::{
        Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create, timerfd_settime,
    };
    use tokio::io::Interest;
    use tokio::io::unix::AsyncFd;

    /// Waits for moments, one at a time.
    pub struct Timer {
        fd: AsyncFd<OwnedFd>,
        set_for: Option<Instant>,
    }

    impl Timer {
        /// Must be called within the runtime.
        #[expect(deprecated, reason = "an OwnedFd gives the I/O safety it lacks; the successor is an unsafe function")]
        pub fn new() -> io::Result<Self> {
            let fd = timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC)?;
            Ok(Self { fd: AsyncFd::with_interest(fd, Interest::READABLE)?, set_for: None })
        }

        /// Returns at `moment` or soon after. May be dropped and called again.
        pub async fn until(&mut self, moment: Instant) -> io::Result<()> {
            if self.set_for != Some(moment) {
                let wait = moment.saturating_duration_since(Instant::now());
                if wait.is_zero() {
                    return Ok(());
                }
                let once = Itimerspec { it_interval: timespec(Duration::ZERO), it_value: timespec(wait) };
                timerfd_settime(self.fd.get_ref(), TimerfdTimerFlags::empty(), &once)?;
                self.set_for = Some(moment);
            }
            loop {
                let mut ready = self.fd.readable().await?;
                let read = ready.try_io(|fd| Ok(rustix::io::read(fd.get_ref(), &mut [0; 8])?));
                if let Ok(result) = read {
                    self.set_for = None;
                    return result.map(|_| ());
                }
            }
        }
    }

    fn timespec(wait: Duration) -> Timespec {
        Timespec { tv_sec: wait.as_secs().cast_signed(), tv_nsec: wait.subsec_nanos().into() }
    }
}

#[cfg(not(target_os = "linux"))]
mod coarse {
    use std::io;
    use std::time::Instant;

    /// Waits for moments, to the millisecond.
    pub struct Timer;

    impl Timer {
        /// Must be called within the runtime.
        pub fn new() -> io::Result<Self> {
            Ok(Self)
        }

        /// Returns at `moment` or up to two milliseconds later. May be dropped and called again.
        pub async fn until(&mut self, moment: Instant) -> io::Result<()> {
            tokio::time::sleep_until(moment.into()).await;
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::Timer;

    #[tokio::test]
    async fn the_timer_never_returns_early_and_can_be_given_up() {
        let mut timer = Timer::new().unwrap();
        let far = Instant::now() + Duration::from_secs(60);
        tokio::select! {
            biased;
            result = timer.until(far) => panic!("a minute passed in no time: {result:?}"),
            () = std::future::ready(()) => {}
        }
        let near = Instant::now() + Duration::from_millis(3);
        timer.until(near).await.unwrap();
        assert!(Instant::now() >= near);
    }
}
