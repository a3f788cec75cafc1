"""What the stores on SQLite and on PostgreSQL share: queries, rows and recorders, no driver."""
