//! What brokers say about themselves (103, 104, 322, 904), what is known of them (106, 901), and their write
//! permissions (205, 327).

use model::Millis;
use namesrv::{BrokerView, DataVersion, MemberError, MemberId, ORDER_TOPIC_CONFIG, Registration, TopicEntry};
use wire::remoting::body::kv;
use wire::remoting::body::register::{self, RegisterBrokerBody};
use wire::remoting::body::route::{BrokerData, BrokerMemberGroup, BrokerMemberGroupBody, ClusterInfo};
use wire::remoting::body::topic::TopicConfig;
use wire::remoting::code::ResponseCode;
use wire::remoting::header::namesrv::{
    AddWritePerm, AddWritePermAnswer, BrokerHeartbeat, GetBrokerMemberGroup, QueryDataVersion, QueryDataVersionAnswer,
    RegisterBroker, RegisterBrokerAnswer, UnregisterBroker, WipeWritePerm, WipeWritePermAnswer,
};

use super::{Answer, Asked, Refusal};

pub(super) fn register(asked: &Asked<'_>) -> Result<Answer, Refusal> {
    // A stranger's body is not worth inflating.
    asked.namesrv.read().check_source(asked.source())?;
    let request = RegisterBroker::decode(asked.header)?;
    check_crc(request.body_crc32, asked.body)?;
    let topics = RegisterBrokerBody::read_any(asked.body, asked.header.version)?.topic_config_serialize_wrapper;
    let entries = topics.topic_config_table.values().map(entry).collect::<Result<Vec<_>, _>>()?;
    let registration = Registration {
        cluster: &request.cluster_name,
        broker: &request.broker_name,
        id: request.broker_id,
        address: &request.broker_addr,
        ha_address: &request.ha_server_addr,
        zone: request.zone_name.as_deref(),
        acting_master: request.enable_acting_master,
        timeout: request.heartbeat_timeout_millis.and_then(|timeout| u64::try_from(timeout).ok()).map(Millis),
        version: version(&topics.data_version),
        topics: &entries,
    };
    let registered = asked.namesrv.write().register(&registration, asked.source(), asked.now)?;

    let master = registered.master.as_ref();
    let answer = RegisterBrokerAnswer {
        ha_server_addr: master.map(|master| (&*master.ha_address).into()),
        master_addr: master.map(|master| (&*master.address).into()),
    };
    let send_order = asked.settings().return_order_topic_config_to_broker;
    let order = send_order.then(|| asked.kv.lock().list(ORDER_TOPIC_CONFIG)).flatten();
    let body = order.map_or_else(Vec::new, |table| kv::KvTable { table }.to_json());
    Ok(Answer { body, ..Answer::fields(answer.fields()) })
}

pub(super) fn unregister(asked: &Asked<'_>) -> Result<Answer, Refusal> {
    let request = UnregisterBroker::decode(asked.header)?;
    let member =
        MemberId { cluster: &request.cluster_name, broker: &request.broker_name, address: &request.broker_addr };
    asked.namesrv.write().unregister(member, asked.source())?;
    Ok(Answer::default())
}

pub(super) fn heartbeat(asked: &Asked<'_>) -> Result<Answer, Refusal> {
    let request = BrokerHeartbeat::decode(asked.header)?;
    let member =
        MemberId { cluster: &request.cluster_name, broker: &request.broker_name, address: &request.broker_addr };
    asked.namesrv.write().heartbeat(member, asked.source(), asked.now)?;
    Ok(Answer::default())
}

pub(super) fn query_data_version(asked: &Asked<'_>) -> Result<Answer, Refusal> {
    let request = QueryDataVersion::decode(asked.header)?;
    let theirs = version(&kv::DataVersion::read(asked.body)?);
    let member =
        MemberId { cluster: &request.cluster_name, broker: &request.broker_name, address: &request.broker_addr };
    let known = asked.namesrv.write().query_data_version(member, asked.source(), asked.now);
    let body = known.map_or_else(Vec::new, |known| {
        let DataVersion { state_version, timestamp, counter } = known;
        kv::DataVersion { counter, state_version, timestamp }.to_json()
    });
    let answer = QueryDataVersionAnswer { changed: known != Some(theirs) };
    Ok(Answer { body, ..Answer::fields(answer.fields()) })
}

pub(super) fn cluster_info(asked: &Asked<'_>) -> Result<Answer, Refusal> {
    let routes = asked.namesrv.read();
    let brokers = routes.brokers(asked.viewer()).map(|broker| (broker.name().to_owned(), broker_data(broker)));
    let clusters = routes.clusters().into_iter();
    let info = ClusterInfo {
        broker_addr_table: brokers.collect(),
        cluster_addr_table: clusters
            .map(|(cluster, brokers)| (cluster.to_string(), brokers.into_iter().map(ToString::to_string).collect()))
            .collect(),
    };
    Ok(Answer::body(info.to_json()))
}

/// An unknown broker name is a group without members.
pub(super) fn member_group(asked: &Asked<'_>) -> Result<Answer, Refusal> {
    let request = GetBrokerMemberGroup::decode(asked.header)?;
    let routes = asked.namesrv.read();
    let members = routes.members(&request.cluster_name, &request.broker_name, asked.viewer());
    let group = BrokerMemberGroup {
        broker_addrs: members.map_or_else(Default::default, |broker| broker_data(broker).broker_addrs),
        broker_name: request.broker_name.into_owned(),
        cluster: request.cluster_name.into_owned(),
    };
    Ok(Answer::body(BrokerMemberGroupBody { broker_member_group: Some(group) }.to_json()))
}

pub(super) fn wipe_write_perm(asked: &Asked<'_>) -> Result<Answer, Refusal> {
    let request = WipeWritePerm::decode(asked.header)?;
    let topics = asked.namesrv.write().wipe_write_perm(&request.broker_name);
    Ok(Answer::fields(WipeWritePermAnswer { wipe_topic_count: count(topics) }.fields()))
}

pub(super) fn add_write_perm(asked: &Asked<'_>) -> Result<Answer, Refusal> {
    let request = AddWritePerm::decode(asked.header)?;
    let topics = asked.namesrv.write().add_write_perm(&request.broker_name);
    Ok(Answer::fields(AddWritePermAnswer { add_topic_count: count(topics) }.fields()))
}

fn count(topics: usize) -> i32 {
    i32::try_from(topics).expect("the name server bounds its topics far below")
}

fn check_crc(sent: Option<i32>, body: &[u8]) -> Result<(), Refusal> {
    // Java drops the sign.
    let own = (crc32fast::hash(body) & 0x7FFF_FFFF).cast_signed();
    match sent {
        Some(sent) if sent != 0 && sent != own => Err(Refusal::new(ResponseCode::SYSTEM_ERROR, "crc32 not match")),
        _ => Ok(()),
    }
}

fn entry(topic: &TopicConfig) -> Result<TopicEntry<'_>, Refusal> {
    let unsigned = |what: &str, value: i32| {
        u32::try_from(value).map_err(|_| {
            let remark = format!("topic {}: {what} is {value}, which is negative", topic.topic_name);
            Refusal::new(ResponseCode::INVALID_PARAMETER, remark)
        })
    };
    Ok(TopicEntry {
        name: &topic.topic_name,
        read_queues: unsigned("readQueueNums", topic.read_queue_nums)?,
        write_queues: unsigned("writeQueueNums", topic.write_queue_nums)?,
        perm: unsigned("perm", topic.perm)?,
        sys_flag: unsigned("topicSysFlag", topic.topic_sys_flag)?,
    })
}

fn version(version: &kv::DataVersion) -> DataVersion {
    let kv::DataVersion { counter, state_version, timestamp } = *version;
    DataVersion { state_version, timestamp, counter }
}

pub(super) fn broker_data(broker: BrokerView<'_>) -> BrokerData {
    BrokerData {
        broker_addrs: broker.addresses().map(|(id, address)| (id, address.to_owned())).collect(),
        broker_name: broker.name().to_owned(),
        cluster: broker.cluster().to_string(),
        enable_acting_master: broker.acting_master(),
        zone_name: broker.zone().map(str::to_owned),
    }
}

impl From<MemberError> for Refusal {
    fn from(error: MemberError) -> Refusal {
        match &error {
            MemberError::NotAccepted(_) | MemberError::OtherConnection { .. } => {
                Refusal::new(ResponseCode::NO_PERMISSION, error)
            }
        }
    }
}

impl From<register::RegisterError> for Refusal {
    fn from(error: register::RegisterError) -> Refusal {
        Refusal::new(ResponseCode::SYSTEM_ERROR, format!("register broker failed: {error}"))
    }
}
