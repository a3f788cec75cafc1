"""The store on PostgreSQL: one database that several processes share."""
