//! The gateway's part of the configuration file; errors name the file, the line and the fix.
