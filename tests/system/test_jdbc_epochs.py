#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The jdbc sink with epochs on a real MariaDB, and on SQLite from several processes: connections cut around COMMIT, a server that is killed and comes back,
locks, deadlocks, connections that are killed, writers that are killed, runs that take over. Each epoch must be there once. The sink is driven call by call
by tests/services/jdbc_sink. SEED=n repeats the random parts."""
import os
import pathlib
import random
import signal
import sqlite3
import subprocess
import threading
import time

from harness import BUILD, ENGINE, contains, equal, main, test
from mariadb import PASSWORD, USER, Server
from sql_proxy import Cut, Proxy, after, at_once, before, error

SEED = int(os.environ.get('SEED', random.randrange(1 << 30)))
DRIVER = next((p for p in (BUILD / 'asan/tests/services/jdbc_sink', BUILD / 'tests/services/jdbc_sink') if p.exists()), None)
SERVER = None


def server():
    global SERVER
    if SERVER is None:
        SERVER = Server()
        SERVER.sql('CREATE DATABASE test', database=None)
    return SERVER


class Failed(Exception):
    pass


class Driver:
    """A process with sinks in it. Calls return what it answers, or raise Failed with the error."""

    def __init__(self):
        self.p = subprocess.Popen([DRIVER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.notices = []

    def send(self, *fields):
        self.p.stdin.write('\t'.join(map(str, fields)) + '\n')
        self.p.stdin.flush()

    def answer(self):
        self.notices = []
        for line in self.p.stdout:
            word, _, rest = line.rstrip('\n').partition(' ')
            if word == 'notice':
                self.notices.append(rest)
            elif word == 'error':
                raise Failed(rest)
            else:
                self.ms, _, value = rest.partition(' ')
                return value
        raise AssertionError(f'the driver ended: {self.p.wait()}')

    def __call__(self, *fields):
        self.send(*fields)
        return self.answer()

    def fails(self, *fields):
        try:
            self(*fields)
        except Failed as e:
            return str(e)
        raise AssertionError(f'it worked: {fields}')

    def kill(self):
        self.p.kill()
        self.p.wait()

    def close(self):
        self.p.stdin.close()
        equal(self.p.wait(60), 0)


def options(table='r', port=None, params='', **more):
    url = f'jdbc:mysql://127.0.0.1:{port or server().port}/test{params}'
    return [f'url={url}', f'table-name={table}', f'username={USER}', f'password={PASSWORD}', *(f'{k.replace("__", ".").replace("_", "-")}={v}' for k, v in more.items())]


def job(d, name='a', how='key', owner='1', sink='default.t', job='job-1', old='-', **more):
    d('open', name, how, job, sink, owner, old, *options(**more))


def fresh(*tables):
    server().sql(''.join(f'DROP TABLE IF EXISTS {t};' for t in tables or ('r', 'sqluice_epochs')))


def rows(table='r', order='id, s'):
    return [f'{i}:{s}' for i, s in server().sql(f'SELECT id, s FROM {table} ORDER BY {order}')]


def marker():
    return server().sql('SELECT sink, epoch, owner FROM sqluice_epochs ORDER BY sink')


def background(fn):
    thread = threading.Thread(target=fn)
    thread.start()
    return thread


def wait_until(condition, seconds=20):
    end = time.time() + seconds
    while not condition():
        if time.time() > end:
            raise AssertionError('it did not come to that')
        time.sleep(0.2)


def waiting():
    return server().sql("SELECT COUNT(*) FROM information_schema.innodb_trx WHERE trx_state = 'LOCK WAIT'") != [['0']]


# ---- without faults ----

@test
def epochs(case):
    """rows are seen at the commit of their epoch, with the marker; a new run goes on from there"""
    fresh()
    d = Driver()
    job(d)
    contains(d.notices[1], 'CREATE TABLE sqluice_epochs (job CHAR(36) NOT NULL, sink VARCHAR(600) NOT NULL, epoch BIGINT NOT NULL', 'ENGINE=InnoDB')
    equal(d('marker', 'a'), '0')
    d('write', 'a', '1:a 2:b 3:c')
    d('prepare', 'a', 1)
    equal(rows(), [])
    d('commit', 'a', 1)
    equal((rows(), marker()), (['1:a', '2:b', '3:c'], [['default.t', '1', '1']]))
    d('write', 'a', "-1:a 1:A 2:B -2:B 4:d -4:d -3:c 3:C 5:it's")
    d('prepare', 'a', 2, case.dir / 'p')
    d.close()
    equal(rows(), ['1:a', '2:b', '3:c'])
    d = Driver()
    job(d, owner='2')
    equal((d('marker', 'a'), d.notices), ('1', []))
    d('recover', 'a', 2, case.dir / 'p')
    d('commit', 'a', 2)
    d('prepare', 'a', 3)
    d('commit', 'a', 3)
    equal((rows(), marker()), (['1:A', '3:C', "5:it's"], [['default.t', '3', '2']]))
    equal(server().sql('SELECT ABS(TIMESTAMPDIFF(SECOND, updated, UTC_TIMESTAMP())) < 60 FROM sqluice_epochs'), [['1']])
    job(d, 'b', owner='3', sink="it's `another`\\#2", table='r')      # a second sink; then the job is over, and another one begins
    d('write', 'b', '7:x')
    d('prepare', 'b', 1)
    d('commit', 'b', 1)
    equal([m[1] for m in marker()], ['3', '1'])
    job(d, 'c', owner='4', job='job-2', old='job-1', table='r')
    equal(server().sql('SELECT job, epoch FROM sqluice_epochs'), [['job-2', '0']])
    d.close()


@test
def rows_without_a_key(case):
    """they are appended, in order"""
    fresh()
    server().sql('CREATE TABLE r (n INT AUTO_INCREMENT PRIMARY KEY, id INT, s TEXT)')
    d = Driver()
    job(d, how='append')
    for n, text in ((1, '3:c 1:a 1:a'), (2, '2:b 1:a')):
        d('write', 'a', text)
        d('prepare', 'a', n)
        d('commit', 'a', n)
    equal(rows(order='n'), ['3:c', '1:a', '1:a', '2:b', '1:a'])
    d.close()


@test
def tables_that_cannot_keep_epochs(case):
    """no transactions, no rights, no table that may be made: errors that say what to do"""
    fresh()
    d = Driver()
    server().sql('CREATE TABLE r (id INT PRIMARY KEY, s TEXT) ENGINE=MyISAM')
    fields = ('open', 'a', 'key', 'job-1', 'default.t', '1', '-')
    text = d.fails(*fields, *options())
    contains(text, "table 'r' in database '127.0.0.1:", 'has the engine MyISAM, and exactly-once needs the transactions of InnoDB', 'ALTER TABLE `r` ENGINE=InnoDB')
    server().sql(text[text.index('ALTER'):])
    server().sql('CREATE TABLE sqluice_epochs (job CHAR(36), sink VARCHAR(100), epoch BIGINT, owner CHAR(16), updated DATETIME(3), PRIMARY KEY (job, sink)) ENGINE=Aria')
    contains(d.fails(*fields, *options()), 'has the engine Aria', 'ALTER TABLE `sqluice_epochs` ENGINE=InnoDB')
    server().sql('DROP TABLE sqluice_epochs; CREATE TABLE sqluice_epochs (job CHAR(36) PRIMARY KEY, epoch INT)')
    contains(d.fails(*fields, *options()), "table 'sqluice_epochs' in database '", 'is not one that epochs can be kept in', 'it should be: CREATE TABLE sqluice_epochs')
    server().sql('DROP TABLE sqluice_epochs')
    text = d.fails(*fields, *options(sink__create_table='never'))
    contains(text, "has no table 'sqluice_epochs'", 'create it with: CREATE TABLE sqluice_epochs')
    server().sql("DROP USER IF EXISTS narrow; CREATE USER narrow IDENTIFIED BY 'narrow'; GRANT SELECT, INSERT, UPDATE, DELETE ON test.* TO narrow")
    contains(d.fails(*fields, *(o if not o.startswith(('user', 'pass')) else o.split('=')[0] + '=narrow' for o in options())), 'CREATE', 'sqluice_epochs', 'GRANT')
    server().sql(text[text.index('CREATE TABLE'):])
    job(d, sink__create_table='never')
    server().sql('SET GLOBAL innodb_flush_log_at_trx_commit = 0')
    job(d, owner='2')
    server().sql('SET GLOBAL innodb_flush_log_at_trx_commit = 2; DROP TABLE r')
    contains(d.notices[0], 'innodb_flush_log_at_trx_commit = 0')
    d('write', 'a', '1:a')
    d('prepare', 'a', 1)
    contains(d.fails('commit', 'a', 1), "Table 'test.r' doesn't exist")
    server().sql('CREATE TABLE r (id INT PRIMARY KEY, s VARCHAR(3))')
    d('commit', 'a', 1)
    d('write', 'a', '2:b 3:xxxx')
    d('prepare', 'a', 2)
    contains(d.fails('commit', 'a', 2), "column 's' of table 'r' in database", "cannot hold 'xxxx' in the row with id = 3")
    equal((rows(), marker()[0][1]), (['1:a'], '1'))
    d.close()


# ---- connections that are cut ----

def through_proxy(how, arm, expect=None, **more):
    """Four epochs; the proxy is armed before the third."""
    fresh()
    proxy, d = Proxy(server().port), Driver()
    try:
        job(d, how=how, port=proxy.port, **more)
        for n in range(1, 5):
            d('write', 'a', f'{n}:a 100:{n}' + (f' -{n - 1}:x' if how == 'key' else ''))
            d('prepare', 'a', n)
            if n == 3:
                arm(proxy)
            d('commit', 'a', n)
            if n == 3:
                notices = d.notices
        want = ['4:a', '100:4'] if how == 'key' else [f'{n}:a' for n in range(1, 5)] + [f'100:{n}' for n in range(1, 5)]
        equal((rows(), marker()[0][1]), (want, '4'), f'{how} {expect}')
        d.close()
        return notices
    finally:
        d.kill()
        proxy.close()


@test
def cut_around_commit(case):
    """right before COMMIT is sent, right after the server did it, and as it is sent"""
    for how in ('key', 'append'):
        for cut in (before, after, at_once):
            notices = through_proxy(how, lambda proxy: proxy.at('^COMMIT$', cut), cut.__name__)
            assert any('the connection is lost' in n and 'trying again' in n for n in notices), notices
            assert not any('twice' in n for n in notices), notices


@test
def cut_elsewhere(case):
    """at any other statement of the transaction, several times in a row, and while it finds out"""
    for pattern in ('^START TRANSACTION', '^INSERT INTO `r`', '^UPDATE sqluice_epochs'):
        for cut in (before, after):
            through_proxy('append', lambda proxy: proxy.at(pattern, cut), (pattern, cut.__name__))
    for cut in (before, after):
        through_proxy('key', lambda proxy: proxy.at('^COMMIT$', cut, times=3), ('three times', cut.__name__))
        through_proxy('append', lambda proxy: proxy.at('^COMMIT$|^SELECT epoch', cut, times=3), ('and asking', cut.__name__))
    # lost more often than 'sink.max-retries': 'connection.max-retry-timeout' says how long
    through_proxy('append', lambda proxy: proxy.at('^COMMIT$', before, times=3), 'no retries', sink__max_retries=0)


@test
def cut_at_random(case):
    """SEED: any statement of the connection, its setting up too, before or after the server had it"""
    r = random.Random(SEED)
    fresh()
    proxy, d = Proxy(server().port), Driver()
    job(d, how='append', port=proxy.port, sink__max_retries=10)
    for n in range(1, 41):
        d('write', 'a', f'{n}:a {n}:b')
        d('prepare', 'a', n)
        left = [r.randrange(12)]

        def some(forward):
            left[0] -= 1
            if left[0] == 0 or r.random() < 0.03:
                r.choice((before, after, at_once))(forward)
            forward()
        proxy.at('', some, times=60)
        d('commit', 'a', n)
    equal(rows(), [f'{n}:{s}' for n in range(1, 41) for s in 'ab'], f'SEED={SEED}')
    equal(marker()[0][1], '40')
    d.close()
    proxy.close()


@test
def commits_that_do_not_come_back(case):
    """options used up: an error that says the commit may have happened; the same run or another one finds out"""
    for cut, there in ((before, False), (after, True)):
        for again in (True, False):
            fresh()
            proxy, d = Proxy(server().port), Driver()
            job(d, how='append', port=proxy.port, sink__max_retries=0, connection__max_retry_timeout='0s')
            d('write', 'a', '1:a')
            d('prepare', 'a', 1, case.dir / 'p')

            def cut_and_out(forward):
                proxy.refuse()
                cut(forward)
            proxy.at('^COMMIT$', cut_and_out)
            contains(d.fails('commit', 'a', 1), 'whether the commit before that happened is not known: the next run finds out')
            if again:                                    # the way is open again
                proxy.listen()
                d('commit', 'a', 1)
            else:
                job(d, 'b', how='append', owner='2')
                equal(d('marker', 'b'), '1' if there else '0')
                d('recover', 'b', 1, case.dir / 'p')
                d('commit', 'b', 1)
            equal((rows(), marker()[0][1]), (['1:a'], '1'))
            d.close()
            proxy.close()


@test
def a_network_that_swallows_all(case):
    """neither end hears that the connection is gone: socketTimeout ends it here, an idle transaction's timeout there"""
    gone = []

    def swallow(forward):
        gone.append(1)
        time.sleep(6)
        raise Cut
    begun = time.time()
    notices = through_proxy('append', lambda proxy: proxy.at('^COMMIT$', swallow), 'swallowed',
                            params='?socketTimeout=1000&sessionVariables=idle_write_transaction_timeout=2,innodb_lock_wait_timeout=1')
    assert gone and time.time() - begun < 15, notices


@test
def errors_by_their_number(case):
    """what passes is tried again, at any statement and at COMMIT; what does not is an error, and the epoch stays whole"""
    for code in (1020, 1047, 1205, 1213, 1317, 1613, 1614, 1637, 3572):
        for pattern in ('^INSERT INTO `r`', '^COMMIT$'):
            notices = through_proxy('append', lambda proxy: proxy.at(pattern, error(code)), code)
            assert any('trying again (1 of 3)' in n for n in notices), (code, notices)
    for code, text in ((1197, "smaller ('execution.checkpointing.interval'"), (1206, 'innodb_buffer_pool_size'), (1290, 'it is read-only'), (1142, 'GRANT'), (1180, 'error 1180')):
        for pattern in ('^INSERT INTO `r`', '^COMMIT$'):
            fresh()
            proxy, d = Proxy(server().port), Driver()
            job(d, how='append', port=proxy.port)
            d('write', 'a', '1:a')
            d('prepare', 'a', 1)
            proxy.at(pattern, error(code))
            said = d.fails('commit', 'a', 1)
            contains(said, text)
            assert 'not known' not in said and not d.notices, (said, d.notices)
            equal(rows(), [])
            d('commit', 'a', 1)
            equal((rows(), marker()[0][1]), (['1:a'], '1'))
            d.close()
            proxy.close()


# ---- servers that die ----

@test
def the_server_is_killed_around_commit(case):
    """kill -9 before it has COMMIT, after it did it, and as it comes; started again meanwhile"""
    def die_before(forward):
        server().kill()
        raise Cut

    def die_after(forward):
        forward()
        server().kill()
        raise Cut

    def die_at_once(forward):
        forward(wait=False)
        server().kill()
        raise Cut
    for how, die in (('append', die_before), ('append', die_after), ('append', die_at_once), ('key', die_after)):
        restarting = []

        def arm(proxy):
            def die_and_come_back(forward):
                try:
                    die(forward)
                finally:
                    restarting.append(background(lambda: (time.sleep(0.7), server().start())))
            proxy.at('^COMMIT$', die_and_come_back)
        notices = through_proxy(how, arm, die.__name__)
        for t in restarting:
            t.join()
        assert any('no server answers' in n or 'the connection is lost' in n for n in notices), notices


@test
def an_orderly_restart(case):
    """the server is stopped and started between two commits: nothing but a notice"""
    fresh()
    d = Driver()
    job(d, how='append')
    d('write', 'a', '1:a')
    d('prepare', 'a', 1)
    d('commit', 'a', 1)
    server().stop()
    d('write', 'a', '2:b')
    d('prepare', 'a', 2)
    thread = background(lambda: (time.sleep(0.5), server().start()))
    d('commit', 'a', 2)
    thread.join()
    equal((rows(), marker()[0][1]), (['1:a', '2:b'], '2'))
    d.close()


# ---- others in the database ----

def blocked(d, n, meanwhile, **more):
    """Commits epoch n, whose row 2 another session holds; `meanwhile` runs when it waits."""
    server().sql('DELETE FROM r; INSERT INTO r SELECT seq, 0 FROM seq_1_to_3000')
    other = server().session()
    other.run('BEGIN; UPDATE r SET s = 7 WHERE id >= 2')
    d('write', 'a', '1:a 2:b')
    d('prepare', 'a', n)
    d.send('commit', 'a', n)
    wait_until(waiting)
    meanwhile(other)
    try:
        return d.answer()
    finally:
        other.close()


@test
def locks_deadlocks_and_killed_connections(case):
    """each rolls the transaction back, and it is tried again; or given up, whole"""
    fresh()
    server().sql('CREATE TABLE r (id INT PRIMARY KEY, s VARCHAR(20))')
    d = Driver()
    job(d, params='?sessionVariables=innodb_lock_wait_timeout=1')
    blocked(d, 1, lambda other: (time.sleep(1.5), other.run('COMMIT')))
    assert any('it is locked by another transaction; trying again (1 of 3)' in n for n in d.notices), d.notices
    equal((rows()[:3], marker()[0][1]), (['1:a', '2:b', '3:7'], '1'))

    blocked(d, 2, lambda other: (other.run("UPDATE r SET s = 8 WHERE id = 1"), time.sleep(0.2), other.run('COMMIT')))
    assert any('deadlock with another transaction; trying again (1 of 3)' in n for n in d.notices), d.notices
    equal((rows()[:3], marker()[0][1]), (['1:a', '2:b', '3:7'], '2'))

    def kill(what):
        return lambda other: (server().sql(f"SELECT CONCAT('KILL {what} ', trx_mysql_thread_id) INTO @k FROM information_schema.innodb_trx WHERE trx_state = 'LOCK WAIT'; EXECUTE IMMEDIATE @k"),
                              other.run('COMMIT'))
    blocked(d, 3, kill('CONNECTION'))
    assert any('the connection is lost' in n for n in d.notices), d.notices
    blocked(d, 4, kill('QUERY'))
    assert any('interrupted' in n for n in d.notices), d.notices
    equal((rows()[:3], marker()[0][1]), (['1:a', '2:b', '3:7'], '4'))

    try:                                                 # longer than the options allow
        blocked(d, 5, lambda other: time.sleep(6))
        raise AssertionError('it worked')
    except Failed as e:
        contains(str(e), 'it is locked by another transaction (tried 4 times)', 'innodb_lock_wait_timeout')
    equal(marker()[0][1], '4')
    d('commit', 'a', 5)                                  # the session is gone
    equal((rows()[:2], marker()[0][1]), (['1:a', '2:b'], '5'))

    begun = time.time()                                  # Ctrl-C while it waits
    try:
        blocked(d, 6, lambda other: d.p.send_signal(signal.SIGINT))
        raise AssertionError('it worked')
    except Failed as e:
        contains(str(e), 'interrupt')
    assert time.time() - begun < 5
    equal(marker()[0][1], '5')
    d('commit', 'a', 6)
    d.close()


@test
def another_run_takes_over(case):
    """while a COMMIT is on its way: the new run waits for it, and knows what became of it; the old one can do no more"""
    for forwards in (True, False):
        fresh()
        proxy, old, new = Proxy(server().port), Driver(), Driver()
        job(old, how='append', port=proxy.port)
        old('write', 'a', '1:a')
        old('prepare', 'a', 1, case.dir / 'p')
        held, go = threading.Event(), threading.Event()

        def hold(forward):
            held.set()
            go.wait(20)
            if not forwards:
                raise Cut
            forward()
        proxy.at('^COMMIT$', hold)
        old.send('commit', 'a', 1)
        held.wait(20)
        new.send('open', 'a', 'append', 'job-1', 'default.t', '2', '-', *options())
        wait_until(waiting)
        go.set()
        new.answer()
        if forwards:
            old.answer()
            equal(new('marker', 'a'), '1')
        else:                                            # it was rolled back, and the new run is the owner, or the old one was quicker
            try:
                old.answer()
                equal(new('marker', 'a'), '1')
            except Failed as e:
                contains(str(e), "another run of this job has taken over sink 'default.t'")
        if new('marker', 'a') == '0':
            new('recover', 'a', 1, case.dir / 'p')
            new('commit', 'a', 1)
        equal(rows(), ['1:a'])
        try:
            old('write', 'a', '2:zombie')
            old('prepare', 'a', 2)
            contains(old.fails('commit', 'a', 2), 'another run of this job has taken over', 'this run (1) has to end, the other (2) goes on')
        except Failed:
            assert not forwards                          # its epoch 1 still waits
        new('write', 'a', '2:b')
        new('prepare', 'a', 2)
        new('commit', 'a', 2)
        equal((rows(), marker()), (['1:a', '2:b'], [['default.t', '2', '2']]))
        for d in (old, new):
            d.close()
        proxy.close()


@test
def writers_that_are_killed(case):
    """kill -9 of the writer when the server has not seen its COMMIT, and when it has; the next run knows which"""
    for cut in (before, after):
        fresh()
        proxy, d = Proxy(server().port), Driver()
        job(d, how='append', port=proxy.port)
        d('write', 'a', '1:a 2:b')
        d('prepare', 'a', 1, case.dir / 'p')
        done = threading.Event()

        def die(forward):
            if cut is after:
                forward()
            d.kill()
            done.set()
            raise Cut
        proxy.at('^COMMIT$', die)
        d.send('commit', 'a', 1)
        done.wait(20)
        n = Driver()
        job(n, how='append', owner='2')
        equal(n('marker', 'a'), '1' if cut is after else '0')
        n('recover', 'a', 1, case.dir / 'p')
        n('commit', 'a', 1)
        equal((rows(), marker()), (['1:a', '2:b'], [['default.t', '1', '2']]))
        n.close()
        proxy.close()


# ---- scans that are left and gone on with ----

SCANS = [    # a key of the table, and values for its columns: eight rows each
    ('id INT PRIMARY KEY, s TEXT', 'id', range(-3, 5)),
    ('k BIGINT UNSIGNED PRIMARY KEY, id INT, s TEXT', 'k', (0, 1, 2, 2**63 - 1, 2**63, 2**63 + 1, 2**64 - 2, 2**64 - 1)),
    ('k DECIMAL(30, 10) NOT NULL, UNIQUE KEY (k), id INT, s TEXT', 'k', ('-99999999999999999999.0000000001', '-99999999999999999999', -1, '-0.0000000001', 0, '0.5', 1, '99999999999999999999.9999999999')),
    ("k VARCHAR(20) CHARACTER SET latin1 PRIMARY KEY, id INT, s TEXT", 'k', ("'a'", "'B'", "'c '", "'ä1'", "'it''s'", "'\\\\'", "''", "'ß'")),
    ("k VARCHAR(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci PRIMARY KEY, id INT, s TEXT", 'k', ("'a'", "'B'", "'c'", "'D'", "'😀'", "'\\\\'", "''", "'日本'")),
    ('k VARBINARY(20) PRIMARY KEY, id INT, s TEXT', 'k', ("''", "x'00'", "x'0000'", "x'00ff'", "x'27'", "x'5c'", "x'5c27'", "x'ff'")),
    ('k DATETIME(6) PRIMARY KEY, id INT, s TEXT', 'k', [f"'2024-01-01 00:00:00.00000{i}'" for i in range(8)]),
    ('k TIMESTAMP(3) PRIMARY KEY, id INT, s TEXT', 'k', [f"'2024-03-31 0{i}:30:00.{i}'" for i in range(8)]),
    ('k DATE PRIMARY KEY, id INT, s TEXT', 'k', [f"'200{i}-02-28'" for i in range(8)]),
    ('k UUID PRIMARY KEY, id INT, s TEXT', 'k', [f"'{i}0000000-0000-1000-8000-00000000000{7 - i}'" for i in range(8)]),
    ('k VARCHAR(5), l INT, m DATE, id INT, s TEXT, PRIMARY KEY (k, l, m)', 'k, l, m', ("'a', 1, '2024-01-01'", "'a', 1, '2024-01-02'", "'A', 2, '2024-01-01'", "'a', 3, '2024-01-01'",
                                                                                 "'b', -1, '2024-01-01'", "'B', -1, '2023-01-01'", "'c', 0, '2023-01-01'", "'c', 0, '2023-01-02'")),
]
LEFT = [('id INT, s TEXT', 'id', range(8)), ("k ENUM('a', 'b', 'c', 'd', 'e', 'f', 'g', 'h') PRIMARY KEY, id INT, s TEXT", 'k', [f"'{c}'" for c in 'abcdefgh']),
        ('k DOUBLE PRIMARY KEY, id INT, s TEXT', 'k', range(8)), ('k INT, UNIQUE KEY (k), id INT, s TEXT', 'k', range(8)), ('k TEXT, PRIMARY KEY (k(10)), id INT, s TEXT', 'k', range(8))]


def made(ddl, cols, values):
    fresh('scanned')
    server().sql("SET time_zone = '+00:00';" + f'CREATE TABLE scanned ({ddl}); INSERT INTO scanned ({cols}, {"" if cols == "id" else "id, "}s) VALUES '
                 + ', '.join(f'({v}, ' + ('' if cols == 'id' else f'{i}, ') + "'x')" for i, v in enumerate(values)))
    return [r[0] for r in server().sql(f'SELECT id FROM scanned ORDER BY {cols}')]


@test
def scans_that_are_gone_on_with(case):
    """a new reader goes on behind the last row, whatever the key is; after each batch"""
    d = Driver()
    for ddl, cols, values in SCANS:
        want, got, at = made(ddl, cols, values), [], case.dir / 'at'
        d('read', 'a', *options('scanned'))
        for _ in range(10):
            rows = d('poll', 'a')
            got += [r.split(':')[0] for r in rows.split() if r != '.']
            shown = d('position', 'a', at)
            if rows.endswith('.'):
                break
            d('resume', 'a', at, *options('scanned'))
        equal((got, shown), (want, 'all 8 rows'), ddl)
        d('resume', 'a', at, *options('scanned'))
        equal(d('poll', 'a'), ' .')
    for ddl, cols, values in LEFT:
        made(ddl, cols, values)
        d('read', 'a', *options('scanned'))
        d('resume', 'a', write(case, b''), *options('scanned'))
        d('poll', 'a')
        d('position', 'a', case.dir / 'at')
        d('resume', 'a', case.dir / 'at', *options('scanned'))
        contains(d.fails('poll', 'a'), "table 't': a scan of table 'scanned' in database", 'was left behind row 3 and cannot go on: its rows have no order of their own', 'primary key')
    d.close()


def write(case, data):
    path = case.dir / 'position'
    path.write_bytes(data)
    return path


# ---- SQLite ----

def lite(d, path, name='a', how='key', owner='1', sink='default.t', **more):
    d('open', name, how, 'job-1', sink, owner, '-', f'url=jdbc:sqlite:{path}?busy_timeout=200', 'table-name=r', *(f'{k.replace("__", ".").replace("_", "-")}={v}' for k, v in more.items()))


def ask(path, sql):
    db = sqlite3.connect(path)
    try:
        return db.execute(sql).fetchall()
    finally:
        db.close()


@test
def sqlite_locked_by_another_process(case):
    """longer than busy_timeout: tried again, then given up whole; both journal modes"""
    for mode in ('delete', 'wal'):
        path = case.dir / f'{mode}.db'
        ask(path, f'PRAGMA journal_mode = {mode}')
        d = Driver()
        lite(d, path)
        other = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        d('write', 'a', '1:a 2:b')
        d('prepare', 'a', 1)
        other.execute('BEGIN IMMEDIATE')
        thread = background(lambda: (time.sleep(0.8), other.execute('COMMIT')))
        d('commit', 'a', 1)
        thread.join()
        assert any('it is locked by another program; trying again' in n for n in d.notices), d.notices
        other.execute('BEGIN IMMEDIATE')
        d('write', 'a', '3:c')
        d('prepare', 'a', 2)
        contains(d.fails('commit', 'a', 2), 'it is locked by another program (tried 4 times)', 'busy_timeout')
        other.execute('COMMIT')
        other.close()
        d('commit', 'a', 2)
        equal(ask(path, 'SELECT id, s FROM r ORDER BY id'), [(1, 'a'), (2, 'b'), (3, 'c')])
        d.close()


@test
def sqlite_writers_that_are_killed(case):
    """SEED: kill -9 at random moments of big commits, two sinks in one file; rows and marker are always of one epoch"""
    r = random.Random(SEED)
    path = case.dir / 'k.db'
    done, kills = {'a': 0, 'b': 0}, 0
    while min(done.values()) < 8:
        d = Driver()
        for name in done:
            lite(d, path, name, how='append', owner=str(kills), sink=name)
            m = int(d('marker', name))
            assert m in (done[name], done[name] + 1), f'SEED={SEED}: {name} is at {m}, not {done[name]}'
            done[name] = m
        for name in sorted(done, key=done.get):
            equal(ask(path, 'SELECT COUNT(*) FROM r'), [(4000 * sum(done.values()),)], f'SEED={SEED}')
            n = done[name] + 1
            d('fill', name, 1, 4000, f'{name}{n}')
            d('prepare', name, n)
            d.send('commit', name, n)
            if r.random() < 0.7:
                time.sleep(r.random() * 0.04)
                d.kill()
                kills += 1
                break
            d.answer()
            done[name] = n
        else:
            d.close()
    equal(ask(path, 'SELECT s, COUNT(*) FROM r GROUP BY s HAVING COUNT(*) <> 4000'), [], f'SEED={SEED}')
    equal(ask(path, 'PRAGMA integrity_check'), [('ok',)])


@test
def sqlite_files_that_go(case):
    """a database that is removed or replaced while it is written is an error"""
    path = case.dir / 'gone.db'
    d = Driver()
    lite(d, path)
    d('write', 'a', '1:a')
    d('prepare', 'a', 1)
    path.unlink()
    contains(d.fails('commit', 'a', 1), 'its file was removed while the job ran')
    ask(path, 'CREATE TABLE r (id INT PRIMARY KEY, s TEXT)')
    contains(d.fails('commit', 'a', 1), 'its file was replaced while the job ran')
    equal(ask(path, 'SELECT * FROM r'), [])
    d.close()


# ---- whole jobs ----

def killed_job(case, source, sink, seconds=30):
    """A table is read, a few rows an epoch, and copied into another without a key; the command is killed again and again."""
    r = random.Random(SEED)
    case.write('job.sql', f"""SET 'execution.runtime-mode' = 'streaming'; SET 'pipeline.name' = 'copy'; SET 'execution.checkpointing.dir' = '{case.dir}/chk';
SET 'execution.trigger' = 'available-now'; SET 'execution.trigger.max-rows' = '30'; SET 'parallelism.default' = '1';
CREATE TABLE scanned (id INT, s STRING) WITH ({source}); CREATE TABLE copied (id INT, s STRING) WITH ({sink});
INSERT INTO copied SELECT id, s FROM scanned;""")
    end, kills = time.time() + seconds, 0
    while time.time() < end:
        p = subprocess.Popen([ENGINE, '--quiet', 'job.sql'], cwd=case.dir, stderr=subprocess.PIPE, text=True)
        try:
            p.wait((0.01 + r.random() * 0.04) * 1.1 ** kills)        # a quick machine is hit, too, and a slow one comes to the end
        except subprocess.TimeoutExpired:
            p.kill()
            kills += 1
        err = p.communicate()[1]
        if p.returncode == 0:
            case.run('--quiet', 'job.sql')               # there is nothing left to do
            return kills
        equal(p.returncode, -signal.SIGKILL, err)
    raise AssertionError(f'it did not come to an end, {kills} kills, SEED={SEED}')


def quoted(fields):
    return ', '.join("'%s' = '%s'" % tuple(f.replace("'", "''") for f in o.split('=', 1)) for o in fields)


@test
def jobs_that_read_and_are_killed(case):
    """SEED: a scan goes on where its checkpoint says; each row comes once. The key begins with a text, and its order is not that of ids"""
    n = 60_000
    path = case.dir / 'x.db'
    db = sqlite3.connect(path)
    db.execute('CREATE TABLE scanned (id INT, s TEXT, k TEXT, PRIMARY KEY (s, k)) WITHOUT ROWID')
    db.executemany("INSERT INTO scanned VALUES (?, ?, 'x')", ((i, f"k{i * 7919 % n}'") for i in range(n)))
    db.commit()
    db.close()
    where = f"'connector' = 'jdbc', 'url' = 'jdbc:sqlite:{path}?busy_timeout=2000', 'table-name' = "
    kills = killed_job(case, where + "'scanned'", where + "'copied'")
    equal(ask(path, f"SELECT COUNT(*), COUNT(DISTINCT id), SUM(s = 'k' || (id * 7919 % {n}) || '''') FROM copied"), [(n, n, n)], f'SEED={SEED}')
    assert kills > 2, kills

    fresh('scanned', 'copied', 'sqluice_epochs')
    server().sql("CREATE TABLE scanned (id INT, s VARCHAR(20), k INT, PRIMARY KEY (s, k)); "
                 f"INSERT INTO scanned SELECT seq, CONCAT('k', seq * 7919 MOD {n}, ''''), 1 FROM seq_0_to_{n - 1}")
    (case.dir / 'chk').rename(case.dir / 'chk-sqlite')
    kills = killed_job(case, "'connector' = 'jdbc', " + quoted(options('scanned')), "'connector' = 'jdbc', " + quoted(options('copied')))
    equal(server().sql(f"SELECT COUNT(*), COUNT(DISTINCT id), SUM(s = CONCAT('k', id * 7919 MOD {n}, '''')) FROM copied"), [[str(n)] * 3], f'SEED={SEED}')
    assert kills > 2, kills


if __name__ == '__main__':
    if DRIVER is None:
        print('skipped: tests/services/jdbc_sink is not built\n0 passed, 0 failed')
        raise SystemExit(0)
    try:
        main()
    finally:
        if SERVER:
            SERVER.remove()
