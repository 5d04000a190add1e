"""What the commands ``simulate`` and ``rehearse`` of the agent's command line do."""
