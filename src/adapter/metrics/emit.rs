//! Where instruments are registered: with the facade's recorder, or with one of the user's.

use std::sync::Arc;

use metrics::{
    Counter, Gauge, Histogram, Key, KeyName, Label, Level, Metadata, Recorder, SharedString, Unit,
    with_recorder,
};

use super::table::{Kind, Row, TABLE};

/// Registers instruments.
#[derive(Clone, Default)]
pub(super) struct Emitter(pub(super) Option<Arc<dyn Recorder + Send + Sync>>);

const METADATA: Metadata<'static> = Metadata::new(
    "cachewright",
    Level::INFO,
    Some("cachewright::adapter::metrics"),
);

impl Emitter {
    /// Tells the recorder what every metric means.
    pub(super) fn describe(&self) {
        self.with(|recorder| {
            for row in &TABLE {
                let name = KeyName::from_const_str(row.name);
                let unit = Some(match row.unit {
                    "seconds" => Unit::Seconds,
                    _ => Unit::Count,
                });
                let help = SharedString::const_str(row.help);
                match row.kind {
                    Kind::Counter => recorder.describe_counter(name, unit, help),
                    Kind::Gauge => recorder.describe_gauge(name, unit, help),
                    Kind::Histogram => recorder.describe_histogram(name, unit, help),
                }
            }
        });
    }

    pub(super) fn counter(&self, row: &Row, labels: &[(&'static str, SharedString)]) -> Counter {
        self.with(|recorder| recorder.register_counter(&key(row, labels), &METADATA))
    }

    pub(super) fn gauge(&self, row: &Row, labels: &[(&'static str, SharedString)]) -> Gauge {
        self.with(|recorder| recorder.register_gauge(&key(row, labels), &METADATA))
    }

    pub(super) fn histogram(
        &self,
        row: &Row,
        labels: &[(&'static str, SharedString)],
    ) -> Histogram {
        self.with(|recorder| recorder.register_histogram(&key(row, labels), &METADATA))
    }

    fn with<T>(&self, register: impl FnOnce(&dyn Recorder) -> T) -> T {
        match &self.0 {
            Some(recorder) => register(recorder),
            None => with_recorder(register),
        }
    }
}

fn key(row: &Row, labels: &[(&'static str, SharedString)]) -> Key {
    let labels = labels.iter();
    let labels: Vec<Label> = labels
        .map(|(name, value)| Label::new(*name, value.clone()))
        .collect();
    Key::from_parts(row.name, labels)
}
