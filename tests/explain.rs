//! `explain` over two bodies and over the ledger.
