#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""An epoch's commit against plain batched writes, in the same run: N changed keys into SQLite and MariaDB, first into an empty table (inserts), then the
same keys again (updates). Plain is 10,000 rows to a transaction; an epoch is gathered and then written in one.

usage: bench/jdbc.py [--build DIR] [--rows N] [--times N]"""
import argparse
import os
import pathlib
import shutil
import statistics
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
parser = argparse.ArgumentParser()
parser.add_argument('--build', default='build')
parser.add_argument('--rows', type=int, default=1_000_000)
parser.add_argument('--times', type=int, default=3)
args = parser.parse_args()
os.environ['SQLUICE_BUILD'] = str((ROOT / args.build).resolve())
sys.path.insert(0, str(ROOT / 'tests/system'))
import test_jdbc_epochs as kit          # noqa: E402: the driver and the server

kit.DRIVER = ROOT / args.build / 'tests/services/jdbc_sink'
TEXT = 'a value of some thirty letters'


def timed(fn):
    begun = time.perf_counter()
    fn()
    return time.perf_counter() - begun


def plain(d, options):
    """Seconds from the first row to the last one's commit."""
    d('open', 'a', 'key', '-', '-', '-', '-', *options)
    took = timed(lambda: (d('fill', 'a', 1, args.rows, TEXT), d('finish', 'a')))
    d('close', 'a')
    return took, took


def epoch(d, options):
    """The same, and what of it is the commit's."""
    d('open', 'a', 'key', 'bench', 'default.t', str(time.time_ns())[-16:], '-', *options)
    n = int(d('marker', 'a')) + 1
    gathered = timed(lambda: (d('fill', 'a', 1, args.rows, TEXT), d('prepare', 'a', n)))
    commit = timed(lambda: d('commit', 'a', n))
    d('close', 'a')
    return gathered + commit, commit


def measure(name, options, empty):
    d, took = kit.Driver(), {}
    for _ in range(args.times):
        for way in (plain, epoch):
            empty()
            for what in ('inserts', 'updates'):
                took.setdefault((what, way), []).append(way(d, options))
    d.close()
    for what in ('inserts', 'updates'):
        p, e = ([statistics.median(t[i] for t in took[what, way]) for i in (0, 1)] for way in (plain, epoch))
        print(f'{name:8} {what}: plain {args.rows / p[0]:9,.0f} rows/s   epoch {args.rows / e[0]:9,.0f} rows/s (of it the commit {args.rows / e[1]:9,.0f} rows/s)   '
              f'commit takes {e[1] / p[0]:.2f} of plain')


def main():
    where = pathlib.Path(tempfile.mkdtemp(prefix='sqluice-bench-'))
    try:
        for mode in ('delete', 'wal'):
            path = where / f'{mode}.db'

            def fresh_file():
                for f in where.glob(f'{mode}.db*'):
                    f.unlink()
                kit.ask(path, f'PRAGMA journal_mode = {mode}')
            measure(f'SQLite {mode}'[:13], [f'url=jdbc:sqlite:{path}', 'table-name=r'], fresh_file)
        measure('MariaDB', kit.options(), kit.fresh)
    finally:
        shutil.rmtree(where, ignore_errors=True)
        if kit.SERVER:
            kit.SERVER.remove()


if __name__ == '__main__':
    main()
