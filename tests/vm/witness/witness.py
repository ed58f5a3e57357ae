# SPDX-License-Identifier: Apache-2.0
"""Writes down what happens to it, and as whom.

Port 9000: the hooks; every connection is noted with its first line, empty if it ended without one. All the time it connects to an
address that no VM may reach, and notes what came of it: "reset", or "silence" for a moment. Port 8080: GET / answers
the hostname that it was born with, and both notes, each with the hostname of then. With FRAGILE=yes in its environment it does
not live through a connection to port 9000 that ends without a line.
"""

import http.server
import json
import os
import socket
import threading
import time

FORBIDDEN = ("10.9.9.9", 80)
SILENCE_SECONDS = 0.005
born = socket.gethostname()
connections = []
attempts = []


def hook(connection):
    with connection, connection.makefile("rb") as lines:
        who = socket.gethostname()
        line = lines.readline().decode().strip()
        connections.append((who, line))
        if not line and os.environ.get("FRAGILE"):
            os._exit(3)
        while lines.readline().strip():
            pass
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")


def hooks():
    listener = socket.create_server(("0.0.0.0", 9000))
    while True:
        threading.Thread(target=hook, args=(listener.accept()[0],), daemon=True).start()


def leave():
    while True:
        who = socket.gethostname()
        try:
            with socket.create_connection(FORBIDDEN, timeout=5) as connection:
                connection.settimeout(SILENCE_SECONDS)
                connection.recv(1)
        except TimeoutError:
            attempts.append((who, "silence"))
        except ConnectionResetError:
            attempts.append((who, "reset"))
        time.sleep(SILENCE_SECONDS)


class Notes(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        text = json.dumps({"born": born, "connections": connections, "attempts": attempts}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_):
        pass


server = http.server.ThreadingHTTPServer(("0.0.0.0", 8080), Notes)  # before /ready can be answered
for body in (hooks, leave):
    threading.Thread(target=body, daemon=True).start()
server.serve_forever()
