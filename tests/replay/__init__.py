"""Golden histories: recorded streams fold to the same state in every build."""
