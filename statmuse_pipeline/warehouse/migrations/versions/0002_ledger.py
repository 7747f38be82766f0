"""The ledger of expected outputs a game day, and when a model was recorded."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

UTC = sa.DateTime(timezone=True)
STATES = ("expected", "complete", "empty", "failed", "missed")


def upgrade() -> None:
    """Create the table and the column."""
    op.create_table(
        "forecast_ledger",
        sa.Column("game_day", sa.Date, primary_key=True),
        sa.Column("output", sa.String(40), primary_key=True),
        sa.Column("game_id", sa.String(10), primary_key=True),
        sa.Column("state", sa.String(10), nullable=False),
        sa.Column("due_at", UTC),
        sa.Column("recorded_at", UTC, nullable=False),
        sa.Column("rows", sa.Integer),
        sa.Column("detail", sa.Text, nullable=False),
        sa.CheckConstraint(f"state IN {STATES}", name="known_state"),
    )
    op.add_column("model_metadata", sa.Column("recorded_at", UTC))


def downgrade() -> None:
    """Drop both."""
    op.drop_column("model_metadata", "recorded_at")
    op.drop_table("forecast_ledger")
