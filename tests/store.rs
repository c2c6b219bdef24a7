//! The ledger on disk: SQLite and Postgres, crashes and full queues.
