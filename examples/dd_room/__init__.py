"""Example participants of the due-diligence room, with books of their own."""
