"""What the promises mean for an executor: a server that runs each turn of an agent in a sandbox of its own."""
