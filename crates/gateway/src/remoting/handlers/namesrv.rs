//! The codes of the name server: decode, one call, encode.
//!
//! Routes are in [`namesrv::NameServer`], the key-value table is the broker's. What changes routes by hand is
//! served to loopback alone; what brokers say about themselves, to the networks the name server accepts.
//! Functions here see no connection and no log, so recordings can be played through them: a durable change
//! is handed back as facts, and [`serve`] answers it when they are durable.

mod brokers;
mod config;
mod topics;

use std::net::IpAddr;

use broker::state::kv::Kv;
use model::Timestamp;
use model::record::system::System;
use namesrv::{Link, NameServer, RegisterError, Settings, Source, TopicKind, Viewer};
use parking_lot::Mutex;
use wire::remoting::code::{RequestCode, ResponseCode};
use wire::remoting::command::Header;
use wire::remoting::header::FieldError;
use wire::remoting::json::JsonError;
use wire::remoting::reply::{Response, Value};

use crate::remoting::Gateway;
use crate::remoting::dispatch::Outcome;
use crate::remoting::turn::{Call, Turn};

/// Serves the name server's codes.
pub fn serve(
    gateway: &Gateway,
    code: RequestCode,
    header: &Header<'_>,
    body: &[u8],
    turn: &mut Turn<'_>,
) -> Option<Outcome> {
    let asked = Asked {
        namesrv: &gateway.namesrv,
        kv: &gateway.broker.machines.kv,
        header,
        body,
        ip: turn.peer.address.ip(),
        link: Link(turn.peer.mailbox.id.0),
        now: turn.now,
    };
    let call = Call::of(header);
    match answer(code, &asked)? {
        Ok(answer) if answer.facts.is_empty() => turn.answer(call, answer.response(call.opaque)),
        Ok(answer) => {
            for fact in &answer.facts {
                turn.buffers.staged.system(fact);
            }
            turn.answer_when_durable(call, answer.response(call.opaque));
        }
        Err(refusal) => turn.refuse(call, refusal.code, refusal.remark),
    }
    Some(Outcome::Done)
}

/// A request, and what there is to answer it.
struct Asked<'a> {
    namesrv: &'a NameServer,
    kv: &'a Mutex<Kv>,
    header: &'a Header<'a>,
    body: &'a [u8],
    ip: IpAddr,
    link: Link,
    now: Timestamp,
}

impl Asked<'_> {
    fn source(&self) -> Source {
        Source::Network { ip: self.ip, link: self.link }
    }

    fn viewer(&self) -> Viewer {
        Viewer::at(self.ip)
    }

    fn settings(&self) -> Settings {
        let kv = self.kv.lock();
        Settings::read(|namespace, key| kv.get(namespace, key))
    }

    /// Changing commands are for loopback until there are users (RELIABILITY.md section 3.2).
    fn check_loopback(&self) -> Result<(), Refusal> {
        match self.viewer() {
            Viewer::Loopback => Ok(()),
            Viewer::Other => {
                let remark = format!(
                    "{} changes the name server and is served to loopback only: run it on the name server's own \
                     machine, against 127.0.0.1",
                    self.header.request_code()
                );
                Err(Refusal { code: ResponseCode::NO_PERMISSION, remark })
            }
        }
    }
}

/// A success: fields, body, and the facts that must be durable before it is said.
#[derive(Debug, Default)]
struct Answer {
    fields: Vec<(&'static str, Value<'static>)>,
    body: Vec<u8>,
    facts: Vec<System>,
}

impl Answer {
    fn body(body: Vec<u8>) -> Answer {
        Answer { body, ..Answer::default() }
    }

    /// From what the structs of `wire` give, which borrows.
    fn fields(fields: Vec<(&'static str, Value<'_>)>) -> Answer {
        let owned = |(name, value)| {
            let value = match value {
                Value::Text(text) => Value::Text(text.into_owned().into()),
                Value::Number(number) => Value::Number(number),
                Value::Bool(value) => Value::Bool(value),
            };
            (name, value)
        };
        Answer { fields: fields.into_iter().map(owned).collect(), ..Answer::default() }
    }

    fn facts(facts: Vec<System>) -> Answer {
        Answer { facts, ..Answer::default() }
    }

    fn response(&self, opaque: i32) -> Response<'_> {
        Response::new(opaque, ResponseCode::SUCCESS).fields(self.fields.iter().cloned()).body(self.body.as_slice())
    }
}

/// An answer that is an error.
#[derive(Debug)]
struct Refusal {
    code: ResponseCode,
    remark: String,
}

impl Refusal {
    fn new(code: ResponseCode, remark: impl std::fmt::Display) -> Refusal {
        Refusal { code, remark: remark.to_string() }
    }
}

impl From<FieldError> for Refusal {
    fn from(error: FieldError) -> Refusal {
        Refusal::new(ResponseCode::SYSTEM_ERROR, error)
    }
}

impl From<JsonError> for Refusal {
    fn from(error: JsonError) -> Refusal {
        Refusal::new(ResponseCode::SYSTEM_ERROR, error)
    }
}

impl From<RegisterError> for Refusal {
    fn from(error: RegisterError) -> Refusal {
        let code = match &error {
            RegisterError::NotAccepted(_) | RegisterError::HeldBy { .. } => ResponseCode::NO_PERMISSION,
            RegisterError::Illegal { .. } | RegisterError::IllegalTopic { .. } | RegisterError::OtherCluster { .. } => {
                ResponseCode::INVALID_PARAMETER
            }
            RegisterError::NotRegistered | RegisterError::TooManyTopics { .. } | RegisterError::Full { .. } => {
                ResponseCode::SYSTEM_ERROR
            }
        };
        Refusal::new(code, error)
    }
}

/// One line a code.
fn answer(code: RequestCode, asked: &Asked<'_>) -> Option<Result<Answer, Refusal>> {
    let local = |serve: fn(&Asked<'_>) -> Result<Answer, Refusal>| asked.check_loopback().and_then(|()| serve(asked));
    Some(match code {
        RequestCode::GET_ROUTEINFO_BY_TOPIC => topics::route(asked),
        RequestCode::GET_BROKER_CLUSTER_INFO => brokers::cluster_info(asked),
        RequestCode::REGISTER_BROKER => brokers::register(asked),
        RequestCode::UNREGISTER_BROKER => brokers::unregister(asked),
        RequestCode::BROKER_HEARTBEAT => brokers::heartbeat(asked),
        RequestCode::QUERY_DATA_VERSION => brokers::query_data_version(asked),
        RequestCode::GET_BROKER_MEMBER_GROUP => brokers::member_group(asked),
        RequestCode::WIPE_WRITE_PERM_OF_BROKER => local(brokers::wipe_write_perm),
        RequestCode::ADD_WRITE_PERM_OF_BROKER => local(brokers::add_write_perm),
        RequestCode::GET_ALL_TOPIC_LIST_FROM_NAMESERVER => topics::all(asked),
        RequestCode::GET_TOPICS_BY_CLUSTER => topics::by_cluster(asked),
        RequestCode::GET_SYSTEM_TOPIC_LIST_FROM_NS => topics::system(asked),
        RequestCode::GET_UNIT_TOPIC_LIST => topics::of_kind(asked, TopicKind::Unit),
        RequestCode::GET_HAS_UNIT_SUB_TOPIC_LIST => topics::of_kind(asked, TopicKind::UnitSubscription),
        RequestCode::GET_HAS_UNIT_SUB_UNUNIT_TOPIC_LIST => topics::of_kind(asked, TopicKind::UnitSubscriptionNotUnit),
        RequestCode::DELETE_TOPIC_IN_NAMESRV => local(topics::delete),
        RequestCode::REGISTER_TOPIC_IN_NAMESRV => local(topics::add),
        RequestCode::PUT_KV_CONFIG => local(config::put_kv),
        RequestCode::GET_KV_CONFIG => config::get_kv(asked),
        RequestCode::DELETE_KV_CONFIG => local(config::delete_kv),
        RequestCode::GET_KVLIST_BY_NAMESPACE => config::list_kv(asked),
        RequestCode::UPDATE_NAMESRV_CONFIG => local(config::update_settings),
        RequestCode::GET_NAMESRV_CONFIG => config::get_settings(asked),
        _ => return None,
    })
}

#[cfg(test)]
mod tests;
