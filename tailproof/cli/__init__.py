"""The command line: `commands` runs and judges, `results` reads what was found."""

from tailproof.cli.commands import main

__all__ = ["main"]
