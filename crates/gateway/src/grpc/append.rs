//! One append of one call: its buffers, and the wait for the disk.

use std::cell::RefCell;

use broker::ops::pop::turn::Pops;
use model::{LogOffset, TopicConfig};
use store::{AppendError, Appended, Staged};
use tracing::error;
use wire::grpc::v2::Code;

use super::Door;
use super::durable::Late;
use super::status::Refusal;

/// What a call stages. Kept and reused by its thread; empty before and after each use.
#[derive(Default)]
pub struct Scratch {
    pub staged: Staged,
    pub pops: Pops,
    /// Half messages whose end is staged.
    pub reserved: Vec<LogOffset>,
    /// The properties string of a message.
    pub properties: Vec<u8>,
    /// It has been appended: nothing is to be released.
    appended: bool,
}

impl Door {
    /// Lends the thread's buffers. `work` stages and appends with [`Door::append`], or gives up what it has staged.
    pub fn with_scratch<T>(&self, work: impl FnOnce(&mut Scratch) -> T) -> T {
        thread_local! {
            static SCRATCH: RefCell<Scratch> = RefCell::default();
        }
        SCRATCH.with_borrow_mut(|scratch| {
            let done = work(scratch);
            if !std::mem::take(&mut scratch.appended) {
                self.gateway.broker.release_pops(&mut scratch.pops);
                self.gateway.broker.release_halves(&scratch.reserved);
            }
            scratch.staged.clear();
            scratch.reserved.clear();
            scratch.properties.clear();
            done
        })
    }

    /// Appends what is staged. `None`: nothing was. What became of the entries can be asked until the scratch is given back.
    pub fn append(&self, scratch: &mut Scratch) -> Result<Option<Appended>, AppendError> {
        let broker = &self.gateway.broker;
        broker.stage_acks(&scratch.pops, &mut scratch.staged);
        if scratch.staged.is_empty() {
            return Ok(None);
        }
        let appended = broker.log().append(&mut scratch.staged)?;
        broker.pops_appended(&mut scratch.pops);
        scratch.appended = true;
        Ok(Some(appended))
    }

    /// Waits until an append is as durable as it shall be.
    pub async fn durable(&self, appended: Option<Appended>) -> Result<(), Late> {
        let Some(appended) = appended else { return Ok(()) };
        let log = self.gateway.broker.log();
        let began = self.now();
        let waited = self.durable.wait(log, appended).await;
        self.gateway.append_latency.record(self.now().since(began), 1);
        if waited.is_err() {
            self.gateway.admission.missed(appended.end);
        }
        waited
    }

    /// As [`Door::durable`], for calls whose answer has no word for a late disk.
    pub async fn durable_or_refuse(&self, appended: Option<Appended>) -> Result<(), Refusal> {
        let text = "the disk has not confirmed the write in time: ask again, doing it twice does no harm";
        self.durable(appended).await.map_err(|Late| Refusal::new(Code::MasterPersistenceTimeout, text))
    }

    /// Creates a topic a call needs, and waits until it is there.
    pub async fn create_topic(&self, config: TopicConfig) -> Result<(), Refusal> {
        let broker = self.gateway.broker.clone();
        let created = tokio::task::spawn_blocking(move || {
            let mut staged = Staged::default();
            broker.begin_create_topic(config, &mut staged);
            if staged.is_empty() { Ok(()) } else { broker.append_and_wait(&mut staged) }
        });
        match created.await {
            Ok(created) => Ok(created?),
            Err(panic) => {
                error!(%panic, "a topic could not be created");
                Err(Refusal::new(Code::InternalServerError, "the topic could not be created: see the broker's log"))
            }
        }
    }
}
