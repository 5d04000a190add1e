"""Texts that reports, messages and commands share: events as sentences, columns, durations."""
