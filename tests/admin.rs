//! The admin port, scraped by a real Prometheus.
