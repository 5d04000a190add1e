"""Connections to a database that holds the state: its location, the drivers, their errors.

The tables belong to ``journal.server``. Third-party drivers (the extra ``shared``) are imported lazily and only here,
so that they do not slow down ticks with a state on a mount.
"""
