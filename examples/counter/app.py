# SPDX-License-Identifier: Apache-2.0
"""Counts its requests: the smallest application whose state shows that a MicroVM keeps it."""

import json
import threading

import web

HOOKS = "/aws/lambda-microvms/runtime/v1/"

lock = threading.Lock()
state = {"count": 0, "microvmId": None, "payload": None, "resumed": 0}


def application(method, path, body):
    if method != "GET":
        return 405, {"error": f"{method} is not served here; use GET"}
    if path != "/":
        return 404, {"error": f"there is no {path}; try /"}
    with lock:
        state["count"] += 1
        return 200, dict(state)


def hooks(method, path, body):
    """What the service tells the application: see section "Lifecycle hooks" of the Lambda MicroVMs guide."""
    hook = path.removeprefix(HOOKS)
    if hook == "run":  # this clone's identity: called once, before any request
        run = json.loads(body)
        with lock:
            state["microvmId"] = run["microvmId"]
            state["payload"] = run.get("runHookPayload")
    elif hook == "resume":
        with lock:
            state["resumed"] += 1
    elif hook not in ("ready", "validate", "suspend", "terminate"):
        return 404, {"error": f"there is no hook {hook}"}
    return 200, {}


if __name__ == "__main__":
    web.serve({8080: application, 9000: hooks})
