"""Lock files: which packages they hold, and what changed between two of them. Nothing here has an effect."""
