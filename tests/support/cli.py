# SPDX-License-Identifier: Apache-2.0
"""The command line as a user of a daemon has it: told only where its data directory and its API are."""

import subprocess

from .daemon import clean_environment, find_program

SECONDS = 900  # the longest: a build


class Cli:
    def __init__(self, daemon):
        self.program = find_program(daemon.build_dir, "dormouse")
        self.environment = clean_environment() | {
            "DORMOUSE_DATA_DIR": str(daemon.data_dir),
            "AWS_ENDPOINT_URL": daemon.url,
            "AWS_REGION": daemon.region,
        }

    def __call__(self, *arguments, given=None, **variables):
        """The ended process: its status and what it wrote. It reads the text `given`; `variables` are set in its environment."""
        return subprocess.run(
            [self.program, *arguments],
            env=self.environment | variables,
            **({"stdin": subprocess.DEVNULL} if given is None else {"input": given}),
            capture_output=True,
            text=True,
            timeout=SECONDS,
        )

    def start(self, *arguments):
        """A run that goes on while it is read from."""
        return subprocess.Popen(
            [self.program, *arguments], env=self.environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True
        )
