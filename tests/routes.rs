//! Routes by configuration: errors, reloads, the proxy.
