"""The commands: parse, call, print. One module per family."""
