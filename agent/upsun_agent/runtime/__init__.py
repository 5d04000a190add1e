"""One tick: what falls due is booked, open runs advance, every event goes through the recorder."""
