"""The commands: one module for each family parses the options, calls the parts below and prints the result."""
