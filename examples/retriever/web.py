# SPDX-License-Identifier: Apache-2.0
"""A small HTTP/1.1 server: a thread for each connection, requests and answers as plain values.

It stands in for a web framework, so that the examples need none and their snapshots stay small. Every example has the same
copy, since a build context holds all that its image needs.
"""

import json
import socket
import threading

HEADER_BYTES_MAX = 64 * 1024
BODY_BYTES_MAX = 16 * 1024 * 1024
IDLE_SECONDS = 300
REASONS = {200: "OK", 400: "Bad Request", 404: "Not Found", 405: "Method Not Allowed", 408: "Request Timeout"}
REASONS |= {411: "Length Required", 413: "Content Too Large", 500: "Internal Server Error", 503: "Service Unavailable"}


class Refused(Exception):
    """Ends a request with a status and a sentence."""

    def __init__(self, status, message):
        super().__init__(message)
        self.status = status


def serve(applications):
    """Serves for ever. `applications` maps a port to a function (method, path, body) -> (status, JSON value)."""
    listeners = [(socket.create_server(("0.0.0.0", port), backlog=128), call) for port, call in applications.items()]
    for listener, call in listeners[1:]:
        threading.Thread(target=_accept, args=(listener, call), daemon=True).start()
    _accept(*listeners[0])


def _accept(listener, call):
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=_converse, args=(connection, call), daemon=True).start()


def _converse(connection, call):
    with connection:
        connection.settimeout(IDLE_SECONDS)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            received = b""
            while True:
                request, received = _read_request(connection, received)
                if request is None:
                    return
                method, path, body, close = request
                status, answer = call(method, path, body)
                _send(connection, status, answer, close)
                if close:
                    return
        except Refused as refused:
            _send(connection, refused.status, {"error": str(refused)}, True)
        except (OSError, UnicodeDecodeError):
            return  # the peer went away, or speaks something else than HTTP


def _read_request(connection, received):
    """((method, path, body, close), bytes of the next request), or (None, b"") when the peer has finished."""
    while b"\r\n\r\n" not in received:
        if len(received) > HEADER_BYTES_MAX:
            raise Refused(413, f"the header is longer than {HEADER_BYTES_MAX} bytes")
        piece = connection.recv(65536)
        if not piece:
            return None, b""
        received += piece
    head, body = received.split(b"\r\n\r\n", 1)
    lines = head.decode("latin-1").split("\r\n")
    parts = lines[0].split(" ")
    if len(parts) != 3 or not parts[2].startswith("HTTP/1."):
        raise Refused(400, "this is no HTTP/1.1 request")
    headers = {}
    for line in lines[1:]:
        name, _, value = line.partition(":")
        headers[name.strip().lower()] = value.strip()
    if "transfer-encoding" in headers:
        raise Refused(411, "send the body with a Content-Length")
    length = headers.get("content-length", "0")
    if not length.isdigit():
        raise Refused(400, f"Content-Length {length!r} is no number")
    length = int(length)
    if length > BODY_BYTES_MAX:
        raise Refused(413, f"the body is longer than {BODY_BYTES_MAX} bytes")
    if headers.get("expect", "").lower() == "100-continue":
        connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
    while len(body) < length:
        piece = connection.recv(65536)
        if not piece:
            return None, b""
        body += piece
    close = headers.get("connection", "").lower() == "close" or parts[2] == "HTTP/1.0"
    return (parts[0], parts[1], body[:length], close), body[length:]


def _send(connection, status, answer, close):
    body = json.dumps(answer, ensure_ascii=False).encode(errors="replace") + b"\n"
    head = f"HTTP/1.1 {status} {REASONS.get(status, '')}\r\nContent-Type: application/json\r\n"
    head += f"Content-Length: {len(body)}\r\nConnection: {'close' if close else 'keep-alive'}\r\n\r\n"
    connection.sendall(head.encode() + body)
