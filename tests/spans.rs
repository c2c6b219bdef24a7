//! Spans with OpenTelemetry's names.
