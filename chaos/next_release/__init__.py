"""The folder that makes a process one of the next release: see sitecustomize.py."""
