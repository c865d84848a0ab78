#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Time and state at their limits: a partition that stands still for a day of event time, times that jump, times at both ends of the calendar, many keys, many open windows. Results are right, memory
grows with the state alone, and what holds a job up is told. STRESS=n makes it n times as large (`make stress`: 10 M keys and as many rows as that needs)."""
import collections
import os
import random
import signal
import sqlite3
import subprocess
import time

from harness import ENGINE, contains, equal, main, test
from kafka_broker import Broker

STRESS = int(os.environ.get('STRESS', 1))
KEYS = 250_000 * STRESS
WINDOWS = 100_000
KEY_BYTES = 260          # of memory for a key with COUNT and SUM, in a hash table that has just doubled
DAY_S = 24 * 3600


def run(case, sql, *args):
    """Standard output, standard error, CPU seconds, the most memory in bytes."""
    case.write('job.sql', sql)
    with open(case.dir / 'out', 'wb') as out, open(case.dir / 'err', 'wb') as err:
        p = subprocess.Popen([ENGINE, *map(str, args), 'job.sql'], cwd=case.dir, stdout=out, stderr=err, stdin=subprocess.DEVNULL)
        _, status, used = os.wait4(p.pid, 0)
    p.returncode = os.waitstatus_to_exitcode(status)
    equal(p.returncode, 0, case.read('err')[-2000:])
    return case.read('out'), case.read('err'), used.ru_utime + used.ru_stime, used.ru_maxrss * 1024


def stamp(s):
    return f'{s // DAY_S + 1:02} {s // 3600 % 24:02}:{s // 60 % 60:02}:{s % 60:02}'


def source(name, delay="INTERVAL '1' SECOND", path='in.csv'):
    return (f"CREATE TABLE {name} (id INT, v INT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - {delay}) "
            f"WITH ('connector' = 'filesystem', 'path' = '{path}', 'format' = 'csv');\n")


@test
def many_keys(case):
    """every key has its sum; the memory is that of the keys, and none is left of windows that are over"""
    step = 7919          # no divisor of KEYS: keys come mixed, each twice
    for n in (KEYS // 4, KEYS):
        with open(case.dir / f'{n}.csv', 'w') as f:
            for half in range(2):
                f.writelines(f'{i * step % n},{half + 1},2024-01-01 00:00:{half:02}\n' for i in range(n))
    queries = {
        'GROUP BY': 'SELECT id, COUNT(*) AS c, SUM(v) AS s FROM t GROUP BY id',
        'TUMBLE': "SELECT id, COUNT(*) AS c, SUM(v) AS s FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '1' MINUTE)) GROUP BY window_start, window_end, id",
        'HOP': "SELECT id, COUNT(*) AS c, SUM(v) AS s FROM TABLE(HOP(TABLE t, DESCRIPTOR(ts), INTERVAL '1' MINUTE, INTERVAL '2' MINUTE)) GROUP BY window_start, window_end, id",
    }
    for name, query in queries.items():
        rss = {}
        for n in (KEYS // 4, KEYS):
            out, _, _, rss[n] = run(case, source('t', path=f'{n}.csv') + f'SELECT COUNT(*), SUM(c), SUM(s), MIN(s), MAX(s) FROM ({query});', '--mode', 'csv', '--quiet')
            times = 2 if name == 'HOP' else 1
            equal(out.splitlines()[-1], f'{n * times},{2 * n * times},{3 * n * times},3,3', f'{name} of {n} keys')
        per_key = (rss[KEYS] - rss[KEYS // 4]) / (KEYS - KEYS // 4)
        print(f'{name}: {per_key:.0f} bytes a key, {rss[KEYS] / 1e6:.0f} MB for {KEYS:,} keys')
        assert per_key < KEY_BYTES * (2 if name == 'HOP' else 1), f'{name}: {per_key:.0f} bytes a key'

    # as many keys again, but each minute other ones: what was closed is given back
    with open(case.dir / 'in.csv', 'w') as f:
        f.writelines(f"{i},1,2024-01-{stamp(i * 3600 // KEYS * 10)}\n" for i in range(KEYS))
    out, _, _, rss = run(case, source('t') + f"SELECT COUNT(*), SUM(c) FROM ({queries['TUMBLE']});", '--mode', 'csv', '--quiet')
    equal(out.splitlines()[-1], f'{KEYS},{KEYS}')
    print(f'TUMBLE: {rss / 1e6:.0f} MB for {KEYS:,} keys of 600 windows, one after the other')
    assert rss < 30e6 + KEYS / 600 * KEY_BYTES * 8, f'{rss / 1e6:.0f} MB, though few windows are open'
    over = "SELECT id, COUNT(*) OVER (PARTITION BY id ORDER BY ts RANGE BETWEEN INTERVAL '1' MINUTE PRECEDING AND CURRENT ROW) AS c FROM t"
    out, _, _, rss = run(case, source('t') + f'SELECT COUNT(*), SUM(c) FROM ({over});', '--mode', 'csv', '--quiet')
    equal(out.splitlines()[-1], f'{KEYS},{KEYS}')
    print(f'OVER: {rss / 1e6:.0f} MB for {KEYS:,} keys, of which few have rows in a window')
    assert rss < 30e6 + KEYS / 600 * KEY_BYTES * 16, f'{rss / 1e6:.0f} MB, though few partitions have rows'


@test
def many_open_windows(case):
    """100,000 at a time cost about as much as if they were closed one by one, and all are right"""
    rows = 4 * WINDOWS * STRESS
    r = random.Random(5)
    with open(case.dir / 'in.csv', 'w') as f:
        f.writelines(f'{i % 3},{r.randrange(100)},2024-01-{stamp(i * WINDOWS // rows)}\n' for i in range(rows))
    cpu = {}
    for kind, args, slices in (('TUMBLE', "INTERVAL '1' SECOND", 1), ('HOP', "INTERVAL '1' SECOND, INTERVAL '10' SECOND", 10), ('CUMULATE', "INTERVAL '1' SECOND, INTERVAL '10' SECOND", 5.5),
                               ('SESSION', "INTERVAL '0.5' SECOND", 0)):
        over = 't PARTITION BY id' if kind == 'SESSION' else 't'
        query = (f"SELECT COUNT(*), SUM(c), SUM(s), MIN(c) FROM (SELECT window_start, window_end, id, COUNT(*) AS c, SUM(v) AS s FROM "
                 f"TABLE({kind}(TABLE {over}, DESCRIPTOR(ts), {args})) GROUP BY window_start, window_end, id);")
        seen = {}
        for delay in ("INTERVAL '1' SECOND", "INTERVAL '2' DAY"):
            seen[delay], _, cpu[kind, delay], rss = run(case, source('t', delay) + query, '--mode', 'csv', '--quiet')
            print(f'{kind}, watermark behind by {delay}: {cpu[kind, delay]:.2f} s, {rss / 1e6:.0f} MB')
        closed, opened = (seen[d].splitlines()[-1] for d in seen)
        equal(opened, closed, kind)
        equal(int(closed.split(',')[1]), int(rows * slices) if slices else rows, f'{kind}: rows in windows')
        ratio = cpu[kind, "INTERVAL '2' DAY"] / cpu[kind, "INTERVAL '1' SECOND"]
        assert ratio < 4, f'{kind}: open windows cost {ratio:.1f} times'


def judged(rows, size, delay):
    """TUMBLE over rows of one split, each judged by the largest time before it: {start: count}, late rows."""
    windows, late, mark = collections.Counter(), 0, None
    for t in rows:
        start = t - t % size
        if mark is not None and start + size <= mark + 0.001:
            late += 1
        else:
            windows[start] += 1
        mark = t - delay if mark is None else max(mark, t - delay)
    return windows, late


@test
def times_that_jump(case):
    """a clock that was wrong for a while: what comes behind it is late, and counted; nothing else is lost"""
    base, size = 1_704_067_200, 10
    times = [base + i for i in range(1000)] + [base + 400 * DAY_S] + [base + 1000 + i for i in range(500)] + [base + 400 * DAY_S + i for i in range(20)]
    windows, late = judged(times, size, 1)
    for batch in (1, 7, 2048):
        case.write('in.csv', ''.join(f'{t}\n' for t in times))
        sql = ("CREATE TABLE t (s BIGINT, ts AS TO_TIMESTAMP_LTZ(s, 0), WATERMARK FOR ts AS ts - INTERVAL '1' SECOND) WITH ('connector' = 'filesystem', 'path' = 'in.csv', 'format' = 'csv');"
               f"SELECT UNIX_TIMESTAMP(CAST(window_start AS STRING)), COUNT(*) FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '{size}' SECOND)) GROUP BY window_start, window_end;")
        p = case.run('--mode', 'csv', '--batch-rows', batch, sql="SET 'table.local-time-zone' = 'UTC';" + sql, env={'TZ': 'UTC'})
        equal({int(a): int(b) for a, b in (line.split(',') for line in p.stdout.splitlines()[1:])}, dict(windows))
        contains(p.stderr, f'{late} late', 'it balances')


@test
def both_ends_of_the_calendar(case):
    """0001, 1969, 1970 and 9999 in every kind of window and join in time"""
    times = ['0001-01-01 00:00:00', '1969-12-31 23:59:59.999', '1970-01-01 00:00:00', '1970-01-01 00:00:00.001', '2024-02-29 12:00:00', '9999-12-31 23:59:50', '9999-12-31 23:59:59.999']
    case.write('in.csv', ''.join(f'{i},{i * i},{t}\n' for i, t in enumerate(times)))
    windows = {
        "TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '10' SECOND)": 5, "HOP(TABLE t, DESCRIPTOR(ts), INTERVAL '5' SECOND, INTERVAL '10' SECOND)": 10,
        "CUMULATE(TABLE t, DESCRIPTOR(ts), INTERVAL '5' SECOND, INTERVAL '10' SECOND)": 9, "SESSION(TABLE t, DESCRIPTOR(ts), INTERVAL '15' SECOND)": 4,
    }
    for function, count in windows.items():
        for mode in ('streaming', 'batch'):
            out, _, cpu, _ = run(case, f"SET 'execution.runtime-mode' = '{mode}';" + source('t') +
                                 f'SELECT window_start, window_end, COUNT(*) FROM TABLE({function}) GROUP BY window_start, window_end;', '--mode', 'csv', '--quiet')
            lines = sorted(out.splitlines()[1:])
            equal(len(lines), count, f'{function}, {mode}: {lines}')
            assert cpu < 5, f'{function}: empty windows between 0001 and 9999 were walked through'
            contains(out, '1969-12-31 23:59:50.000,1970-01-01 00:00:00.000' if function[0] != 'S' else '1969-12-31 23:59:59.999,1970-01-01 00:00:15.001')
    pairs = ' '.join(run(case, source('l') + source('r') + "SELECT l.id, r.id FROM l JOIN r ON l.ts BETWEEN r.ts - INTERVAL '1' SECOND AND r.ts + INTERVAL '10' SECOND WHERE l.id <> r.id;",
                         '--mode', 'csv', '--quiet')[0].splitlines()[1:])
    equal(sorted(pairs.split()), ['1,2', '1,3', '2,1', '2,3', '3,1', '3,2', '6,5'])


@test
def a_partition_that_stands_still(case):
    """for a day of event time: nothing is put out, nothing is late, memory is bounded, the account names the partition; when it goes on, all is right"""
    broker = Broker()
    broker.create('day', 2)
    per_minute = 60 * STRESS
    other = [f'{{"id": {i % 5}, "v": 1, "ts": "2024-01-{stamp(i * 60 // per_minute)}"}}' for i in range(1440 * per_minute)]
    broker.send_fields('day', (1, None, None, None, '{"id": 9, "v": 1, "ts": "2024-01-01 00:00:30"}'))
    broker.send_fields('day', *[(0, None, None, None, line) for line in other])
    sql = ("SET 'execution.checkpointing.interval' = '500 ms'; SET 'execution.checkpointing.dir' = 'ck';"
           "CREATE TABLE t (id INT, v INT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '1' SECOND) WITH ('connector' = 'kafka', 'topic' = 'day', "
           f"'properties.bootstrap.servers' = '{broker.servers}', 'scan.startup.mode' = 'earliest-offset', 'format' = 'json'{{}});"
           "CREATE TABLE o (m TIMESTAMP(3), id INT, n BIGINT, PRIMARY KEY (m, id) NOT ENFORCED) WITH ('connector' = 'jdbc', 'url' = 'jdbc:sqlite:o.db', 'table-name' = 'o');"
           "INSERT INTO o SELECT window_start, id, COUNT(*) FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '1' MINUTE)) GROUP BY window_start, window_end, id;")

    def start(options=''):
        case.write('job.sql', sql.format(options))
        return subprocess.Popen([ENGINE, 'job.sql'], cwd=case.dir, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, stdin=subprocess.DEVNULL)

    def written():
        if not (case.dir / 'o.db').exists():
            return []
        db = sqlite3.connect(case.dir / 'o.db', timeout=20)
        try:
            return db.execute('SELECT m, id, n FROM o ORDER BY m, id').fetchall()
        except sqlite3.OperationalError:
            return []
        finally:
            db.close()

    def stop(p):
        p.send_signal(signal.SIGINT)
        err = p.communicate(timeout=60)[1]
        equal(p.returncode, 0, err)
        return err

    def memory(p):
        with open(f'/proc/{p.pid}/status') as f:
            return next(int(line.split()[1]) * 1024 for line in f if line.startswith('VmHWM'))

    def wait_for(what, seconds=120):
        end = time.time() + seconds
        while not what():
            assert time.time() < end, 'it did not come'
            time.sleep(0.1)

    p = start()
    time.sleep(6)
    assert p.poll() is None, p.communicate()
    equal(written(), [], 'while one partition stands still')
    rss = memory(p)
    print(f'1,440 open minutes of {len(other):,} rows: {rss / 1e6:.0f} MB')
    assert rss < 200e6, f'{rss / 1e6:.0f} MB'
    err = stop(p)
    contains(err, 'it balances', 'held back by day-1, which has given nothing for')

    # the same job goes on from its checkpoint, and the partition does, too
    p = start()
    time.sleep(1)
    broker.send_fields('day', (1, None, None, None, '{"id": 9, "v": 1, "ts": "2024-01-01 00:00:40"}'), (1, None, None, None, '{"id": 9, "v": 1, "ts": "2024-01-02 00:00:02"}'))
    broker.send_fields('day', (0, None, None, None, '{"id": 9, "v": 1, "ts": "2024-01-02 00:00:02"}'))
    wait_for(lambda: len(written()) >= 1440 * 5 + 1)
    stop(p)
    want = [(f'2024-01-01 {m // 60:02}:{m % 60:02}:00.000', i, per_minute // 5) for m in range(1440) for i in range(5)] + [('2024-01-01 00:00:00.000', 9, 2)]
    equal(written(), sorted(want))

    # or it is called idle, and nothing waits for it
    subprocess.run('rm -rf ck o.db*', shell=True, cwd=case.dir, check=True)
    p = start(", 'scan.watermark.idle-timeout' = '1 s'")
    wait_for(lambda: len(written()) >= 1440 * 5)
    stop(p)


if __name__ == '__main__':
    main()
