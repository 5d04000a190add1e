"""What people and programs are told: the story of a run in sentences, and views for ``--json``."""
