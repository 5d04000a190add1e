"""The operations of the platform: each request becomes an activity with a plan, or is refused."""
