//! The tree of prefixes as a flame graph.

use std::collections::BTreeMap;

use inferno::flamegraph::color::{BackgroundColor, Color, PaletteMap};
use inferno::flamegraph::{self, Direction, Options, TextTruncateDirection};
use maud::{Markup, PreEscaped, html};
use plotters::style::RGBColor;

use super::format::clip_to;
use super::palette::{self, BRANCH, PAPER, PLAIN, READ, Shade, WRITE};
use super::time::legend;
use super::tree;
use crate::ledger::{Flame, Kinds, Story};

const STYLE: &str = include_str!("flame.css");
const KEYS: &str = include_str!("flame.js");
/// What `onload` of the graph runs.
const ONLOAD: &str = "init(evt)";
/// Paths that are drawn; the rest is drawn as one.
const PATHS: usize = 400;
/// The graph's scripts read counts as floats, which are exact up to here.
const EXACT: u128 = 1 << 52;
/// Beneath every path.
pub(super) const KINDS: [(&str, Shade); 3] = [("read", READ), ("write", WRITE), ("plain", PLAIN)];

/// The paths that are shown, and their graph.
#[derive(Debug, Default)]
pub(super) struct Flames {
    paths: Vec<(Vec<String>, Kinds)>,
    graph: String,
}

impl Flames {
    pub(super) fn of(story: &Story) -> Self {
        let paths = largest(&story.flames);
        let graph = draw(&paths).unwrap_or_default();
        Self { paths, graph }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.paths.is_empty()
    }

    /// The scripts within the graph.
    pub(super) fn scripts(&self) -> Vec<String> {
        if self.graph.is_empty() {
            return Vec::new();
        }
        vec![script_of(&self.graph), ONLOAD.into(), KEYS.into()]
    }

    pub(super) fn section(&self) -> Markup {
        let shades = KINDS.map(|(_, shade)| shade);
        let [read, write, plain] = shades;
        html! {
            @if !self.is_empty() {
                section id="prefixes" {
                    h2 { "Where the input tokens went" }
                    p.lead {
                        "Route, model, tools, system prompt, conversation: the wider, the more tokens were billed below. "
                        "Click to zoom; with the keyboard, arrows move, Enter zooms and Escape returns."
                    }
                    figure {
                        (legend(&[(read, "Read from the cache"), (write, "Written to it"), (plain, "Neither")]))
                        @if !self.graph.is_empty() {
                            iframe.flame title="Flame graph of the tree of prefixes; the same as a list follows it"
                                height=(height_of(&self.graph)) srcdoc=(self.document().into_string()) {}
                        }
                        details.tree {
                            summary { "The same as a tree" }
                            (tree::list(&self.paths))
                        }
                    }
                }
            }
        }
    }

    /// The graph's scripts listen to a whole window, so that it is given one of its own.
    fn document(&self) -> Markup {
        html! {
            (maud::DOCTYPE)
            html lang="en" {
                head {
                    meta charset="utf-8";
                    title { "Flame graph" }
                    style { (PreEscaped(palette::css())) (PreEscaped(STYLE)) }
                }
                body { (PreEscaped(&self.graph)) script { (PreEscaped(KEYS)) } }
            }
        }
    }
}

/// The paths with the most tokens, in the order of the paths; the others become one.
fn largest(flames: &[Flame]) -> Vec<(Vec<String>, Kinds)> {
    let mut by_size: Vec<&Flame> = flames
        .iter()
        .filter(|flame| size(&flame.kinds) > 0)
        .collect();
    by_size.sort_by(|one, other| {
        let sizes = size(&other.kinds).cmp(&size(&one.kinds));
        sizes.then_with(|| one.path.cmp(&other.path))
    });
    let mut paths: BTreeMap<Vec<String>, Kinds> = BTreeMap::new();
    for flame in by_size.iter().take(PATHS) {
        add(paths.entry(names(flame)).or_default(), &flame.kinds);
    }
    let rest = by_size.iter().skip(PATHS);
    if rest.len() > 0 {
        let sum = paths.entry(vec![format!("{} smaller prefixes", rest.len())]);
        let sum = sum.or_default();
        rest.for_each(|flame| add(sum, &flame.kinds));
    }
    paths.into_iter().collect()
}

pub(super) fn size(kinds: &Kinds) -> u128 {
    [kinds.read, kinds.write, kinds.plain]
        .map(u128::from)
        .iter()
        .sum()
}

pub(super) fn add(sum: &mut Kinds, more: &Kinds) {
    sum.read = sum.read.saturating_add(more.read);
    sum.write = sum.write.saturating_add(more.write);
    sum.plain = sum.plain.saturating_add(more.plain);
}

/// Folded lines know semicolons, line ends and comments.
fn names(flame: &Flame) -> Vec<String> {
    let none = [
        "(no route)",
        "(no model)",
        "(no tools)",
        "(no system prompt)",
        "(no conversation)",
    ];
    let mut none = none.into_iter();
    let clean = |part: &str, none: Option<&str>| {
        let text: String = part
            .chars()
            .map(|one| match one {
                ';' => ',',
                one if one.is_control() || one.is_whitespace() => ' ',
                one => one,
            })
            .collect();
        let text = clip_to(text.trim(), 60);
        if text.is_empty() {
            none.unwrap_or("(none)").to_owned()
        } else if text.starts_with('#') {
            format!("·{text}")
        } else {
            text
        }
    };
    flame
        .path
        .iter()
        .map(|part| clean(part, none.next()))
        .collect()
}

/// `None` where it cannot be drawn; the figures stand in the tree beside it.
fn draw(paths: &[(Vec<String>, Kinds)]) -> Option<String> {
    let total: u128 = paths.iter().map(|(_, kinds)| size(kinds)).sum();
    let shift = (0_u32..64).find(|shift| total >> shift <= EXACT)?;
    let mut colours = PaletteMap::default();
    colours.insert("", colour(BRANCH));
    let mut lines = Vec::new();
    for (path, kinds) in paths {
        for name in path {
            colours.insert(name, colour(BRANCH));
        }
        let counts = [kinds.read, kinds.write, kinds.plain].map(|count| count >> shift);
        for ((kind, _), count) in KINDS.into_iter().zip(counts) {
            if count > 0 {
                lines.push(format!("{};{kind} {count}", path.join(";")));
            }
        }
    }
    for (kind, shade) in KINDS {
        colours.insert(kind, colour(shade));
    }
    let mut options = options(shift);
    options.palette_map = Some(&mut colours);
    let mut out = Vec::new();
    let lines = lines.iter().map(String::as_str);
    flamegraph::from_lines(&mut options, lines, &mut out).ok()?;
    let text = String::from_utf8(out).ok()?;
    // Within HTML there is no place for the declarations of a file.
    text.find("<svg")
        .and_then(|start| text.get(start..))
        .map(str::to_owned)
}

fn options(shift: u32) -> Options<'static> {
    let mut options = Options::default();
    options.title = String::new();
    options.count_name = "tokens".into();
    options.name_type = String::new();
    options.direction = Direction::Inverted;
    options.text_truncate_direction = TextTruncateDirection::Right;
    options.bgcolors = Some(BackgroundColor::Flat(colour(PAPER)));
    options.frame_height = 26;
    options.font_size = 13;
    options.min_width = 0.15;
    options.factor = f64::from(shift).exp2();
    options
}

fn colour(shade: Shade) -> Color {
    let RGBColor(r, g, b) = shade.rgb();
    Color { r, g, b }
}

/// The text of the graph's script element, as a browser sees it.
fn script_of(graph: &str) -> String {
    let start = graph.find("<script").and_then(|at| graph.get(at..));
    let script = start
        .and_then(|text| text.split_once('>'))
        .map_or("", |(_, text)| text);
    let script = script.split_once("</script>").map_or("", |(text, _)| text);
    script.replace("<![CDATA[", "").replace("]]>", "")
}

fn height_of(graph: &str) -> u32 {
    let height = graph
        .split_once(" height=\"")
        .and_then(|(_, rest)| rest.split_once('"'));
    height
        .and_then(|(height, _)| height.parse().ok())
        .unwrap_or(300)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flame(path: &[&str], read: u64, write: u64, plain: u64) -> Flame {
        let path = path.iter().map(|part| Box::from(*part)).collect();
        Flame::new(path, Kinds { read, write, plain })
    }

    fn graph_of(flames: Vec<Flame>) -> Flames {
        let mut story = Story::default();
        story.flames = flames;
        Flames::of(&story)
    }

    #[test]
    fn names_cannot_break_the_folded_lines() {
        let odd = ["# route;one\n", "model 5", "", "<b>&\"", "x"];
        let flames = graph_of(vec![flame(&odd, 10, 0, 5)]);
        let graph = &flames.graph;
        assert!(
            graph.contains("·# route,one (15 tokens, 100.00%)"),
            "{graph}"
        );
        assert!(graph.contains("model 5 (15 tokens"));
        assert!(graph.contains("(no tools) (15 tokens"));
        assert!(graph.contains("&lt;b&gt;&amp;"));
        assert!(!graph.contains("<b>"));
    }

    #[test]
    fn the_script_is_found_whole() {
        let flames = graph_of(vec![flame(&["a"], 1, 1, 1)]);
        let [script, onload, keys] = <[String; 3]>::try_from(flames.scripts()).unwrap();
        assert!(script.contains("function init(evt)") && script.contains("function zoom(node)"));
        assert!(!script.contains("CDATA"));
        assert!(flames.graph.contains(&format!("onload=\"{onload}\"")));
        assert!(!keys.is_empty());
    }

    #[test]
    fn what_is_too_large_for_floats_is_scaled() {
        let flames = graph_of(vec![flame(&["a"], u64::MAX, u64::MAX, u64::MAX)]);
        assert!(flames.graph.contains("fg:w="));
        assert!(graph_of(Vec::new()).graph.is_empty());
    }
}
