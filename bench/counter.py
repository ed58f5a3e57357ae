# SPDX-License-Identifier: Apache-2.0
"""examples/counter: its launches over the cold boot of the same image with the same size."""

import statistics
import time

from bench import subject
from bench.launch import PAUSE_SECONDS, launch
from bench.measure import Goal


def measure(machine, series, options):
    arn = None
    for index in range(options.images):
        if arn:
            machine.delete_image(arn)
        arn = machine.begin_image(f"bench-counter-{index}", subject.ROOT / "examples/counter", options.memory)
        series.seconds["counter: cold boot to first 200"].append(machine.watch_image(arn)["application"])
    for _ in range(max(1, options.vms // 2)):
        vm = series.measure("counter: launch to first 200", lambda: launch(machine, arn))
        if vm:
            vm.terminate()
        time.sleep(PAUSE_SECONDS)
    machine.delete_image(arn)


def goals(series):
    cold, launches = (series.seconds[f"counter: {what} to first 200"] for what in ("cold boot", "launch"))
    if not cold or not launches:
        return []
    ratio = statistics.median(launches) / statistics.median(cold)
    return [Goal("counter: launch / cold boot of the same image, medians", ratio, 1 / 30, "", bound=True)]
