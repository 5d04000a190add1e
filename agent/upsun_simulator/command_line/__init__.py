"""The commands ``simulate`` and ``rehearse`` of the agent's command line."""
