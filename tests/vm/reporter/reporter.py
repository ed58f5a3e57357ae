# SPDX-License-Identifier: Apache-2.0
"""Says how it was started, and talks over WebSockets (RFC 6455) with the standard library alone.

Port 8080: GET /report answers user, directory, environment and arguments; POST /run {"argv": [...]} a program's output;
GET /ends how each WebSocket ended. GET /talk is a WebSocket: it greets with what it was asked, answers "echo ..." to each
text, `count N` by N numbers, and a byte message by its reverse. Port 9000: the hooks; /terminate takes its time.
"""

import base64
import hashlib
import json
import os
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

FAREWELL_SECONDS = 2
ends = []


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, *_):
        pass

    def answer(self, value):
        text = json.dumps(value).encode()
        self.wfile.write(f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(text)}\r\n\r\n".encode() + text)

    def body(self):
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))


class WebSocket:
    TEXT, BYTES, CLOSE, PING, PONG = 1, 2, 8, 9, 10

    def __init__(self, handler, subprotocol):
        self.input, self.output = handler.rfile, handler.wfile
        key = handler.headers["Sec-WebSocket-Key"] + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
        accept = base64.b64encode(hashlib.sha1(key.encode()).digest()).decode()
        head = f"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {accept}\r\n"
        if subprotocol:
            head += f"Sec-WebSocket-Protocol: {subprotocol}\r\n"
        self.output.write(head.encode() + b"\r\n")

    def send(self, kind, payload):
        size = len(payload)
        length = bytes([size]) if size < 126 else b"\x7e" + size.to_bytes(2, "big") if size < 65536 else b"\x7f" + size.to_bytes(8, "big")
        self.output.write(bytes([0x80 | kind]) + length + payload)

    def read_exactly(self, count):
        data = self.input.read(count)
        if len(data) < count:
            raise EOFError("without a close frame")
        return data

    def receive(self):
        """(kind, payload) of the next whole message; fragments are put together."""
        kind, payload = None, b""
        while True:
            first, second = self.read_exactly(2)
            size = second & 0x7F
            if size >= 126:
                size = int.from_bytes(self.read_exactly(2 if size == 126 else 8), "big")
            mask = self.read_exactly(4)
            piece = self.read_exactly(size)
            repeated = (mask * (size // 4 + 1))[:size]
            piece = (int.from_bytes(piece, "big") ^ int.from_bytes(repeated, "big")).to_bytes(size, "big")
            if first & 0x0F >= self.CLOSE:
                return first & 0x0F, piece
            kind = first & 0x0F or kind
            payload += piece
            if first & 0x80:
                return kind, payload


class Application(Handler):
    def do_GET(self):
        if self.path == "/report":
            self.answer(
                {
                    "user": [os.getuid(), os.getgid(), sorted(os.getgroups())],
                    "directory": os.getcwd(),
                    "environment": dict(os.environ),
                    "arguments": sys.argv,
                    "main": os.getpid() == 1,
                }
            )
        elif self.path == "/ends":
            self.answer(ends)
        elif self.path == "/talk":
            self.talk()
            self.close_connection = True
        else:
            self.send_error(404)

    def do_POST(self):
        argv = json.loads(self.body())["argv"]
        done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
        self.answer([done.returncode, done.stdout])

    def talk(self):
        offered = [value.strip() for value in self.headers.get("Sec-WebSocket-Protocol", "").split(",") if value.strip()]
        socket = WebSocket(self, "chat" if "chat" in offered else None)
        seen = sorted(name.lower() for name in self.headers if name.lower().startswith("x-"))
        socket.send(socket.TEXT, json.dumps({"offered": offered, "headers": seen}).encode())
        try:
            ends.append(self.converse(socket))
        except (EOFError, OSError) as error:
            ends.append(f"{type(error).__name__}: {error}")

    @staticmethod
    def converse(socket):
        while True:
            kind, payload = socket.receive()
            if kind == socket.CLOSE:
                socket.send(socket.CLOSE, payload)
                return f"closed by {int.from_bytes(payload[:2], 'big')}"
            if kind == socket.PING:
                socket.send(socket.PONG, payload)
            elif kind == socket.BYTES:
                socket.send(socket.BYTES, payload[::-1])
            elif payload.startswith(b"count "):
                for number in range(int(payload[6:])):
                    socket.send(socket.TEXT, str(number).encode())
            else:
                socket.send(socket.TEXT, b"echo " + payload)


class Hooks(Handler):
    def do_POST(self):
        body = self.body()
        hook = self.path.rsplit("/", 1)[1]
        print(f"hook {hook}: {len(body)} bytes from {self.client_address[0]} to {self.headers['Host']}", flush=True)
        if hook == "terminate":
            time.sleep(FAREWELL_SECONDS)
        self.answer({})


if __name__ == "__main__":
    ThreadingHTTPServer.daemon_threads = True
    threading.Thread(target=ThreadingHTTPServer(("127.0.0.1", 9000), Hooks).serve_forever, daemon=True).start()
    ThreadingHTTPServer(("127.0.0.1", 8080), Application).serve_forever()
