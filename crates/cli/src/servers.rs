//! How commands reach servers.

use anyhow::{Context, Result, bail};
use client::{Connection, Options};

/// The first name server of the list that accepts a connection.
pub async fn name_server(list: &str) -> Result<Connection> {
    let mut last = None;
    for address in list.split(';').map(str::trim).filter(|address| !address.is_empty()) {
        match Connection::open(address, &Options::default()).await {
            Ok(connection) => return Ok(connection),
            Err(error) => last = Some(error),
        }
    }
    match last {
        Some(error) => Err(error).context("no name server can be reached; give one with -n or a broker with --broker"),
        None => bail!("the list of name servers is empty"),
    }
}
