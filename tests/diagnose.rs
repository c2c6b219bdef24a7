//! Each cause by a planted case, and a near miss.
