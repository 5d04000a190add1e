"""API tokens, roles, and what set-up commands would change."""
