"""What each path of the API answers."""
