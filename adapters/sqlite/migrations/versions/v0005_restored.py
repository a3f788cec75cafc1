"""Restored: up to when what a store holds was heard before it was put back."""

from alembic import op

from adapters.sqlite.migrations import statements_of

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column."""
    for statement in statements_of("v0005_restored.sql"):
        op.execute(statement)


def downgrade() -> None:
    """A store goes forward only: going back would drop promises."""
    raise RuntimeError("a store goes forward only: restore a backup instead")
