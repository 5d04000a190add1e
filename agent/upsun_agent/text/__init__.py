"""Words and documents that reports, messages and commands share: runs told in sentences, durations, views."""
