"""Walks: one commitment of a drawn definition, moved at random through decide alone."""
