# SPDX-License-Identifier: Apache-2.0
"""Requests to a VM without a pause, whatever becomes of it meanwhile, and whether one of them was lost."""

import http.client
import json
import threading

FAILURES_MAX = 5  # after which a client asks no more


class Client(threading.Thread):
    """Asks for the next number again and again, over one connection while it lasts and a new one after; keeps the numbers."""

    def __init__(self, vm, stop, pause=0.02):
        super().__init__(daemon=True)
        self.vm = vm
        self.stop = stop
        self.pause = pause
        self.numbers = []
        self.reopened = 0
        self.failures = []
        self.token = vm.token(minutes=60)

    def run(self):
        connection = None
        while not self.stop.is_set() and len(self.failures) < FAILURES_MAX:
            fresh = connection is None
            connection = connection or self.vm.connect(120)
            try:
                connection.request("GET", "/count", headers={"X-aws-proxy-auth": self.token})
                answer = connection.getresponse()
                body = answer.read()
            except (OSError, EOFError, http.client.HTTPException) as error:
                # A connection that idled may be closed between two requests; on a new one nothing excuses an error.
                connection.close()
                connection = None
                self.reopened += 1
                if fresh:
                    self.failures.append(f"on a new connection: {error!r}")
                continue
            if answer.status != 200:
                self.failures.append(f"HTTP {answer.status}: {body[:200]!r}")
                continue
            self.numbers.append(json.loads(body)["count"])
            self.stop.wait(self.pause)
        if connection:
            connection.close()


class Load:
    """Clients of one VM, which ask from here on until finish()."""

    def __init__(self, vm, clients, pause=0.02):
        self._vm = vm
        self._stop = threading.Event()
        self._clients = [Client(vm, self._stop, pause) for _ in range(clients)]
        for client in self._clients:
            client.start()

    def served(self):
        return sum(len(client.numbers) for client in self._clients)

    def failures(self):
        return [failure for client in self._clients for failure in client.failures]

    def finish(self):
        """Ends the clients; tells of everything that they saw go wrong."""
        self._stop.set()
        for client in self._clients:
            client.join(120)
        wrong = self.failures() + ["a client did not end" for client in self._clients if client.is_alive()]
        wrong += ["a client's numbers are out of order" for client in self._clients if client.numbers != sorted(client.numbers)]
        # Every answer's number was given once, and none without an answer.
        numbers = sorted(number for client in self._clients for number in client.numbers)
        counted = self._vm.json(path="/count")["count"] - 1
        if len(set(numbers)) != len(numbers):
            wrong.append(f"{len(numbers) - len(set(numbers))} numbers were given twice")
        if counted != len(numbers):
            wrong.append(f"{counted} requests were counted, {len(numbers)} answered")
        return wrong

    def fewest(self):
        """How many answers the client got that got the fewest."""
        return min(len(client.numbers) for client in self._clients)
