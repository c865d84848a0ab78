#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Aggregates of windows, one worker, against DuckDB on one thread, on one file, in one run.

usage: bench/windows.py --build DIR [--rows N] [--rounds R] [--check]

Sensor readings (about 60 bytes a row, 1,000 ids, a reading every 7.5 ms of event time, in order; the watermark is a second behind) from NDJSON -> COUNT(*) and SUM(value) by id and
window -> a sink that takes every row:
 * TUMBLE of 10 s, a streaming job that puts windows out as they are over; DuckDB runs the same as one GROUP BY. Its rate is taken between a third and all of the rows, so that its
   start does not count;
 * HOP of 10 s by 1 s: ten windows for each row, and ten times as many rows come out;
 * CUMULATE of 10 s in steps of 2 s, SESSION of 1 s by id.
Figures are rows per CPU-second (user and system, all threads), medians of the rounds, which take turns. --check exits 1 below the floors.
"""
import argparse
import pathlib
import statistics
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from run import measure, python_with_duckdb

FLOOR_DUCKDB, CEILING_HOP = 2.0, 1.5

JOB = """CREATE TABLE readings (id STRING, `timestamp` BIGINT, `value` DOUBLE, ts AS TO_TIMESTAMP_LTZ(`timestamp`, 3), WATERMARK FOR ts AS ts - INTERVAL '1' SECOND)
WITH ('connector' = 'filesystem', 'path' = '{path}', 'format' = 'json');
CREATE TABLE out (id STRING, window_start TIMESTAMP(3), n BIGINT, total DOUBLE) WITH ('connector' = 'blackhole');
INSERT INTO out SELECT id, window_start, COUNT(*), SUM(`value`) FROM TABLE({window}) GROUP BY id, window_start, window_end;
"""
WINDOWS = {
    'TUMBLE': "TUMBLE(TABLE readings, DESCRIPTOR(ts), INTERVAL '10' SECOND)",
    'HOP': "HOP(TABLE readings, DESCRIPTOR(ts), INTERVAL '1' SECOND, INTERVAL '10' SECOND)",
    'CUMULATE': "CUMULATE(TABLE readings, DESCRIPTOR(ts), INTERVAL '2' SECOND, INTERVAL '10' SECOND)",
    'SESSION': "SESSION(TABLE readings PARTITION BY id, DESCRIPTOR(ts), INTERVAL '1' SECOND)",
}

DUCK = """import duckdb, sys
c = duckdb.connect()
c.execute("SET threads = 1")
print(c.execute("SELECT count(*), sum(n), sum(total) FROM (SELECT id, timestamp // 10000 AS w, count(*) AS n, sum(value) AS total FROM read_json(?, format='newline_delimited', "
                "columns={'id': 'VARCHAR', 'timestamp': 'BIGINT', 'value': 'DOUBLE'}) GROUP BY id, w)", [sys.argv[1]]).fetchall())
"""


def readings(build, work, rows):
    path = work / f'readings-{rows}.ndjson'
    if not path.exists():
        print(f'making {rows:,} readings', flush=True)
        part = work / 'part'
        with open(part, 'w') as out:
            subprocess.run([build / 'bench/gen_readings', str(rows), '1000', '42'], stdout=out, check=True)
        part.rename(path)
    return path


def main():
    a = argparse.ArgumentParser()
    a.add_argument('--build', type=pathlib.Path, required=True)
    a.add_argument('--rows', type=int, default=10_000_000)
    a.add_argument('--rounds', type=int, default=5)
    a.add_argument('--check', action='store_true')
    a = a.parse_args()
    build = a.build.absolute()
    work = build / 'bench/work'
    work.mkdir(parents=True, exist_ok=True)
    few, many = a.rows // 3, a.rows
    files = {n: readings(build, work, n) for n in (few, many)}
    for name, window in WINDOWS.items():
        (work / f'window-{name}.sql').write_text(JOB.format(path=files[many], window=window))
    (work / 'duck_windows.py').write_text(DUCK)
    python = python_with_duckdb(work)

    rates = {k: [] for k in [*WINDOWS, 'DuckDB']}
    rss = {}
    for n in range(a.rounds + 1):   # the first round warms the page cache
        got = {k: measure(build, build / 'sqluice', '--quiet', work / f'window-{k}.sql') for k in WINDOWS}
        d1, d2 = (measure(build, python, work / 'duck_windows.py', files[k]) for k in (few, many))
        if n == 0:
            continue
        for k, v in got.items():
            rates[k].append(many / v['cpu_s'])
            rss[k] = max(rss.get(k, 0), v['rss_kb'])
        rates['DuckDB'].append((many - few) / max(d2['cpu_s'] - d1['cpu_s'], 1e-9))
    print(f'{many:,} rows, windows of 10 s, median of {a.rounds} rounds, million rows per CPU-second (min … max):')
    for k, v in rates.items():
        print(f'  {k:10} {statistics.median(v) / 1e6:7.2f}   ({min(v) / 1e6:.2f} … {max(v) / 1e6:.2f})' + (f'   {rss[k] / 1024:.0f} MB' if k in rss else ''))
    duck = statistics.median(x / y for x, y in zip(rates['TUMBLE'], rates['DuckDB']))
    hop = statistics.median(x / y for x, y in zip(rates['TUMBLE'], rates['HOP']))
    print(f'  TUMBLE, of DuckDB on one thread: {duck:.2f} times (floor {FLOOR_DUCKDB})')
    print(f'  HOP by 1 s, cost of TUMBLE:      {hop:.2f} times (ceiling {CEILING_HOP})')
    return 1 if a.check and not (duck >= FLOOR_DUCKDB and hop <= CEILING_HOP) else 0


if __name__ == '__main__':
    sys.exit(main())
