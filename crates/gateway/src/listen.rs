//! Opening a port: the same options for every listener.

use std::io;
use std::net::SocketAddr;

use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::TcpListener;

/// Connections the kernel keeps for us until we accept them; as in Java brokers. More are retried by their clients.
const BACKLOG: i32 = 1_024;

/// Listens on the address; port 0 lets the system choose. Must be called inside a tokio runtime.
pub fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    // A restart must not wait for the old connections' TIME_WAIT. Two listeners on one port stay impossible.
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_port_in_use_is_refused_and_free_again_once_dropped() {
        let first = bind("127.0.0.1:0".parse().expect("an address")).expect("a free port");
        let address = first.local_addr().expect("bound");
        assert_eq!(bind(address).expect_err("taken").kind(), io::ErrorKind::AddrInUse);
        drop(first);
        bind(address).expect("free again");
    }
}
