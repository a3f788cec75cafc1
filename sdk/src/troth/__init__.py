"""What users import: declare sagas, run participants, talk to the engine."""
