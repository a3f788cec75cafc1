"""The first tables of a store on PostgreSQL."""

from alembic import op

from adapters.postgres.migrations import statements_of

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
