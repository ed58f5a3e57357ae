# SPDX-License-Identifier: Apache-2.0
"""Answers ranked full-text queries from an index in memory.

    GET /search?q=WORDS&limit=10 -> {"query": "...", "documents": 63000, "milliseconds": 1.5, "results": [...]}

The index is copied into memory before /ready answers 200, so it is in the snapshot: no clone ever loads it.
"""

import sqlite3
import sys
import threading
import time
from urllib.parse import parse_qs, urlsplit

import web

HOOKS = "/aws/lambda-microvms/runtime/v1/"
LIMIT_DEFAULT = 10
LIMIT_MAX = 100
QUERY_CHARACTERS_MAX = 1000
# bm25() gives smaller numbers to better matches; a word in the name counts most.
SEARCH = """
    SELECT name, summary, round(-bm25(packages, 10.0, 4.0, 1.0), 3) FROM packages
    WHERE packages MATCH ? ORDER BY bm25(packages, 10.0, 4.0, 1.0), name LIMIT ?"""


class Index:
    """A full-text index in memory. Thread-safe."""

    def __init__(self, path):
        stored = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
        self._memory = sqlite3.connect(":memory:", check_same_thread=False)
        stored.backup(self._memory)
        stored.close()
        self._lock = threading.Lock()
        self.documents = self._memory.execute("SELECT count(*) FROM packages").fetchone()[0]

    def search(self, query, limit):
        words = "".join(c if c.isalnum() else " " for c in query).split()
        if not words:
            return []
        expression = " OR ".join(f'"{word}"' for word in words)
        with self._lock:
            rows = self._memory.execute(SEARCH, (expression, limit)).fetchall()
        return [{"name": name, "summary": summary, "score": score} for name, summary, score in rows]


def make_application(index):
    def application(method, path, body):
        parts = urlsplit(path)
        if method != "GET" or parts.path not in ("/", "/search"):
            return 404, {"error": f"there is no {method} {parts.path}; try GET /search?q=words"}
        if parts.path == "/":
            return 200, {"name": "retriever", "documents": index.documents}
        parameters = parse_qs(parts.query)
        query = parameters.get("q", [""])[0]
        limit = parameters.get("limit", [str(LIMIT_DEFAULT)])[0]
        if not query.strip() or len(query) > QUERY_CHARACTERS_MAX:
            return 400, {"error": f'"q" must hold between 1 and {QUERY_CHARACTERS_MAX} characters'}
        if not limit.isdecimal() or not 1 <= int(limit) <= LIMIT_MAX:
            return 400, {"error": f'"limit" is {limit!r}; it must be a number from 1 to {LIMIT_MAX}'}
        started = time.perf_counter()
        results = index.search(query, int(limit))
        elapsed = round((time.perf_counter() - started) * 1000, 1)
        return 200, {"query": query, "documents": index.documents, "milliseconds": elapsed, "results": results}

    return application


def make_hooks(index):
    def hooks(method, path, body):
        hook = path.removeprefix(HOOKS)
        if hook in ("ready", "validate"):
            return (200, {}) if index.search("web server", 1) else (500, {"error": "the index finds nothing"})
        if hook in ("run", "resume", "suspend", "terminate"):
            return 200, {}
        return 404, {"error": f"there is no hook {hook}"}

    return hooks


if __name__ == "__main__":
    # Nobody listens on the hooks' port before the index is loaded: to the service that means "not ready yet".
    the_index = Index(sys.argv[1])
    web.serve({8080: make_application(the_index), 9000: make_hooks(the_index)})
