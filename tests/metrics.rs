//! What is emitted is what the table says.
