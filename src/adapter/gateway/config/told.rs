//! What a configuration comes to, in a line for each route and backend; no secrets.

use crate::adapter::gateway::{GatewayOptions, Site};
use crate::route::{Backend, CapScope, Goal, Route};

impl GatewayOptions {
    /// Whether nothing is described: no backend, no route, no cap.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.sites.is_empty() && self.network.routes.is_empty() && self.caps.is_empty()
    }

    /// A line for people for each route and each backend: models, order, goal, zones, hosts, caps.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        let routes = self.network.routes.iter().map(|route| self.route(route));
        let backends = self.network.backends.iter().zip(&self.sites);
        let backends = backends.map(|(backend, site)| self.backend(backend, site));
        let others = self
            .caps
            .iter()
            .filter(|cap| !matches!(cap.scope, CapScope::Route(_) | CapScope::Backend(_)));
        let others = others.map(|cap| format!("cap {}: {cap}", cap.name));
        routes.chain(backends).chain(others).collect()
    }

    fn route(&self, route: &Route) -> String {
        let mut models: Vec<&str> = Vec::new();
        let mut order: Vec<&str> = Vec::new();
        for offer in &route.offers {
            models.push(&offer.model);
            if let Some(backend) = self.network.backends.get(offer.backend) {
                order.push(&backend.name);
            }
        }
        models.dedup();
        let mut seen = Vec::new();
        order.retain(|name| {
            !seen.contains(name) && {
                seen.push(*name);
                true
            }
        });
        let mut line = format!(
            "route {}: {} at {}",
            route.name,
            models.join(", else "),
            order.join(", ")
        );
        line.push_str(match route.goal {
            Goal::Order => ", by order",
            Goal::Latency => ", by latency",
            Goal::Cost => ", by cost",
        });
        if !route.residency.is_empty() {
            line.push_str(&format!(", within {}", route.residency.join(", ")));
        }
        if !route.tenants.is_empty() {
            line.push_str(&format!(", for {}", route.tenants.join(", ")));
        }
        self.capped(line, &CapScope::Route(route.name.clone()))
    }

    fn backend(&self, backend: &Backend, site: &Site) -> String {
        let zones = match backend.zones.as_slice() {
            [] => "anywhere".to_owned(),
            zones => format!("in {}", zones.join(", ")),
        };
        let mut line = format!(
            "backend {}: {} at {}, {zones}, {}",
            backend.name,
            backend.provider,
            site.base_url(),
            site.shows()
        );
        if !backend.tenants.is_empty() {
            line.push_str(&format!(", for {}", backend.tenants.join(", ")));
        }
        self.capped(line, &CapScope::Backend(backend.name.clone()))
    }

    fn capped(&self, mut line: String, scope: &CapScope) -> String {
        let own = self.caps.iter().filter(|cap| cap.scope == *scope);
        let own: Vec<String> = own.map(ToString::to_string).collect();
        if !own.is_empty() {
            line.push_str(&format!(", cap {}", own.join(", ")));
        }
        line
    }
}
