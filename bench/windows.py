#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Windows on one worker, over sensor readings from NDJSON: COUNT and SUM by id and TUMBLE of 10 s against the same query in DuckDB (one thread, batch); HOP of 10 s by 1 s against
TUMBLE; and the windowed join into a database (sql/windowed_join.sql's shape) in rows a second.

usage: bench/windows.py --build DIR [--rows N] [--rounds R]

CUMULATE of 10 s in steps of 2 s and SESSION of 1 s by id are shown beside them. DuckDB gives no rows out, as the job's sink takes them and keeps none.
Figures are rows per CPU-second (user and system, all threads), medians of the rounds, in turns; DuckDB's rate is taken between N and 3N rows, so that its start does not count.
"""
import argparse
import pathlib
import statistics
import subprocess

from run import measure, python_with_duckdb

FLOOR_DUCKDB, CEILING_HOP = 2.0, 1.5

SOURCE = """CREATE TABLE {name} (id STRING, `timestamp` BIGINT, `value` DOUBLE, ts AS TO_TIMESTAMP_LTZ(`timestamp`, 3), WATERMARK FOR ts AS ts)
WITH ('connector' = 'filesystem', 'path' = '{path}', 'format' = 'json');
"""
WINDOW = """CREATE TABLE o (ws TIMESTAMP(3), id STRING, n BIGINT, total DOUBLE) WITH ('connector' = 'blackhole');
INSERT INTO o SELECT window_start, id, COUNT(*), SUM(`value`) FROM TABLE({function}) GROUP BY window_start, window_end, id;
"""
TUMBLE = "TUMBLE(TABLE readings, DESCRIPTOR(ts), INTERVAL '10' SECOND)"
HOP = "HOP(TABLE readings, DESCRIPTOR(ts), INTERVAL '1' SECOND, INTERVAL '10' SECOND)"
CUMULATE = "CUMULATE(TABLE readings, DESCRIPTOR(ts), INTERVAL '2' SECOND, INTERVAL '10' SECOND)"
SESSION = "SESSION(TABLE readings PARTITION BY id, DESCRIPTOR(ts), INTERVAL '1' SECOND)"
JOIN = """CREATE TABLE o (ws TIMESTAMP(3), id STRING, readings BIGINT, checks BIGINT, PRIMARY KEY (ws, id) NOT ENFORCED) WITH ('connector' = 'jdbc', 'url' = 'jdbc:sqlite:{db}', 'table-name' = 'o');
INSERT INTO o SELECT r.window_start, r.id, r.n, COALESCE(c.n, 0)
FROM (SELECT window_start, window_end, id, COUNT(*) AS n FROM TABLE(TUMBLE(TABLE readings, DESCRIPTOR(ts), INTERVAL '60' SECOND)) GROUP BY window_start, window_end, id) r
LEFT JOIN (SELECT window_start, window_end, id, COUNT(*) AS n FROM TABLE(TUMBLE(TABLE checks, DESCRIPTOR(ts), INTERVAL '60' SECOND)) WHERE `value` > 50 GROUP BY window_start, window_end, id) c
ON r.id = c.id AND r.window_start = c.window_start AND r.window_end = c.window_end;
"""
DUCK = """import duckdb, sys
c = duckdb.connect()
c.execute("SET threads = 1")
print(c.execute("SELECT count(*), sum(n), sum(total) FROM (SELECT timestamp // 10000 AS w, id, count(*) AS n, sum(value) AS total FROM read_json(?, format='newline_delimited', "
                "columns={'id': 'VARCHAR', 'timestamp': 'BIGINT', 'value': 'DOUBLE'}) GROUP BY ALL)", [sys.argv[1]]).fetchall())
"""


def main():
    a = argparse.ArgumentParser()
    a.add_argument('--build', type=pathlib.Path, required=True)
    a.add_argument('--rows', type=int, default=10_000_000)
    a.add_argument('--rounds', type=int, default=5)
    a = a.parse_args()
    build = a.build.absolute()
    work = build / 'bench'
    n = {'small': a.rows // 3, 'large': a.rows}
    files = {}
    for name, count in n.items():
        files[name] = work / f'readings-{count}.ndjson'
        if not files[name].exists():
            with open(files[name], 'w') as f:
                subprocess.run([build / 'bench/gen_readings', str(count), '1000', '7'], stdout=f, check=True)
    python, jobs = python_with_duckdb(work), {}
    for name, path in files.items():
        source = SOURCE.format(name='readings', path=path)
        for kind, text in (('tumble', TUMBLE), ('hop', HOP), ('cumulate', CUMULATE), ('session', SESSION)):
            jobs[kind, name] = work / f'windows-{kind}-{name}.sql'
            jobs[kind, name].write_text(source + WINDOW.format(function=text))
    db = work / 'windows.db'
    join = work / 'windows-join.sql'
    join.write_text(SOURCE.format(name='readings', path=files['small']) + SOURCE.format(name='checks', path=files['small']) + JOIN.format(db=db))
    duck = work / 'windows_duck.py'
    duck.write_text(DUCK)
    rates = {k: [] for k in ('tumble', 'hop', 'cumulate', 'session', 'duckdb', 'join')}

    def cpu(*command):
        return measure(build, *command)['cpu_s']

    for _ in range(a.rounds):
        for kind in ('tumble', 'hop', 'cumulate', 'session'):
            rates[kind].append(n['large'] / cpu(build / 'sqluice', '--quiet', jobs[kind, 'large']))
        rates['duckdb'].append((n['large'] - n['small']) / (cpu(python, duck, files['large']) - cpu(python, duck, files['small'])))
        db.unlink(missing_ok=True)
        rates['join'].append(2 * n['small'] / cpu(build / 'sqluice', '--quiet', join))
    print(f"{n['large']:,} readings, 1,000 ids, median of {a.rounds} rounds, million rows per CPU-second (min … max):")
    for k, label in (('tumble', 'TUMBLE 10 s'), ('hop', 'HOP 10 s by 1 s'), ('cumulate', 'CUMULATE 10 s by 2 s'), ('session', 'SESSION 1 s'), ('duckdb', 'duckdb, as TUMBLE'), ('join', 'windowed join -> SQLite')):
        r = [x / 1e6 for x in rates[k]]
        print(f'  {label:24} {statistics.median(r):6.2f}   ({min(r):.2f} … {max(r):.2f})')
    print(f"  of DuckDB, one thread:   {statistics.median(x / y for x, y in zip(rates['tumble'], rates['duckdb'])):.2f} (floor {FLOOR_DUCKDB})")
    print(f"  HOP costs                {statistics.median(x / y for x, y in zip(rates['tumble'], rates['hop'])):.2f} times TUMBLE (ceiling {CEILING_HOP})")


if __name__ == '__main__':
    main()
