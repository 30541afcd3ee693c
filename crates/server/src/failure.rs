//! Why the process ends other than well: the text for the operator and the exit code for scripts.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::process::ExitCode;

use store::OpenError;

/// What went wrong, as the shell sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The work was begun and failed: exit code 1.
    Failed,
    /// The command line or the configuration cannot be: exit code 2, as clap does. Trying again does not help.
    Usage,
    /// Something outside is in the way (a port, a lock, a damaged log): exit code 4.
    ConditionNotMet,
    /// A second signal cut the drain short: exit code 128 + the signal.
    Signalled(u8),
}

/// An error that ends the process. The text carries the value and the remedy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Decides the exit code.
    pub kind: Kind,
    /// For the operator; may have several lines.
    pub text: String,
}

impl Failure {
    /// Work that failed.
    pub fn failed(text: impl fmt::Display) -> Self {
        Self { kind: Kind::Failed, text: text.to_string() }
    }

    /// A command line or configuration that cannot be.
    pub fn usage(text: impl fmt::Display) -> Self {
        Self { kind: Kind::Usage, text: text.to_string() }
    }

    /// Something outside is in the way.
    pub fn condition(text: impl fmt::Display) -> Self {
        Self { kind: Kind::ConditionNotMet, text: text.to_string() }
    }

    /// The code the shell sees.
    pub fn exit_code(&self) -> ExitCode {
        match self.kind {
            Kind::Failed => ExitCode::FAILURE,
            Kind::Usage => ExitCode::from(2),
            Kind::ConditionNotMet => ExitCode::from(4),
            Kind::Signalled(signal) => ExitCode::from(128u8.saturating_add(signal)),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// A certificate that TLS cannot be served with.
pub fn of_tls(error: gateway::tls::Error) -> Failure {
    Failure::usage(format!("{error}\n  see tls.certificate and tls.key; without them a certificate is made"))
}

/// A port that could not be opened. `key` is the setting that names it.
pub fn of_bind(key: &str, address: SocketAddr, error: &io::Error) -> Failure {
    let remedy = match error.kind() {
        io::ErrorKind::AddrInUse => format!(
            "another process listens there. Find it with `ss -ltnp 'sport = :{}'`, or choose another port: --set {key}={}:PORT",
            address.port(),
            address.ip()
        ),
        io::ErrorKind::AddrNotAvailable => {
            format!(
                "this machine has no such address. Use one of its own or 0.0.0.0 for all: --set {key}=0.0.0.0:{}",
                address.port()
            )
        }
        io::ErrorKind::PermissionDenied => {
            format!("ports below 1024 need a privilege. Choose a higher one: --set {key}={}:PORT", address.ip())
        }
        _ => format!("choose another address: --set {key}=ADDRESS:PORT"),
    };
    Failure::condition(format!("cannot listen on {address} ({key}): {error}\n  {remedy}"))
}

/// A data directory that could not be opened.
pub fn of_open(error: &OpenError) -> Failure {
    match error {
        OpenError::Locked { dir } => Failure::condition(format!(
            "the data directory {dir} is in use by another kerolox\n  stop that process, or choose another directory: --data DIR"
        )),
        OpenError::Version { .. } => Failure::condition(format!(
            "{error}\n  start the kerolox that wrote it, or choose another directory: --data DIR"
        )),
        OpenError::Option { .. } => Failure::usage(error),
        OpenError::Damaged { .. } => Failure::condition(format!(
            "{error}\n  messages that were acknowledged cannot be read back, so nothing is served. \
             `kerolox store salvage FROM TO` copies what is whole into a new directory"
        )),
        OpenError::Load(_) | OpenError::Io { .. } => {
            Failure::failed(format!("cannot open the data directory: {error}"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_in_use_is_named_with_its_setting_and_a_remedy() {
        let address: SocketAddr = "0.0.0.0:10911".parse().expect("right");
        let failure = of_bind("listen.broker", address, &io::Error::from(io::ErrorKind::AddrInUse));
        assert_eq!(
            failure.text,
            "cannot listen on 0.0.0.0:10911 (listen.broker): address in use\n  another process listens there. Find it with \
             `ss -ltnp 'sport = :10911'`, or choose another port: --set listen.broker=0.0.0.0:PORT"
        );
        assert_eq!(failure.kind, Kind::ConditionNotMet);
    }

    #[test]
    fn a_locked_directory_is_named_with_a_remedy() {
        let failure = of_open(&OpenError::Locked { dir: "/data".into() });
        assert_eq!(
            failure.text,
            "the data directory /data is in use by another kerolox\n  stop that process, or choose another directory: --data DIR"
        );
        assert_eq!(failure.kind, Kind::ConditionNotMet);
    }
}
