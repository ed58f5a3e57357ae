# SPDX-License-Identifier: Apache-2.0
"""What the programs under tests/ have in common: how they report.

A suite is an executable file in a folder of tests/. It prints a line for each test that did not pass,

    FAIL name: reason
    SKIP name: reason

and `N passed, N failed, N skipped` as its last line; it exits 1 when something failed or nothing ran. `main()` does this for
unittest test cases; a suite in another language prints the same lines.
"""

import signal
import sys
import time
import traceback
import unittest


class _Result(unittest.TestResult):
    def __init__(self):
        super().__init__()
        self.passed = 0
        self.failed = 0
        self.skips = 0
        self._started = 0.0

    def startTest(self, test):
        super().startTest(test)
        self._started = time.monotonic()

    def _name(self, test):
        return getattr(test, "_testMethodName", str(test)).removeprefix("test_")

    def addSuccess(self, test):
        self.passed += 1
        print(f"PASS {self._name(test)} ({time.monotonic() - self._started:.2f} s)", flush=True)

    def _failure(self, test, error):
        self.failed += 1
        reason = str(error[1]).strip().splitlines()
        print("".join(traceback.format_exception(*error)).rstrip(), flush=True)
        print(f"FAIL {self._name(test)}: {reason[0] if reason else error[0].__name__}", flush=True)

    def addFailure(self, test, err):
        super().addFailure(test, err)
        self._failure(test, err)

    addError = addFailure

    def addSubTest(self, test, subtest, err):
        if err is not None:
            super().addSubTest(test, subtest, err)
            self._failure(subtest, err)

    def addSkip(self, test, reason):
        self.skips += 1
        print(f"SKIP {self._name(test)}: {reason}", flush=True)


def _interrupt(*_):
    raise KeyboardInterrupt  # and what was started is ended (Daemon.start)


def main(module="__main__"):
    """Runs the test cases of `module`, those whose name contains one of the arguments if there are any."""
    signal.signal(signal.SIGTERM, _interrupt)
    loader = unittest.TestLoader()
    if len(sys.argv) > 1:
        loader.testNamePatterns = [f"*{argument}*" for argument in sys.argv[1:]]
    result = _Result()
    loader.loadTestsFromModule(sys.modules[module]).run(result)
    print(f"{result.passed} passed, {result.failed} failed, {result.skips} skipped")
    sys.exit(1 if result.failed or result.passed + result.skips == 0 else 0)
