"""Log lines and the log file, and the way of foreign text into them: normalise, redact, cut."""
