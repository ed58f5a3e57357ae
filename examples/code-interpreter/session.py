# SPDX-License-Identifier: Apache-2.0
"""One Python session in a process of its own.

    session.py REQUESTS ANSWERS

The arguments are descriptors: snippets are read from one, what became of them is written to the other. A message is a line of JSON. Variables live as long as this process does. SIGINT interrupts the snippet that runs.
"""

import ast
import builtins
import json
import linecache
import os
import signal
import sys
import tempfile
import traceback

OUTPUT_BYTES_MAX = 1024 * 1024


class Output:
    """What the snippet and the programs that it starts write to one descriptor."""

    def __init__(self, descriptor):
        self._file = tempfile.TemporaryFile()
        os.dup2(self._file.fileno(), descriptor)

    def take(self):
        size = self._file.seek(0, os.SEEK_END)
        self._file.seek(0)
        text = self._file.read(OUTPUT_BYTES_MAX).decode(errors="replace")
        if size > OUTPUT_BYTES_MAX:
            text += f"\n[{size - OUTPUT_BYTES_MAX} more bytes were dropped]"
        self._file.seek(0)
        self._file.truncate()
        return text


def execute(code, variables, name):
    """Runs `code`; the repr of its last expression, or None."""
    linecache.cache[name] = (len(code), None, code.splitlines(keepends=True), name)  # lines for tracebacks
    tree = ast.parse(code, name)
    last = None
    if tree.body and isinstance(tree.body[-1], ast.Expr):
        last = ast.Expression(tree.body.pop().value)
    exec(compile(tree, name, "exec"), variables)
    if last is None:
        return None
    value = eval(compile(last, name, "eval"), variables)
    if value is None:
        return None
    variables["_"] = value
    return repr(value)


def describe(error):
    """The exception as the interpreter would print it, without the frames of this file."""
    trace = error.__traceback__
    while trace is not None and trace.tb_frame.f_code.co_filename == __file__:
        trace = trace.tb_next
    lines = traceback.format_exception(type(error), error, trace)
    return {"type": type(error).__name__, "message": str(error), "traceback": "".join(lines)}


def answer(request, variables, count, streams):
    result = exception = None
    try:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        result = execute(request["code"], variables, f"<snippet {count}>")
    except BaseException as error:  # SystemExit and KeyboardInterrupt end the snippet, not the session
        exception = describe(error)
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    sys.stdout.flush()
    sys.stderr.flush()
    stdout, stderr = (stream.take() for stream in streams)
    return {"stdout": stdout, "stderr": stderr, "result": result, "exception": exception}


def main():
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for descriptor in sys.argv[1:3]:
        os.set_inheritable(int(descriptor), False)  # not for the programs that snippets start
    requests, answers = os.fdopen(int(sys.argv[1]), "r"), os.fdopen(int(sys.argv[2]), "w")
    streams = Output(1), Output(2)
    variables = {"__name__": "__main__", "__builtins__": builtins}
    for count, line in enumerate(requests, 1):
        reply = answer(json.loads(line), variables, count, streams)
        answers.write(json.dumps(reply) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
