"""Reports of all jobs: the snapshot, and status text, ``--json`` views, HTML pages and metrics made from it."""
