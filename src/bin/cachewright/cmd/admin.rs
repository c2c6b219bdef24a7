//! The proxy's admin port, as far as the command line decides on it.

use cachewright::adapter::admin::{Admin, AdminHandle, AdminOptions};
use cachewright::error::Error;

use crate::args::Proxy;
use crate::exit::{Failure, complain};

/// Where it listens: as the command line says, or the configuration.
pub(crate) fn options(args: &Proxy, configured: AdminOptions) -> Result<AdminOptions, Error> {
    match &args.admin {
        Some(place) => configured.at(place),
        None => Ok(configured),
    }
}

/// Opens it. Nobody asked for the default port: where that is taken, the proxy goes on without.
pub(crate) async fn open(admin: Option<Admin>) -> Result<Option<AdminHandle>, Failure> {
    let Some(admin) = admin else {
        return Ok(None);
    };
    let by_default = admin.is_default();
    match admin.bind().await {
        Ok(handle) => Ok(Some(handle)),
        Err(error) if by_default => {
            complain(&error);
            Ok(None)
        }
        Err(error) => Err(error.into()),
    }
}
