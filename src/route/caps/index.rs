//! Which lines count a call.

use std::collections::BTreeMap;

use super::{CapScope, Who};

/// Places of lines by whom they count.
#[derive(Clone, Debug, Default)]
pub(super) struct Index {
    total: Vec<usize>,
    each_tenant: Vec<usize>,
    routes: BTreeMap<Box<str>, Vec<usize>>,
    tenants: BTreeMap<Box<str>, Vec<usize>>,
    backends: BTreeMap<Box<str>, Vec<usize>>,
}

impl Index {
    pub(super) fn add(&mut self, scope: &CapScope, line: usize) {
        let named = |map: &mut BTreeMap<Box<str>, Vec<usize>>, name: &str| {
            map.entry(name.into()).or_default().push(line);
        };
        match scope {
            CapScope::Total => self.total.push(line),
            CapScope::EachTenant => self.each_tenant.push(line),
            CapScope::Route(name) => named(&mut self.routes, name),
            CapScope::Tenant(name) => named(&mut self.tenants, name),
            CapScope::Backend(name) => named(&mut self.backends, name),
        }
    }

    /// Whether a line counts the calls of this backend alone.
    pub(super) fn has_backend(&self, name: &str) -> bool {
        self.backends.contains_key(name)
    }

    /// The places of the lines that count this caller's calls.
    pub(super) fn counting(&self, who: &Who<'_>) -> impl Iterator<Item = usize> {
        let route = self.routes.get(who.route).map_or(&[][..], Vec::as_slice);
        let backend = self
            .backends
            .get(who.backend)
            .map_or(&[][..], Vec::as_slice);
        let tenant = self.tenants.get(who.tenant).unwrap_or(&self.each_tenant);
        let all = [&self.total, route, tenant, backend];
        all.into_iter().flatten().copied()
    }
}
