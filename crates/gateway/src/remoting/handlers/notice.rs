//! Notices of the broker -> one-way requests to a client (39, 40).

use broker::notice::Notice;
use broker::state::topics::system_topic;
use wire::remoting::code::RequestCode;
use wire::remoting::frame::Encoding;
use wire::remoting::reply::Request;

/// Appends the request that carries `notice`.
pub fn write(notice: &Notice, opaque: i32, out: &mut Vec<u8>) {
    match notice {
        Notice::ConsumersChanged { group } => Request::new(opaque, RequestCode::NOTIFY_CONSUMER_IDS_CHANGED)
            .oneway()
            .field("consumerGroup", group.as_str())
            .write(Encoding::Json, out),
        Notice::CheckTransaction(check) => Request::new(opaque, RequestCode::CHECK_TRANSACTION_STATE)
            .oneway()
            .field("topic", system_topic::HALF)
            .field("tranStateTableOffset", check.queue_offset.to_wire())
            .field("commitLogOffset", check.half.0.cast_signed())
            .field("msgId", &*check.unique_key)
            .field("transactionId", &*check.unique_key)
            .field("offsetMsgId", &*check.offset_id)
            .field("bname", &*check.broker_name)
            .body(&check.record[..])
            .write(Encoding::Json, out),
    }
}
