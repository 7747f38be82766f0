"""Alembic migrations of the warehouse, run from Python by `warehouse.engine`."""
