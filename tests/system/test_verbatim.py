#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The user's job, sql/sensor_analysis.sql, unchanged: Kafka on localhost:9092, a MySQL-compatible server on localhost:3306. Its result is what plain SQL in
the database gives over the same rows. READINGS=n sets how many (1,000,000 in the first test)."""
import json
import math
import os
import random
import signal
import socket
import subprocess
import time

from harness import ENGINE, ROOT, contains, equal, main, test
from kafka_broker import Broker
from mariadb import Server

READINGS = int(os.environ.get('READINGS', 1_000_000))
JOB = ROOT / 'sql/sensor_analysis.sql'
broker = database = None


def free(port):
    with socket.socket() as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            s.bind(('127.0.0.1', port))
        except OSError:
            raise AssertionError(f'port {port} is taken: the job, unchanged, needs it for a server of its own')


def services():
    global broker, database
    if broker is None:
        for port in (9092, 9093, 3306):
            free(port)
        broker, database = Broker(port=9092), Server(port=3306, password='password')
        database.sql('CREATE DATABASE sensor', database=None)


def fresh():
    services()
    database.sql('DROP TABLE IF EXISTS sensor_result, data, marks', database='sensor')
    for topic in ('sensor_data', 'sensor_window'):
        try:
            broker.produce('delete', topic)
        except AssertionError:
            pass
    for topic, partitions in (('sensor_data', 4), ('sensor_window', 2)):
        for _ in range(50):   # a topic that is being deleted cannot be made at once
            try:
                broker.create(topic, partitions)
                break
            except AssertionError:
                time.sleep(0.2)
        else:
            broker.create(topic, partitions)


def random_rows(n, seed, ids=1000):
    r, t0 = random.Random(seed), 1_700_000_000_000
    return [(f'sensor-{r.randrange(ids):04}', t0 + r.randrange(3_600_000), round(r.uniform(-50, 150), 3)) for _ in range(n)]


def lines(rows):
    return [f'{{"id":"{i}","timestamp":{t},"value":{v}}}' for i, t, v in rows]


def oracle(case, data, marks):
    """The same question to the database itself, over the same rows."""
    database.sql('CREATE TABLE data (id VARCHAR(40) COLLATE utf8mb4_bin, t BIGINT, v DOUBLE); CREATE TABLE marks LIKE data', database='sensor')
    for table, rows in (('data', data), ('marks', marks)):
        path = case.write(f'{table}.tsv', ''.join(f'{i}\t{t}\t{v!r}\n' for i, t, v in rows))
        os.chmod(case.dir, 0o755)
        path.chmod(0o644)
        database.sql(f"LOAD DATA INFILE '{path}' INTO TABLE {table}", database='sensor')
    database.sql('ALTER TABLE data ADD KEY by_id (id, t)', database='sensor')
    rows = database.sql('''SELECT d.id, COUNT(*), SUM(d.v), SUM(ABS(d.v)) FROM marks m JOIN data d ON d.id = m.id
        AND d.t >= m.t - MOD(m.t, 10000) AND d.t < m.t - MOD(m.t, 10000) + 10000 GROUP BY d.id ORDER BY d.id''', database='sensor')
    return {i: (int(n), float(s), float(a)) for i, n, s, a in rows}


def result():
    tables = database.sql("SHOW TABLES LIKE 'sensor_result'", database='sensor')
    rows = database.sql('SELECT id, `count`, `sum` FROM sensor_result', database='sensor') if tables else []
    return {i: (int(n), float(s)) for i, n, s in rows}


def same(got, expected):
    return got.keys() == expected.keys() and all(
        got[i][0] == n and math.isclose(got[i][1], s, rel_tol=0, abs_tol=1e-9 * max(magnitude, 1)) for i, (n, s, magnitude) in expected.items())


class Job:
    """The job as its user runs it: in the foreground until Ctrl-C."""

    def __init__(self, case, *args):
        self.err = open(case.dir / 'err', 'w+')
        self.p = subprocess.Popen([ENGINE, *args, JOB], cwd=case.dir, stdout=subprocess.DEVNULL, stderr=self.err)

    def until(self, expected, seconds=90):
        end = time.time() + seconds
        while not same(result(), expected):
            if self.p.poll() is not None or time.time() > end:
                self.p.kill()
                self.err.seek(0)
                got = result()
                wrong = [(i, got.get(i), expected.get(i)) for i in sorted(set(got) | set(expected)) if got.get(i, (0,))[0] != expected.get(i, (0,))[0]][:5]
                raise AssertionError(f'not the expected result: {len(got)} of {len(expected)} keys, {wrong}\n{self.err.read()}')
            time.sleep(0.1)

    def stop(self):
        self.p.send_signal(signal.SIGINT)
        self.p.wait(30)
        self.err.seek(0)
        text = self.err.read()
        equal(self.p.returncode, 0, text)
        return text


@test
def a_million_readings_at_1_and_2_workers(case):
    """both topics are full before the job starts; a second run over them doubles nothing"""
    fresh()
    data, marks = random_rows(READINGS, 1), random_rows(1_000, 2)
    broker.send('sensor_data', lines(data))
    broker.send('sensor_window', lines(marks))
    expected = oracle(case, data, marks)
    for again, args in ((False, ()), (False, ('-p', '2')), (True, ('-p', '2'))):
        begin = time.time()
        job = Job(case, *args)
        if again:
            time.sleep(4)   # the result is there from the last run, and changes on the way
        job.until(expected)
        print(f'{READINGS:,} readings, {len(expected)} ids, {" ".join(args) or "-p 1"}: right after {time.time() - begin:.1f} s')
        text = job.stop()
        contains(text, 'sensor_data', 'it balances')
        assert 'password' not in text.replace("'password'", ''), text
        if args:
            continue
        contains(text, 'CREATE TABLE', 'utf8mb4_nopad_bin')
        database.sql('DELETE FROM sensor_result', database='sensor')   # the next one starts from nothing, the one after it does not


@test
def fed_while_it_runs(case):
    """readings and marks come in turns while the job runs, at 1 and 2 workers"""
    for args in ((), ('-p', '2')):
        fresh()
        data, marks = random_rows(40_000, 3, ids=50), random_rows(200, 4, ids=50)
        expected = oracle(case, data, marks)
        job = Job(case, *args)
        for part in range(10):
            broker.send('sensor_data', lines(data[part::10]))
            broker.send('sensor_window', lines(marks[part::10]))
        job.until(expected)
        job.stop()


@test
def the_same_through_files(case):
    """the embedded job gives what the one through Kafka gives"""
    fresh()
    data, marks = random_rows(30_000, 5, ids=40), random_rows(150, 6, ids=40)
    expected = oracle(case, data, marks)
    for name, rows in (('sensor_data', data), ('sensor_window', marks)):
        case.write(f'{name}.ndjson', ''.join(line + '\n' for line in lines(rows)))
    sql = JOB.read_text()
    for name in ('sensor_data', 'sensor_window'):
        sql = sql.replace(f"'connector' = 'kafka',\n    'topic' = '{name}',\n    'startup-mode' = 'earliest-offset',", f"'connector' = 'filesystem',\n    'path' = '{name}.ndjson',")
    assert 'kafka' not in sql.split('CREATE', 1)[1]
    case.run('--quiet', sql=sql)
    assert same(result(), expected)


if __name__ == '__main__':
    main()
