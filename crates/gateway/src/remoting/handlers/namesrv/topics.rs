//! Where topics are (105), which there are (206, 224, 304, 311 to 313), and topics by hand (216, 217).

use model::TopicName;
use namesrv::{ORDER_TOPIC_CONFIG, Route, TopicEntry, TopicKind};
use wire::remoting::body::kv::TopicList;
use wire::remoting::body::route::{QueueData, TopicRouteData};
use wire::remoting::code::{ResponseCode, VERSION_STANDARD_JSON_ROUTE};
use wire::remoting::header::namesrv::{DeleteTopicInNamesrv, GetRoute, GetTopicsByCluster, RegisterTopicInNamesrv};

use super::brokers::broker_data;
use super::{Answer, Asked, Refusal};

pub(super) fn route(asked: &Asked<'_>) -> Result<Answer, Refusal> {
    let not_found = |remark: String| Refusal::new(ResponseCode::TOPIC_NOT_EXIST, remark);
    // A client that names no topic gets what one gets that names an unknown topic.
    let request = GetRoute::decode(asked.header).map_err(|error| not_found(error.to_string()))?;
    let order = order_of(asked, &request.topic);
    let routes = asked.namesrv.read();
    let Some(route) = routes.route(&request.topic, asked.viewer()) else {
        return Err(not_found(format!(
            "No topic route info in name server for the topic: {}\n\
             No broker has registered it here: create it, or send to it where topics are created by sending.",
            request.topic
        )));
    };
    let zone_mode = request.zone_mode.is_some_and(|mode| mode.eq_ignore_ascii_case("true"));
    let zone = request.zone_name.as_deref().filter(|zone| zone_mode && !zone.is_empty());
    if let Some(zone) = zone {
        return Ok(Answer::body(route_data(route.in_zone(zone), order).to_dialect_json()));
    }
    let data = route_data(route, order);
    let standard =
        asked.header.version >= VERSION_STANDARD_JSON_ROUTE || request.accept_standard_json_only == Some(true);
    Ok(Answer::body(if standard { data.to_standard_json() } else { data.to_dialect_json() }))
}

pub(super) fn all(asked: &Asked<'_>) -> Result<Answer, Refusal> {
    enabled("enableAllTopicList", asked.settings().enable_all_topic_list)?;
    Ok(list(asked.namesrv.read().topics()))
}

pub(super) fn by_cluster(asked: &Asked<'_>) -> Result<Answer, Refusal> {
    let request = GetTopicsByCluster::decode(asked.header)?;
    enabled("enableTopicList", asked.settings().enable_topic_list)?;
    Ok(list(asked.namesrv.read().topics_of_cluster(&request.cluster)))
}

pub(super) fn of_kind(asked: &Asked<'_>, kind: TopicKind) -> Result<Answer, Refusal> {
    enabled("enableTopicList", asked.settings().enable_topic_list)?;
    Ok(list(asked.namesrv.read().topics_of_kind(kind)))
}

/// The topics every broker has: those named after brokers and clusters.
pub(super) fn system(asked: &Asked<'_>) -> Result<Answer, Refusal> {
    let routes = asked.namesrv.read();
    let brokers = routes.brokers(asked.viewer()).map(|broker| broker.name().to_owned());
    let clusters = routes.clusters().into_keys().map(ToString::to_string);
    let some_broker = routes.brokers(asked.viewer()).find_map(|broker| broker.addresses().next());
    let list = TopicList {
        broker_addr: some_broker.map(|(_, address)| address.to_owned()),
        topic_list: brokers.chain(clusters).collect(),
    };
    Ok(Answer::body(list.to_json()))
}

pub(super) fn delete(asked: &Asked<'_>) -> Result<Answer, Refusal> {
    let request = DeleteTopicInNamesrv::decode(asked.header)?;
    asked.namesrv.write().delete_topic(&request.topic, request.cluster_name.as_deref().filter(|name| !name.is_empty()));
    Ok(Answer::default())
}

pub(super) fn add(asked: &Asked<'_>) -> Result<Answer, Refusal> {
    let request = RegisterTopicInNamesrv::decode(asked.header)?;
    let data = TopicRouteData::read(asked.body)?;
    let queues = data.queue_datas.iter().map(entry).collect::<Option<Vec<_>>>();
    let Some(queues) = queues else {
        let remark = format!("topic {}: a negative number in its queue data", request.topic);
        return Err(Refusal::new(ResponseCode::INVALID_PARAMETER, remark));
    };
    asked.namesrv.write().add_topic(&request.topic, queues)?;
    Ok(Answer::default())
}

fn entry(data: &QueueData) -> Option<(&str, TopicEntry<'_>)> {
    let entry = TopicEntry {
        name: "",
        read_queues: data.read_queue_nums.try_into().ok()?,
        write_queues: data.write_queue_nums.try_into().ok()?,
        perm: data.perm.try_into().ok()?,
        sys_flag: data.topic_sys_flag.try_into().ok()?,
    };
    Some((&data.broker_name, entry))
}

fn order_of(asked: &Asked<'_>, topic: &str) -> Option<String> {
    asked.settings().order_message_enable.then(|| asked.kv.lock().get(ORDER_TOPIC_CONFIG, topic).map(str::to_owned))?
}

fn route_data(route: Route<'_>, order_topic_conf: Option<String>) -> TopicRouteData {
    let signed = |number: u32| i32::try_from(number).expect("registered from an i32");
    let queues = route.queues().map(|data| QueueData {
        broker_name: data.broker.to_string(),
        perm: signed(data.perm),
        read_queue_nums: signed(data.read_queues),
        topic_sys_flag: signed(data.sys_flag),
        write_queue_nums: signed(data.write_queues),
    });
    TopicRouteData {
        broker_datas: route.brokers().map(broker_data).collect(),
        order_topic_conf,
        queue_datas: queues.collect(),
        ..TopicRouteData::default()
    }
}

fn enabled(switch: &str, on: bool) -> Result<(), Refusal> {
    if on {
        return Ok(());
    }
    let remark = format!("topic lists are switched off: set {switch}=true (mqadmin updateNamesrvConfig)");
    Err(Refusal::new(ResponseCode::SYSTEM_ERROR, remark))
}

fn list<'a>(topics: impl Iterator<Item = &'a TopicName>) -> Answer {
    let topic_list = topics.map(ToString::to_string).collect();
    Answer::body(TopicList { broker_addr: None, topic_list }.to_json())
}
