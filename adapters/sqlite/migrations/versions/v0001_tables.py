"""The first tables of a store: the block of docs/format.md section 5."""

from alembic import op

from adapters.sqlite.migrations import statements_of

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create every table and index."""
    for statement in statements_of("v0001_tables.sql"):
        op.execute(statement)


def downgrade() -> None:
    """A store goes forward only: going back would drop promises."""
    raise RuntimeError("a store goes forward only: restore a backup instead")
