"""How each stored event changes a commitment, one small function an event."""
