//! Envelopes: what is sent and what comes back, against recorded exchanges.
