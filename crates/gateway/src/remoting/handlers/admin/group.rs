//! Consumer groups: change (200, 225, 207) and configuration (201, 352).

use model::{GroupConfig, GroupName};
use wire::remoting::body::group::{SubscriptionGroup, SubscriptionGroupList, SubscriptionGroupWrapper};
use wire::remoting::code::ResponseCode;
use wire::remoting::command::Header;
use wire::remoting::header::group::{DeleteSubscriptionGroup, GetAllSubscriptionGroups, GetSubscriptionGroup};

use super::page::{self, Asked};
use super::{answer_body, answer_change, answer_list, decode, unreadable};
use crate::remoting::Gateway;
use crate::remoting::dispatch::Outcome;
use crate::remoting::status;
use crate::remoting::turn::{Call, Turn};

pub fn update(gateway: &Gateway, header: &Header<'_>, body: &[u8], turn: &mut Turn<'_>) -> Outcome {
    match SubscriptionGroup::read(body) {
        Ok(group) => change(gateway, header, vec![group], turn),
        Err(error) => unreadable(Call::of(header), &error, turn),
    }
}

/// All of the listed groups, or none if one is refused.
pub fn update_list(gateway: &Gateway, header: &Header<'_>, body: &[u8], turn: &mut Turn<'_>) -> Outcome {
    match SubscriptionGroupList::read(body) {
        Ok(list) => change(gateway, header, list.group_config_list, turn),
        Err(error) => unreadable(Call::of(header), &error, turn),
    }
}

fn change(gateway: &Gateway, header: &Header<'_>, groups: Vec<SubscriptionGroup>, turn: &mut Turn<'_>) -> Outcome {
    let call = Call::of(header);
    let groups = groups.into_iter().map(configured);
    match gateway.broker.begin_change_groups(groups, &mut turn.buffers.staged) {
        Ok(change) => return answer_change(change, call, turn),
        Err(error) => turn.refuse(call, status::of_group(&error), error),
    }
    Outcome::Done
}

pub fn delete(gateway: &Gateway, header: &Header<'_>, _: &[u8], turn: &mut Turn<'_>) -> Outcome {
    let fields = decode!(DeleteSubscriptionGroup, header, turn);
    let call = Call::of(header);
    let with_offsets = fields.clean_offset.unwrap_or(false);
    match gateway.broker.begin_delete_group(&fields.group_name, with_offsets, &mut turn.buffers.staged) {
        Ok(change) => return answer_change(change, call, turn),
        Err(error) => turn.refuse(call, status::of_group(&error), error),
    }
    Outcome::Done
}

pub fn all(gateway: &Gateway, header: &Header<'_>, _: &[u8], turn: &mut Turn<'_>) -> Outcome {
    let fields = decode!(GetAllSubscriptionGroups, header, turn);
    let call = Call::of(header);
    let groups = &gateway.broker.machines.groups;
    // Before the list: a change in between makes the tool begin again, not miss it.
    let data_version = page::version(&gateway.broker, groups.changes());
    let all = groups.all();
    let asked = Asked { first: fields.group_seq, max: fields.max_group_num, version: fields.data_version.as_deref() };
    let page = &all[page::range(asked, all.len(), data_version)];
    let body = SubscriptionGroupWrapper {
        data_version,
        subscription_group_table: page
            .iter()
            .map(|group| (group.config.name.to_string(), on_wire(&group.config)))
            .collect(),
        ..SubscriptionGroupWrapper::default()
    };
    answer_list(call, Some(("totalGroupNum", all.len())), body.to_json(), turn)
}

pub fn get(gateway: &Gateway, header: &Header<'_>, _: &[u8], turn: &mut Turn<'_>) -> Outcome {
    let fields = decode!(GetSubscriptionGroup, header, turn);
    let call = Call::of(header);
    let Some(group) = gateway.broker.machines.groups.get(&fields.group) else {
        turn.refuse(call, ResponseCode::SUBSCRIPTION_GROUP_NOT_EXIST, "No group in this broker");
        return Outcome::Done;
    };
    answer_body(call, on_wire(&group.config).to_json(), turn)
}

fn configured(group: SubscriptionGroup) -> GroupConfig {
    let unsigned = |value: i32| u32::try_from(value).unwrap_or(0);
    GroupConfig {
        name: GroupName::trusted(&group.group_name),
        consume_enable: group.consume_enable,
        consume_from_min_enable: group.consume_from_min_enable,
        consume_broadcast_enable: group.consume_broadcast_enable,
        consume_message_orderly: group.consume_message_orderly,
        retry_queues: unsigned(group.retry_queue_nums),
        retry_max: group.retry_max_times,
        broker_id: group.broker_id,
        which_broker_when_consume_slowly: group.which_broker_when_consume_slowly,
        notify_consumer_ids_changed: group.notify_consumer_ids_changed_enable,
        sys_flag: unsigned(group.group_sys_flag),
        consume_timeout_minutes: unsigned(group.consume_timeout_minute),
        attributes: group.attributes,
    }
}

fn on_wire(group: &GroupConfig) -> SubscriptionGroup {
    SubscriptionGroup {
        attributes: group.attributes.clone(),
        broker_id: group.broker_id,
        consume_broadcast_enable: group.consume_broadcast_enable,
        consume_enable: group.consume_enable,
        consume_from_min_enable: group.consume_from_min_enable,
        consume_message_orderly: group.consume_message_orderly,
        consume_timeout_minute: group.consume_timeout_minutes.cast_signed(),
        group_name: group.name.to_string(),
        group_sys_flag: group.sys_flag.cast_signed(),
        notify_consumer_ids_changed_enable: group.notify_consumer_ids_changed,
        retry_max_times: group.retry_max,
        retry_queue_nums: group.retry_queues.cast_signed(),
        which_broker_when_consume_slowly: group.which_broker_when_consume_slowly,
        // Retries follow the delay levels: there is no policy to tell, and Java's default is just that.
        group_retry_policy: None,
        subscription_data_set: None,
    }
}
