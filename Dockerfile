# One static binary in an empty image.
#
#   docker build -t qwen-3-coder-proxy .
#   docker run --rm -p 127.0.0.1:3000:3000 -e CEREBRAS_API_KEY -e CHUTES_API_KEY -e PROXY_API_KEYS qwen-3-coder-proxy
#
# Inside, it listens on every address, so it asks for PROXY_API_KEYS; whoever publishes the port on this machine alone, as above,
# may pass --allow-open instead.

FROM rust:1.95-alpine AS build
RUN apk add --no-cache musl-dev cmake make perl gcc g++ linux-headers
WORKDIR /src
COPY . .
# The same source gives the same bytes, wherever it is built.
ENV RUSTFLAGS="--remap-path-prefix=/src=. --remap-path-prefix=/usr/local/cargo=cargo -C target-feature=+crt-static"
# On ARM, kernels have pages of 4, 16 or 64 KiB; the allocator must know the largest.
RUN if [ "$(uname -m)" = aarch64 ]; then export JEMALLOC_SYS_WITH_LG_PAGE=16; fi \
 && cargo build --release --locked --bin qwen-3-coder-proxy \
 && mkdir /state && cp target/release/qwen-3-coder-proxy /qwen-3-coder-proxy

FROM scratch
COPY --from=build /qwen-3-coder-proxy /qwen-3-coder-proxy
COPY --from=build --chown=65532:65532 /state /state
USER 65532:65532
WORKDIR /state
ENV HOST=0.0.0.0 STATE_DIR=/state
EXPOSE 3000
STOPSIGNAL SIGTERM
ENTRYPOINT ["/qwen-3-coder-proxy"]
