"""Executors: control planes that run each turn of an agent in a sandbox of its own. Spoken with over REST and server-sent events."""
