"""Programs of the peers, run by their own interpreter: nothing here is imported."""
