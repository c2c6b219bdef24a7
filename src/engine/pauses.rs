//! A conversation's pauses: noted when they end, counted when they begin.

use super::{Memory, Meta};
use crate::economy::{Asked, Input, Odds, Returns, Stream};
use crate::model::{BlockKind, Digest, Keyring, Prompt, Role, Timestamp, Tokens};

/// Where the pauses of one conversation are kept.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pauses {
    pub(super) conversation: Digest,
    /// What is learned of pauses, from wide to narrow: of all of them, of the route's and tenant's,
    /// of the service's.
    pub(super) keys: [Digest; 3],
    /// The service, as a digest.
    pub(super) service: Digest,
    /// Whose money pings cost.
    pub(super) account: Digest,
}

impl Pauses {
    pub(super) fn of(
        keyring: &Keyring,
        meta: &Meta<'_>,
        [conversation, service]: [Digest; 2],
    ) -> Self {
        let [route, tenant] = [meta.route, meta.tenant].map(str::as_bytes);
        let account = meta.digest(keyring);
        Self {
            conversation,
            keys: [
                keyring.scope(&[b"pauses"]),
                keyring.scope(&[b"pauses of", tenant, route]),
                keyring.scope(&[b"pauses", service.as_bytes()]),
            ],
            service,
            account: keyring.scope(&[b"pings", account.as_bytes()]),
        }
    }

    /// Takes in a request: the pause that it ended is settled.
    pub(super) fn note(&self, memory: &dyn Memory, asked: &Asked) -> Stream {
        let mut stream = memory.stream(&self.conversation).unwrap_or_default();
        let was_answered = stream.answered().is_some();
        if let Some((signs, gap)) = stream.request(asked).filter(|_| was_answered) {
            for key in self.keys {
                memory.learn_returns(key, &mut |returns| returns.end(&signs, gap));
            }
        }
        stream
    }

    /// A pause begins: its conversation was answered.
    pub(super) fn begin(&self, memory: &dyn Memory, stream: &Stream) {
        let signs = stream.signs();
        for key in self.keys {
            memory.learn_returns(key, &mut |returns| returns.begin(&signs));
        }
    }

    /// How the pause that goes on now should end.
    pub(super) fn odds(&self, memory: &dyn Memory, stream: &Stream) -> Odds {
        let signs = stream.signs();
        let [everywhere, route, service] = &self.keys;
        let mut odds = None;
        memory.returns(everywhere, &mut |everywhere| {
            memory.returns(route, &mut |route| {
                memory.returns(service, &mut |service| {
                    odds = Some(Returns::odds(&[everywhere, route, service], &signs));
                });
            });
        });
        odds.unwrap_or_else(|| Returns::odds(&[], &signs))
    }
}

/// What a request adds to its stream; the one before had its first `shared` blocks as well.
pub(super) fn asked(
    now: Timestamp,
    prompt: &Prompt,
    prefix_tokens: &[Tokens],
    shared: usize,
) -> Asked {
    let tokens = prefix_tokens.last().copied().unwrap_or(0);
    let known = shared.checked_sub(1).and_then(|at| prefix_tokens.get(at));
    Asked::new(now, input(prompt), tokens, known.copied().unwrap_or(0))
}

/// What the request ends with: results of tools, also where words stand beside them.
fn input(prompt: &Prompt) -> Input {
    let last = prompt.blocks.iter().rev();
    let last = last.take_while(|block| block.role != Role::Assistant);
    let mut input = Input::Other;
    for block in last.take(64) {
        match block.kind {
            BlockKind::ToolResult => return Input::ToolResult,
            BlockKind::Text => input = Input::Text,
            _ => {}
        }
    }
    input
}
