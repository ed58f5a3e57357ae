# SPDX-License-Identifier: Apache-2.0
"""What the tests have inside a guest: runs their Python snippets, counts requests, streams, and answers hooks as it is told.

Port 8080: POST /python {"code": ...} executes the code in one lasting scope and answers {"result": the scope's `result`} or
{"error": a traceback}; GET /count answers the next number; GET /stream sends a chunk of the next number ten times a second
until the peer goes. Port 9000: the hooks. /run obeys its payload ("status 400", "hang"), /suspend the scope's `suspend_status`.
"""

import json
import threading
import time
import traceback
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

lock = threading.Lock()
scope = {"count": 0, "payload": None, "resumed": 0, "suspend_status": 200}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, *_):
        pass

    def body(self):
        return json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)) or b"null")

    def answer(self, status, value):
        text = json.dumps(value).encode()
        head = f"HTTP/1.1 {status} Answer\r\nContent-Type: application/json\r\nContent-Length: {len(text)}\r\n\r\n"
        self.wfile.write(head.encode() + text)


class Application(Handler):
    def do_GET(self):
        if self.path == "/count":
            with lock:
                scope["count"] += 1
                count = scope["count"]
            self.answer(200, {"count": count, "payload": scope["payload"], "resumed": scope["resumed"]})
        elif self.path == "/stream":
            self.stream()
        else:
            self.answer(404, {"error": f"there is no {self.path}"})

    def stream(self):
        self.wfile.write(b"HTTP/1.1 200 Stream\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n")
        try:
            for number in range(1_000_000):
                line = f"{number}\n".encode()
                self.wfile.write(f"{len(line):x}\r\n".encode() + line + b"\r\n")
                time.sleep(0.1)
        except OSError:
            self.close_connection = True

    def do_POST(self):
        code = self.body()["code"]
        scope["result"] = None
        try:
            exec(compile(code, "snippet", "exec"), scope)  # noqa: S102: this is what it is for
            answer = {"result": scope["result"]}
        except Exception:
            answer = {"error": traceback.format_exc()}
        self.answer(200, answer)


class Hooks(Handler):
    def do_POST(self):
        value = self.body()
        hook = self.path.rsplit("/", 1)[1]
        status = 200
        if hook == "run":
            scope["payload"] = payload = value["runHookPayload"]
            scope["run_body"] = value
            if payload == "hang":
                threading.Event().wait()
            if payload and payload.startswith("status "):
                status = int(payload.removeprefix("status "))
        elif hook == "resume":
            scope["resumed"] += 1
        elif hook == "suspend":
            status = scope["suspend_status"]
        self.answer(status, {})


if __name__ == "__main__":
    print("the probe starts", flush=True)
    ThreadingHTTPServer.request_queue_size = 128
    ThreadingHTTPServer.daemon_threads = True
    hooks = ThreadingHTTPServer(("0.0.0.0", 9000), Hooks)
    application = ThreadingHTTPServer(("0.0.0.0", 8080), Application)
    threading.Thread(target=hooks.serve_forever, daemon=True).start()
    application.serve_forever()
