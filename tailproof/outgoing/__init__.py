"""The one door for what goes out: to a terminal, a report, a log, a history. What acts is shown, and no secret passes."""
