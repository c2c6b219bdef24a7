//! What is found in a request before it is sent.
