"""The receiver of webhooks: what a server posts its events to, and what it is answered."""
