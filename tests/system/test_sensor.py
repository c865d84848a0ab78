#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The sensor job at size: a million random readings and a thousand marks give what plain SQL in SQLite gives over the same rows."""
import json
import math
import random
import sqlite3

from harness import equal, main, test

TABLES = """CREATE TABLE sensor_data (id STRING, timestamp BIGINT, value DOUBLE)
WITH ('connector' = 'filesystem', 'path' = 'data.ndjson', 'format' = 'json');
CREATE TABLE sensor_window (id STRING, timestamp BIGINT, value DOUBLE, window END TIMESTAMP(ROWTIME, INTERVAL '10' SECOND))
WITH ('connector' = 'filesystem', 'path' = 'marks.ndjson', 'format' = 'json');
CREATE TABLE sensor_result (id STRING, count BIGINT, sum DOUBLE)
WITH ('connector' = 'jdbc', 'url' = 'jdbc:sqlite:result.db', 'table-name' = 'sensor_result');
"""
JOB = """INSERT INTO sensor_result
SELECT sensor_data.id, COUNT(*) AS count, SUM(sensor_data.value) AS sum
FROM sensor_data JOIN sensor_window ON sensor_data.id = sensor_window.id
    AND sensor_data.timestamp >= sensor_window.tstart AND sensor_data.timestamp < sensor_window.tend
GROUP BY sensor_data.id;
"""
ORACLE = """SELECT d.id, COUNT(*), SUM(d.value) FROM data d JOIN marks m ON d.id = m.id
AND d.timestamp >= m.timestamp / 10000 * 10000 AND d.timestamp < m.timestamp / 10000 * 10000 + 10000 GROUP BY d.id ORDER BY d.id"""


def random_input(case, readings, marks, seed, ids):
    r = random.Random(seed)
    t0, span = 1_700_000_000_000, 3_600_000

    def rows(n):
        return [(f'sensor-{r.randrange(ids):04}', t0 + r.randrange(span), round(r.uniform(-50, 150), 3)) for _ in range(n)]
    data, windows = rows(readings), rows(marks)
    for name, part in (('data.ndjson', data), ('marks.ndjson', windows)):
        with open(case.dir / name, 'w') as f:
            f.writelines(json.dumps({'id': i, 'timestamp': t, 'value': v}) + '\n' for i, t, v in part)
    db = sqlite3.connect(':memory:')
    db.execute('CREATE TABLE data (id TEXT, timestamp INTEGER, value REAL)')
    db.execute('CREATE TABLE marks (id TEXT, timestamp INTEGER, value REAL)')
    db.executemany('INSERT INTO data VALUES (?, ?, ?)', data)
    db.executemany('INSERT INTO marks VALUES (?, ?, ?)', windows)
    db.execute('CREATE INDEX by_id ON data (id, timestamp)')
    magnitude = {}
    for i, _, v in data:
        magnitude[i] = magnitude.get(i, 0) + abs(v)
    return db.execute(ORACLE).fetchall(), magnitude


def check(case, expected, magnitude):
    got = sqlite3.connect(case.dir / 'result.db').execute('SELECT id, count, sum FROM sensor_result ORDER BY id').fetchall()
    equal([(i, n) for i, n, _ in got], [(i, n) for i, n, _ in expected], 'ids and counts')
    for (i, _, a), (_, _, b) in zip(got, expected):
        if not math.isclose(a, b, rel_tol=0, abs_tol=1e-9 * max(magnitude[i] * 1000, 1)):
            raise AssertionError(f'sum of {i}: {a} and {b}')


@test
def a_million_readings(case):
    """1,000,000 readings and 1,000 marks, streaming"""
    expected, magnitude = random_input(case, 1_000_000, 1_000, seed=7, ids=1_000)
    case.run('--quiet', sql=TABLES + JOB)
    check(case, expected, magnitude)
    case.run('--quiet', '--parallelism', '2', sql=TABLES + JOB)   # a rerun, by two workers, upserts the same keys: nothing doubles
    check(case, expected, magnitude)


@test
def batch_mode_and_small_batches(case):
    """batch mode, batches of one and seven rows, and several workers, give the same"""
    expected, magnitude = random_input(case, 20_000, 300, seed=11, ids=50)
    for args, mode in (((), 'batch'), (('--batch-rows', '1'), 'streaming'), (('--batch-rows', '7'), 'batch'),
                       (('--batch-rows', '1', '--parallelism', '4'), 'batch'), (('--batch-rows', '7', '--parallelism', '2'), 'streaming')):
        (case.dir / 'result.db').unlink(missing_ok=True)
        case.run('--quiet', *args, sql=f"SET 'execution.runtime-mode' = '{mode}';\n" + TABLES + JOB)
        check(case, expected, magnitude)


if __name__ == '__main__':
    main()
