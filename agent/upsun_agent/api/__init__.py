"""The Upsun API as the agent uses it: one bearer, few reads, two requests that change something."""
