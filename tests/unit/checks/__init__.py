"""The rules at registration."""
