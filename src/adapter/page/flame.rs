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
/// What is less than one part in so many of everything cannot be seen.
const SEEN: u128 = 500;
/// What is too small to be seen.
const OTHERS: &str = "others";
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
        let paths = visible(&story.flames);
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

/// In the order of the paths. What is too small to be seen is put together with its siblings, and
/// with its parent's where that is still too small, so that no number of prefixes makes many paths.
fn visible(flames: &[Flame]) -> Vec<(Vec<String>, Kinds)> {
    let mut paths: BTreeMap<Vec<String>, Kinds> = BTreeMap::new();
    for flame in flames.iter().filter(|flame| size(&flame.kinds) > 0) {
        add(paths.entry(names(flame)).or_default(), &flame.kinds);
    }
    let least = paths.values().map(size).sum::<u128>() / SEEN;
    let deepest = paths.keys().map(Vec::len).max().unwrap_or(0);
    for depth in (1..=deepest).rev() {
        for keep in [depth - 1, depth.saturating_sub(2)] {
            gather(&mut paths, depth, keep, least);
        }
    }
    paths.into_iter().collect()
}

/// Puts small paths of this depth together below their first `keep` names.
fn gather(paths: &mut BTreeMap<Vec<String>, Kinds>, depth: usize, keep: usize, least: u128) {
    let small = |path: &Vec<String>, kinds: &Kinds| path.len() == depth && size(kinds) < least;
    let moved: Vec<_> = paths
        .extract_if(.., |path, kinds| small(path, kinds))
        .collect();
    for (mut path, kinds) in moved {
        path.truncate(keep);
        path.push(OTHERS.into());
        add(paths.entry(path).or_default(), &kinds);
    }
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

/// What stands at each depth of a path.
const FLOORS: [&str; 5] = ["route", "model", "tools", "system prompt", "conversation"];

fn names(flame: &Flame) -> Vec<String> {
    let floors = FLOORS.into_iter().chain(std::iter::repeat("part"));
    let parts = flame.path.iter().zip(floors);
    parts.map(|(part, floor)| named(part, floor)).collect()
}

/// Folded lines know semicolons, line ends and comments. A bare digest says what it is of.
fn named(part: &str, floor: &str) -> String {
    let clean = |one| match one {
        ';' => ',',
        one if one.is_control() || one.is_whitespace() => ' ',
        one => one,
    };
    let text: String = part.chars().map(clean).collect();
    let text = clip_to(text.trim(), 60);
    let digest = text.bytes().all(|one| one.is_ascii_hexdigit());
    if text.is_empty() {
        format!("no {floor}")
    } else if text.starts_with('#') {
        format!("·{text}")
    } else if digest && FLOORS.iter().skip(2).any(|one| *one == floor) {
        format!("{floor} {text}")
    } else {
        text
    }
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
        let story = Story {
            flames,
            ..Story::default()
        };
        Flames::of(&story)
    }

    #[test]
    fn names_cannot_break_the_folded_lines() {
        let odd = ["# route;one\n", "model 5", "", "<b>&\"", "9c1f"];
        let flames = graph_of(vec![flame(&odd, 10, 0, 5)]);
        let graph = &flames.graph;
        assert!(
            graph.contains("·# route,one (15 tokens, 100.00%)"),
            "{graph}"
        );
        assert!(graph.contains("model 5 (15 tokens"));
        assert!(graph.contains("no tools (15 tokens"));
        assert!(graph.contains("conversation 9c1f (15 tokens"));
        assert!(graph.contains("&lt;b&gt;&amp;"));
        assert!(!graph.contains("<b>"));
    }

    #[test]
    fn small_prefixes_are_put_together_below_their_parent() {
        let mut flames = vec![flame(&["a", "large"], 1_000_000, 0, 0)];
        for number in 0..5_000 {
            flames.push(flame(&["a", &format!("small {number}")], 0, 100, 1));
        }
        flames.push(flame(&["b", "alone"], 0, 0, 7));
        flames.push(flame(&["c", "alone"], 0, 0, 7));
        let shown: Vec<(String, Kinds)> = graph_of(flames)
            .paths
            .into_iter()
            .map(|(path, kinds)| (path.join("/"), kinds))
            .collect();
        let kinds = |read, write, plain| Kinds { read, write, plain };
        let wanted = [
            ("a/large".to_owned(), kinds(1_000_000, 0, 0)),
            ("a/others".to_owned(), kinds(0, 500_000, 5_000)),
            ("others".to_owned(), kinds(0, 0, 14)),
        ];
        assert_eq!(shown, wanted);
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
