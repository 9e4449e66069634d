"""What the harness owns of an executor's trial: the agent in the pod, the edge between executor and cluster, the truth about both."""
