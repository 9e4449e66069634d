"""A Kubernetes cluster, whoever runs it: how it is reached, and what is made and seen in it. Through the official client."""
