"""One tick: open runs for due slots, continue open runs, and record every event."""
