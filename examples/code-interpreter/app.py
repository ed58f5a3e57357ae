# SPDX-License-Identifier: Apache-2.0
"""Runs Python snippets in one session that keeps its variables and files: what an agent gives its model as a tool.

    POST /execute {"code": "...", "timeout": 30}
      -> {"stdout": "...", "stderr": "...", "result": "...", "exception": null, "milliseconds": 3}

Snippets run one after the other, in the order in which they came. One that takes longer than its timeout is interrupted, as
by Ctrl-C; one that does not react to this loses the session, which the answer says.
"""

import json
import os
import select
import signal
import subprocess
import sys
import threading
import time

import web

HOOKS = "/aws/lambda-microvms/runtime/v1/"
WORKSPACE = os.environ.get("WORKSPACE", "/workspace")
TIMEOUT_SECONDS_DEFAULT = 30
TIMEOUT_SECONDS_MAX = 600
INTERRUPT_SECONDS = 2  # for the snippet to react
WAITING_MAX = 32


class Session:
    """The process that runs snippets. Thread-safe."""

    def __init__(self):
        self._lock = threading.Lock()
        self._waiting = threading.Semaphore(WAITING_MAX)
        self._start()

    def _start(self):
        to_session, self._requests = os.pipe()
        self._answers, from_session = os.pipe()
        program = os.path.join(os.path.dirname(os.path.abspath(__file__)), "session.py")
        self._process = subprocess.Popen(
            [sys.executable, "-u", program, str(to_session), str(from_session)],
            cwd=WORKSPACE,
            pass_fds=(to_session, from_session),
            stdin=subprocess.DEVNULL,
        )
        os.close(to_session)
        os.close(from_session)

    def _end(self):
        self._process.kill()
        self._process.wait()
        os.close(self._requests)
        os.close(self._answers)

    def execute(self, code, timeout):
        """What became of the snippet; waits for those before it. Raises web.Refused when too many wait."""
        if not self._waiting.acquire(blocking=False):
            raise web.Refused(503, f"{WAITING_MAX} snippets wait already; try again later")
        try:
            with self._lock:
                started = time.monotonic()
                answer = self._run(code, timeout)
                answer["milliseconds"] = round((time.monotonic() - started) * 1000)
                return answer
        finally:
            self._waiting.release()

    def _run(self, code, timeout):
        try:
            _write_all(self._requests, json.dumps({"code": code}).encode() + b"\n")
            answer = self._read_answer(timeout)
            timed_out = answer is None
            if timed_out:
                self._process.send_signal(signal.SIGINT)
                answer = self._read_answer(INTERRUPT_SECONDS)
            if answer is not None:
                answer["timedOut"] = timed_out
                answer["sessionLost"] = False
                return answer
            reason = f"the snippet did not react to the interrupt after {timeout} s"
        except (BrokenPipeError, EOFError):
            timed_out = False
            status = self._process.wait()
            reason = f"signal {-status} ended the session" if status < 0 else f"the session ended with status {status}"
        self._end()
        self._start()
        lost = {"type": "SessionLost", "message": f"{reason}; variables are gone, files are not", "traceback": ""}
        return {"stdout": "", "stderr": "", "result": None, "exception": lost, "timedOut": timed_out, "sessionLost": True}

    def _read_answer(self, timeout):
        """A message from the session, None when none came in time."""
        deadline = time.monotonic() + timeout
        received = b""
        while not received.endswith(b"\n"):
            left = deadline - time.monotonic()
            # Once it has begun an answer is complete soon.
            if not select.select([self._answers], [], [], max(left, 0) if not received else 10)[0]:
                return None
            piece = os.read(self._answers, 1 << 20)
            if not piece:
                raise EOFError
            received += piece
        return json.loads(received)


def _write_all(descriptor, data):
    while data:
        data = data[os.write(descriptor, data) :]


def parse(body):
    """The snippet and its timeout; raises web.Refused with what is wrong."""
    try:
        request = json.loads(body)
    except ValueError as error:
        raise web.Refused(400, f"the body is no JSON: {error}")
    if not isinstance(request, dict) or not isinstance(request.get("code"), str):
        raise web.Refused(400, 'the body must be an object with a string "code"')
    timeout = request.get("timeout", TIMEOUT_SECONDS_DEFAULT)
    if isinstance(timeout, bool) or not isinstance(timeout, (int, float)) or not 0 < timeout <= TIMEOUT_SECONDS_MAX:
        raise web.Refused(400, f'"timeout" is {timeout!r}; it must be a number of seconds up to {TIMEOUT_SECONDS_MAX}')
    return request["code"], timeout


def make_application(session):
    def application(method, path, body):
        try:
            if (method, path) == ("GET", "/"):
                return 200, {"name": "code-interpreter", "python": sys.version.split()[0], "workspace": WORKSPACE}
            if (method, path) == ("POST", "/execute"):
                return 200, session.execute(*parse(body))
        except web.Refused as refused:
            return refused.status, {"error": str(refused)}
        return 404, {"error": f"there is no {method} {path}; try POST /execute"}

    return application


def make_hooks(session):
    def hooks(method, path, body):
        hook = path.removeprefix(HOOKS)
        if hook in ("ready", "validate"):  # a snippet through the whole path, so that all of it is in the snapshot's memory
            answer = session.execute("6 * 7", 20)
            return (200, {}) if answer["result"] == "42" else (500, answer)
        if hook in ("run", "resume"):
            # Clones of one snapshot would draw the same numbers.
            session.execute("import sys; sys.modules.get('random') and sys.modules['random'].seed()", 20)
            return 200, {}
        if hook in ("suspend", "terminate"):
            return 200, {}
        return 404, {"error": f"there is no hook {hook}"}

    return hooks


if __name__ == "__main__":
    os.makedirs(WORKSPACE, exist_ok=True)
    the_session = Session()
    web.serve({8080: make_application(the_session), 9000: make_hooks(the_session)})
