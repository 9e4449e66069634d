# The agent-server of one release as one file, shaped like the published binary. Built by `tailproof image build VERSION
# --shape binary`, which puts the file beside this one.
ARG BASE
FROM ${BASE}
RUN useradd --create-home --uid 10001 --shell /bin/bash openhands \
 && install --directory --owner=openhands --group=openhands /workspace /workspace/project /workspace/conversations
COPY server /usr/local/bin/openhands-agent-server
ENV LANG=C.UTF-8 LC_ALL=C.UTF-8 \
    LOG_JSON=true OH_ENABLE_VSCODE=false OH_ENABLE_VNC=false OH_PRELOAD_TOOLS=false \
    LITELLM_LOCAL_MODEL_COST_MAP=True
USER openhands
WORKDIR /
ENTRYPOINT ["tini", "--", "/usr/local/bin/openhands-agent-server"]
CMD ["--host", "0.0.0.0", "--port", "8000"]
