"""The JSON Schemas of envelope, messages and definitions, and their catalogue."""
