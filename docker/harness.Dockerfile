# The harness itself, on its packages: runs one part of a check in a pod (tailproof/shards/inside.py).
ARG BASE
FROM ${BASE}
ARG PYTHON=3.13
ENV LANG=C.UTF-8 LC_ALL=C.UTF-8 TAILPROOF_CACHE=/opt/cache CI=1
COPY tailproof /opt/tailproof/lib/python${PYTHON}/site-packages
RUN /opt/tailproof/bin/python -m compileall -q -j 0 --invalidation-mode unchecked-hash /opt/tailproof/lib/python${PYTHON}/site-packages/tailproof > /dev/null \
 && /opt/tailproof/bin/python -m tailproof.shards.carried /opt/releases
WORKDIR /
ENTRYPOINT ["tini", "--", "/opt/tailproof/bin/python", "-m", "tailproof.shards.inside"]
