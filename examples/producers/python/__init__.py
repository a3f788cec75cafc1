"""A producer with the CloudEvents SDK of Python."""
