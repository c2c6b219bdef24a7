//! Answers that are always the same, made once: for measuring what stands before the provider.

use axum::body::Bytes;
use axum::http::HeaderValue;
use memchr::memmem;

use super::answers::Answer;
use super::form::{Delivery, Form};
use super::target::Target;
use super::wish::Wish;
use crate::model::Usage;

/// One answer, ready to be sent.
#[derive(Clone, Debug)]
pub(super) struct Constant {
    form: Form,
    pub(super) kind: HeaderValue,
    pub(super) body: Bytes,
}

impl Constant {
    pub(super) fn new(form: Form) -> Self {
        let wish = Wish {
            model: Some("constant".into()),
            usage: true,
            ..Wish::default()
        };
        let mut answer = Answer::new("constant".into(), wish, None);
        answer.usage = Usage {
            output: answer.usage.output,
            ..Usage::reported(3, 1024, 0, 0, 0)
        };
        let rendered = answer.render(form);
        let body = match rendered.pieces.as_slice() {
            [document] => document.clone(),
            pieces => pieces.concat().into(),
        };
        Self {
            form,
            kind: rendered.kind,
            body,
        }
    }

    /// Whether this answers a request in that form.
    pub(super) fn is_for(&self, form: Form) -> bool {
        self.form == form
    }
}

/// The form that a request asks for, told without parsing its body.
pub(super) fn form(target: &Target, path: &str, query: &str, body: &[u8]) -> Form {
    let form = Form::of(target.dialect, path, query, Delivery::Sse);
    if form.delivery != Delivery::Sse {
        return form;
    }
    let says = |needle: &str| memmem::find(body, needle.as_bytes()).is_some();
    if says("\"stream\":true") || says("\"stream\": true") || path.ends_with(":streamRawPredict") {
        return form;
    }
    Form::of(target.dialect, path, query, Delivery::Document)
}
