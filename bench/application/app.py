# SPDX-License-Identifier: Apache-2.0
"""The benchmarks' application: holds 64 MiB, counts its requests, dirties memory or disk when asked to, takes an agent's turn."""

import json
import mmap
import os
import subprocess
import time
import urllib.parse

import web

HOLD_BYTES = 64 << 20
SCRATCH_BYTES = 256 << 20
PAGE = 4096

held = os.urandom(HOLD_BYTES)
scratch = mmap.mmap(-1, SCRATCH_BYTES)  # touched by /dirty alone
state = {"count": 0, "generation": 0}


def dirty(mib):
    """Writes to each page of the first `mib` MiB of the scratch memory what it did not hold before."""
    state["generation"] += 1
    mark = state["generation"].to_bytes(4, "little") + os.urandom(12)
    for at in range(0, mib << 20, PAGE):
        scratch[at : at + 16] = mark


def write(mib):
    """A file of so many MiB, on disk when this returns."""
    with open("/written", "wb") as file:
        for _ in range(mib):
            file.write(os.urandom(1 << 20))
        file.flush()
        os.fsync(file.fileno())


def turn():
    begun = time.perf_counter()
    done = subprocess.run(["python3", "/app/turn.py"], capture_output=True, text=True, timeout=600)
    if done.returncode != 0:
        return 500, {"error": done.stderr[-2000:]}
    return 200, {"seconds": time.perf_counter() - begun, "steps": json.loads(done.stdout)}


def application(method, target, body):
    url = urllib.parse.urlsplit(target)
    if url.path == "/":
        state["count"] += 1
        return 200, {"count": state["count"], "held": len(held)}
    if url.path == "/dirty":
        mib = int(urllib.parse.parse_qs(url.query)["mib"][0])
        dirty(mib)
        return 200, {"mib": mib}
    if url.path == "/write":
        mib = int(urllib.parse.parse_qs(url.query)["mib"][0])
        write(mib)
        return 200, {"mib": mib}
    if url.path == "/turn":
        return turn()
    return 404, {"error": f"there is no {url.path}; try /, /dirty?mib=N, /write?mib=N or /turn"}


def hooks(method, path, body):
    return 200, {}


if __name__ == "__main__":
    web.serve({8080: application, 9000: hooks})
