//! The two halves of preparing a request: reading it, which leaves no trace, and planning it.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;

use super::Draft;
use crate::engine::chain::Before;
use crate::engine::reading::Known;
use crate::engine::reshape::Spelled;
use crate::engine::survey::Surveyed;
use crate::engine::{Conversation, Engine, Exchange, Meta, Prepared, holdout};
use crate::model::{Arm, Digest, Mode, Skip, Timestamp, Why};
use crate::provider::Model;

/// A request that was read and is not planned yet: whoever prepares it may wait before that.
pub struct Opened {
    body: Bytes,
    read: Result<Parts, Skip>,
}

struct Parts {
    turn: Arc<Conversation>,
    account: Digest,
    known: Known,
    spelled: Spelled,
    model: Model,
    before: Option<Before>,
    arm: Option<Arm>,
    mode: Mode,
}

impl Opened {
    /// What its prefixes are of: account, model and everything else that separates caches; `None`
    /// where it must not be changed.
    #[must_use]
    pub fn root(&self) -> Option<Digest> {
        self.turn().map(|turn| turn.root)
    }

    /// The prompt with its prefixes, where it may be changed.
    pub(in crate::engine) fn turn(&self) -> Option<&Conversation> {
        let parts = self.read.as_ref().ok()?;
        (parts.mode != Mode::Observe).then_some(&*parts.turn)
    }
}

impl fmt::Debug for Opened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Opened")
            .field("bytes", &self.body.len())
            .field("skip", &self.read.as_ref().err())
            .finish_non_exhaustive()
    }
}

impl Engine {
    /// Reads one request and leaves no trace of it: the first half of [`Engine::prepare`].
    #[must_use]
    pub fn open(&self, meta: &Meta<'_>, body: &Bytes) -> Opened {
        let read = Draft::read(self, Timestamp::default(), meta, body);
        Opened {
            body: body.clone(),
            read: read.map(|draft| Parts {
                turn: draft.turn,
                account: draft.account,
                known: draft.known,
                spelled: draft.spelled,
                model: draft.model,
                before: draft.before,
                arm: draft.arm,
                mode: draft.wishes.mode,
            }),
        }
    }

    /// Plans and rewrites a request that was read: the second half of [`Engine::prepare`]. `meta` must
    /// be what it was opened with.
    #[must_use]
    pub fn prepare_opened(&self, now: Timestamp, meta: &Meta<'_>, opened: Opened) -> Prepared {
        let parts = match opened.read {
            Ok(parts) => parts,
            Err(why) => return passed_on(self, now, meta, why),
        };
        let provider = self.catalog.provider(meta.provider);
        let endpoint = provider.and_then(|provider| provider.endpoint(meta.dialect));
        let Some((provider, endpoint)) = provider.zip(endpoint) else {
            return passed_on(self, now, meta, Skip::UnknownEndpoint);
        };
        let draft = Draft {
            engine: self,
            now,
            meta,
            wishes: holdout::under(self.settings.on(meta.route), parts.arm),
            arm: parts.arm,
            provider,
            endpoint,
            turn: parts.turn,
            account: parts.account,
            known: parts.known,
            spelled: parts.spelled,
            model: parts.model,
            before: parts.before,
            traced: None,
        };
        draft.finish(&opened.body)
    }
}

/// A request that goes through as it is.
pub(super) fn passed_on(engine: &Engine, now: Timestamp, meta: &Meta<'_>, why: Skip) -> Prepared {
    Prepared {
        body: None,
        skip: Some(why),
        exchange: Exchange::skipped(engine, now, meta, why),
        headers: Vec::new(),
        errand: None,
        placed: None,
        changes: Vec::new(),
        numbers: None,
    }
}

impl Draft<'_> {
    /// What is expected of a request that only warms what others will share: they are promised, and
    /// end differently.
    pub(in crate::engine) fn promised(&self, mut surveyed: Surveyed) -> Surveyed {
        if self.meta.prewarm {
            let (outlook, ..) = &mut surveyed;
            let candidates = &mut outlook.candidates;
            candidates.retain(|candidate| candidate.why != Why::Tail);
            candidates
                .iter_mut()
                .for_each(|candidate| candidate.reuse = 1.0);
        }
        surveyed
    }
}
