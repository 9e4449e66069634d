"""The one door for what comes in from others: a server, a client, a file. Everything is measured before it is parsed."""


class BadInput(Exception):
    """What a user gave cannot be used. `str()` tells what and why, a sentence for each mistake; a command ends with 64."""
