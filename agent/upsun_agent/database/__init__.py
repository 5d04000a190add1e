"""The project's own database as a place for state: which it is, how it is reached, what goes wrong with it.

What is kept there is ``journal.server``'s. Third-party drivers (the extra ``shared``) are imported late and here
only, so that a tick on a mount never pays for them.
"""
