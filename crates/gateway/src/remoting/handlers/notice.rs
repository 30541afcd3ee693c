//! Notices of the broker -> one-way requests to a client (40, 220).

use broker::notice::Notice;
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
    }
}
