//! Which queues a member of a group shall read, and whether by pulling or popping: rebalancing done here instead of in each
//! client (codes 400 to 402; semantics.md section 10).

use model::name::NameError;
use model::record::system::System;
use model::{GroupName, TopicName};
use store::Staged;

use crate::broker::Broker;
use crate::ops::topic::Change;
use crate::state::request_modes::RequestMode;

/// A queue of a topic on some broker. Negative id: all queues of that broker.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct AssignedQueue {
    pub broker_name: String,
    pub queue_id: i32,
}

/// What a member shall do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assignment {
    pub pop: bool,
    /// `None`: it keeps what it has; it is not known here (yet).
    pub queues: Option<Vec<AssignedQueue>>,
}

/// A member's question.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    pub group: &'a str,
    pub topic: &'a str,
    pub client_id: &'a str,
    /// `AVG` or `AVG_BY_CIRCLE`.
    pub strategy: &'a str,
    pub broadcasting: bool,
}

/// Why nothing is assigned, or no mode is set.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("retry topic {0} is always pulled: set the mode of the topic itself")]
    RetryTopic(String),
    #[error("topic[{0}] not exist, apply first please!")]
    TopicNotFound(String),
    #[error(transparent)]
    Name(#[from] NameError),
    #[error("unsupported strategy {0}: use AVG or AVG_BY_CIRCLE")]
    Strategy(String),
}

impl Broker {
    /// Divides `queues`, all readable queues of the topic wherever they are, among the members of the group.
    pub fn assign(&self, request: &Request<'_>, mut queues: Vec<AssignedQueue>) -> Result<Assignment, Error> {
        let mode = self.machines.request_modes.lock().of(request.topic, request.group);
        let pop = mode.is_some_and(|mode| mode.pop);
        queues.sort();
        if request.broadcasting {
            return Ok(Assignment { pop: false, queues: Some(queues) });
        }
        // A member that does not subscribe to the topic would let its share lie.
        let members = self.clients.subscriber_ids(request.group, request.topic);
        let Some(place) = members.iter().position(|member| member == request.client_id) else {
            return Ok(Assignment { pop, queues: None });
        };
        let queues = match mode {
            Some(mode) if mode.pop => popped(&queues, members.len(), place, mode, request.strategy)?,
            _ => share(&queues, members.len(), place, request.strategy)?,
        };
        Ok(Assignment { pop, queues: Some(queues) })
    }

    /// Stages how a group asks for the messages of a topic.
    pub fn begin_set_request_mode(
        &self,
        topic: &str,
        group: &str,
        mode: RequestMode,
        staged: &mut Staged,
    ) -> Result<Change, Error> {
        let (name, group) = (TopicName::new(topic)?, GroupName::new(group)?);
        if name.is_retry() {
            return Err(Error::RetryTopic(topic.to_owned()));
        }
        if self.machines.topics.get(topic).is_none() {
            return Err(Error::TopicNotFound(topic.to_owned()));
        }
        if self.machines.request_modes.lock().of(topic, group.as_str()) == Some(mode) {
            return Ok(Change::Nothing);
        }
        let RequestMode { pop, share } = mode;
        staged.system(&System::RequestModeChanged { topic: name, group, pop, share });
        Ok(Change::Staged)
    }
}

/// A popping member's part: whole brokers while everybody may read everything, else its own share and those of the members
/// behind it.
fn popped(
    queues: &[AssignedQueue],
    members: usize,
    place: usize,
    mode: RequestMode,
    strategy: &str,
) -> Result<Vec<AssignedQueue>, Error> {
    let shared = usize::try_from(mode.share).unwrap_or(0);
    if shared == 0 || shared >= members - 1 {
        let mut brokers: Vec<_> = queues.iter().map(|queue| AssignedQueue { queue_id: -1, ..queue.clone() }).collect();
        brokers.dedup();
        return Ok(brokers);
    }
    if queues.is_empty() {
        return Ok(Vec::new());
    }
    if members > queues.len() {
        return Ok(vec![queues[place % queues.len()].clone()]);
    }
    let mut own = Vec::new();
    for behind in 0..=shared {
        own.extend(share(queues, members, (place + behind) % members, strategy)?);
    }
    Ok(own)
}

/// One member's share of the queues, as clients compute it.
fn share(queues: &[AssignedQueue], members: usize, place: usize, strategy: &str) -> Result<Vec<AssignedQueue>, Error> {
    match strategy {
        "AVG" | "" => {
            let (each, rest) = (queues.len() / members, queues.len() % members);
            let start = place * each + place.min(rest);
            let len = each + usize::from(place < rest);
            Ok(queues[start..start + len].to_vec())
        }
        "AVG_BY_CIRCLE" => Ok(queues.iter().skip(place).step_by(members).cloned().collect()),
        other => Err(Error::Strategy(other.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn queues(count: i32) -> Vec<AssignedQueue> {
        (0..count).map(|queue_id| AssignedQueue { broker_name: "a".into(), queue_id }).collect()
    }

    fn ids(queues: &[AssignedQueue]) -> Vec<i32> {
        queues.iter().map(|queue| queue.queue_id).collect()
    }

    fn shares(count: i32, members: usize, strategy: &str) -> Vec<Vec<i32>> {
        (0..members).map(|place| ids(&share(&queues(count), members, place, strategy).expect("known"))).collect()
    }

    #[test]
    fn queues_are_shared_as_clients_do_it() {
        assert_eq!(shares(8, 3, "AVG"), [vec![0, 1, 2], vec![3, 4, 5], vec![6, 7]]);
        assert_eq!(shares(2, 3, "AVG"), [vec![0], vec![1], vec![]]);
        assert_eq!(shares(8, 3, "AVG_BY_CIRCLE"), [vec![0, 3, 6], vec![1, 4, 7], vec![2, 5]]);
        assert!(matches!(share(&queues(1), 1, 0, "CONSISTENT"), Err(Error::Strategy(_))));
    }

    #[test]
    fn popping_members_read_whole_brokers_or_share_with_the_next_ones() {
        let of = |members, place, share| {
            let mode = RequestMode { pop: true, share };
            ids(&popped(&queues(8), members, place, mode, "AVG").expect("known"))
        };
        assert_eq!(of(4, 1, 0), [-1]);
        assert_eq!(of(4, 1, 3), [-1]);
        assert_eq!(of(1, 0, 1), [-1]);
        assert_eq!(of(4, 1, 1), [2, 3, 4, 5]);
        assert_eq!(of(4, 3, 1), [6, 7, 0, 1]);
        assert_eq!(of(9, 8, 1), [0]);
    }
}
