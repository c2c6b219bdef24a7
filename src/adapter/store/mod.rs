//! The ledger on disk: a row per exchange in SQLite or Postgres.
