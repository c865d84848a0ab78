#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What bad input gets, at the size of files and databases: a clear error that names what was tried, and nothing half-written."""
import os
import sqlite3
import subprocess
import time

from harness import contains, equal, main, test

SOURCE = """CREATE TABLE t (id STRING, v INT) WITH ('connector' = 'filesystem', 'path' = 't.ndjson', 'format' = 'json'{more});
"""
SINK = """CREATE TABLE o (id STRING, v INT{key}) WITH ('connector' = 'jdbc', 'url' = 'jdbc:sqlite:{db}', 'table-name' = 'o'{more});
"""
COPY = 'INSERT INTO o SELECT id, v FROM t;\n'
IGNORE = ", 'json.ignore-parse-errors' = 'true'"


def job(db='o.db', key=', PRIMARY KEY (id) NOT ENFORCED', source='', sink=''):
    return SOURCE.format(more=source) + SINK.format(db=db, key=key, more=sink) + COPY


def rows(case, db='o.db'):
    return sqlite3.connect(case.dir / db).execute('SELECT id, v FROM o ORDER BY id').fetchall()


@test
def a_bad_line_is_named(case):
    """file, line, column, the offending text; nothing is written"""
    case.write('t.ndjson', '{"id":"a","v":1}\n{"id":"b","v":"twelve"}\n')
    p = case.run(sql=job(), expect=1)
    contains(p.stderr, 't.ndjson:2', "'v'", 'twelve', 'json.ignore-parse-errors')
    assert not (case.dir / 'o.db').exists() or not rows(case), 'rows of a failed job'


@test
def ignored_and_counted(case):
    """json.ignore-parse-errors: a bad field is NULL, a bad record is skipped, both are counted"""
    case.write('t.ndjson', '{"id":"a","v":1}\n{"id":"b","v":"twelve"}\n{"id":\nnull\n{"id":"c","v":3}')
    p = case.run(sql=job(source=IGNORE))
    equal([r for r in rows(case) if r[0]], [('a', 1), ('b', None), ('c', 3)])
    contains(p.stderr, '5 records = 3 rows + 2 bad; 1 value did not fit and is NULL')
    case.write('t.csv', 'a,1\nb,twelve\nc,3\nd,4,5\n')
    p = case.run(sql=job('csv.db').replace('t.ndjson', 't.csv').replace("'json'", "'csv', 'csv.ignore-parse-errors' = 'true'"))
    equal(rows(case, 'csv.db'), [('a', 1), ('b', None), ('c', 3)])
    contains(p.stderr, '4 records = 3 rows + 1 bad; 1 value did not fit and is NULL')


@test
def decimals_that_are_too_long(case):
    """NULL, as in Flink, also where other values fail the job; but counted"""
    case.write('t.ndjson', '{"id":"a","v":99999999.999}\n{"id":"b","v":1.5}\n')
    case.write('t.csv', 'a,99999999.999\nb,1.5\n')
    for name in ('json', 'csv'):
        sql = job(f'{name}.db').replace('v INT', 'v DECIMAL(10, 2)').replace("'json'", f"'{name}'").replace('t.ndjson', 't.ndjson' if name == 'json' else 't.csv')
        p = case.run(sql=sql)
        equal([r[1] is None for r in rows(case, f'{name}.db')], [True, False])
        contains(p.stderr, '2 records = 2 rows + 0 bad; 1 value did not fit and is NULL')


@test
def odd_files(case):
    """empty, one without a newline at the end, CRLF, NUL bytes, invalid UTF-8"""
    for data, expect in ((b'', []), (b'{"id":"a","v":1}', [('a', 1)]), (b'{"id":"a","v":1}\r\n\r\n{"id":"b","v":2}\r\n', [('a', 1), ('b', 2)])):
        case.write('t.ndjson', data)
        (case.dir / 'o.db').unlink(missing_ok=True)
        case.run(sql=job())
        equal(rows(case), expect, data)
    for data, word in ((b'{"id":"a\x00b","v":1}\n', ':1'), (b'{"id":"\xff\xfe","v":1}\n', 'UTF-8'), (b'\x00\x00\x00\n', ':1')):
        case.write('t.ndjson', data)
        contains(case.run(sql=job(), expect=1).stderr, 't.ndjson', word)


@test
def a_line_of_100_megabytes(case):
    """one that is too long is an error with the limit; with ignore-parse-errors it is skipped and counted"""
    with open(case.dir / 't.ndjson', 'wb') as f:
        f.write(b'{"id":"a","v":1}\n{"id":"')
        for _ in range(100):
            f.write(b'x' * 1_000_000)
        f.write(b'","v":2}\n{"id":"c","v":3}\n')
    p = case.run(sql=job(), expect=1)
    contains(p.stderr, 't.ndjson:2', 'MB')
    case.run(sql=job(source=IGNORE))
    equal(rows(case), [('a', 1), ('c', 3)])


@test
def null_in_a_key(case):
    """the error says what to do, nothing is written, and the account of a job that failed claims nothing"""
    case.write('t.ndjson', '{"id":null,"v":1}\n{"id":"b","v":3}\n')
    p = case.run(sql=job(key='').replace('SELECT id, v FROM t', 'SELECT id, SUM(v) FROM t GROUP BY id'), expect=1)
    contains(p.stderr, "column 'id' of table 'o' is in the key, and a row has NULL there", 'give them a value (COALESCE)', 'account: 2 rows in, 0 out; the job failed, some may have been under way')
    assert 'BALANCE' not in p.stderr, p.stderr
    equal(rows(case), [])


@test
def half_a_window(case):
    """GROUP BY window_start alone is an ordinary GROUP BY: allowed, and told; both bounds, and batch mode, say nothing"""
    case.write('t.ndjson', '{"id":"a","v":1,"ts":"2024-01-01 00:00:01"}\n')
    table = SOURCE.format(more='').replace('v INT', "v INT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts")
    query = "SELECT {0}, COUNT(*) FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '10' SECOND)) GROUP BY {0};\n"
    said = 'note: GROUP BY one of window_start and window_end alone is no window'
    contains(case.run(sql=table + query.format('window_start')).stderr, said)
    for sql in (table + query.format('window_start, window_end'), "SET 'execution.runtime-mode' = 'batch';\n" + table + query.format('window_start')):
        assert said not in case.run(sql=sql).stderr, sql


@test
def paths_that_are_not_there(case):
    """a missing file, a missing directory of a database"""
    contains(case.run(sql=job(), expect=1).stderr, 't.ndjson', 'no such file')
    case.write('t.ndjson', '{"id":"a","v":1}\n')
    contains(case.run(sql=job(db='no/such/dir/o.db'), expect=1).stderr, 'no/such/dir')


@test
def a_locked_database(case):
    """another program holds the lock: retried, then said; nothing is written"""
    case.write('t.ndjson', '{"id":"a","v":1}\n')
    holder = sqlite3.connect(case.dir / 'o.db', isolation_level=None)
    holder.execute('CREATE TABLE o (id TEXT NOT NULL PRIMARY KEY, v INTEGER)')
    holder.execute('BEGIN EXCLUSIVE')
    begin = time.time()
    p = case.run(sql=job(sink=", 'sink.max-retries' = '1', 'connection.max-retry-timeout' = '1 s'"), expect=1)
    contains(p.stderr, 'o.db', 'lock')
    assert time.time() - begin < 60
    holder.execute('COMMIT')
    equal(rows(case), [])


@test
def a_lock_that_goes_away(case):
    """the database is free again within the retries: the job goes on"""
    case.write('t.ndjson', '{"id":"a","v":1}\n')
    case.write('hold.py', "import sqlite3, time\nc = sqlite3.connect('o.db', isolation_level=None)\nc.execute('CREATE TABLE o (id TEXT NOT NULL PRIMARY KEY, v INTEGER)')\n"
               "c.execute('BEGIN IMMEDIATE')\nprint('held', flush=True)\ntime.sleep(1.5)\nc.execute('COMMIT')\n")
    p = subprocess.Popen(['python3', 'hold.py'], cwd=case.dir, stdout=subprocess.PIPE)
    p.stdout.readline()
    case.run(sql=job())
    p.wait()
    equal(rows(case), [('a', 1)])


@test
def a_read_only_database(case):
    """cannot be written: says so"""
    case.write('t.ndjson', '{"id":"a","v":1}\n')
    sqlite3.connect(case.dir / 'o.db').execute('CREATE TABLE o (id TEXT NOT NULL PRIMARY KEY, v INTEGER)').connection.close()
    os.chmod(case.dir / 'o.db', 0o444)
    os.chmod(case.dir, 0o555)
    try:
        if os.geteuid() == 0:   # root may write to anything: a file that is not a database stands in
            os.chmod(case.dir, 0o755)
            os.chmod(case.dir / 'o.db', 0o644)
            case.write('o.db', 'this is not a database, and long enough to be looked at as one' * 20)
            p = case.run(sql=job(), expect=1)
            contains(p.stderr, 'o.db', 'not a SQLite database')
        else:
            p = case.run(sql=job(), expect=1)
            contains(p.stderr, 'o.db', 'read')
    finally:
        os.chmod(case.dir, 0o755)


@test
def a_full_disk(case):
    """no space for the result: an error, and the file that was there is as it was"""
    case.write('t.ndjson', ''.join('{"id":"key-%d","v":%d}\n' % (i, i) for i in range(20_000)))
    case.write('old.ndjson', '{"id":"old","v":0}\n')
    sql = SOURCE.format(more='') + """CREATE TABLE o (id STRING, v INT) WITH ('connector' = 'filesystem', 'path' = 'old.ndjson', 'format' = 'json');
        """ + COPY
    case.write('job.sql', sql)
    p = subprocess.run(['bash', '-c', 'ulimit -f 64; trap "" XFSZ; exec "$0" job.sql', os.environ.get('SQLUICE', './sqluice')], cwd=case.dir, capture_output=True, text=True)
    equal(p.returncode, 1, p.stderr)
    contains(p.stderr, 'old.ndjson')
    equal(case.read('old.ndjson'), '{"id":"old","v":0}\n')
    equal(sorted(f.name for f in case.dir.iterdir()), ['job.sql', 'old.ndjson', 't.ndjson'])
    p = subprocess.run(['bash', '-c', 'ulimit -f 64; trap "" XFSZ; exec "$0" job.sql', os.environ.get('SQLUICE', './sqluice')], cwd=case.dir, capture_output=True, text=True)
    case.write('db.sql', job())
    p = subprocess.run(['bash', '-c', 'ulimit -f 64; trap "" XFSZ; exec "$0" db.sql', os.environ.get('SQLUICE', './sqluice')], cwd=case.dir, capture_output=True, text=True)
    equal(p.returncode, 1, p.stderr)
    contains(p.stderr, 'o.db')


@test
def a_table_without_the_key(case):
    """the statement that mends it is printed"""
    case.write('t.ndjson', '{"id":"a","v":1}\n')
    sqlite3.connect(case.dir / 'o.db').execute('CREATE TABLE o (id TEXT, v INTEGER)').connection.close()
    p = case.run(sql=job(), expect=1)
    contains(p.stderr, 'UNIQUE', 'id')


@test
def secrets_are_not_shown(case):
    """a password is nowhere, whatever goes wrong"""
    secret = 'Tr0ub4dor&3'
    for sql in (f"CREATE TABLE x (a INT) WITH ('connector' = 'jdbc', 'url' = 'jdbc:sqlite:no/such/x.db', 'table-name' = 'x', 'username' = 'me', 'password' = '{secret}');"
                'SHOW CREATE TABLE x; DESCRIBE x; EXPLAIN SELECT * FROM x; SELECT * FROM x;',
                f"CREATE TABLE x (a INT) WITH ('connector' = 'jdbc', 'url' = 'jdbc:sqlite:x.db', 'table-nam' = 'x', 'password' = '{secret}');",
                f"CREATE TABLE x (a INT) WITH ('connector' = 'jdbc', 'url' = 'jdbc:sqlite:x.db', 'table-name' = 'x', 'pasword' = '{secret}');",
                f"CREATE TABLE x (a INT) WITH ('connector' = 'jdbc', 'url' = 'jdbc:sqlite:x.db?password={secret}', 'table-name' = 'x');",
                f"CREATE TABLE x (a INT) WITH ('connector' = 'jdbc', 'url' = 'jdbc:postgresql://me:{secret}@host/db', 'table-name' = 'x');",
                f"CREATE TABLE x (a INT) WITH ('connector' = 'print', 'password' '{secret}');",
                f"CREATE TABLE x (a INT) WITH ('connector' = 'print', 'password = '{secret}');",
                f"CREATE TABLE x (a INT) WITH ('connector' = 'print', 'password' = '{secret});",
                "CREATE TABLE x (a INT) WITH ('connector' = 'filesystem', 'path' = 'a/b', 'format' = 'json');"
                f"CREATE VIEW v AS SELECT a FROM x /*+ OPTIONS('path' = 'a/b?token={secret}') */; SHOW CREATE VIEW v; SHOW CREATE TABLE v; DESCRIBE v; SELECT * FROM v;",
                f"SET 'x.token' = '{secret}'; SET; SET 'x.token'; SELECT y;"):
        p = case.run(sql=sql, expect=None)
        assert p.returncode in (1, 2), p.stderr
        assert secret not in p.stdout, p.stdout
        assert secret not in p.stderr, p.stderr


if __name__ == '__main__':
    main()
