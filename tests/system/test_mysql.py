#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""MySQL and MariaDB as sink and source, on a real server: types there and back, upserts and deletes against plain SQL, locks, deadlocks,
servers that die, tables that exist, values that do not fit, and connections that cannot be."""
import json
import math
import os
import random
import re
import signal
import struct
import subprocess
import threading
import time

from harness import ENGINE, contains, equal, main, test
from mariadb import PASSWORD, USER, Server

SEED = int(os.environ.get('SEED', 1))
SERVER = None


def server():
    global SERVER
    if SERVER is None:
        SERVER = Server()
        SERVER.sql('CREATE DATABASE test', database=None)
    return SERVER


def with_(table, params='', user=USER, password=PASSWORD, host='localhost', port=None, database='test', scheme='mysql', **options):
    """The WITH clause of a table in the server."""
    url = f'jdbc:{scheme}://{host}:{port or server().port}/{database}{params}'
    all_options = {'connector': 'jdbc', 'url': url, 'table-name': table, 'username': user, 'password': password}
    all_options.update({k.replace('_', '-').replace('--', '.'): v for k, v in options.items()})
    return 'WITH (' + ', '.join("'%s' = '%s'" % (k, v.replace("'", "''")) for k, v in all_options.items()) + ')'


def file(name, fmt='json'):
    return f"WITH ('connector' = 'filesystem', 'path' = '{name}', 'format' = '{fmt}')"


def fresh(*tables):
    server().sql(''.join(f'DROP VIEW IF EXISTS {t}; DROP TABLE IF EXISTS {t};' for t in tables))


def lines(case, name):
    path = case.dir / name
    files = [path] if path.is_file() else sorted(p for p in path.rglob('*') if p.is_file())
    return [json.loads(line) for f in files for line in f.read_text().splitlines()]


def fails(case, sql, *parts, **kwargs):
    """The job fails with all of these texts, and the password is in none of its words."""
    p = case.run(sql=sql, expect=None, **kwargs)
    if p.returncode == 0:
        raise AssertionError(f'it worked\n{p.stdout}\n{p.stderr}\n{sql}')
    contains(p.stderr, *parts)
    assert PASSWORD not in p.stdout + p.stderr
    return p.stderr


# ---- values ----

TYPES = {'b': 'BOOLEAN', 't': 'TINYINT', 'sm': 'SMALLINT', 'i': 'INT', 'l': 'BIGINT', 'f': 'FLOAT', 'd': 'DOUBLE', 'de': 'DECIMAL(38, 10)', 'de0': 'DECIMAL(20, 0)',
         'c': 'CHAR(3)', 'v': 'VARCHAR(10)', 'v2': 'VARCHAR(3000)', 's': 'STRING', 'bb': 'BYTES', 'vb': 'VARBINARY(4)', 'da': 'DATE', 'ti': 'TIME(3)',
         'ts0': 'TIMESTAMP(0)', 'ts3': 'TIMESTAMP(3)', 'ts6': 'TIMESTAMP(6)', 'tz': 'TIMESTAMP_LTZ(3)'}
ROWS = [
    {'b': True, 't': 127, 'sm': 32767, 'i': 2147483647, 'l': 9223372036854775807, 'f': 3.4028234663852886e38, 'd': 1.7976931348623157e308,
     'de': '9999999999999999999999999999.9999999999', 'de0': '18446744073709551616', 'c': 'abc', 'v': '日本語 😀', 'v2': 'ß' * 3000, 's': "it's \\ \" % _ \n\t\r\x00\x1a ; --",
     'bb': 'AP8nXCI=', 'vb': 'AAEC/w==', 'da': '9999-12-31', 'ti': '23:59:59.999', 'ts0': '9999-12-31 23:59:59', 'ts3': '2024-02-29 12:34:56.789',
     'ts6': '0001-01-01 00:00:00.000001', 'tz': '2038-01-19 03:14:07.999Z'},
    {'b': False, 't': -128, 'sm': -32768, 'i': -2147483648, 'l': -9223372036854775808, 'f': -1.401298464324817e-45, 'd': -5e-324, 'de': '-0.0000000001', 'de0': '-1',
     'c': '', 'v': '', 'v2': '', 's': '', 'bb': '', 'vb': '', 'da': '0001-01-01', 'ti': '00:00:00', 'ts0': '0001-01-01 00:00:00', 'ts3': '1969-12-31 23:59:59.999',
     'ts6': '1970-01-01 00:00:00', 'tz': '1970-01-01 00:00:01Z'},
    {k: None for k in TYPES},
    {'b': True, 't': 0, 'sm': 0, 'i': 0, 'l': 0, 'f': 0.1, 'd': 0.1, 'de': '0', 'de0': '0', 'c': 'é ', 'v': ' a ', 'v2': 'x', 's': '😀' * 5000, 'bb': 'AAAA', 'vb': 'IA==',
     'da': '2000-02-29', 'ti': '12:00:00.5', 'ts0': '2000-01-01 00:00:00', 'ts3': '2000-01-01 00:00:00.5', 'ts6': '2000-01-01 00:00:00.123456', 'tz': '2000-01-01 00:00:00.25Z'},
]


@test
def every_type_there_and_back(case):
    """what is written is read again, whatever the type, and the database sees the same"""
    fresh('types')
    cols = ', '.join(f'{k} {t}' for k, t in TYPES.items())
    case.write('in.ndjson', ''.join(json.dumps({'id': i, **row}) + '\n' for i, row in enumerate(ROWS)))
    head = (f"CREATE TABLE src (id INT, {cols}) {file('in.ndjson')};\nCREATE TABLE same (id INT, {cols}) {file('same')};\n"
            f"CREATE TABLE back (id INT, {cols}) {file('back')};\nCREATE TABLE t (id INT, {cols}, PRIMARY KEY (id) NOT ENFORCED) {with_('types')};\n")
    p = case.run(sql=head + 'INSERT INTO t SELECT * FROM src;\nINSERT INTO same SELECT * FROM src;\nINSERT INTO back SELECT * FROM t;\n')
    contains(p.stderr, 'created in database', '`s` LONGTEXT', '`v2` TEXT', '`v` VARCHAR(10)', '`tz` TIMESTAMP(3) NULL', '`ts6` DATETIME(6)', '`de` DECIMAL(38, 10)', 'ENGINE=InnoDB')
    # what comes through the database is what comes without it
    equal(sorted(lines(case, 'back'), key=lambda r: r['id']), lines(case, 'same'))
    # and the database sees it so too
    got = server().sql("SELECT b, t, sm, i, l, f = 3.4028234663852886e38, d = 1.7976931348623157e308, de, de0, c, v, CHAR_LENGTH(v2), HEX(s), HEX(bb), HEX(vb), da, ti, ts0, ts3, ts6,"
                       " UNIX_TIMESTAMP(tz) FROM types WHERE id = 0")[0]
    r = ROWS[0]
    equal(got, ['1', '127', '32767', '2147483647', '9223372036854775807', '1', '1', r['de'], r['de0'], 'abc', r['v'], '3000', r['s'].encode().hex().upper(), '00FF275C22', '000102FF',
                '9999-12-31', '23:59:59.999', '9999-12-31 23:59:59', '2024-02-29 12:34:56.789', '0001-01-01 00:00:00.000001', '2147483647.999'])
    equal(server().sql('SELECT COUNT(*) FROM types WHERE COALESCE(b, t, sm, i, l, f, d, de, de0, c, v, v2, s, bb, vb, da, ti, ts0, ts3, ts6, tz) IS NULL')[0], ['1'])


@test
def doubles_keep_their_bits(case):
    """20,000 random doubles and floats, there and back, and as the database reads the same digits"""
    fresh('numbers', 'expected')
    r = random.Random(SEED)

    def pick(form, size):
        while True:
            v = struct.unpack(form, r.randbytes(size))[0]
            if math.isfinite(v):
                return v
    rows = [(i, pick('<d', 8) if i % 3 else r.uniform(-1000, 1000), pick('<f', 4)) for i in range(20000)] + [(20000, 0.0, 0.0), (20001, 5e-324, 1.401298464324817e-45)]
    case.write('in.ndjson', ''.join(json.dumps({'id': i, 'd': d, 'f': f}) + '\n' for i, d, f in rows))
    cols = 'id INT, d DOUBLE, f FLOAT'
    case.run('--quiet', sql=f"CREATE TABLE src ({cols}) {file('in.ndjson')}; CREATE TABLE t ({cols}, PRIMARY KEY (id) NOT ENFORCED) {with_('numbers')};\n"
             f"CREATE TABLE back ({cols}) {file('back')}; INSERT INTO t SELECT * FROM src; INSERT INTO back SELECT * FROM t;")
    got = {row['id']: row for row in lines(case, 'back')}
    wrong = [(i, d, f, got[i]) for i, d, f in rows if struct.pack('<df', d, f) != struct.pack('<df', got[i]['d'], got[i]['f'])]
    equal(wrong[:5], [], f'SEED={SEED}: {len(wrong)} of {len(rows)} numbers differ')
    for at in range(0, len(rows), 5000):
        server().sql('CREATE TABLE IF NOT EXISTS expected (id INT PRIMARY KEY, d DOUBLE, f DOUBLE); INSERT INTO expected VALUES '
                     + ', '.join(f'({i}, {d!r}e0, {f!r}e0)' if 'e' not in repr(d) + repr(f) else f'({i}, {d:.17e}, {f:.17e})' for i, d, f in rows[at:at + 5000]))
    equal(server().sql('SELECT COUNT(*) FROM numbers JOIN expected USING (id) WHERE numbers.d = expected.d AND numbers.f = expected.f'), [[str(len(rows))]])


@test
def keys_that_look_alike(case):
    """case, blanks, accents and emojis tell keys apart; a key that is too long is an error"""
    fresh('alike', 'pair')
    keys = ['a', 'A', 'a ', 'á', 'a\u0301', ' a', '😀', '😁', '', ' ', 'ß', 'ss', 'a\x00', 'x' * 768]
    case.write('in.ndjson', ''.join(json.dumps({'k': k, 'v': i}) + '\n' for i, k in enumerate(keys)) * 2)
    job = (f"CREATE TABLE src (k STRING, v INT) {file('in.ndjson')}; CREATE TABLE t (k STRING, n BIGINT, v INT) {with_('alike')};\n"
           "INSERT INTO t SELECT k, COUNT(*), MAX(v) FROM src GROUP BY k;\n")
    p = case.run(sql=job)
    contains(p.stderr, '`k` VARCHAR(768) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin NOT NULL', 'PRIMARY KEY (`k`)')
    equal(sorted(server().sql('SELECT HEX(k), n, v FROM alike')), sorted([k.encode().hex().upper(), '2', str(i)] for i, k in enumerate(keys)))
    case.run(sql=job)                                    # the same once more: nothing doubles
    equal(server().sql('SELECT COUNT(*), SUM(n) FROM alike'), [[str(len(keys)), str(2 * len(keys))]])
    case.run('--quiet', sql=f"CREATE TABLE src (k STRING, v INT) {file('in.ndjson')}; CREATE TABLE p (k STRING, k2 STRING, v INT, n BIGINT) {with_('pair')};\n"
             "INSERT INTO p SELECT k, k || '2', v, COUNT(*) FROM src WHERE CHAR_LENGTH(k) < 100 GROUP BY k, k || '2', v;")
    equal(server().sql("SELECT column_type FROM information_schema.columns WHERE table_name = 'pair' AND column_name IN ('k', 'k2')"), [['varchar(381)']] * 2)
    equal(server().sql('SELECT COUNT(DISTINCT HEX(k)) FROM pair'), [[str(len(keys) - 1)]])
    for k in ('x' * 769, 'x' * 768 + ' '):               # a blank at the end is no less a character
        case.write('in.ndjson', json.dumps({'k': k, 'v': 1}) + '\n')
        fails(case, job, "column 'k' of table 'alike'", "cannot hold 'xxxxxxxxxx", '…')
    equal(server().sql('SELECT COUNT(*) FROM alike'), [[str(len(keys))]])


def random_changes(case, keys, events, key_of):
    """A debezium-json changelog, and SQL that loads it into the table `events` (n, key columns, v; v NULL: deleted)."""
    r = random.Random(SEED)
    state, out, rows = {}, [], []
    for n in range(events):
        k = r.randrange(keys)
        before = state.get(k)
        after = None if before is not None and r.random() < 0.3 else n
        old = {**key_of(k), 'v': before} if before is not None else None
        new = {**key_of(k), 'v': after} if after is not None else None
        out.append(json.dumps({'before': old, 'after': new, 'op': 'c' if not old else 'u' if new else 'd'}))
        rows.append((n, k, after))
        if after is None:
            del state[k]
        else:
            state[k] = after
    case.write('in.ndjson', '\n'.join(out) + '\n')
    server().sql('DROP TABLE IF EXISTS events; CREATE TABLE events (n INT PRIMARY KEY, k INT, v INT);')
    for at in range(0, len(rows), 20000):
        server().sql('INSERT INTO events VALUES ' + ','.join(f"({n},{k},{'NULL' if v is None else v})" for n, k, v in rows[at:at + 20000]))


LAST = 'SELECT k, v FROM (SELECT k, v, ROW_NUMBER() OVER (PARTITION BY k ORDER BY n DESC) AS place FROM events) e WHERE place = 1 AND v IS NOT NULL'


@test
def upserts_and_deletes(case):
    """300,000 changes of 100,000 keys leave what plain SQL says"""
    fresh('net')
    random_changes(case, 100_000, 300_000, lambda k: {'k': f'key-{k}'})
    begun = time.time()
    case.run('--quiet', sql=f"CREATE TABLE src (k STRING, v INT) {file('in.ndjson', 'debezium-json')};\n"
             f"CREATE TABLE t (k STRING, v INT, PRIMARY KEY (k) NOT ENFORCED) {with_('net')};\nINSERT INTO t SELECT k, MAX(v) FROM src GROUP BY k;")
    print(f'300,000 changes in {time.time() - begun:.1f} s')
    equal(server().sql(f"SELECT COUNT(*) FROM ({LAST}) x LEFT JOIN net ON net.k = CONCAT('key-', x.k) AND net.v = x.v WHERE net.k IS NULL"), [['0']], f'SEED={SEED}')
    equal(server().sql('SELECT COUNT(*) FROM net'), server().sql(f'SELECT COUNT(*) FROM ({LAST}) x'), f'SEED={SEED}')


@test
def upserts_and_deletes_by_two_columns(case):
    """the same with a key of two columns, and transactions of 1 and of 777 rows"""
    for rows, events in (('1', 2_000), ('777', 60_000)):
        fresh('net2')
        random_changes(case, events // 4, events, lambda k: {'a': k % 100, 'b': f'x{k // 100}'})
        case.run('--quiet', sql=f"CREATE TABLE src (a INT, b STRING, v INT) {file('in.ndjson', 'debezium-json')};\n"
                 f"CREATE TABLE t (a INT, b STRING, v INT, PRIMARY KEY (a, b) NOT ENFORCED) {with_('net2', **{'sink.buffer-flush.max-rows': rows})};\nINSERT INTO t SELECT a, b, MAX(v) FROM src GROUP BY a, b;")
        equal(server().sql(f"SELECT COUNT(*) FROM ({LAST}) x LEFT JOIN net2 ON a = x.k % 100 AND b = CONCAT('x', x.k DIV 100) AND net2.v = x.v WHERE a IS NULL"), [['0']], f'SEED={SEED}')
        equal(server().sql('SELECT COUNT(*) FROM net2'), server().sql(f'SELECT COUNT(*) FROM ({LAST}) x'), f'SEED={SEED}')


@test
def rows_without_a_key_are_appended(case):
    """no key: INSERTs alone; a table whose columns are all key; rows larger than a statement"""
    fresh('log', 'allkey', 'big')
    case.write('in.ndjson', ''.join(json.dumps({'k': f'k{i % 3}', 'v': i}) + '\n' for i in range(5000)))
    src = f"CREATE TABLE src (k STRING, v INT) {file('in.ndjson')};\n"
    for times in (1, 2):
        case.run('--quiet', sql=src + f"CREATE TABLE t (k STRING, v INT) {with_('log')}; INSERT INTO t SELECT k, v FROM src;")
        equal(server().sql('SELECT COUNT(*), SUM(v) FROM log'), [[str(5000 * times), str(4999 * 2500 * times)]])
        case.run('--quiet', sql=src + f"CREATE TABLE t (k STRING, PRIMARY KEY (k) NOT ENFORCED) {with_('allkey')}; INSERT INTO t SELECT DISTINCT k FROM src;")
        equal(server().sql('SELECT COUNT(*) FROM allkey'), [['3']])
    case.run('--quiet', sql=f"CREATE TABLE t (id INT, s STRING, PRIMARY KEY (id) NOT ENFORCED) {with_('big')};\n"
             "INSERT INTO t SELECT id, REPEAT(s, n) FROM (VALUES (1, 'abc', 500000), (2, 'x', 1), (3, 'é''', 1000000), (4, 'z', 3)) AS v (id, s, n);")
    equal(server().sql('SELECT id, LENGTH(s) FROM big ORDER BY id'), [['1', '1500000'], ['2', '1'], ['3', '3000000'], ['4', '3']])
    case.run('--quiet', sql=f"CREATE TABLE t (id INT, s STRING) {with_('big')}; CREATE TABLE o (id INT, s STRING) {file('back')}; INSERT INTO o SELECT id, s FROM t;")
    equal({r['id']: len(r['s']) for r in lines(case, 'back')}, {1: 1500000, 2: 1, 3: 2000000, 4: 3})


# ---- locks, deadlocks, servers that die ----

def wait_until(condition, seconds=20):
    """Asks five times a second: what InnoDB tells of transactions is old as long as it is asked more often than every 100 ms."""
    end = time.time() + seconds
    while not condition():
        if time.time() > end:
            raise AssertionError('it did not come to that')
        time.sleep(0.2)


def waiting():
    return server().sql("SELECT COUNT(*) FROM information_schema.innodb_trx WHERE trx_state = 'LOCK WAIT'") != [['0']]


def background(case, sql):
    result = {}

    def run():
        result['p'] = case.run(sql=sql, expect=None)
    thread = threading.Thread(target=run)
    thread.start()
    return thread, result


LOCKED = "CREATE TABLE locked (id INT PRIMARY KEY, v INT); INSERT INTO locked SELECT seq, 0 FROM seq_1_to_3000;"


def locked_job(rows, **options):
    more = {'sink.max-retries': '3', **options}
    return (f"CREATE TABLE t (id INT, v INT, PRIMARY KEY (id) NOT ENFORCED) {with_('locked', '?sessionVariables=innodb_lock_wait_timeout=1', **more)};\n"
            f"INSERT INTO t VALUES {rows};")


@test
def a_lock_is_waited_for(case):
    """a row that another transaction holds: tried again, and said; without retries an error"""
    fresh('locked')
    server().sql(LOCKED)
    other = server().session()
    other.run('BEGIN; UPDATE locked SET v = 7 WHERE id = 2')
    fails(case, locked_job('(1, 1), (2, 2)', **{'sink.max-retries': '0'}), "database '127.0.0.1:", 'it is locked by another transaction', 'innodb_lock_wait_timeout')
    equal(server().sql('SELECT v FROM locked WHERE id = 1'), [['0']], 'all or nothing')
    thread, result = background(case, locked_job('(1, 1), (2, 2)'))
    wait_until(waiting)
    time.sleep(1.3)
    other.run('COMMIT')
    other.close()
    thread.join()
    equal(result['p'].returncode, 0, result['p'].stderr)
    contains(result['p'].stderr, 'it is locked by another transaction; trying again (1 of 3)')
    equal(server().sql('SELECT id, v FROM locked WHERE id < 3'), [['1', '1'], ['2', '2']])


@test
def a_deadlock_is_tried_again(case):
    """the server picks the job's transaction as the victim: it is written again whole"""
    fresh('locked')
    server().sql(LOCKED)
    other = server().session()
    other.run('BEGIN; UPDATE locked SET v = v + 1 WHERE id >= 2')       # the heavier transaction is not the victim
    thread, result = background(case, locked_job('(1, 11), (2, 22)'))
    wait_until(waiting)
    other.run('UPDATE locked SET v = v + 1 WHERE id = 1')
    time.sleep(0.2)
    other.run('COMMIT')
    other.close()
    thread.join()
    equal(result['p'].returncode, 0, result['p'].stderr)
    contains(result['p'].stderr, 'deadlock with another transaction; trying again (1 of 3)')
    equal(server().sql('SELECT id, v FROM locked WHERE id < 4'), [['1', '11'], ['2', '22'], ['3', '1']])


@test
def ctrl_c_while_a_lock_is_waited_for(case):
    """a second SIGINT ends a job that waits for a row at once, and nothing of its transaction stays"""
    fresh('locked')
    server().sql(LOCKED)
    other = server().session()
    other.run('BEGIN; UPDATE locked SET v = 7 WHERE id = 2')
    case.write('job.sql', locked_job('(1, 1), (2, 2)').replace('timeout=1', 'timeout=60'))
    p = subprocess.Popen([ENGINE, 'job.sql'], cwd=case.dir, stderr=subprocess.PIPE, text=True)
    wait_until(waiting)
    begun = time.time()
    try:
        for _ in range(2):                               # the first asks for an orderly end, which would wait for the lock
            p.send_signal(signal.SIGINT)
            time.sleep(0.3)
        p.communicate(timeout=20)
    finally:
        p.kill()
    took = time.time() - begun
    assert took < 5 and p.returncode != 0, (took, p.returncode)
    other.run('COMMIT')
    other.close()
    equal(server().sql('SELECT id, v FROM locked WHERE id < 3'), [['1', '0'], ['2', '7']])


def counting_job(table, **options):
    return ("CREATE TABLE src (id BIGINT, v INT) WITH ('connector' = 'datagen', 'rows-per-second' = '4000', 'number-of-rows' = '16000', 'fields.id.kind' = 'sequence', "
            "'fields.id.start' = '1', 'fields.id.end' = '16000');\n"
            f"CREATE TABLE t (id BIGINT, v INT, PRIMARY KEY (id) NOT ENFORCED) {with_(table, **{'sink.buffer-flush.interval': '100ms', **options})};\n"
            'INSERT INTO t SELECT id, v FROM src;')


@test
def a_server_that_dies_and_comes_back(case):
    """killed in the middle of the job and started again: nothing is missing"""
    fresh('survivor')
    thread, result = background(case, counting_job('survivor'))
    wait_until(lambda: server().sql("SELECT COUNT(*) FROM information_schema.tables WHERE table_name = 'survivor'") == [['1']])
    wait_until(lambda: int(server().sql('SELECT COUNT(*) FROM survivor')[0][0]) > 1000)
    server().kill()
    time.sleep(1.5)
    assert thread.is_alive(), result['p'].stderr
    server().start()
    thread.join(60)
    equal(result['p'].returncode, 0, result['p'].stderr)
    contains(result['p'].stderr, 'the connection is lost', 'trying again', 'connected to database')
    equal(server().sql('SELECT COUNT(*), MIN(id), MAX(id) FROM survivor'), [['16000', '1', '16000']])


@test
def a_server_that_does_not_come_back(case):
    """after 'connection.max-retry-timeout' the job fails, and says what was tried; one that comes late is waited for"""
    fresh('survivor')
    try:
        thread, result = background(case, counting_job('survivor', **{'connection.max-retry-timeout': '1s'}))
        wait_until(lambda: server().sql("SELECT COUNT(*) FROM information_schema.tables WHERE table_name = 'survivor'") == [['1']])
        wait_until(lambda: int(server().sql('SELECT COUNT(*) FROM survivor')[0][0]) > 0)
        server().kill()
        thread.join(60)
        equal(result['p'].returncode != 0, True, result['p'].stderr)
        contains(result['p'].stderr, "table 't'", 'no server answers at 127.0.0.1, TCP port', 'times in')
        assert PASSWORD not in result['p'].stderr
        thread, result = background(case, counting_job('survivor'))
        time.sleep(1)
    finally:
        server().start()
    thread.join(60)
    equal(result['p'].returncode, 0, result['p'].stderr)
    contains(result['p'].stderr, 'trying again for 60 s', 'connected to database')
    equal(server().sql('SELECT COUNT(*) FROM survivor'), [['16000']])


@test
def a_server_that_dies_while_it_is_read(case):
    """a scan cannot go on where it was: an error that says so, when the query alone is ended too"""
    for how, text in (('kill', 'the connection is lost'), ('query', 'interrupted')):
        breaks_off(case, how, text)


def breaks_off(case, how, text):
    fresh('wide')
    server().sql("CREATE TABLE wide (id INT PRIMARY KEY, s TEXT); INSERT INTO wide SELECT seq, REPEAT('x', 500) FROM seq_1_to_100000")
    case.write('job.sql', f"CREATE TABLE t (id INT, s STRING) {with_('wide')}; SELECT * FROM t;")
    p = subprocess.Popen([ENGINE, '--quiet', '--mode', 'json', 'job.sql'], cwd=case.dir, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        p.stdout.readline()                              # and no more: the pipe fills, and the scan stands still
        time.sleep(0.5)
        if how == 'kill':
            server().kill()
        else:
            server().sql("SELECT CONCAT('KILL QUERY ', id, ';') INTO @k FROM information_schema.processlist WHERE info LIKE 'SELECT%wide%' AND id <> CONNECTION_ID(); EXECUTE IMMEDIATE @k")
        out, err = p.communicate(timeout=60)
    finally:
        p.kill()
        if how == 'kill':
            server().start()
    assert p.returncode != 0 and out.count('\n') < 99_000, (p.returncode, out.count('\n'))
    contains(err, "cannot read database '127.0.0.1:", text)


@test
def two_jobs_at_once(case):
    """both make the table, and write the same keys in different orders: locks and deadlocks are got over"""
    fresh('shared')
    case.write('1.ndjson', ''.join(json.dumps({'k': f'k{i}', 'v': 1}) + '\n' for i in range(30000)))
    case.write('2.ndjson', ''.join(json.dumps({'k': f'k{i}', 'v': 2}) + '\n' for i in reversed(range(30000))))
    jobs = []
    for n in (1, 2):
        case.write(f'{n}.sql', f"CREATE TABLE src (k STRING, v INT) {file(f'{n}.ndjson')};\nCREATE TABLE t (k STRING, v INT, PRIMARY KEY (k) NOT ENFORCED) "
                   f"{with_('shared', **{'sink.max-retries': '30', 'sink.buffer-flush.max-rows': '3000'})};\nINSERT INTO t SELECT k, v FROM src;")
        jobs.append(subprocess.Popen([ENGINE, f'{n}.sql'], cwd=case.dir, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True))
    for job in jobs:
        _, err = job.communicate(timeout=120)
        equal(job.returncode, 0, err)
    equal(server().sql('SELECT COUNT(*), COUNT(DISTINCT k), MIN(v) >= 1, MAX(v) <= 2 FROM shared'), [['30000', '30000', '1', '1']])


# ---- tables that exist ----

TWO = '(id INT, s STRING, PRIMARY KEY (id) NOT ENFORCED)'
TEXT = '(k STRING, v INT, PRIMARY KEY (k) NOT ENFORCED)'
GOOD = [   # columns in the job, table in the database
    (TWO, 'id INT PRIMARY KEY, s TEXT'), (TWO, 'ID BIGINT, S VARCHAR(20), more INT NOT NULL DEFAULT 1, PRIMARY KEY (iD)'), (TWO, 's TEXT, id INT NOT NULL, UNIQUE KEY (id)'),
    (TWO, 'n INT AUTO_INCREMENT PRIMARY KEY, id INT NOT NULL UNIQUE, s TEXT'), (TWO, 'id INT PRIMARY KEY, s TEXT, g INT AS (id + 1) VIRTUAL'),
    (TWO, 'id INT PRIMARY KEY, s VARCHAR(20), UNIQUE KEY both_ (s, id)'), (TWO, 'id INT PRIMARY KEY, s TEXT, u INT NULL UNIQUE'), (TWO, "id INT PRIMARY KEY, s ENUM('a', 'b')"),
    (TEXT, 'k VARBINARY(100) PRIMARY KEY, v INT'), (TEXT, 'k VARCHAR(100) COLLATE utf8mb4_nopad_bin PRIMARY KEY, v INT'),
]
MENDED = [   # refused with an ALTER TABLE that makes it good
    (TWO, 'id INT, s TEXT', 'no unique key of exactly these columns', 'ALTER TABLE `x` MODIFY `id` int(11) NOT NULL, ADD PRIMARY KEY (`id`)'),
    (TWO, 'id INT UNIQUE, s TEXT', 'no unique key of exactly these columns', 'ALTER TABLE `x` MODIFY `id` int(11) NOT NULL'),
    (TWO, 'n INT PRIMARY KEY AUTO_INCREMENT, id INT NOT NULL, s TEXT, KEY (id)', 'no unique key of exactly these columns', 'ALTER TABLE `x` ADD UNIQUE KEY (`id`)'),
    (TEXT, 'k VARCHAR(100) PRIMARY KEY, v INT', 'has the collation utf8mb4_general_ci, which takes different keys for equal',
     'ALTER TABLE `x` MODIFY `k` VARCHAR(100) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin NOT NULL'),
    (TEXT, 'k VARCHAR(100) COLLATE utf8mb4_bin PRIMARY KEY, v INT', 'has the collation utf8mb4_bin', 'COLLATE utf8mb4_nopad_bin NOT NULL'),
    (TEXT, 'k TEXT, v INT', 'no unique key of exactly these columns', 'MODIFY `k` VARCHAR(768) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin NOT NULL, ADD PRIMARY KEY (`k`)'),
]
REFUSED = [
    (TWO, 'id INT, s VARCHAR(20), PRIMARY KEY (id, s)', "no unique key of exactly these columns", 'ADD UNIQUE KEY (`id`)'),
    (TEXT, 'k VARCHAR(100) COLLATE utf8mb4_nopad_bin PRIMARY KEY, v INT, UNIQUE KEY pre (k(10))', "has another unique key, 'pre'"),
    (TWO, 'id INT PRIMARY KEY, ss TEXT', "has no column 's'", "did you mean 'ss'?"),
    (TWO, 'id INT PRIMARY KEY, s TEXT, z INT NOT NULL', "column 'z' of table 'x'", 'is NOT NULL without a default'),
    (TWO, 'id INT PRIMARY KEY, s VARCHAR(20) AS (id) VIRTUAL', "column 's' is computed by database"),
    (TWO, 'id INT PRIMARY KEY, s VARCHAR(20) UNIQUE', "has another unique key, 's'", 'drop that key'),
    (TWO, 'id INT PRIMARY KEY, s INT', "column 's' is int(11)", 'texts do not stay as they are'),
    ('(id INT, d DOUBLE, PRIMARY KEY (id) NOT ENFORCED)', 'id INT PRIMARY KEY, d FLOAT', "column 'd' is float", 'declare the column DOUBLE'),
    ('(id INT, d DOUBLE, PRIMARY KEY (id) NOT ENFORCED)', 'id INT PRIMARY KEY, d DOUBLE(10,2)', 'rounds'),
    ('(id INT, d DECIMAL(10, 4), PRIMARY KEY (id) NOT ENFORCED)', 'id INT PRIMARY KEY, d DECIMAL(20, 3)', 'rounds'),
    ('(id INT, d TIMESTAMP(3), PRIMARY KEY (id) NOT ENFORCED)', 'id INT PRIMARY KEY, d DATETIME', 'cuts the fraction'),
    ('(id INT, d TIMESTAMP_LTZ(3), PRIMARY KEY (id) NOT ENFORCED)', 'id INT PRIMARY KEY, d VARCHAR(40)', 'declare the column TIMESTAMP'),
    ('(k STRING, v INT, PRIMARY KEY (k) NOT ENFORCED)', 'k CHAR(10) COLLATE utf8mb4_nopad_bin PRIMARY KEY, v INT', 'cuts blanks'),
]


def into_x(cols, **options):
    first = {'id': '1', 'k': "'a'"}[cols[1:].split()[0]]
    second = "'a'" if ' s STRING' in cols else 'CAST(NULL AS DOUBLE)' if ' d DOUBLE' in cols else 'CAST(NULL AS DECIMAL(10, 4))' if 'DECIMAL' in cols else \
        'CAST(NULL AS TIMESTAMP_LTZ(3))' if 'LTZ' in cols else 'CAST(NULL AS TIMESTAMP(3))' if 'TIMESTAMP' in cols else '5'
    return f"CREATE TABLE t {cols} {with_('x', **options)}; INSERT INTO t SELECT {first}, {second};"


@test
def tables_that_exist(case):
    """good ones are taken; others are refused with the reason, and the ALTER TABLE that mends them does"""
    for cols, ddl in GOOD:
        fresh('x')
        server().sql(f'CREATE TABLE x ({ddl}) CHARACTER SET utf8mb4')
        for _ in range(2):
            case.run('--quiet', sql=into_x(cols))
        equal(server().sql('SELECT COUNT(*) FROM x'), [['1']], ddl)
    for cols, ddl, *parts in MENDED:
        fresh('x')
        server().sql(f'CREATE TABLE x ({ddl}) CHARACTER SET utf8mb4')
        text = fails(case, into_x(cols), "table 't'", "table 'x' in database '127.0.0.1:", *parts)
        alter = re.search(r'make it so with: (ALTER TABLE .*?)(; or take|$)', text, re.M)
        server().sql(alter[1])
        for _ in range(2):
            case.run('--quiet', sql=into_x(cols))
        equal(server().sql('SELECT COUNT(*) FROM x'), [['1']], ddl)
    for cols, ddl, *parts in REFUSED:
        fresh('x')
        server().sql(f'CREATE TABLE x ({ddl}) CHARACTER SET utf8mb4')
        fails(case, into_x(cols), "table 't'", *parts)
        equal(server().sql('SELECT COUNT(*) FROM x'), [['0']], ddl)
    fresh('x', 'y')
    server().sql('CREATE TABLE y (id INT, s TEXT); CREATE VIEW x AS SELECT * FROM y')
    fails(case, into_x(TWO), 'is a view and cannot be written')
    fresh('x', 'y')
    fails(case, into_x(TWO, **{'sink.create-table': 'never'}), "has no table 'x'", 'create it with: CREATE TABLE `x`')


@test
def names_are_quoted(case):
    """tables and columns with reserved and odd names"""
    table, cols = "we`ird 'table' \"日本\"", ['select', 'a`b', "it''s", 'x"y', 'ß', 'count']
    quoted = ', '.join(f'`{c.replace("`", "``")}` INT' for c in cols)
    name = '`' + table.replace('`', '``') + '`'
    server().sql(f'DROP TABLE IF EXISTS {name}')
    for _ in range(2):
        p = case.run('--quiet', '--mode', 'json', sql=f"CREATE TABLE t ({quoted}, PRIMARY KEY (`a``b`, `ß`) NOT ENFORCED) {with_(table)};\nINSERT INTO t VALUES (1, 2, 3, 4, 5, 6), (1, 2, 3, 4, 50, 60);\n"
                     'SELECT * FROM t ORDER BY `count`;')
    equal([list(json.loads(line).values()) for line in p.stdout.splitlines()], [[1, 2, 3, 4, 5, 6], [1, 2, 3, 4, 50, 60]])
    equal(server().sql(f'SELECT COUNT(*), SUM(`count`) FROM {name}'), [['2', '66']])
    fails(case, f"CREATE TABLE t (`select` STRING, `a``b` INT, `ß` INT, PRIMARY KEY (`a``b`, `ß`) NOT ENFORCED) {with_(table)}; INSERT INTO t VALUES ('1', 2, 5);", "column 'select' is int(11)")


@test
def a_collation_that_is_accepted(case):
    """'sink.accept-collation': keys that the database holds for equal replace one another"""
    fresh('x')
    server().sql('CREATE TABLE x (k VARCHAR(100) PRIMARY KEY, v INT) CHARACTER SET utf8mb4')
    case.run('--quiet', sql=f"CREATE TABLE t {TEXT} {with_('x', **{'sink.accept-collation': 'true'})}; INSERT INTO t VALUES ('a', 1), ('A', 2), ('b', 3);")
    equal(server().sql('SELECT k, v FROM x'), [['a', '2'], ['b', '3']])


@test
def tables_without_transactions(case):
    """MyISAM: written and read, the job's own table too, and a notice says what it lacks"""
    fresh('mine', 'theirs')
    server().sql('CREATE TABLE mine (id INT PRIMARY KEY, s TEXT) ENGINE=MyISAM; INSERT INTO mine SELECT seq, seq FROM seq_1_to_20000')
    p = case.run(sql=f"CREATE TABLE t {TWO} {with_('mine')}; INSERT INTO t SELECT id + 100000, s FROM t;", timeout=60)
    contains(p.stderr, 'the engine MyISAM, which knows no transactions')
    equal(server().sql('SELECT COUNT(*) FROM mine'), [['40000']])


# ---- values that do not fit ----

BAD = [   # column in the database, declared, value, what the message says
    ('v VARCHAR(3)', 'STRING', "'abcdefgh'", "cannot hold 'abcdefgh' in the row with id = 1: Data too long for column 'v'"),
    ('v VARCHAR(3)', 'STRING', "'abc  '", "cannot hold 'abc  '"),
    ('v VARCHAR(300)', 'STRING', "REPEAT('é', 301)", "cannot hold '" + 'é' * 30 + '…'),
    ('v TINYINT', 'INT', '1000', "cannot hold '1000' in the row with id = 1: Out of range value for column 'v'"),
    ('v INT UNSIGNED', 'INT', '-1', "cannot hold '-1'"),
    ('v BIGINT', 'DECIMAL(20, 0)', '9223372036854775808', "cannot hold '9223372036854775808'"),
    ('v DECIMAL(5, 2)', 'DECIMAL(10, 2)', '1234.56', "cannot hold '1234.56'"),
    ('v INT NOT NULL', 'INT', 'CAST(NULL AS INT)', "Column 'v' cannot be null"),
    ("v ENUM('a', 'b')", 'STRING', "'c'", "cannot hold 'c'"),
    ('v VARCHAR(20) CHARACTER SET latin1', 'STRING', "'日本'", "cannot hold '日本'"),
    ('v VARCHAR(20) CHARACTER SET utf8mb3', 'STRING', "'😀'", "cannot hold '😀'"),
    ('v INT CHECK (v < 10)', 'INT', '11', 'CONSTRAINT `x.v` failed'),
    ('v JSON', 'STRING', "'{'", 'CONSTRAINT `x.v` failed'),
    ('v DOUBLE', 'DOUBLE', "CAST('NaN' AS DOUBLE)", "column 'v' of table 'x' in database '127.0.0.1:"),
    ('v DOUBLE', 'DOUBLE', "CAST('Infinity' AS DOUBLE)", 'cannot hold Infinity'),
    ('v TIMESTAMP(3) NULL', 'TIMESTAMP_LTZ(3)', 'TO_TIMESTAMP_LTZ(4102444800000, 3)', "cannot hold '2100-01-01 00:00:00.000"),
]


@test
def values_that_do_not_fit(case):
    """an error that names table, column, value and row, and nothing of the transaction is there"""
    for ddl, declared, value, text in BAD:
        fresh('x')
        server().sql(f'CREATE TABLE x (id INT PRIMARY KEY, {ddl}) CHARACTER SET utf8mb4')
        fails(case, f"CREATE TABLE t (id INT, v {declared}, PRIMARY KEY (id) NOT ENFORCED) {with_('x')};\n"
              f'INSERT INTO t SELECT 0, CAST(NULL AS {declared}) WHERE {"FALSE" if "NOT NULL" in ddl else "TRUE"} UNION ALL SELECT 1, {value};', "table 't'", text)
        equal(server().sql('SELECT COUNT(*) FROM x'), [['0']], ddl)
    fresh('x')
    fails(case, f"CREATE TABLE t (id INT, v STRING, PRIMARY KEY (id) NOT ENFORCED) {with_('x')}; INSERT INTO t SELECT id, REPEAT(s, n) FROM (VALUES (1, 'a', 3), (2, 'abcd', 4200000)) AS v (id, s, n);",
          'takes 16800', 'raise the server', 'max_allowed_packet')
    equal(server().sql('SELECT COUNT(*) FROM x'), [['0']])
    fresh('x')
    server().sql('CREATE TABLE x (id INT PRIMARY KEY, v INT)')
    fails(case, f"CREATE TABLE t (id INT, v INT) {with_('x')}; INSERT INTO t VALUES (1, 1), (1, 2);", 'refuses a row', "Duplicate entry '1'")
    for declared in ('TIMESTAMP(9)', 'ARRAY<INT>', 'ROW<a INT>'):
        fresh('x')
        fails(case, f"CREATE TABLE t (id INT, v {declared}, PRIMARY KEY (id) NOT ENFORCED) {with_('x')}; INSERT INTO t SELECT 1, CAST(NULL AS {declared});", "column 'v'")
        equal(server().sql("SELECT COUNT(*) FROM information_schema.tables WHERE table_name = 'x'"), [['0']])


# ---- reading ----

SOURCE = """CREATE TABLE kinds (id INT PRIMARY KEY, tiny TINYINT(1), utiny TINYINT UNSIGNED, ubig BIGINT UNSIGNED, bits BIT(12), bit1 BIT(1), y YEAR, e ENUM('x', 'y'), st SET('p', 'q'),
  j JSON, c CHAR(5), bi BINARY(3), la VARCHAR(10) CHARACTER SET latin1, ti TIME(6), d DATE, dt DATETIME(6), ts TIMESTAMP(6) NULL, de DECIMAL(10, 3), md MEDIUMINT, f FLOAT, u UUID, zf INT(6) ZEROFILL);
SET time_zone = '+00:00';
INSERT INTO kinds VALUES (1, 1, 255, 18446744073709551615, b'111100001111', b'1', 2024, 'y', 'p,q', '{"a": [1, "é"]}', 'ab', 'xyz', 'äöü', '12:34:56.123456', '2024-02-29',
  '2024-02-29 12:34:56.123456', '2024-07-01 10:00:00.5', 1234567.891, -8388608, 0.1, '123e4567-e89b-12d3-a456-426655440000', 42);
INSERT INTO kinds (id) VALUES (2);"""


@test
def what_a_database_has(case):
    """types that Flink does not know are read as the nearest ones"""
    fresh('kinds')
    server().sql(SOURCE)
    cols = ('id INT, tiny BOOLEAN, utiny SMALLINT, ubig DECIMAL(20, 0), bits INT, bit1 BOOLEAN, y INT, e STRING, st STRING, j STRING, c STRING, bi BYTES, la STRING, ti TIME(3), d DATE, '
            'dt TIMESTAMP(6), ts TIMESTAMP_LTZ(3), de DECIMAL(10, 3), md INT, f FLOAT, u STRING, zf INT')
    p = case.run('--quiet', '--mode', 'json', sql=f"SET 'table.local-time-zone' = 'Europe/Berlin'; CREATE TABLE t ({cols}) {with_('kinds')}; SELECT * FROM t ORDER BY id;")
    got = [json.loads(line) for line in p.stdout.splitlines()]
    want = {'id': 1, 'tiny': True, 'utiny': 255, 'bits': 3855, 'bit1': True, 'y': 2024, 'e': 'y', 'st': 'p,q', 'j': '{"a": [1, "é"]}', 'c': 'ab', 'la': 'äöü', 'md': -8388608,
            'u': '123e4567-e89b-12d3-a456-426655440000', 'zf': 42}
    equal({k: got[0][k] for k in want}, want)
    text = {k: str(v) for k, v in got[0].items()}
    contains(text['ubig'], '18446744073709551615')
    contains(text['dt'], '12:34:56.123456')
    contains(text['ts'], '12:00:00.5')                   # the same point in time on a clock in Berlin
    equal(set(v for k, v in got[1].items() if k != 'id'), {None})
    strings = 'id INT, tiny STRING, ubig STRING, bits STRING, ti STRING, d STRING, dt STRING, ts STRING, de STRING, f STRING, la VARCHAR(3)'
    p = case.run('--quiet', '--mode', 'json', sql=f"CREATE TABLE t ({strings}) {with_('kinds')}; SELECT * FROM t WHERE id = 1;")
    equal(json.loads(p.stdout), {'id': 1, 'tiny': '1', 'ubig': '18446744073709551615', 'bits': '3855', 'ti': '12:34:56.123456', 'd': '2024-02-29', 'dt': '2024-02-29 12:34:56.123456',
                                 'ts': '2024-07-01 10:00:00.500000Z', 'de': '1234567.891', 'f': '0.1', 'la': 'äöü'})
    for col, declared, part in (('ubig', 'BIGINT', "'18446744073709551615' is not a BIGINT"), ('j', 'INT', 'is not an INT'), ('bi', 'STRING', 'a BLOB is not a STRING'),
                                ('la', 'VARCHAR(2)', "'äöü' is not a VARCHAR(2)"), ('dt', 'DATE', 'is not a DATE'), ('utiny', 'TINYINT', "'255' is not a TINYINT")):
        fails(case, f"CREATE TABLE t (id INT, {col} {declared}) {with_('kinds')}; SELECT * FROM t;", "table 'kinds' in database '127.0.0.1:", f"`id` 1: column '{col}'", part)
    server().sql("INSERT INTO kinds (id, ti) VALUES (3, '-01:00:00'), (4, '30:00:00')")
    fails(case, f"CREATE TABLE t (id INT, ti TIME(3)) {with_('kinds')}; SELECT * FROM t;", "`id` 3: column 'ti': '-01:00:00.000000' is not a TIME(3)")
    fails(case, f"CREATE TABLE t (id INT, tii TIME(3)) {with_('kinds')}; SELECT * FROM t;", "has no column 'tii'", "did you mean 'ti'?")
    fails(case, f"CREATE TABLE t (id INT) {with_('kindz')}; SELECT * FROM t;", "has no table 'kindz'")


@test
def zero_dates(case):
    """'0000-00-00' is an error, NULL, or the year 1, as zeroDateTimeBehavior says"""
    fresh('zeros')
    server().sql("SET sql_mode = ''; CREATE TABLE zeros (id INT PRIMARY KEY, d DATE, t DATETIME); INSERT INTO zeros VALUES (1, '2024-01-01', '2024-01-01'), (2, '0000-00-00', '0000-00-00 00:00:00')")

    def job(params):
        return f"CREATE TABLE t (id INT, d DATE, t TIMESTAMP(0)) {with_('zeros', params)}; SELECT id, d, t FROM t WHERE id = 2;"
    fails(case, job(''), "`id` 2: column 'd': '0000-00-00' is no date", 'zeroDateTimeBehavior=CONVERT_TO_NULL')
    for params, want in (('?zeroDateTimeBehavior=convertToNull', None), ('?zeroDateTimeBehavior=ROUND', '0001-01-01')):
        got = json.loads(case.run('--quiet', '--mode', 'json', sql=job(params)).stdout)
        equal(got['d'], want)
        equal(got['t'] and got['t'][:10], want)


@test
def partitions_and_big_scans(case):
    """ranges of a column, views, a scan that is left early, and a table that is read while it is written"""
    fresh('many', 'seen')
    server().sql('CREATE TABLE many (id INT PRIMARY KEY, v INT); INSERT INTO many SELECT seq, seq * 2 FROM seq_1_to_200000; CREATE VIEW seen AS SELECT * FROM many')
    options = {'scan.partition.column': 'id', 'scan.partition.num': '7', 'scan.partition.lower-bound': '11', 'scan.partition.upper-bound': '150000'}
    for table, more, want in (('many', {}, [200000, 40000200000]), ('seen', {}, [200000, 40000200000]), ('many', options, [149990, sum(range(11, 150001)) * 2])):
        p = case.run('--quiet', '--mode', 'json', sql=f"CREATE TABLE t (id INT, v BIGINT) {with_(table, **more)}; SET 'execution.runtime-mode' = 'batch'; SELECT COUNT(*) AS n, SUM(v) AS s FROM t;")
        equal(list(json.loads(p.stdout).values()), want)
    p = case.run('--quiet', '--mode', 'json', sql=f"CREATE TABLE t (id INT, v BIGINT) {with_('many')}; SELECT id FROM t LIMIT 3;", timeout=30)
    equal(len(p.stdout.splitlines()), 3)
    case.run('--quiet', sql=f"CREATE TABLE t (id INT, v INT, PRIMARY KEY (id) NOT ENFORCED) {with_('many')}; INSERT INTO t SELECT id + 1000000, v FROM t;", timeout=60)
    equal(server().sql('SELECT COUNT(*), SUM(id) FROM many'), [['400000', str(sum(range(1, 200001)) * 2 + 200000 * 1000000)]])


@test
def zones(case):
    """points in time in TIMESTAMP and DATETIME columns, and the hour that comes twice"""
    fresh('z')
    server().sql('CREATE TABLE z (id INT PRIMARY KEY, moment TIMESTAMP NULL, clock DATETIME, local TIMESTAMP NULL)')
    case.write('in.ndjson', ''.join(json.dumps({'id': i, 'ms': ms}) + '\n' for i, ms in enumerate((1729989000000, 1729992600000, 1720000000000))))   # 02:30 twice, summer
    cols = 'id INT, moment TIMESTAMP_LTZ(0), clock TIMESTAMP_LTZ(0), `local` TIMESTAMP(0)'
    head = f"SET 'table.local-time-zone' = 'Europe/Berlin'; CREATE TABLE t ({cols}, PRIMARY KEY (id) NOT ENFORCED) {with_('z')};\n"
    case.run('--quiet', sql=head + f"CREATE TABLE s (id INT, ms BIGINT) {file('in.ndjson')};\nINSERT INTO t SELECT id, CAST(TO_TIMESTAMP_LTZ(ms, 3) AS TIMESTAMP_LTZ(0)), "
             "CAST(TO_TIMESTAMP_LTZ(ms, 3) AS TIMESTAMP_LTZ(0)), CAST(TO_TIMESTAMP_LTZ(ms, 3) AS TIMESTAMP(0)) FROM s;")
    got = server().sql("SET time_zone = '+00:00'; SELECT UNIX_TIMESTAMP(moment), clock FROM z ORDER BY id")
    equal(got, [['1729989000', '2024-10-27 02:30:00'], ['1729992600', '2024-10-27 02:30:00'], ['1720000000', '2024-07-03 11:46:40']])
    p = case.run('--quiet', '--mode', 'json', sql=head + 'SELECT id, CAST(moment AS STRING) AS m, CAST(`local` AS STRING) AS l FROM t ORDER BY id;')
    equal([list(json.loads(line).values()) for line in p.stdout.splitlines()],
          [[0, '2024-10-27 02:30:00', '2024-10-27 02:30:00'], [1, '2024-10-27 02:30:00', '2024-10-27 02:30:00'], [2, '2024-07-03 11:46:40', '2024-07-03 11:46:40']])
    p = case.run('--quiet', '--mode', 'json', sql=f"CREATE TABLE t (id INT, clock TIMESTAMP_LTZ(0)) {with_('z', '?serverTimezone=Europe/Berlin')}; SELECT CAST(clock AS STRING) AS c FROM t WHERE id = 2;")
    equal(json.loads(p.stdout), {'c': '2024-07-03 09:46:40'})


# ---- connecting ----

def read_x(params='', **kwargs):
    options = {'connection.max-retry-timeout': '0 s'} if kwargs.pop('quick', True) else {}
    return f"CREATE TABLE t (id INT)\n{with_('x', params, **kwargs, **options)};\nSELECT * FROM t;"


@test
def connections_that_cannot_be(case):
    """a clear error that says what was tried; the password nowhere"""
    port = server().port
    server().sql("DROP USER IF EXISTS narrow; CREATE USER narrow IDENTIFIED BY 'narrow'; GRANT SELECT ON test.nothing TO narrow; DROP TABLE IF EXISTS x; CREATE TABLE x (id INT)", check=False)
    server().sql("DROP USER IF EXISTS narrow; CREATE USER narrow IDENTIFIED BY 'narrow'; DROP TABLE IF EXISTS x; CREATE TABLE x (id INT)")
    text = fails(case, read_x(password='not-the-one'), f"cannot connect to database '127.0.0.1:{port}/test': the server refuses user 'root' with the password given")
    assert 'not-the-one' not in text
    fails(case, read_x(user='nobody', password=''), "the server refuses user 'nobody' without a password")
    fails(case, read_x(database='tst'), "the server has no database 'tst'", 'CREATE DATABASE `tst`')
    fails(case, read_x(user='narrow', password='narrow'), "user 'narrow' may not use it", 'GRANT')
    fails(case, read_x(host='no-such-host.invalid'), "there is no host 'no-such-host.invalid'")
    fails(case, read_x(port=1), "no server answers at 127.0.0.1, TCP port 1", 'is it running')
    fails(case, read_x('?sslMode=REQUIRED'), 'TLS failed with sslMode=REQUIRED', 'the server has no TLS')
    fails(case, read_x('?useSSL=true&requireSSL=true'), 'TLS failed with sslMode=REQUIRED (requireSSL=true)')
    fails(case, read_x('?verifyServerCertificate=true'), 'TLS failed')
    fails(case, read_x('?sessionVariables=no_such_variable=1'), 'sessionVariables', 'no_such_variable')
    for params in ('', '?useSSL=false', '?useSSL=true', '?sslMode=DISABLED&characterEncoding=UTF-8&useUnicode=true&rewriteBatchedStatements=true&serverTimezone=Asia/Tokyo&allowPublicKeyRetrieval=true',
                   '?tinyInt1isBit=false&connectTimeout=2000&socketTimeout=60000&useCompression=true&zeroDateTimeBehavior=convertToNull&autoReconnect=true&'):
        case.run('--quiet', sql=read_x(params))
        case.run('--quiet', sql=read_x(params, scheme='mariadb', host='127.0.0.1', driver='org.mariadb.jdbc.Driver'))


@test
def encrypted_connections(case):
    """TLS where it is asked for; certificates checked where that is asked for"""
    server().stop()
    server().script('tls', server().dir / 'd')
    tls = server().dir / 'd/tls'
    server().start(f'--ssl-cert={tls}/server.pem', f'--ssl-key={tls}/server.key', f'--ssl-ca={tls}/ca.pem')
    try:
        server().sql("DROP TABLE IF EXISTS x; CREATE TABLE x (id INT); DROP USER IF EXISTS careful; CREATE USER careful IDENTIFIED BY 'careful' REQUIRE SSL; GRANT ALL ON test.* TO careful")
        careful = {'user': 'careful', 'password': 'careful'}
        for params in ('', '?sslMode=PREFERRED', '?sslMode=REQUIRED', '?useSSL=true&requireSSL=true', '?sslMode=trust', '?tlsVersions=TLSv1.2,TLSv1.3', f'?sslMode=VERIFY_IDENTITY&sslCa={tls}/ca.pem',
                       f'?verifyServerCertificate=true&serverSslCert={tls}/ca.pem', f'?sslMode=VERIFY_CA&sslCa={tls}/ca.pem'):
            case.run('--quiet', sql=read_x(params, **careful))
        case.run('--quiet', sql=read_x(f'?sslMode=VERIFY_IDENTITY&sslCa={tls}/ca.pem', host='127.0.0.1', **careful))
        fails(case, read_x('?sslMode=DISABLED', **careful), "the server refuses user 'careful'")
        fails(case, read_x('?sslMode=VERIFY_IDENTITY', **careful), 'TLS failed with sslMode=VERIFY_IDENTITY', 'sslCa=PATH')
        fails(case, read_x('?sslMode=VERIFY_CA', **careful), 'TLS failed')
        other = case.dir / 'other.pem'
        subprocess.run(['openssl', 'req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', '-subj', '/CN=other', '-keyout', case.dir / 'k', '-out', other], check=True, capture_output=True)
        fails(case, read_x(f'?sslMode=VERIFY_IDENTITY&sslCa={other}', **careful), 'TLS failed', 'other.pem')
        fails(case, read_x(f'?sslMode=VERIFY_IDENTITY&sslCa={case.dir}/no-such.pem', **careful), 'TLS failed')
    finally:
        server().stop()
        server().start()


URLS = [
    ('jdbc:mysql://localhost:3306', 'it names no database'), ('jdbc:mysql:localhost/test', "behind the kind of database stands '//'"), ('jdbc:mysql://h:99999/d', 'the port is a number'),
    ('jdbc:mysql://a,b/d', 'several hosts are not supported'), ('jdbc:mysql:loadbalance://a/d', 'failover, load balancing and replication'),
    ('jdbc:mysql://h/d?sslMod=x', "did you mean 'sslMode'?"), ('jdbc:mysql://h/d?sslMode=maybe', 'it is DISABLED, PREFERRED'), ('jdbc:mysql://h/d?useSSL=perhaps', 'it is true or false'),
    ('jdbc:mysql://h/d?connectTimeout=soon', 'a number of milliseconds'), ('jdbc:mysql://h/d?serverTimezone=Europe/Berln', 'serverTimezone'),
    ('jdbc:mysql://h/d?zeroDateTimeBehavior=guess', 'EXCEPTION, CONVERT_TO_NULL or ROUND'), ('jdbc:mysql://h/d?trustCertificateKeyStoreUrl=file:x.jks', 'sslCa=PATH'),
    ('jdbc:mysql://h/d?allowLoadLocalInfile=true', 'never given to a server'), ('jdbc:mysql://h/d?jdbcCompliantTruncation=false', 'never cut'),
    ('jdbc:mysql://h/d?createDatabaseIfNotExist=true', 'CREATE DATABASE'), ('jdbc:mysql://h/d?sessionVariables=sql_mode=ANSI', 'cannot set sql_mode'),
    ('jdbc:mysq://h/d', "did you mean 'jdbc:mysql:'?"), ('jdbc:mysql://h/d?user=u&password=s3cret', "'url' holds a password"), ('jdbc:mysql://u:s3cret@h/d', "'url' holds a password"),
]


@test
def urls(case):
    """what a URL may not say"""
    for url, part in URLS:
        text = fails(case, f"CREATE TABLE t (id INT) WITH ('connector' = 'jdbc', 'table-name' = 'x',\n'url' = '{url}');\n", part)
        if 'holds a password' in part:
            assert 's3cret' not in text, text
    fails(case, "CREATE TABLE t (id INT) WITH ('connector' = 'jdbc', 'table-name' = 'x', 'driver' = 'org.sqlite.JDBC',\n'url' = 'jdbc:mysql://h/d');\n", "does not go with a url of 'jdbc:mysql:'")


@test
def the_sensor_job_into_the_database(case):
    """the user's statement, from files into a table that is made, as plain SQL in the database has it; run twice"""
    fresh('sensor_result', 'data', 'marks')
    r = random.Random(SEED)
    t0 = 1_700_000_000_000
    data = [(f'sensor-{r.randrange(200)}', t0 + r.randrange(600_000), r.randrange(-4000, 4000) / 64) for _ in range(50_000)]
    marks = [(f'sensor-{r.randrange(210)}', t0 + r.randrange(600_000), 0.0) for _ in range(400)]
    for name, rows in (('data', data), ('marks', marks)):
        case.write(f'{name}.ndjson', ''.join(json.dumps({'id': i, 'timestamp': t, 'value': v}) + '\n' for i, t, v in rows))
        server().sql(f'CREATE TABLE {name} (id VARCHAR(20), timestamp BIGINT, value DOUBLE, KEY (id, timestamp)); INSERT INTO {name} VALUES ' + ','.join(map(str, rows)))
    sql = f"""CREATE TABLE sensor_data (id STRING, timestamp BIGINT, value DOUBLE) {file('data.ndjson')};
CREATE TABLE sensor_window (id STRING, timestamp BIGINT, value DOUBLE, window END TIMESTAMP(ROWTIME, INTERVAL '10' SECOND)) {file('marks.ndjson')};
CREATE TABLE sensor_result (id STRING, count BIGINT, sum DOUBLE) {with_('sensor_result', driver='com.mysql.jdbc.Driver')};
INSERT INTO sensor_result SELECT sensor_data.id, COUNT(*) AS count, SUM(sensor_data.value) AS sum FROM sensor_data JOIN sensor_window ON sensor_data.id = sensor_window.id
AND sensor_data.timestamp >= sensor_window.tstart AND sensor_data.timestamp < sensor_window.tend GROUP BY sensor_data.id;"""
    expected = ('SELECT d.id, COUNT(*) AS n, SUM(d.value) AS s FROM data d JOIN marks m ON d.id = m.id AND d.timestamp >= m.timestamp DIV 10000 * 10000 '
                'AND d.timestamp < m.timestamp DIV 10000 * 10000 + 10000 GROUP BY d.id')
    for _ in range(2):
        case.run('--quiet', sql=sql)
        equal(server().sql(f'SELECT COUNT(*) FROM ({expected}) e JOIN sensor_result r ON r.id = e.id AND r.count = e.n AND r.sum = e.s'), server().sql(f'SELECT COUNT(*) FROM ({expected}) e'))
        equal(server().sql('SELECT COUNT(*) FROM sensor_result'), server().sql(f'SELECT COUNT(*) FROM ({expected}) e'))


@test
def the_sanitizers_find_nothing(case):
    """the same paths under ASan and UBSan"""
    asan = os.environ.get('SQLUICE_ASAN')
    if not asan or not os.path.exists(asan):
        print('skipped: there is no sanitizer build')
        return
    fresh('types', 'x')
    cols = ', '.join(f'{k} {t}' for k, t in TYPES.items())
    case.write('in.ndjson', ''.join(json.dumps({'id': i, **row}) + '\n' for i, row in enumerate(ROWS)))
    case.run('--quiet', engine=asan, sql=f"CREATE TABLE src (id INT, {cols}) {file('in.ndjson')};\nCREATE TABLE back (id INT, {cols}) {file('back')};\n"
             f"CREATE TABLE t (id INT, {cols}, PRIMARY KEY (id) NOT ENFORCED) {with_('types')};\nINSERT INTO t SELECT * FROM src;\nINSERT INTO back SELECT * FROM t;\nSELECT id FROM t LIMIT 1;")
    equal(len(lines(case, 'back')), len(ROWS))
    server().sql('CREATE TABLE x (id INT PRIMARY KEY, v VARCHAR(3)) CHARACTER SET utf8mb4')
    for sql in (f"CREATE TABLE t (id INT, v STRING, PRIMARY KEY (id) NOT ENFORCED) {with_('x')}; INSERT INTO t VALUES (1, 'abcd');", read_x(password='wrong'), read_x(port=1), read_x(database='nosuch'),
                f"CREATE TABLE t {TEXT} {with_('x')}; INSERT INTO t VALUES ('a', 1);"):
        text = fails(case, sql, 'error:', engine=asan)
        assert 'Sanitizer' not in text and 'runtime error' not in text, text
    random_changes(case, 3000, 10_000, lambda k: {'k': f'key-{k}'})
    fresh('net')
    case.run('--quiet', engine=asan, sql=f"CREATE TABLE src (k STRING, v INT) {file('in.ndjson', 'debezium-json')};\n"
             f"CREATE TABLE t (k STRING, v INT, PRIMARY KEY (k) NOT ENFORCED) {with_('net')};\nINSERT INTO t SELECT k, MAX(v) FROM src GROUP BY k;")
    equal(server().sql('SELECT COUNT(*) FROM net'), server().sql(f'SELECT COUNT(*) FROM ({LAST}) x'))


if __name__ == '__main__':
    try:
        main()
    finally:
        if SERVER:
            SERVER.remove()
