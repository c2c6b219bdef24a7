//! Routes in process: failover, hedges, deadlines.
