"""The event-aware proxy between client and target (its own process), and the driver of Toxiproxy."""
