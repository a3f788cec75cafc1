"""Tasks: work that waits for a person."""

from alembic import op

from adapters.sqlite.migrations import statements_of

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table of tasks."""
    for statement in statements_of("v0003_tasks.sql"):
        op.execute(statement)


def downgrade() -> None:
    """A store goes forward only: going back would drop promises."""
    raise RuntimeError("a store goes forward only: restore a backup instead")
