//! Sends pings that keep idle prefixes warm, or says when to send them.
