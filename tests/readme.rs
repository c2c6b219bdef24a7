//! The README's configuration is one that the crate accepts.

use cachewright::adapter::gateway::GatewayOptions;
use cachewright::adapter::handle::Cachewright;
use cachewright::adapter::proxy::{Proxy, ProxyOptions};
use cachewright::adapter::store::StoreOptions;
use cachewright::provider::Catalog;

#[test]
fn its_examples_are_accepted() {
    let readme = include_str!("../README.md");
    let blocks = readme.split("```toml\n").skip(1);
    let examples: Vec<&str> = blocks.filter_map(|text| text.split("```").next()).collect();
    let [settings, rows, proxy, routes, seen] = examples[..] else {
        panic!("the README shows settings, rows, a proxy, routes and what is kept, in this order");
    };
    let handle = Cachewright::builder()
        .config("settings", settings)
        .and_then(|builder| builder.rows("rows", rows))
        .and_then(cachewright::adapter::handle::Builder::build);
    assert!(handle.is_ok(), "{handle:?}");
    let own = Cachewright::builder().config("proxy", proxy);
    assert!(own.is_ok(), "{own:?}");
    let kept = Cachewright::builder().config("kept", seen);
    assert!(kept.is_ok(), "{kept:?}");
    let token = |name: &str| name.ends_with("KEY").then(|| "k".to_owned());
    let token = |name: &str| {
        (name == "BEDROCK_TOKEN")
            .then(|| "t".to_owned())
            .or_else(|| token(name))
    };
    let gateway = GatewayOptions::config(("routes", routes), &Catalog::builtin(), &token).unwrap();
    let served = gateway.network.routes.iter().map(|route| &*route.name);
    assert_eq!(served.collect::<Vec<_>>(), ["contracts", "voice"]);
    assert!(Cachewright::builder().config("routes", routes).is_ok());
    let password = |name: &str| (name == "PASSWORD").then(|| "p".to_owned());
    let ledger = StoreOptions::at("other.db").and_then(|one| one.config(("kept", seen), &password));
    assert_eq!(ledger.unwrap().place(), "ledger.db");
    let options = ProxyOptions::default();
    let options = options.config(("proxy", proxy), &Catalog::builtin(), &|_| None);
    let proxy = options.and_then(|options| Proxy::new(&Cachewright::new(), options));
    if cfg!(feature = "bedrock-sdk") {
        assert_eq!(proxy.unwrap().upstreams().count(), 3);
    } else {
        let error = proxy.unwrap_err().to_string();
        assert!(error.contains("--features bedrock-sdk"), "{error}");
    }
}
