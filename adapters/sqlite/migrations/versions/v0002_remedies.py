"""What was done about a dead letter is kept with it."""

from alembic import op

from adapters.sqlite.migrations import statements_of

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column of the remedy."""
    for statement in statements_of("v0002_remedies.sql"):
        op.execute(statement)


def downgrade() -> None:
    """A store goes forward only: going back would drop promises."""
    raise RuntimeError("a store goes forward only: restore a backup instead")
