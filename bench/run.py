#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Throughput of one worker against two peers, on one file, in one run.

usage: bench/run.py --build DIR [--rows N] [--rounds R] [--check]

The job: sensor readings (about 60 bytes a row, 1,000 ids) from NDJSON -> COUNT(*) and SUM(value) by id -> a sink that takes every column; once with
a key, as a database has (the net change of each key and batch), once as a log of every change (two rows for each that comes in).
 * simdjson On-Demand only reads the same three fields of each line of the same file;
 * DuckDB (one thread) runs the same GROUP BY over the same file; its rate is taken between N and 3N rows, so that its start does not count.
Figures are rows per CPU-second (user and system, all threads), medians of the rounds; the three take turns. --check exits 1 below the floors.
"""
import argparse
import pathlib
import re
import statistics
import subprocess
import sys
import venv

ROOT = pathlib.Path(__file__).resolve().parent.parent
FLOOR_SIMDJSON, FLOOR_DUCKDB = 0.8, 1.5
DUCKDB = 'duckdb==2.0.0'

JOB = """CREATE TABLE readings (id STRING, `timestamp` BIGINT, `value` DOUBLE)
WITH ('connector' = 'filesystem', 'path' = '{path}', 'format' = 'json');
CREATE TABLE out (id STRING, n BIGINT, total DOUBLE{key}) WITH ('connector' = 'blackhole');
INSERT INTO out SELECT id, COUNT(*), SUM(`value`) FROM readings GROUP BY id;
"""

DUCK = """import duckdb, sys
c = duckdb.connect()
c.execute("SET threads = 1")
r = c.execute("SELECT id, count(*), sum(value) FROM read_json(?, format='newline_delimited', "
              "columns={'id': 'VARCHAR', 'timestamp': 'BIGINT', 'value': 'DOUBLE'}) GROUP BY id", [sys.argv[1]]).fetchall()
print(len(r))
"""


def measure(build, *command):
    line = subprocess.run([build / 'bench/measure', *map(str, command)], capture_output=True, text=True)
    if line.returncode:
        sys.exit(f'bench: {command[0]} failed: {line.stdout}{line.stderr}')
    return {k: float(v) for k, v in re.findall(r'(\w+)=([\d.]+)', line.stdout)}


def python_with_duckdb(work):
    python = work / 'venv/bin/python'
    if not python.exists():
        venv.create(work / 'venv', with_pip=True)
    if subprocess.run([python, '-c', 'import duckdb'], capture_output=True).returncode:
        subprocess.run([work / 'venv/bin/pip', 'install', '-q', '--disable-pip-version-check', DUCKDB], check=True)
    return python


def main():
    a = argparse.ArgumentParser()
    a.add_argument('--build', type=pathlib.Path, required=True)
    a.add_argument('--rows', type=int, default=10_000_000)
    a.add_argument('--rounds', type=int, default=5)
    a.add_argument('--check', action='store_true')
    a = a.parse_args()
    build, work = a.build.absolute(), a.build.absolute() / 'bench/work'
    work.mkdir(parents=True, exist_ok=True)
    files = {}
    for rows in (a.rows // 3, a.rows):
        files[rows] = work / f'readings-{rows}.ndjson'
        if not files[rows].exists():
            print(f'making {rows:,} readings', flush=True)
            part = work / 'part'
            with open(part, 'w') as out:
                subprocess.run([build / 'bench/gen_readings', str(rows), '1000', '42'], stdout=out, check=True)
            part.rename(files[rows])
        for kind, key in (('net', ', PRIMARY KEY (id) NOT ENFORCED'), ('each', '')):
            (work / f'{kind}-{rows}.sql').write_text(JOB.format(path=files[rows], key=key))
    few, many = sorted(files)
    (work / 'duck.py').write_text(DUCK)
    python = python_with_duckdb(work)
    engine = build / 'sqluice'

    rates = {'sqluice': [], 'sqluice, every change': [], 'sqluice, two workers': [], 'simdjson': [], 'duckdb': []}
    rss, clock = {}, ([], [])
    for n in range(a.rounds + 1):   # the first round warms the page cache
        s = measure(build, engine, '--quiet', work / f'net-{many}.sql')
        e = measure(build, engine, '--quiet', work / f'each-{many}.sql')
        two = measure(build, engine, '--quiet', '-p', '2', work / f'net-{many}.sql')
        j = measure(build, build / 'bench/json_simdjson', files[many])
        d1, d2 = (measure(build, python, work / 'duck.py', files[k]) for k in (few, many))
        if n == 0:
            rss[few] = measure(build, engine, '--quiet', work / f'net-{few}.sql')['rss_kb']
            continue
        rss[many] = max(rss.get(many, 0), s['rss_kb'])
        rates['sqluice'].append(many / s['cpu_s'])
        rates['sqluice, every change'].append(many / e['cpu_s'])
        rates['sqluice, two workers'].append(many / two['cpu_s'])
        clock[0].append(s['wall_ms'])
        clock[1].append(two['wall_ms'])
        rates['simdjson'].append(many / j['cpu_s'])
        rates['duckdb'].append((many - few) / max(d2['cpu_s'] - d1['cpu_s'], 1e-9))
    mid = {k: statistics.median(v) for k, v in rates.items()}
    size = files[many].stat().st_size
    print(f'{many:,} rows of {size / many:.1f} bytes, median of {a.rounds} rounds, million rows per CPU-second (min … max):')
    for k, v in rates.items():
        print(f'  {k:22} {mid[k] / 1e6:7.2f}   ({min(v) / 1e6:.2f} … {max(v) / 1e6:.2f})')
    to_simdjson = statistics.median(x / y for x, y in zip(rates['sqluice'], rates['simdjson']))
    to_duckdb = statistics.median(x / y for x, y in zip(rates['sqluice'], rates['duckdb']))
    grown = rss[many] / rss[few]
    print(f'  of simdjson On-Demand reading alone: {to_simdjson:.2f} (floor {FLOOR_SIMDJSON})')
    print(f'  of DuckDB, one thread:               {to_duckdb:.2f} (floor {FLOOR_DUCKDB})')
    print(f'  two workers, by the clock: {min(clock[0]) / min(clock[1]):.2f} times one in the best rounds, {statistics.median(clock[0]) / statistics.median(clock[1]):.2f} in the middle (1.7 is wanted on two idle cores)')
    print(f'  resident memory: {rss[few] / 1024:.1f} MB at {few:,} rows, {rss[many] / 1024:.1f} MB at {many:,} ({grown:.2f} times)')
    ok = to_simdjson >= FLOOR_SIMDJSON and to_duckdb >= FLOOR_DUCKDB and grown < 1.1
    return 1 if a.check and not ok else 0


if __name__ == '__main__':
    sys.exit(main())
