//! No prompt text, header or key in any artefact.
