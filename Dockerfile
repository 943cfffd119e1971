# A static binary in an image of its own: no shell, no libc, no package manager, no root.
#
#   docker build -t cometail .
#   docker run --read-only -v ./cometail.toml:/etc/cometail/cometail.toml:ro -v cometail:/var/lib/cometail cometail
#
# Without that file, COMETAIL_* variables describe one connection and one sink: docs/container.md has them.
#
# Tokens belong into files mounted under /run/secrets and named in the configuration: an environment variable
# can be read by everybody who may inspect the container.

FROM rust:1.95-slim-bookworm AS build
# The base image says which release of Debian: versions pinned within it would be gone with its next security update.
# musl-tools: `ring` compiles C and assembly against the C library it is linked with.
# hadolint ignore=DL3008
RUN apt-get update && apt-get install -y --no-install-recommends ca-certificates musl-tools
RUN rustup target add "$(uname -m)-unknown-linux-musl"
WORKDIR /build
COPY Cargo.toml Cargo.lock ./
COPY src ./src
# Not built here, but Cargo.toml names some of them, and cargo wants what it names to exist.
COPY tests ./tests
COPY benches ./benches
COPY config ./config
# What `cometail --version` tells, for there is no git here.
ARG COMETAIL_COMMIT
RUN cargo build --release --locked --bin cometail --target "$(uname -m)-unknown-linux-musl"
# What goes into the image; the state directory apart from the rest, for it has another owner.
RUN install -D -m 0755 "target/$(uname -m)-unknown-linux-musl/release/cometail" /image/cometail \
 && install -D -m 0644 /etc/ssl/certs/ca-certificates.crt /image/etc/ssl/certs/ca-certificates.crt \
 && install -d -m 0750 /state/cometail

FROM scratch
COPY --from=build /image/ /
COPY --from=build --chown=65532:65532 /state/ /var/lib/
ENV STATE_DIRECTORY=/var/lib/cometail
VOLUME /var/lib/cometail
USER 65532:65532
# The daemon disconnects and drains its sinks on SIGTERM, which is what `docker stop` sends, within its 10 seconds.
HEALTHCHECK --interval=30s --timeout=5s --start-period=30s CMD ["/cometail", "status", "--health"]
ENTRYPOINT ["/cometail"]
CMD ["run"]
