"""The HTTP surface: one resource a module, problem documents with stable codes."""
