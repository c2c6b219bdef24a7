//! The report as a page, in a real browser.

use cachewright::adapter::page;

use crate::support::chromium::{Browser, tempfile};
use crate::support::story;

#[test]
fn pictures() {
    let dir = tempfile("pictures");
    let file = dir.join("page.html");
    std::fs::write(&file, page::render(&story::realistic())).unwrap();
    let Some(mut browser) = Browser::start("pictures-profile") else {
        return;
    };
    for (width, mode) in [
        (1280, "light"),
        (1280, "dark"),
        (390, "light"),
        (390, "dark"),
        (320, "light"),
    ] {
        browser.screen(width, mode);
        browser.open(&file);
        browser.picture(&dir.join(format!("{width}-{mode}.png")));
    }
    eprintln!("{:?} {:?}", browser.requests, browser.faults);
}
