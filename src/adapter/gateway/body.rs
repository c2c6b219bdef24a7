//! An answer on its way back, in the dialect that was asked.
