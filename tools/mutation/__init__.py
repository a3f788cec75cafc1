"""Small breakages of decide and the folds, hunted by the tests."""
