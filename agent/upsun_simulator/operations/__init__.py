"""What may be asked of the platform: each request becomes an activity with a plan, or is refused."""
