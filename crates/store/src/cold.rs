//! Reader threads: the few threads that may wait for the disk, so that the I/O threads never do; and buffers a file can
//! be read into at full copy speed.
//!
//! Deliberately absent: priorities and cancellation. A job is one bounded read; its deadline is its caller's.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use parking_lot::{Condvar, Mutex};

use crate::Busy;

/// One read, and what is to be done with it.
pub type Job = Box<dyn FnOnce() + Send>;

/// Jobs that wait, for each thread. At 100 us a cold read this is a wait of 25 ms; more would only hide an overload.
const WAITING_MAX_PER_THREAD: usize = 256;

/// A fixed set of threads with one bounded queue of jobs.
pub struct Readers {
    shared: Arc<Shared>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

struct Shared {
    queue: Mutex<Queue>,
    /// Signalled when a job came or the queue was closed.
    changed: Condvar,
    waiting_max: usize,
}

#[derive(Default)]
struct Queue {
    jobs: VecDeque<Job>,
    closed: bool,
}

impl Readers {
    /// Starts `threads` threads (at least one).
    pub fn start(threads: usize) -> io::Result<Readers> {
        let threads = threads.max(1);
        let shared = Arc::new(Shared {
            queue: Mutex::default(),
            changed: Condvar::new(),
            waiting_max: threads * WAITING_MAX_PER_THREAD,
        });
        let readers = Readers { shared: Arc::clone(&shared), threads: Mutex::default() };
        for number in 0..threads {
            let shared = Arc::clone(&shared);
            // On failure `readers` is dropped, which ends the threads that did start.
            let thread = thread::Builder::new().name(format!("log-read-{number}")).spawn(move || shared.work())?;
            readers.threads.lock().push(thread);
        }
        Ok(readers)
    }

    /// Hands `job` to the next free thread. Refused when as many wait as may, and after [`Readers::close`].
    pub fn run(&self, job: Job) -> Result<(), Busy> {
        let mut queue = self.shared.queue.lock();
        if queue.closed || queue.jobs.len() >= self.shared.waiting_max {
            return Err(Busy);
        }
        queue.jobs.push_back(job);
        drop(queue);
        self.shared.changed.notify_one();
        Ok(())
    }

    /// Refuses new jobs, lets the waiting ones finish, and returns when all threads have ended.
    pub fn close(&self) {
        self.shared.queue.lock().closed = true;
        self.shared.changed.notify_all();
        let threads = std::mem::take(&mut *self.threads.lock());
        for thread in threads {
            // A job may hold the last reference to its log: then this runs on a reader thread, which cannot wait for
            // itself; it ends when the job returns.
            if thread.thread().id() != thread::current().id() && thread.join().is_err() {
                tracing::error!("a reader thread panicked");
            }
        }
    }
}

impl Drop for Readers {
    fn drop(&mut self) {
        self.close();
    }
}

impl Shared {
    fn work(&self) {
        while let Some(job) = self.next() {
            job();
        }
    }

    fn next(&self) -> Option<Job> {
        let mut queue = self.queue.lock();
        loop {
            if let Some(job) = queue.jobs.pop_front() {
                return Some(job);
            }
            if queue.closed {
                return None;
            }
            self.changed.wait(&mut queue);
        }
    }
}

/// The kernel copies at a fraction of its speed when (destination - source) mod 4096 is small but not 0 (DATAPATH.md,
/// "copy trap"); the page cache's source address is the file offset, modulo 4096.
const CONGRUENCE: usize = 4096;

/// A reusable buffer for reads from a file, whose bytes lie at an address congruent to their file offset modulo 4096.
#[derive(Default)]
pub struct CongruentBuffer {
    bytes: Vec<u8>,
}

impl CongruentBuffer {
    pub const EMPTY: CongruentBuffer = CongruentBuffer { bytes: Vec::new() };

    /// What [`CongruentBuffer::at`], asked the same, was filled with.
    ///
    /// # Panics
    /// If it was not asked before.
    #[must_use]
    pub fn held(&self, file_offset: u64, len: usize) -> &[u8] {
        let skip = self.skip(file_offset);
        &self.bytes[skip..skip + len]
    }

    fn skip(&self, file_offset: u64) -> usize {
        let want = usize::try_from(file_offset % CONGRUENCE as u64).expect("less than a page");
        let have = self.bytes.as_ptr().addr() % CONGRUENCE;
        (want + CONGRUENCE - have) % CONGRUENCE
    }

    /// Room for `len` bytes that lie at `file_offset`. The content is whatever an earlier read left.
    pub fn at(&mut self, file_offset: u64, len: usize) -> &mut [u8] {
        if self.bytes.len() < len + CONGRUENCE {
            // Not `resize`: it would copy old bytes nobody wants.
            self.bytes = vec![0; (len + CONGRUENCE).next_power_of_two()];
        }
        let skip = self.skip(file_offset);
        &mut self.bytes[skip..skip + len]
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[test]
    fn jobs_run_on_named_threads() {
        let readers = Readers::start(2).unwrap();
        let (send, names) = mpsc::channel();
        readers.run(Box::new(move || send.send(thread::current().name().map(str::to_owned)).unwrap())).unwrap();
        assert!(names.recv().unwrap().unwrap().starts_with("log-read-"));
    }

    #[test]
    fn a_full_queue_answers_busy_and_runs_what_it_took() {
        let readers = Readers::start(1).unwrap();
        let (started_send, started) = mpsc::channel();
        let (release, hold) = mpsc::channel::<()>();
        readers
            .run(Box::new(move || {
                started_send.send(()).unwrap();
                hold.recv().unwrap();
            }))
            .unwrap();
        started.recv().unwrap();

        let (send, done) = mpsc::channel();
        for number in 0..WAITING_MAX_PER_THREAD {
            let send = send.clone();
            readers.run(Box::new(move || send.send(number).unwrap())).unwrap();
        }
        assert_eq!(readers.run(Box::new(|| ())), Err(Busy));

        release.send(()).unwrap();
        readers.close();
        assert!(done.try_iter().eq(0..WAITING_MAX_PER_THREAD));
        assert_eq!(readers.run(Box::new(|| ())), Err(Busy));
    }

    #[test]
    fn a_job_may_drop_the_last_owner() {
        let readers = Arc::new(Readers::start(2).unwrap());
        let inside = Arc::clone(&readers);
        let (go, wait) = mpsc::channel::<()>();
        let (send, done) = mpsc::channel();
        readers
            .run(Box::new(move || {
                wait.recv().unwrap();
                drop(inside);
                send.send(()).unwrap();
            }))
            .unwrap();
        drop(readers);
        go.send(()).unwrap();
        done.recv().unwrap();
    }

    #[test]
    fn buffers_are_congruent_to_the_file_offset() {
        let mut buffer = CongruentBuffer::default();
        for (file_offset, len) in [(0, 10), (1, 100_000), (4_095, 1), (1_234_567, 70_000), (48, 0)] {
            let bytes = buffer.at(file_offset, len);
            assert_eq!(bytes.len(), len);
            assert_eq!(bytes.as_ptr().addr() as u64 % 4096, file_offset % 4096);
        }
    }
}
