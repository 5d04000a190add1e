"""``upsun-agent init``: what a checkout needs so that the agent runs in its app, as edits of its files.

Reading and writing files is in ``checkout``; everything else is decided from their texts.
"""
