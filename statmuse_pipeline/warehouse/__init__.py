"""The SQL database: validated, idempotent, one source only."""
