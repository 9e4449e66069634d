# The harness's packages, and those of the releases that it is to judge, all downloaded on the host and beside this file: a build
# container may have neither network nor certificates. What `tailproof image harness` builds first, and seldom again.
ARG BASE
FROM ${BASE}
ARG PYTHON=3.13
RUN python${PYTHON} -m venv --without-pip /opt/tailproof
COPY harness /opt/tailproof/lib/python${PYTHON}/site-packages
COPY releases /opt/releases
COPY tools /usr/local
# A few packages carry templates that are no valid Python, for which compileall fails.
RUN /opt/tailproof/bin/python -m compileall -q -j 0 --invalidation-mode unchecked-hash /opt/tailproof/lib /opt/releases > /dev/null || true
