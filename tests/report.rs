//! `report` over a ledger.
