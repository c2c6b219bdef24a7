//! Pings in process and through the proxy, against the simulator.
