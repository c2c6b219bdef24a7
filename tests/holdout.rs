//! The control arm, and the saving that is measured with it.
