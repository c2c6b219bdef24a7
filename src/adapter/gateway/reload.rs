//! A configuration file that is read again when it changes.
