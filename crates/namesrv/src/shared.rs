//! The route table behind its lock, as all connections share it.

use parking_lot::{RwLock, RwLockReadGuard, RwLockWriteGuard};

use crate::config::Config;
use crate::routes::Routes;

/// The name server of this process. Lookups run side by side; only brokers and administrators write. Hold a
/// guard for one operation, never across another lock or a wait.
#[derive(Debug, Default)]
pub struct NameServer {
    routes: RwLock<Routes>,
}

impl NameServer {
    #[must_use]
    pub fn new(config: Config) -> NameServer {
        NameServer { routes: RwLock::new(Routes::new(config)) }
    }

    /// To look up.
    pub fn read(&self) -> RwLockReadGuard<'_, Routes> {
        self.routes.read()
    }

    /// To register, expire or change.
    pub fn write(&self) -> RwLockWriteGuard<'_, Routes> {
        self.routes.write()
    }
}
