"""Notifications: pure code decides the messages, the journal keeps them, the end of a tick delivers them."""
