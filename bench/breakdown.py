# SPDX-License-Identifier: Apache-2.0
"""Where the time of operations goes, from the call or the request to the first byte of the answer: the daemon's own spans."""

import collections
import statistics
import time

LIMIT = 200  # traces of each kind that the daemon remembers


class Breakdown:
    """Tables of steps by name."""

    def __init__(self, machine):
        self.machine = machine
        self.tables = {}

    def measure(self, names, action):
        """What `action` gives; `names` says of which operations that began meanwhile the steps are wanted, and as what."""
        begun = time.time()
        result = action()
        for operation, name in names.items():
            traces = self.machine.extension(f"/dormouse/2026-11-01/traces?operation={operation}&limit={LIMIT}")["traces"]
            traces = [trace for trace in traces if trace["startedAt"] >= begun and trace["outcome"] == "ok"]
            if traces:
                self.tables[name] = table(traces)
        return result

    def lines(self):
        for name, found in self.tables.items():
            yield f"  {name}: where the time of {found['operations']} goes, in the daemon"
            for row in found["steps"]:
                indented = "  " * row["depth"] + row["step"]
                yield f"    {indented:<28} {row['median_ms']:8.2f} ms  p99 {row['p99_ms']:8.2f} ms  in {row['count']}"


def table(traces):
    """The steps in the order of their beginnings; one that is not in every operation says in how many. Medians do not add up."""
    found = collections.defaultdict(list)
    offsets = collections.defaultdict(list)
    for trace in traces:
        total = trace["firstByteInMicroseconds"] or trace["durationInMicroseconds"]
        within = 0
        for span in trace["spans"]:
            depth = 1 if span["parentSpanId"] == trace["spanId"] else 2
            found[depth, span["name"]].append(span["durationInMicroseconds"])
            offsets[depth, span["name"]].append(span["offsetInMicroseconds"])
            if depth == 1 and span["offsetInMicroseconds"] < total:
                within += min(span["durationInMicroseconds"], total - span["offsetInMicroseconds"])
        found[0, "all"].append(total)
        offsets[0, "all"].append(0)
        found[1, "between steps"].append(max(0, total - within))
        offsets[1, "between steps"].append(float("inf"))
    order = sorted(found, key=lambda key: (statistics.median(offsets[key]), key[0]))
    return {"operations": len(traces), "steps": [row(key, sorted(found[key])) for key in order]}


def row(key, microseconds):
    return {
        "step": key[1],
        "depth": key[0],
        "median_ms": statistics.median(microseconds) / 1000,
        "p99_ms": microseconds[min(len(microseconds) - 1, int(len(microseconds) * 0.99))] / 1000,
        "count": len(microseconds),
    }
