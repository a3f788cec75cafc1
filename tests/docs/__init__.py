"""The documentation is held by tests: snippets run, tables match the code."""
