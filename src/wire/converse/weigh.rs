//! What a block weighs: its spelling, but images and documents what they hold.

use crate::model::Span;
use crate::wire::object::{Object, elements_at};
use crate::wire::scan::offset;
use crate::wire::spelled::{IMAGE_WEIGHT, PDF_DILUTION, inner};

/// The weight of an element that is not plain text, `own` being the member that says what it is
/// and `value` that member's value.
pub(super) fn weight(body: &[u8], own: &str, element: Span, value: Span) -> u32 {
    let (lighter, heavier) = match own {
        "toolResult" => Object::at(body, value).map_or((0, 0), |result| {
            let content = result.find(body, "content").unwrap_or_default();
            let parts = elements_at(body, content).into_iter();
            parts.fold((0, 0), |(lighter, heavier), part| {
                let (less, more) = part_of(body, part);
                (lighter + less, heavier + more)
            })
        }),
        _ => media(body, own, value),
    };
    let spelled = u64::from(element.len());
    let weight = spelled.saturating_sub(lighter).saturating_add(heavier);
    offset(usize::try_from(weight).unwrap_or(usize::MAX))
}

/// What a part of a tool's result says in other than text.
fn part_of(body: &[u8], part: Span) -> (u64, u64) {
    let Some(part) = Object::at(body, part) else {
        return (0, 0);
    };
    let kinds = ["image", "document", "video"].into_iter();
    let found = kinds.filter_map(|kind| Some(media(body, kind, part.find(body, kind)?)));
    found.fold((0, 0), |(lighter, heavier), (less, more)| {
        (lighter + less, heavier + more)
    })
}

/// How many bytes lighter and heavier than its spelling an image or document is.
fn media(body: &[u8], kind: &str, value: Span) -> (u64, u64) {
    if !matches!(kind, "image" | "document" | "video" | "audio") {
        return (0, 0);
    }
    let object = Object::at(body, value).unwrap_or_default();
    let source = object.inside(body, "source").unwrap_or_default();
    let data = source.find(body, "bytes").map(inner).unwrap_or_default();
    let data = u64::from(data.len());
    let format = object.text(body, "format").unwrap_or_default();
    match (kind, format.as_str()) {
        ("image", _) => (data, IMAGE_WEIGHT),
        // Three bytes of text in four letters of base64.
        ("document", "csv" | "html" | "md" | "txt") => (data, data / 4 * 3),
        _ => (data, data / PDF_DILUTION),
    }
}
