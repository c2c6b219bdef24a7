//! The README's configuration is one that the crate accepts.

use cachewright::adapter::handle::Cachewright;

#[test]
fn its_examples_are_accepted() {
    let readme = include_str!("../README.md");
    let blocks = readme.split("```toml\n").skip(1);
    let examples: Vec<&str> = blocks.filter_map(|text| text.split("```").next()).collect();
    let [settings, rows] = examples[..] else {
        panic!("the README shows settings and rows, in this order");
    };
    let handle = Cachewright::builder()
        .config("settings", settings)
        .and_then(|builder| builder.rows("rows", rows))
        .and_then(cachewright::adapter::handle::Builder::build);
    assert!(handle.is_ok(), "{handle:?}");
}
