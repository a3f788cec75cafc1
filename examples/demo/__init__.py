"""`make demo`: hundreds of promises on one command, with faults, and the books compared at the end.

A fresh engine, the participants in their own process and environment, and scripted people, all over
the public HTTP API.
"""
