"""Built-in sagas: each a definition as JSON, with the SDK source that it was traced from.

The engine reads the JSON only; the sources import `troth` and are run by nobody here.
"""
