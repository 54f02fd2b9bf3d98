# Prometheus and the Pushgateway as Debian packages them, for the stack's own monitoring: `./run image` builds it beside the daemons' image.
ARG BASE=debian:bookworm-slim
FROM ${BASE}
RUN apt-get -q update \
    && DEBIAN_FRONTEND=noninteractive apt-get -q install -y --no-install-recommends prometheus prometheus-pushgateway \
    && rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/log/* /usr/share/doc/* /usr/share/man/* /usr/share/locale/* \
    && install -d -o prometheus -g prometheus -m 0750 /var/lib/prometheus/data
USER prometheus:prometheus
WORKDIR /var/lib/prometheus
