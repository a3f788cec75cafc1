"""Doubt: what a restored store does not know of the time that it lost."""

from alembic import op

from adapters.postgres.migrations import statements_of

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column."""
    for statement in statements_of("v0002_doubt.sql"):
        op.execute(statement)


def downgrade() -> None:
    """A store goes forward only: going back would drop promises."""
    raise RuntimeError("a store goes forward only: restore a backup instead")
