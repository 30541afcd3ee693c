//! Simulated clients: pure machines that are asked what they do next and told what became of it. A client has one request
//! under way at a time, and forgets everything when it is lost.

use store::disk::recorded::Rng;

use crate::op::{Answer, Check, Op, Queue};

mod admin;
mod ordered;
mod plain;
mod popper;
mod producer;
mod scanner;
pub mod transactions;

use admin::Admin;
use ordered::Ordered;
use plain::Plain;
use popper::Popper;
use producer::Producer;
use scanner::Scanner;
use transactions::Transactions;

/// What a client is.
#[derive(Clone, Debug)]
pub enum Role {
    /// Uniform: messages of one size to one queue of an async topic.
    Producer {
        uniform: bool,
    },
    Transactions,
    /// Consumes these queues for the plain group.
    Plain(Vec<Queue>),
    Ordered,
    Popper,
    Scanner,
    Admin,
}

/// A client at work.
pub enum Client {
    Producer(Producer),
    Transactions(Transactions),
    Plain(Plain),
    Ordered(Ordered),
    Popper(Popper),
    Scanner(Scanner),
    Admin(Admin),
}

impl Client {
    /// A client without a past. `number` is another one for each.
    #[must_use]
    pub fn new(role: &Role, number: u32) -> Client {
        match role {
            Role::Producer { uniform } => Client::Producer(Producer::new(number, *uniform)),
            Role::Transactions => Client::Transactions(Transactions::new(number)),
            Role::Plain(queues) => Client::Plain(Plain::new(queues.clone())),
            Role::Ordered => Client::Ordered(Ordered::default()),
            Role::Popper => Client::Popper(Popper::default()),
            Role::Scanner => Client::Scanner(Scanner::default()),
            Role::Admin => Client::Admin(Admin),
        }
    }

    /// What it asks now, at `now_us` by its own clock. `None`: nothing at the moment. In the calm nobody begins anything new.
    pub fn next(&mut self, now_us: u64, calm: bool, rng: &mut Rng) -> Option<Op> {
        match self {
            Client::Producer(producer) => (!calm).then(|| producer.next(now_us, rng)),
            Client::Transactions(transactions) => transactions.next(now_us, calm, rng),
            Client::Plain(plain) => plain.next(rng),
            Client::Ordered(ordered) => ordered.next(now_us, rng),
            Client::Popper(popper) => popper.next(calm, rng),
            Client::Scanner(scanner) => scanner.next(),
            Client::Admin(admin) => {
                if calm {
                    None
                } else {
                    admin.next(rng)
                }
            }
        }
    }

    /// The answer to what it asked at `asked_us`; `None`: refused, or nothing was heard.
    pub fn heard(&mut self, op: &Op, answer: Option<&Answer>, asked_us: u64, rng: &mut Rng) {
        match self {
            Client::Admin(_) => {}
            Client::Producer(producer) => producer.heard(op, answer, rng),
            Client::Transactions(transactions) => transactions.heard(op, answer, rng),
            Client::Plain(plain) => plain.heard(op, answer, rng),
            Client::Ordered(ordered) => ordered.heard(op, answer, asked_us),
            Client::Popper(popper) => popper.heard(op, answer),
            Client::Scanner(scanner) => scanner.heard(answer, rng),
        }
    }

    /// The broker asks about a half message. Whoever is no producer of transactions is not asked.
    pub fn asked(&mut self, check: Check) {
        if let Client::Transactions(transactions) = self {
            transactions.asked(check);
        }
    }

    /// Whether it has something to do when everything is healed.
    #[must_use]
    pub fn goes_on(&self) -> bool {
        self.consumes() || matches!(self, Client::Transactions(_))
    }

    #[must_use]
    pub fn consumes(&self) -> bool {
        matches!(self, Client::Plain(_) | Client::Ordered(_) | Client::Popper(_))
    }
}
