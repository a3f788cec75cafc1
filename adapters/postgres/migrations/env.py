"""What alembic runs: the revisions, on the connection that `adapters.postgres.schema` gives."""

from alembic import context

context.configure(connection=context.config.attributes["connection"], transactional_ddl=True)
with context.begin_transaction():
    context.run_migrations()
