//! The certificate of our TLS ports: that of the configuration, or one of our own making that stays the same over restarts.

use gateway::tls::{self, Identity};

use crate::advertise;
use crate::assemble::Ground;
use crate::failure::{self, Failure};

/// In the data directory: certificate and key in one file, so that they always fit.
const KEPT_IN: &str = "tls.pem";

/// Reads the certificate, or makes one. The data directory must be ours already.
pub fn identity(ground: &Ground<'_>) -> Result<Identity, Failure> {
    let tls = &ground.config.tls;
    if tls.certificate.is_empty() {
        let made = || own(ground).map(|made| made.certificate + &made.key);
        let kept = store::keep_text(ground.config.node.data_dir.as_ref(), KEPT_IN, made);
        let text = kept.map_err(|error| Failure::failed(format!("{KEPT_IN} in the data directory: {error}")))?;
        return Ok(Identity { certificate: text.clone(), key: text });
    }
    let read = |name: &str, path: &str| {
        let text = std::fs::read_to_string(path);
        text.map_err(|error| Failure::usage(format!("tls.{name} = \"{path}\": {error}")))
    };
    let certificate = read("certificate", &tls.certificate)?;
    let key = if tls.key.is_empty() { certificate.clone() } else { read("key", &tls.key)? };
    Ok(Identity { certificate, key })
}

/// A certificate for every name we may be reached by.
fn own(ground: &Ground<'_>) -> std::io::Result<Identity> {
    let mut names = vec!["localhost".to_owned(), "127.0.0.1".to_owned(), ground.advertised.address.to_string()];
    names.extend(Some(advertise::host_name()).filter(|name| name.is_ascii()));
    names.sort();
    names.dedup();
    Identity::self_signed(names).map_err(|error: tls::Error| std::io::Error::other(failure::of_tls(error).text))
}
