//! Shim.
use crate::model::Usage;
/// b
#[derive(Clone, Copy, Debug)]
pub enum Body {
    /// j
    Json,
    /// s
    Sse,
}
/// w
#[derive(Debug)]
pub struct Watcher;
/// s
#[derive(Debug, Default)]
pub struct Seen {
    /// u
    pub usage: Option<Usage>,
    /// e
    pub ended: bool,
}
impl Watcher {
    /// n
    pub fn new(_: Body) -> Self {
        Self
    }
    /// f
    pub fn feed(&mut self, _: &[u8]) {}
    /// f
    pub fn finish(self) -> Seen {
        Seen::default()
    }
}
