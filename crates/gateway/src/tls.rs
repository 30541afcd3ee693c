//! TLS for our listeners: a certificate of our own making, and how a connection shows whether it speaks TLS.
//!
//! A port takes TLS and plaintext: the first byte of a connection tells which. Certificates are texts here; reading and
//! keeping files is for others.

use std::sync::Arc;

use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;

/// The first byte of a TLS connection: a handshake record. No other protocol of ours begins with it.
pub const HANDSHAKE: u8 = 0x16;

/// HTTP/2, as clients ask for it in the handshake.
const H2: &[u8] = b"h2";

/// A certificate and its private key, in PEM.
#[derive(Clone)]
pub struct Identity {
    /// The certificate, and those that vouch for it.
    pub certificate: String,
    pub key: String,
}

/// Why TLS cannot be served with a certificate.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("the certificate cannot be read: {0}")]
    Certificate(String),
    #[error("the private key cannot be read: {0}")]
    Key(String),
    #[error("certificate and private key do not fit: {0}")]
    Pair(#[from] rustls::Error),
    #[error("a certificate cannot be made: {0}")]
    Make(#[from] rcgen::Error),
}

impl Identity {
    /// A new certificate for `names` (host names and addresses) that vouches for itself.
    pub fn self_signed(names: Vec<String>) -> Result<Identity, Error> {
        let made = rcgen::generate_simple_self_signed(names)?;
        Ok(Identity { certificate: made.cert.pem(), key: made.signing_key.serialize_pem() })
    }

    /// What takes TLS connections with this certificate, for HTTP/2.
    pub fn acceptor(&self) -> Result<TlsAcceptor, Error> {
        let chain: Vec<_> = CertificateDer::pem_slice_iter(self.certificate.as_bytes())
            .collect::<Result<_, _>>()
            .map_err(|error| Error::Certificate(error.to_string()))?;
        let key = PrivateKeyDer::from_pem_slice(self.key.as_bytes()).map_err(|error| Error::Key(error.to_string()))?;
        let provider = Arc::new(ring::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(chain, key)?;
        config.alpn_protocols = vec![H2.to_vec()];
        Ok(TlsAcceptor::from(Arc::new(config)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_of_our_own_serves_and_junk_is_refused_by_name() {
        let made = Identity::self_signed(vec!["localhost".into(), "127.0.0.1".into()]).expect("made");
        made.acceptor().expect("it serves");
        let other = Identity::self_signed(vec!["localhost".into()]).expect("made");
        let mixed = Identity { key: other.key, ..made.clone() };
        assert!(matches!(mixed.acceptor(), Err(Error::Pair(_))));
        let junk = Identity { key: "junk".into(), ..made };
        assert!(matches!(junk.acceptor(), Err(Error::Key(_))));
    }
}
