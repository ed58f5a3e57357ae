# SPDX-License-Identifier: Apache-2.0
"""Makes the full-text index: runs while the image is built.

    index.py CORPUS DATABASE
"""

import json
import sqlite3
import sys


def build(corpus, database):
    """Indexes the documents of `corpus` (lines of JSON) into the new file `database`; how many there were."""
    connection = sqlite3.connect(database)
    connection.execute("PRAGMA journal_mode = OFF")
    connection.execute("CREATE VIRTUAL TABLE packages USING fts5(name, summary, description, tokenize = 'porter unicode61')")
    with open(corpus, encoding="utf-8") as lines:
        rows = ((d["name"], d["summary"], d["description"]) for d in map(json.loads, lines))
        connection.executemany("INSERT INTO packages VALUES (?, ?, ?)", rows)
    connection.execute("INSERT INTO packages (packages) VALUES ('optimize')")
    connection.commit()
    count = connection.execute("SELECT count(*) FROM packages").fetchone()[0]
    connection.close()
    return count


if __name__ == "__main__":
    print(f"indexed {build(sys.argv[1], sys.argv[2])} documents")
