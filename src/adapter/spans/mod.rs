//! A span per exchange, with OpenTelemetry's names for generative AI.
