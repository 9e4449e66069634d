# What an image of a packed server stands on, where a registry is reachable. Where none is, `tailproof image build` makes the
# same from Debian packages (tailproof/provision/base_image.py). No Python and no more tools than the server itself starts.
FROM debian:trixie-slim
RUN apt-get update \
 && apt-get install -y --no-install-recommends ca-certificates git tini tmux \
 && rm -rf /var/lib/apt/lists/*
