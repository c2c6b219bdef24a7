//! What attempts leave in the ledger, metrics and explanations.
