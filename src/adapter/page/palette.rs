//! The colours of both modes, in one table: the style sheet, the charts and the tests read it.

use std::fmt::Write as _;

use plotters::style::RGBColor;

/// One colour in both modes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Shade {
    name: &'static str,
    light: [u8; 3],
    dark: [u8; 3],
}

pub(super) const PAPER: Shade = shade("paper", [0xFD, 0xFD, 0xFB], [0x14, 0x17, 0x1A]);
pub(super) const PANEL: Shade = shade("panel", [0xF4, 0xF4, 0xF0], [0x1D, 0x21, 0x26]);
pub(super) const INK: Shade = shade("ink", [0x1B, 0x1F, 0x23], [0xE9, 0xEB, 0xED]);
pub(super) const QUIET: Shade = shade("quiet", [0x58, 0x61, 0x69], [0xA6, 0xAF, 0xB7]);
pub(super) const RULE: Shade = shade("rule", [0xDF, 0xDF, 0xDA], [0x34, 0x3A, 0x40]);
pub(super) const LINK: Shade = shade("link", [0x0A, 0x58, 0x8A], [0x7F, 0xC6, 0xF2]);
/// Read from the cache.
pub(super) const READ: Shade = shade("read", [0x00, 0x72, 0xB2], [0x4F, 0xA9, 0xE2]);
/// Could have been read.
pub(super) const READABLE: Shade = shade("readable", [0xCF, 0xE3, 0xF0], [0x1F, 0x3D, 0x52]);
/// Written to the cache.
pub(super) const WRITE: Shade = shade("write", [0xC7, 0x7C, 0x02], [0xF0, 0xB8, 0x40]);
/// Neither.
pub(super) const PLAIN: Shade = shade("plain", [0x7B, 0x84, 0x8C], [0x87, 0x90, 0x98]);
pub(super) const OUTPUT: Shade = shade("output", [0x9C, 0x3D, 0x7A], [0xDB, 0x8F, 0xBD]);
/// Saved.
pub(super) const GAIN: Shade = shade("gain", [0x00, 0x7A, 0x5A], [0x35, 0xC2, 0x96]);
/// Lost.
pub(super) const LOSS: Shade = shade("loss", [0xB5, 0x47, 0x00], [0xFF, 0x94, 0x57]);
/// Text on the colours of the flame graph.
pub(super) const ON_READ: Shade = shade("on-read", [0xFF, 0xFF, 0xFE], [0x0B, 0x0D, 0x0F]);
pub(super) const ON_FILL: Shade = shade("on-fill", [0x0B, 0x0D, 0x10], [0x0B, 0x0D, 0x10]);
/// The inner nodes of the flame graph.
pub(super) const BRANCH: Shade = shade("branch", [0xE6, 0xE8, 0xE6], [0x2B, 0x31, 0x37]);

const ALL: [Shade; 16] = [
    PAPER, PANEL, INK, QUIET, RULE, LINK, READ, READABLE, WRITE, PLAIN, OUTPUT, GAIN, LOSS,
    ON_READ, ON_FILL, BRANCH,
];

const fn shade(name: &'static str, light: [u8; 3], dark: [u8; 3]) -> Shade {
    Shade { name, light, dark }
}

impl Shade {
    /// As charts are drawn with; the style sheet replaces it by its variable.
    pub(super) const fn rgb(self) -> RGBColor {
        let [red, green, blue] = self.light;
        RGBColor(red, green, blue)
    }

    /// The class of a sample of this colour.
    pub(super) const fn name(self) -> &'static str {
        self.name
    }
}

/// Variables for both modes. Charts carry light colours as attributes of their shapes; these rules,
/// which stand above attributes, turn each into its variable, so that one drawing serves both modes.
pub(super) fn css() -> String {
    let mut out = String::from(":root{color-scheme:light dark;");
    for Shade { name, light, .. } in ALL {
        let _ = write!(out, "--{name}:{};", hex(light));
    }
    out.push_str("}\n@media screen and (prefers-color-scheme:dark){:root{");
    for Shade { name, dark, .. } in ALL {
        let _ = write!(out, "--{name}:{};", hex(dark));
    }
    out.push_str("}}\n");
    for Shade { name, light, .. } in ALL {
        let ([red, green, blue], hex) = (light, hex(light));
        let _ = writeln!(
            out,
            "svg [fill=\"{hex}\"],svg [fill=\"rgb({red},{green},{blue})\"]{{fill:var(--{name})}}\
             svg [stroke=\"{hex}\"]{{stroke:var(--{name})}}\
             .chip.{name}{{background:var(--{name})}}"
        );
    }
    out
}

/// In capitals, as the charts spell it: values of attributes are compared byte for byte.
fn hex([red, green, blue]: [u8; 3]) -> String {
    format!("#{red:02X}{green:02X}{blue:02X}")
}

#[cfg(test)]
#[expect(clippy::float_arithmetic, reason = "colours are measured")]
mod tests {
    use super::*;

    /// Relative luminance by WCAG 2.2.
    fn luminance(rgb: [u8; 3]) -> f64 {
        let [red, green, blue] = linear(rgb);
        0.2126 * red + 0.7152 * green + 0.0722 * blue
    }

    fn linear(rgb: [u8; 3]) -> [f64; 3] {
        rgb.map(|channel| {
            let value = f64::from(channel) / 255.0;
            if value <= 0.04045 {
                value / 12.92
            } else {
                ((value + 0.055) / 1.055).powf(2.4)
            }
        })
    }

    fn contrast(one: [u8; 3], other: [u8; 3]) -> f64 {
        let (one, other) = (luminance(one), luminance(other));
        (one.max(other) + 0.05) / (one.min(other) + 0.05)
    }

    fn at_least(least: f64, above: Shade, below: Shade) {
        for (mode, one, other) in [
            ("light", above.light, below.light),
            ("dark", above.dark, below.dark),
        ] {
            let ratio = contrast(one, other);
            assert!(
                ratio >= least,
                "{mode}: {} on {} has {ratio:.2}, not {least}",
                above.name,
                below.name
            );
        }
    }

    #[test]
    fn text_can_be_read_in_both_modes() {
        for text in [INK, QUIET, LINK, GAIN, LOSS] {
            at_least(4.5, text, PAPER);
            at_least(4.5, text, PANEL);
        }
        at_least(4.5, ON_READ, READ);
        for fill in [WRITE, PLAIN] {
            at_least(4.5, ON_FILL, fill);
        }
        at_least(4.5, INK, BRANCH);
    }

    #[test]
    fn shapes_stand_out_in_both_modes() {
        for shape in [READ, WRITE, PLAIN, OUTPUT, GAIN, LOSS, LINK] {
            at_least(3.0, shape, PAPER);
        }
    }

    /// Machado, Oliveira, Fernandes 2009, severity 1.0: protan, deutan, tritan.
    const BLIND: [[[f64; 3]; 3]; 3] = [
        [
            [0.152_286, 1.052_583, -0.204_868],
            [0.114_503, 0.786_281, 0.099_216],
            [-0.003_882, -0.048_116, 1.051_998],
        ],
        [
            [0.367_322, 0.860_646, -0.227_968],
            [0.280_085, 0.672_501, 0.047_413],
            [-0.011_820, 0.042_940, 0.968_881],
        ],
        [
            [1.255_528, -0.076_749, -0.178_779],
            [-0.078_411, 0.930_809, 0.147_602],
            [0.004_733, 0.691_367, 0.303_900],
        ],
    ];

    fn lab([red, green, blue]: [f64; 3]) -> [f64; 3] {
        let curve = |value: f64| {
            let value = value.max(0.0);
            if value > 0.008_856 {
                value.cbrt()
            } else {
                7.787 * value + 16.0 / 116.0
            }
        };
        let x = curve((0.4124 * red + 0.3576 * green + 0.1805 * blue) / 0.950_47);
        let y = curve(0.2126 * red + 0.7152 * green + 0.0722 * blue);
        let z = curve((0.0193 * red + 0.1192 * green + 0.9505 * blue) / 1.088_83);
        [116.0 * y - 16.0, 500.0 * (x - y), 200.0 * (y - z)]
    }

    fn distance(one: [f64; 3], other: [f64; 3]) -> f64 {
        let squares = one.iter().zip(other).map(|(a, b)| (a - b).powi(2));
        squares.sum::<f64>().sqrt()
    }

    #[test]
    fn kinds_differ_for_every_eye() {
        let kinds = [READ, WRITE, PLAIN];
        let pairs = [(READ, WRITE), (READ, PLAIN), (WRITE, PLAIN), (GAIN, LOSS)];
        assert_eq!(kinds.len(), 3);
        for (one, other) in pairs {
            for (a, b) in [(one.light, other.light), (one.dark, other.dark)] {
                let (a, b) = (linear(a), linear(b));
                assert!(distance(lab(a), lab(b)) > 20.0);
                for (row, eye) in BLIND.iter().zip(["protan", "deutan", "tritan"]) {
                    let seen = |rgb: [f64; 3]| {
                        lab(row.map(|weights| weights.iter().zip(rgb).map(|(w, c)| w * c).sum()))
                    };
                    let apart = distance(seen(a), seen(b));
                    assert!(
                        apart > 15.0,
                        "{eye}: {} {} {apart:.1}",
                        one.name,
                        other.name
                    );
                }
            }
        }
    }

    #[test]
    fn each_drawn_colour_means_one_thing() {
        for (place, one) in ALL.iter().enumerate() {
            for other in ALL.iter().skip(place + 1) {
                assert_ne!(one.light, other.light, "{} {}", one.name, other.name);
                assert_ne!(one.name, other.name);
            }
        }
    }
}
