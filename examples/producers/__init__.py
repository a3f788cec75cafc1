"""Programs that send events to troth: one for each official CloudEvents SDK."""
