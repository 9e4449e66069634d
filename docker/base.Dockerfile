# What every agent-server image stands on, where a registry is reachable. Where none is, `tailproof image build` makes the
# same from Debian packages (tailproof/targets/images.py).
FROM python:3.13-slim
RUN apt-get update \
 && apt-get install -y --no-install-recommends ca-certificates curl git procps tini tmux \
 && rm -rf /var/lib/apt/lists/*
