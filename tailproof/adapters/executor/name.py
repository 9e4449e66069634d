"""What this protocol is called, wherever it is named."""

PROTOCOL = "executor"
