"""What alembic runs: the revisions, on the connection that `adapters.sqlite.schema` hands over."""

from alembic import context

# SQLite can roll back DDL: a migration that fails half way leaves the store as it was.
context.configure(connection=context.config.attributes["connection"], transactional_ddl=True)
with context.begin_transaction():
    context.run_migrations()
