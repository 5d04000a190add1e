"""Telling people: messages are decided purely, kept in the journal with their cause, and delivered at a tick's end."""
