//! Credentials: from the environment, from a command, or by signing.
