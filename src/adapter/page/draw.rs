//! Charts as SVG.

use plotters::chart::{ChartBuilder, ChartContext};
use plotters::coord::Shift;
use plotters::coord::combinators::BindKeyPoints;
use plotters::coord::ranged1d::ValueFormatter;
use plotters::coord::types::RangedCoordf64;
use plotters::drawing::{DrawingArea, DrawingAreaErrorKind, IntoDrawingArea};
use plotters::element::{Rectangle, Text};
use plotters::prelude::{Cartesian2d, DrawingBackend, Ranged, SVGBackend};
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{Color, IntoFont, ShapeStyle, TextStyle};

use super::palette::{INK, PLAIN, QUIET, READ, READABLE, RULE, Shade};

/// Backends know whole units only: drawn larger than it is shown, a bar lands where it belongs.
const SCALE: u32 = 4;
/// Plotters draws text smaller than it is told, by this factor.
const FONT: f64 = 1.24;

/// One of the two forms of every chart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// For screens.
    Wide,
    /// For phones.
    Narrow,
}

impl Form {
    pub(super) const BOTH: [Self; 2] = [Self::Wide, Self::Narrow];

    pub(super) const fn class(self) -> &'static str {
        match self {
            Self::Wide => "chart wide",
            Self::Narrow => "chart narrow",
        }
    }

    pub(super) const fn width(self) -> u32 {
        match self {
            Self::Wide => 1000,
            Self::Narrow => 340,
        }
    }

    const fn height(self) -> u32 {
        match self {
            Self::Wide => 280,
            Self::Narrow => 220,
        }
    }

    /// Bars that can be told apart.
    pub(super) const fn bars(self) -> usize {
        match self {
            Self::Wide => 96,
            Self::Narrow => 32,
        }
    }

    /// Dates that fit below.
    pub(super) const fn ticks(self) -> i64 {
        match self {
            Self::Wide => 9,
            Self::Narrow => 3,
        }
    }
}

/// Bars over time, each of layers on top of each other. Times are in microseconds.
#[derive(Clone, Debug)]
pub(super) struct Stack {
    pub(super) layers: Vec<Shade>,
    /// Where each bar begins, and the height of its layers.
    pub(super) bars: Vec<(i64, Vec<f64>)>,
    /// How much time a bar stands for.
    pub(super) stretch: i64,
    /// Where dates stand, and what they say.
    pub(super) ticks: Vec<(i64, String)>,
    pub(super) spell: fn(f64) -> String,
}

type Failure<B> = DrawingAreaErrorKind<<B as DrawingBackend>::ErrorType>;

/// Empty where it cannot be drawn; the figures stand in the table beside it.
pub(super) fn stack(stack: &Stack, form: Form) -> String {
    let mut out = String::new();
    let size = (form.width() * SCALE, form.height() * SCALE);
    let area = SVGBackend::with_string(&mut out, size).into_drawing_area();
    let drawn = stack_on(&area, stack).is_ok();
    drop(area);
    if drawn { out } else { String::new() }
}

#[expect(clippy::float_arithmetic, reason = "layout")]
fn stack_on<B: DrawingBackend>(
    area: &DrawingArea<B, Shift>,
    stack: &Stack,
) -> Result<(), Failure<B>> {
    let sums = stack.bars.iter().map(|(_, layers)| layers.iter().sum());
    let top: f64 = sums.fold(0.0, f64::max);
    let top = if top > 0.0 { top * 1.04 } else { 1.0 };
    let first = stack.bars.first().map_or(0, |bar| bar.0);
    let last = stack.bars.last().map_or(0, |bar| bar.0) + stack.stretch;
    let places: Vec<i64> = stack.ticks.iter().map(|tick| tick.0).collect();
    let mut chart = ChartBuilder::on(area)
        .margin_top(10 * SCALE)
        .margin_right(8 * SCALE)
        .x_label_area_size(26 * SCALE)
        .y_label_area_size(52 * SCALE)
        .build_cartesian_2d((first..last).with_key_points(places), 0.0..top)?;
    mesh(&mut chart, stack)?;
    chart.draw_series(stack.bars.iter().flat_map(|(at, layers)| {
        let (left, right) = (*at, at + stack.stretch * 5 / 6);
        let mut base = 0.0;
        let shades = stack.layers.iter().zip(layers);
        let shapes: Vec<_> = shades
            .filter(|(_, height)| **height > 0.0)
            .map(|(shade, height)| {
                let below = base;
                base += height;
                Rectangle::new([(left, below), (right, base)], shade.rgb().filled())
            })
            .collect();
        shapes
    }))?;
    area.present()
}

fn mesh<'a, B, X>(
    chart: &mut ChartContext<'a, B, Cartesian2d<X, RangedCoordf64>>,
    stack: &Stack,
) -> Result<(), Failure<B>>
where
    B: DrawingBackend + 'a,
    X: Ranged<ValueType = i64> + ValueFormatter<i64>,
{
    let name = |at: &i64| {
        let tick = stack.ticks.iter().find(|tick| tick.0 == *at);
        tick.map_or_else(String::new, |tick| tick.1.clone())
    };
    chart
        .configure_mesh()
        .disable_x_mesh()
        .bold_line_style(line(RULE))
        .light_line_style(RULE.rgb().mix(0.0))
        .axis_style(line(PLAIN))
        .x_label_formatter(&name)
        .y_labels(5)
        .y_label_formatter(&|value| (stack.spell)(*value))
        .label_style(text(12.0, QUIET))
        .set_all_tick_mark_size(4 * SCALE)
        .draw()
}

fn line(shade: Shade) -> ShapeStyle {
    shade.rgb().stroke_width(SCALE)
}

#[expect(clippy::float_arithmetic, reason = "layout")]
fn text(size: f64, shade: Shade) -> TextStyle<'static> {
    ("sans-serif", size * f64::from(SCALE) * FONT)
        .into_font()
        .color(&shade.rgb())
}

/// A bar of two parts of a whole.
#[derive(Clone, Debug)]
pub(super) struct Row {
    pub(super) name: String,
    pub(super) figure: String,
    /// Of one.
    pub(super) part: f64,
    /// Of one: what the part could have been.
    pub(super) most: f64,
}

/// Empty where it cannot be drawn; the figures stand in the table beside it.
pub(super) fn rows(rows: &[Row], form: Form) -> String {
    let mut out = String::new();
    let height = u32::try_from(rows.len()).unwrap_or(1).max(1) * ROW;
    let size = (form.width() * SCALE, height * SCALE);
    let area = SVGBackend::with_string(&mut out, size).into_drawing_area();
    let drawn = rows_on(&area, rows).is_ok();
    drop(area);
    if drawn { out } else { String::new() }
}

/// The height of a row of bars with its name above.
const ROW: u32 = 46;

#[expect(clippy::float_arithmetic, reason = "layout")]
fn rows_on<B: DrawingBackend>(
    area: &DrawingArea<B, Shift>,
    rows: &[Row],
) -> Result<(), Failure<B>> {
    let bottom = u32::try_from(rows.len()).map_or(1.0, f64::from).max(1.0);
    let mut chart = ChartBuilder::on(area)
        .margin_left(SCALE)
        .margin_right(SCALE)
        .build_cartesian_2d(0.0..1.0, bottom..0.0)?;
    for (number, row) in (0_u32..).zip(rows) {
        let top = f64::from(number);
        let bar = |end: f64| [(0.0, top + 0.5), (end.clamp(0.0, 1.0), top + 0.82)];
        chart.draw_series([
            Rectangle::new(bar(1.0), RULE.rgb().filled()),
            Rectangle::new(bar(row.most), READABLE.rgb().filled()),
            Rectangle::new(bar(row.most), line(READ)),
            Rectangle::new(bar(row.part), READ.rgb().filled()),
        ])?;
        let name = text(13.0, INK).pos(Pos::new(HPos::Left, VPos::Center));
        let figure = text(13.0, QUIET).pos(Pos::new(HPos::Right, VPos::Center));
        chart.draw_series([
            Text::new(row.name.clone(), (0.0, top + 0.26), name),
            Text::new(row.figure.clone(), (1.0, top + 0.26), figure),
        ])?;
    }
    area.present()
}
