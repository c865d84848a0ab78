#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What checkpoints cost: throughput with one every 10 s over 1 GB of state against none, and how long such a state takes to come back.

usage: bench/checkpoints.py [--build DIR] [--rounds N] [--keys N] [--seconds N] [--only throughput|restore]

One worker, COUNT, SUM, MIN and MAX by key over ten million keys, of which each ten seconds touch a tenth; the two ways in turn, round by round. Restoring is
timed against a program that reads the chunks of the same file, every checksum checked, and puts the same keys into an empty hash table (bench/restore.c).
"""
import argparse
import os
import pathlib
import re
import resource
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
FLOOR, RESTORE_CEILING = 0.9, 1.5

JOB = """
{checkpoints}
CREATE TABLE s (n BIGINT) WITH ('connector' = 'datagen', 'rows-per-second' = '1000000000', 'fields.n.kind' = 'sequence', 'fields.n.start' = '0',
                                'fields.n.end' = '{last}');
CREATE TABLE o (k BIGINT, c BIGINT, t BIGINT, lo BIGINT, hi BIGINT, PRIMARY KEY (k) NOT ENFORCED) WITH ('connector' = 'blackhole');
INSERT INTO o SELECT k, COUNT(*), SUM(n), MIN(n), MAX(n)
FROM (SELECT CASE WHEN n < {keys} THEN n ELSE MOD(n, {tenth}) + MOD(n / {phase}, 10) * {tenth} END AS k, n FROM s) GROUP BY k;
"""


def job(a, work, rows, every):
    checkpoints = f"SET 'execution.checkpointing.dir' = '{work}/cp'; SET 'execution.checkpointing.interval' = '{every}'; SET 'pipeline.name' = 'bench';" if every else ''
    path = work / 'job.sql'
    path.write_text(JOB.format(checkpoints=checkpoints, last=rows - 1, keys=a.keys, tenth=a.keys // 10, phase=a.phase))
    return path


def run(a, work, rows, every):
    """(wall seconds, what it said)"""
    shutil.rmtree(work / 'cp', ignore_errors=True)
    begin = time.monotonic()
    p = subprocess.run([a.engine, job(a, work, rows, every)], capture_output=True, text=True, check=True)
    return time.monotonic() - begin, p.stderr


def newest(work):
    files = sorted((work / 'cp/bench').glob('chk-*.db'), key=lambda f: int(re.search(r'\d+', f.name)[0]))
    return files[-1] if files else None


def restore(a, work, rows):
    """Breaks a job off behind a checkpoint of all keys, and times how long the next one takes until it says that it goes on."""
    shutil.rmtree(work / 'cp', ignore_errors=True)
    p = subprocess.Popen([a.engine, job(a, work, rows * 100, '2 s')], stderr=subprocess.DEVNULL)
    while not (newest(work) and newest(work).stat().st_size > a.keys * 60 and (f := newest(work))):
        time.sleep(0.05)
    p.send_signal(signal.SIGKILL)
    p.wait()
    times, peers = [], []
    path = newest(work)
    for _ in range(a.rounds):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        begin = time.monotonic()
        p = subprocess.Popen([a.engine, job(a, work, rows * 100, '1 h')], stderr=subprocess.PIPE, text=True)
        line = p.stderr.readline()
        times.append(time.monotonic() - begin)
        p.send_signal(signal.SIGKILL)
        p.wait()
        assert 'goes on from epoch' in line, line
        begin = time.monotonic()
        subprocess.run([a.build / 'bench/restore', path], check=True, stdout=subprocess.DEVNULL)
        peers.append(time.monotonic() - begin)
    return times, peers, path.stat().st_size


def throughput(a, work, rows):
    plain, safe, said = [], [], ''
    for n in range(a.rounds):
        plain.append(run(a, work, rows, None)[0])
        seconds, said = run(a, work, rows, '10 s')
        safe.append(seconds)
        print(f'  round {n + 1}: {rows / plain[-1] / 1e6:.2f} million rows a second without, {rows / safe[-1] / 1e6:.2f} with checkpoints: {plain[-1] / safe[-1]:.2f}', flush=True)
    ratios = [x / y for x, y in zip(plain, safe)]
    print(f"{rows:,} rows, {a.keys:,} keys; {re.search('epochs.*', said)[0].strip()}")
    print(f'throughput with a checkpoint every 10 s, of that without: {statistics.median(ratios):.2f} (floor {FLOOR}; {min(ratios):.2f} … {max(ratios):.2f})')


def restoring(a, work, rows):
    times, peers, size = restore(a, work, rows)
    ratios = [x / y for x, y in zip(times, peers)]
    print(f'restoring {size / 1e6:,.0f} MB: {statistics.median(times):.2f} s; reading it and inserting its keys: {statistics.median(peers):.2f} s; '
          f'{statistics.median(ratios):.2f} times (ceiling {RESTORE_CEILING})')


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument('--build', type=pathlib.Path, default=ROOT / 'build')
    p.add_argument('--rounds', type=int, default=3)
    p.add_argument('--keys', type=int, default=10_000_000)
    p.add_argument('--only', choices=['throughput', 'restore'])
    p.add_argument('--seconds', type=int, default=45, help='about how long a run takes')
    a = p.parse_args()
    a.engine = a.build / 'sqluice'
    a.phase = 1 << 40
    work = pathlib.Path(tempfile.mkdtemp(prefix='sqluice-bench-', dir=a.build))
    try:
        a.phase = 30_000_000
        pilot, _ = run(a, work, 3 * a.keys, None)
        rate = 3 * a.keys / pilot
        a.phase = int(rate * 10)                 # ten seconds touch one tenth of the keys
        rows = max(int(rate * a.seconds), 4 * a.keys)
        if a.only != 'restore':
            throughput(a, work, rows)
        if a.only != 'throughput':
            restoring(a, work, rows)
    finally:
        shutil.rmtree(work, ignore_errors=True)


if __name__ == '__main__':
    sys.exit(main())
