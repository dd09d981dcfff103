# Image of a chatws server. It runs `chatws serve --prod` as an unprivileged user, with its data in /var/lib/chatws:
#   docker build --tag chatws .
#   docker run --init --ulimit nofile=65536 --publish 127.0.0.1:3000:3000 --volume chatws-data:/var/lib/chatws chatws
# Settings are CHATWS_<NAME> variables (docs/settings.md); compose.yaml runs several servers with PostgreSQL and Redis.
ARG PYTHON_VERSION=3.13

FROM python:${PYTHON_VERSION}-slim-trixie AS build
# Node.js compiles the dashboard and npm fetches the official Socket.IO client; the final image needs neither.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends nodejs npm \
    && rm -rf /var/lib/apt/lists/*
RUN python -m venv /opt/chatws
WORKDIR /src
COPY pyproject.toml hatch_build.py README.md LICENSE ./
COPY chatws ./chatws
COPY cli ./cli
COPY loadtest ./loadtest
RUN CHATWS_REQUIRE_ASSETS=1 /opt/chatws/bin/python -m pip install --no-cache-dir .

FROM python:${PYTHON_VERSION}-slim-trixie
# Only the server can read the directory: it refuses a secret that others can read. A new volume inherits owner and mode.
RUN groupadd --system --gid 10001 chatws \
    && useradd --system --uid 10001 --gid 10001 --no-create-home --home-dir /var/lib/chatws chatws \
    && install --directory --owner=chatws --group=chatws --mode=0700 /var/lib/chatws
COPY --from=build /opt/chatws /opt/chatws
ENV PATH="/opt/chatws/bin:$PATH" \
    PYTHONUNBUFFERED=1 \
    CHATWS_DATA_DIR=/var/lib/chatws \
    CHATWS_HOST=0.0.0.0 \
    CHATWS_MODE=prod \
    CHATWS_PORT=3000
# Numeric, so that Kubernetes can verify that it is not root.
USER 10001:10001
WORKDIR /var/lib/chatws
VOLUME ["/var/lib/chatws"]
EXPOSE 3000
# The slim image has no curl. Override the check if the server itself terminates TLS or listens on another port.
HEALTHCHECK --interval=10s --timeout=5s --start-period=20s --retries=3 \
    CMD ["python", "-c", "from http.client import HTTPConnection as C; c = C('127.0.0.1', 3000, timeout=3); c.request('GET', '/health'); raise SystemExit(c.getresponse().status != 200)"]
ENTRYPOINT ["chatws"]
CMD ["serve"]
