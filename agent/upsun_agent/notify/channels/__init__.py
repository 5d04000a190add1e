"""One module for each kind of channel that messages are delivered to."""
