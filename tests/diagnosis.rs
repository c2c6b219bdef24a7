//! Causes through the layer, against the simulator.
