"""A check on more machines than one: its parts are pods of a Job, what they find comes back and is put together here."""
