"""How fast the agent is, as ratios from one run: ``python -m bench`` (``make bench``)."""
