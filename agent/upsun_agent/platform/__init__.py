"""The container that the agent runs in: its variables, paths, secrets and private directories."""
