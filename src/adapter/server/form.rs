//! In which form an answer is wanted: dialect, wrapping and delivery.

/// What a service puts around the dialect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wrap {
    None,
    /// Bedrock's Converse.
    Converse,
    /// Bedrock's InvokeModel, whose body is the model's own.
    Invoke,
}

/// How the answer travels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Delivery {
    /// One JSON document.
    #[default]
    Document,
    /// Server-sent events.
    Sse,
    /// Frames of an AWS event stream.
    Frames,
    /// A JSON array, element by element.
    Array,
}

/// The form of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Form {
    pub(super) dialect: &'static str,
    pub(super) wrap: Wrap,
    pub(super) delivery: Delivery,
}

impl Form {
    /// What path and query ask for in this dialect; `asked` is what the body does.
    pub(super) fn of(dialect: &'static str, path: &str, query: &str, asked: Delivery) -> Self {
        let verb = path.rsplit(['/', ':']).next().unwrap_or_default();
        let (wrap, delivery) = match verb {
            "converse" => (Wrap::Converse, Delivery::Document),
            "converse-stream" => (Wrap::Converse, Delivery::Frames),
            "invoke" => (Wrap::Invoke, Delivery::Document),
            "invoke-with-response-stream" => (Wrap::Invoke, Delivery::Frames),
            "generateContent" => (Wrap::None, Delivery::Document),
            "streamGenerateContent" if query.split('&').any(|pair| pair == "alt=sse") => {
                (Wrap::None, Delivery::Sse)
            }
            "streamGenerateContent" => (Wrap::None, Delivery::Array),
            "streamRawPredict" => (Wrap::None, Delivery::Sse),
            _ => (Wrap::None, asked),
        };
        Self {
            dialect,
            wrap,
            delivery,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn path_query_and_body_say_how_the_answer_travels() {
        let model = "/model/us.amazon.nova-lite-v1:0";
        for (path, query, wrap, delivery) in [
            ("/v1/messages", "", Wrap::None, Delivery::Sse),
            (
                &*format!("{model}/converse"),
                "",
                Wrap::Converse,
                Delivery::Document,
            ),
            (
                &*format!("{model}/converse-stream"),
                "",
                Wrap::Converse,
                Delivery::Frames,
            ),
            (
                "/models/g:generateContent",
                "",
                Wrap::None,
                Delivery::Document,
            ),
            (
                "/models/g:streamGenerateContent",
                "key=1&alt=sse",
                Wrap::None,
                Delivery::Sse,
            ),
            (
                "/models/g:streamGenerateContent",
                "key=1",
                Wrap::None,
                Delivery::Array,
            ),
        ] {
            let form = Form::of("chat", path, query, Delivery::Sse);
            assert_eq!((form.wrap, form.delivery), (wrap, delivery), "{path}");
        }
    }
}
