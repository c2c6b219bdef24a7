//! Forty conversations.

use serde_json::json;

use super::talk::{Choice, Outcome, Part, System, Talk, Turn, ask, say, told};

const SYSTEM: &str = "You keep the shelves of a library. Answer in one sentence.";

/// A text of this many bytes, or a few more.
fn filler(seed: usize, bytes: usize) -> String {
    let mut text = String::with_capacity(bytes + 80);
    let mut n = seed;
    while text.len() < bytes {
        text += &format!(
            "Fact {n}: shelf {} holds {} volumes. ",
            n % 97,
            n * 7 % 1013
        );
        n += 1;
    }
    text
}

fn talk(name: &'static str, turns: Vec<Turn>) -> Talk {
    Talk {
        name,
        turns,
        max: 400,
        system: System::Text(SYSTEM.into()),
        ..Talk::default()
    }
}

fn with(talk: Talk, change: impl FnOnce(&mut Talk)) -> Talk {
    let mut talk = talk;
    change(&mut talk);
    talk
}

fn with_tools(name: &'static str, turns: Vec<Turn>) -> Talk {
    with(talk(name, turns), |talk| talk.tools = true)
}

fn streamed(name: &'static str, talk: &Talk) -> Talk {
    let mut talk = talk.clone();
    talk.name = name;
    talk.stream = true;
    talk
}

/// All of them; the name of each says what it is about.
pub(crate) fn all() -> Vec<Talk> {
    let talks: Vec<Talk> = [
        plain(),
        calls(),
        results(),
        seen(),
        thoughts(),
        odd(),
        refused(),
    ]
    .concat();
    assert_eq!(talks.len(), 40);
    talks
}

fn plain() -> Vec<Talk> {
    let first = talk("plain", vec![ask("What stands on shelf one?")]);
    let turns = talk(
        "turns",
        vec![
            ask("What stands on shelf one?"),
            told("The atlases."),
            ask("And on shelf two?"),
            told("The dictionaries."),
            ask("Which of the two is heavier?"),
        ],
    );
    let long = with(talk("long", vec![ask("Which shelf holds most?")]), |talk| {
        talk.system = System::Text(filler(1, 200_000));
    });
    vec![
        first.clone(),
        streamed("plain, streamed", &first),
        with(first.clone(), |talk| {
            talk.name = "no system prompt";
            talk.system = System::None;
        }),
        with(first.clone(), |talk| {
            talk.name = "a system prompt in blocks";
            talk.system = System::Blocks(vec![say(SYSTEM), say(filler(40, 9000))]);
        }),
        streamed("turns, streamed", &turns),
        turns,
        streamed("long, streamed", &long),
        long,
        with(first.clone(), |talk| {
            talk.name = "as long as allowed";
            talk.max = 20;
        }),
        with(first, |talk| {
            talk.name = "a stop sequence";
            talk.stop = Some("request");
        }),
    ]
}

fn calls() -> Vec<Talk> {
    let one = with_tools("a call", vec![ask("Please use the tool.")]);
    let both = with_tools("two calls", vec![ask("Please use both tools.")]);
    let chosen = |name, choice| {
        let talk = with_tools(name, vec![ask("Please use the tool.")]);
        with(talk, |talk| talk.choice = Some(choice))
    };
    vec![
        streamed("a call, streamed", &one),
        one,
        streamed("two calls, streamed", &both),
        with(both.clone(), |talk| {
            talk.name = "one call at most";
            talk.one_call = true;
        }),
        both,
        chosen("no tool", Choice::None),
        chosen("any tool", Choice::Any),
        chosen("the other tool", Choice::Named("population")),
    ]
}

fn results() -> Vec<Talk> {
    let back = |name, id, outcome| {
        let turns = vec![
            ask("Weather in Zürich?"),
            Turn::Said(vec![Part::Call(id, "weather", "Zürich")]),
            Turn::User(vec![Part::Result(id, outcome)]),
        ];
        with_tools(name, turns)
    };
    let two = with_tools(
        "two results",
        vec![
            ask("Weather and size of Zürich?"),
            Turn::Said(vec![
                say("I ask both."),
                Part::Call("call_a", "weather", "Zürich"),
                Part::Call("call_b", "population", "Zürich"),
            ]),
            Turn::User(vec![
                Part::Result("call_a", Outcome::Text("sunny")),
                Part::Result("call_b", Outcome::Text("443,037")),
            ]),
        ],
    );
    let seen = Outcome::Seen("as seen from above");
    vec![
        back("a result", "call_c", Outcome::Text("snow")),
        streamed("two results, streamed", &two),
        two,
        back(
            "a tool that failed",
            "call_d",
            Outcome::Failed("no such city"),
        ),
        back("a result that is an image", "call_e", seen),
        back("a result with nothing in it", "call_f", Outcome::Nothing),
    ]
}

fn seen() -> Vec<Talk> {
    let image = talk(
        "an image",
        vec![Turn::User(vec![Part::Image, say("What is this?")])],
    );
    vec![
        streamed("an image, streamed", &image),
        image,
        talk(
            "images of two turns",
            vec![
                Turn::User(vec![Part::Image, say("One."), Part::Image, say("Two.")]),
                told("Two red dots."),
                Turn::User(vec![say("And this?"), Part::Image]),
            ],
        ),
        talk(
            "a document",
            vec![Turn::User(vec![Part::Pdf, say("What does it say?")])],
        ),
        talk(
            "a document of plain text",
            vec![Turn::User(vec![
                Part::Paper("Shelf nine is empty."),
                say("What does it say?"),
            ])],
        ),
    ]
}

fn thoughts() -> Vec<Talk> {
    let think = with(talk("thinking", vec![ask("Please think first.")]), |talk| {
        talk.thinks = true;
        talk.max = 2000;
    });
    let loops = with(
        with_tools(
            "thinking before a call, kept",
            vec![
                ask("Weather in Zürich?"),
                Turn::Said(vec![
                    Part::Thought(
                        "The weather is asked for.",
                        "c2lnbmVkIGJ5IHRoZSBwcm92aWRlcg==",
                    ),
                    Part::Call("call_g", "weather", "Zürich"),
                ]),
                Turn::User(vec![Part::Result("call_g", Outcome::Text("rain"))]),
            ],
        ),
        |talk| {
            talk.thinks = true;
            talk.max = 2000;
        },
    );
    let hidden = with(
        talk(
            "thinking that is hidden",
            vec![
                ask("What stands on shelf three?"),
                Turn::Said(vec![Part::Redacted("ZW5jcnlwdGVk"), say("The maps.")]),
                ask("And on shelf four?"),
            ],
        ),
        |talk| talk.thinks = true,
    );
    vec![streamed("thinking, streamed", &think), think, loops, hidden]
}

fn odd() -> Vec<Talk> {
    let marked = |text: String, ttl| System::Blocks(vec![Part::Marked(text, ttl)]);
    vec![
        with(
            talk("a marker of the caller's own", vec![ask("Which is long?")]),
            |talk| talk.system = marked(filler(300, 12_000), None),
        ),
        with(
            talk(
                "markers of both lifetimes",
                vec![Turn::User(vec![
                    Part::Marked(filler(500, 9000), None),
                    say("Which is short?"),
                ])],
            ),
            |talk| talk.system = marked(filler(400, 12_000), Some("1h")),
        ),
        talk(
            "every script",
            vec![ask(
                "Grüße, שלום, 你好, नमस्ते, 👩‍👩‍👧‍👦, e\u{301}, \u{202e}abc\u{202c}, \\u0041, \"quoted\", \t tab\nline",
            )],
        ),
        with(talk("nothing in it", vec![ask("Go on.")]), |talk| {
            talk.system = System::Text(String::new());
            talk.turns = vec![ask("Go on."), told("I do."), ask("?")];
        }),
        with(
            talk("members that nobody knows", vec![ask("What is new?")]),
            |talk| {
                talk.more = vec![("", "x_unknown", json!({"a": [1.10, -0.0, 1e30, null, {}]}))];
            },
        ),
    ]
}

fn refused() -> Vec<Talk> {
    vec![
        with(
            talk("far too long an answer", vec![ask("Go on.")]),
            |talk| {
                talk.max = 10_000_000;
                talk.refused = true;
            },
        ),
        with(talk("no turns", vec![]), |talk| {
            talk.system = System::None;
            talk.refused = true;
        }),
    ]
}
