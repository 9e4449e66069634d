"""The append-only record of one trial, by all witnesses, on one monotonic clock."""
