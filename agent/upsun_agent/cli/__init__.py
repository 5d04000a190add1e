"""The commands: one module for each family parses the options, calls the parts below and prints the result."""

from upsun_agent.lazy_imports import defer_imports

defer_imports()  # a command imports every part of the agent, and uses few
