"""The one door for what comes in from others: a server, a client, a file. Everything is measured before it is parsed."""
