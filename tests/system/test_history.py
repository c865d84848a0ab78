#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What ends together with what does not: a bounded side of a join, and a history that is read before a stream goes on from there."""
import json
import signal
import sqlite3
import subprocess
import time

from harness import ENGINE, contains, equal, main, test
from kafka_broker import Broker


def start(case, sql, name='job.sql'):
    case.write(name, sql)
    return subprocess.Popen([ENGINE, name], cwd=case.dir, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, stdin=subprocess.DEVNULL)


def rows(case):
    """(id, n) in the order in which they were written."""
    if not (case.dir / 'o.db').exists():
        return []
    db = sqlite3.connect(case.dir / 'o.db', timeout=20)
    try:
        return db.execute('SELECT id, n FROM o ORDER BY rowid').fetchall()
    except sqlite3.OperationalError:
        return []
    finally:
        db.close()


def clean(case):
    subprocess.run(['rm', '-rf', 'ck', 's/b', *[f.name for f in case.dir.glob('o.db*')]], cwd=case.dir, check=True)


def wait_for(what, seconds=20):
    end = time.time() + seconds
    while not what():
        assert time.time() < end, 'it did not come'
        time.sleep(0.05)


def put(case, directory, name, rows):
    """A file that is there at once."""
    (case.dir / directory).mkdir(exist_ok=True)
    tmp = case.dir / f'.{name}'
    tmp.write_text(''.join(json.dumps(r) + '\n' for r in rows))
    tmp.rename(case.dir / directory / name)


def stop(p):
    p.send_signal(signal.SIGINT)
    out, err = p.communicate(timeout=20)
    equal(p.returncode, 0, err)
    return err


def at(seconds):
    return f'2024-01-01 {seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}'


STREAM = ("CREATE TABLE s (id INT, k STRING, ts TIMESTAMP(3), WATERMARK FOR ts AS ts) WITH ('connector'='filesystem','path'='s','format'='json','source.monitor-interval'='100 ms'{});")
OUT = "CREATE TABLE o (id INT, n INT) WITH ('connector'='jdbc','url'='jdbc:sqlite:o.db','table-name'='o');"
SETTINGS = "SET 'execution.checkpointing.interval' = '200 ms'; SET 'execution.checkpointing.dir' = 'ck'; SET 'execution.parallelism' = '{}';"


@test
def a_bounded_side_of_a_join(case):
    """its end does not end the job, and it holds nothing back behind it: rows without a partner come out, too"""
    put(case, 'r', 'a', [{'n': 1, 'k': 'a', 'rt': at(10)}, {'n': 2, 'k': 'b', 'rt': at(20)}])
    put(case, 's', 'a', [{'id': 1, 'k': 'a', 'ts': at(11)}, {'id': 2, 'k': 'c', 'ts': at(12)}])
    right = "CREATE TABLE r (n INT, k STRING, rt TIMESTAMP(3), WATERMARK FOR rt AS rt, PRIMARY KEY (k) NOT ENFORCED) WITH ('connector'='filesystem','path'='r','format'='json');"
    for join, want in (("s LEFT JOIN r ON s.k = r.k AND s.ts BETWEEN r.rt AND r.rt + INTERVAL '5' SECOND", [(1, 1), (2, None), (3, None)]),
                       ('s LEFT JOIN r FOR SYSTEM_TIME AS OF s.ts ON s.k = r.k', [(1, 1), (2, None), (3, 2)])):
        for workers in (1, 2):
            p = start(case, SETTINGS.format(workers) + STREAM.format('') + right + OUT + f'INSERT INTO o SELECT id, n FROM {join};')
            time.sleep(0.5)
            put(case, 's', 'b', [{'id': 3, 'k': 'b', 'ts': at(30)}, {'id': 4, 'k': 'a', 'ts': at(100)}])
            wait_for(lambda: len(rows(case)) >= 3)
            equal(p.poll(), None)
            stop(p)
            equal(sorted(rows(case)), want)
            clean(case)


@test
def a_history_then_a_stream(case):
    """killed while the history is read, and behind it: every row once, the stream's behind the history's"""
    put(case, 'h', 'a', [{'id': i, 'k': 'h', 'ts': at(i // 100)} for i in range(60000)])
    put(case, 's', 'a', [{'id': 100000 + i, 'k': 's', 'ts': at(700 + i)} for i in range(10)])
    history = "CREATE TABLE h (id INT, k STRING, ts TIMESTAMP(3), WATERMARK FOR ts AS ts) WITH ('connector'='filesystem','path'='h','format'='json');"
    sql = ("SET 'execution.trigger.max-rows' = '5000';" + STREAM.format(",'scan.after'='h'") + history + OUT +
           'INSERT INTO o SELECT id, CAST(NULL AS INT) FROM (SELECT * FROM s UNION ALL SELECT * FROM h);')
    for workers in (1, 2):
        for some in (1, 15000, 40000):
            p = start(case, SETTINGS.format(workers) + sql)
            wait_for(lambda: len(rows(case)) >= some or p.poll() is not None)
            p.kill()
            p.communicate()
        p = start(case, SETTINGS.format(3 - workers) + sql)
        wait_for(lambda: len(rows(case)) >= 60010)
        put(case, 's', 'b', [{'id': 200000, 'k': 's', 'ts': at(800)}])
        wait_for(lambda: len(rows(case)) >= 60011)
        contains(stop(p), 'it balances')
        ids = [x[0] for x in rows(case)]
        equal(sorted(ids), [*range(60000), *range(100000, 100010), 200000])
        assert all(i < 60000 for i in ids[:60000]), 'the stream was read before the history had ended'
        clean(case)


@test
def a_history_then_a_topic(case):
    """days in files, in a database, then a topic: windows over all of it, killed in each part, each row once"""
    broker = Broker()
    broker.create('live', 2)
    put(case, 'h', 'a', [{'id': i, 'k': 'f', 'ts': at(i // 20)} for i in range(20000)])                     # 1,000 s
    db = sqlite3.connect(case.dir / 'h.db')
    db.execute('CREATE TABLE h2 (id INTEGER, k TEXT, ts TEXT)')
    db.executemany('INSERT INTO h2 VALUES (?, ?, ?)', [(100000 + i, 'd', at(1000 + i // 20)) for i in range(4000)])      # 200 s
    db.commit()
    db.close()
    columns = 'id INT, k STRING, ts TIMESTAMP(3), WATERMARK FOR ts AS ts'
    sql = (f"CREATE TABLE h ({columns}) WITH ('connector'='filesystem','path'='h','format'='json');"
           f"CREATE TABLE h2 ({columns}) WITH ('connector'='jdbc','url'='jdbc:sqlite:h.db','table-name'='h2','scan.after'='h');"
           f"CREATE TABLE s ({columns}) WITH ('connector'='kafka','topic'='live','properties.bootstrap.servers'='{broker.servers}','scan.startup.mode'='earliest-offset','format'='json','scan.after'='h; h2');"
           "CREATE TABLE o (id INT, n INT, PRIMARY KEY (id) NOT ENFORCED) WITH ('connector'='jdbc','url'='jdbc:sqlite:o.db','table-name'='o');"
           'CREATE VIEW readings AS SELECT * FROM h UNION ALL SELECT * FROM h2 UNION ALL SELECT * FROM s;'
           "INSERT INTO o SELECT TIMESTAMPDIFF(SECOND, TIMESTAMP '2024-01-01 00:00:00', window_start), CAST(COUNT(*) AS INT) FROM TABLE(TUMBLE(TABLE readings, DESCRIPTOR(ts), INTERVAL '10' SECOND)) "
           'GROUP BY window_start, window_end;')
    broker.send_fields('live', *[(i % 2, None, None, None, json.dumps({'id': 200000 + i, 'k': 's', 'ts': at(1200 + i // 20)})) for i in range(4000)])       # 200 s
    for workers in (1, 2):
        for some in (5, 60, 110):
            p = start(case, "SET 'execution.trigger.max-rows' = '2000';" + SETTINGS.format(workers) + sql)
            wait_for(lambda: len(rows(case)) >= some or p.poll() is not None)
            p.kill()
            p.communicate()
        p = start(case, SETTINGS.format(3 - workers) + sql)
        time.sleep(1)
        wait_for(lambda: len(rows(case)) >= 139)          # the last window is open
        err = stop(p)
        contains(err, 'it balances')
        assert 'late' not in err, err
        equal(rows(case), [(10 * i, 200) for i in range(139)])
        clean(case)


if __name__ == '__main__':
    main()
