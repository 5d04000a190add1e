"""Scheduled jobs for Upsun apps: take a backup, prove it, then run the update."""

__version__ = "0.1.0"
