//! Accepting: one task a port, which hands each socket to the I/O thread with the fewest connections.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::net::TcpListener;
use tracing::warn;

use super::Gateway;
use super::core::CoreHandle;

/// Pause after a failed accept: out of descriptors, most likely.
const BACK_OFF: Duration = Duration::from_millis(100);

/// Connections by address, so that one host cannot take them all.
#[derive(Default)]
pub struct PerAddress(Mutex<HashMap<IpAddr, usize>>);

/// One connection of an address; dropping it frees its place.
pub struct Place {
    of: Arc<PerAddress>,
    ip: IpAddr,
}

impl PerAddress {
    /// A place for another connection from `ip`, if it has fewer than `max`. Loopback is not counted.
    pub fn take(self: &Arc<Self>, ip: IpAddr, max: usize) -> Option<Place> {
        let ip = ip.to_canonical();
        let mut counts = self.0.lock();
        let count = counts.entry(ip).or_default();
        if *count >= max && !ip.is_loopback() {
            return None;
        }
        *count += 1;
        Some(Place { of: Arc::clone(self), ip })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut counts = self.of.0.lock();
        if let Some(count) = counts.get_mut(&self.ip) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.ip);
            }
        }
    }
}

/// Accepts until the task is dropped.
pub async fn accept(listener: TcpListener, gateway: Arc<Gateway>, cores: Vec<Arc<CoreHandle>>) {
    loop {
        let (socket, peer) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(BACK_OFF).await;
                continue;
            }
        };
        if let Err(reason) = hand_over(socket, peer, &gateway, &cores) {
            warn!(%peer, reason, "connection refused");
        }
    }
}

fn hand_over(
    socket: tokio::net::TcpStream,
    peer: SocketAddr,
    gateway: &Gateway,
    cores: &[Arc<CoreHandle>],
) -> Result<(), String> {
    let max = gateway.limits.connections;
    if gateway.open.load(Ordering::Relaxed) >= max {
        return Err(format!("{max} connections are open, the limit (limits.connections)"));
    }
    let max = gateway.limits.connections_per_address;
    let Some(place) = gateway.per_address.take(peer.ip(), max) else {
        return Err(format!("the address has {max} connections, the limit (limits.connections_per_address)"));
    };
    let _ = socket.set_nodelay(true);
    let socket = socket.into_std().map_err(|error| error.to_string())?;
    let core =
        cores.iter().min_by_key(|core| core.connections.load(Ordering::Relaxed)).expect("at least one I/O thread");
    gateway.open.fetch_add(1, Ordering::Relaxed);
    core.adopt(socket, peer, place);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_its_limit_and_loopback_none() {
        let per_address = Arc::new(PerAddress::default());
        let far: IpAddr = "203.0.113.7".parse().expect("an address");
        let first = per_address.take(far, 1);
        assert!(first.is_some() && per_address.take(far, 1).is_none());
        drop(first);
        assert!(per_address.take(far, 1).is_some());
        let near: IpAddr = "127.0.0.1".parse().expect("an address");
        let places: Vec<_> = (0..3).map(|_| per_address.take(near, 1)).collect();
        assert!(places.iter().all(Option::is_some));
    }
}
