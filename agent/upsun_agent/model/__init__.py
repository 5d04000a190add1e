"""Records that every part speaks in: events, jobs, answers of the platform. Values without effects."""
