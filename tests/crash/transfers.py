#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""No epoch shows half a transfer: balances sum to zero after every commit, in every sink, while the job runs and is killed.

    tests/crash/transfers.py [--kills N] [--seed N] [--only VARIANT,…] [--short] [--keep]

A topic has transfers: so much from one account to another. A job adds up the debits of each account in one branch and the credits in another, and brings both
together to balances: by a join, or by UNION ALL and another GROUP BY. What a client of its own sees of the balances at one moment must sum to zero: of a database by
a SELECT, again and again; of a topic after each of its transactions; of files after each part. Schedule and kills are those of crash.py (drive.py).
"""
import json
import pathlib
import random
import sqlite3
import subprocess
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import drive  # noqa: E402
import model  # noqa: E402
import sinks  # noqa: E402
from world import Job, ROOT, USER  # noqa: E402

ACCOUNTS, PARTITIONS = 25, 3
QUERIES = {
    'join': """SELECT d.account, c.total - d.total, c.total + d.total
FROM (SELECT debit AS account, SUM(amount) AS total FROM transfers GROUP BY debit) AS d
JOIN (SELECT credit AS account, SUM(amount) AS total FROM transfers GROUP BY credit) AS c ON d.account = c.account""",
    'union': """SELECT account, SUM(amount), SUM(ABS(amount))
FROM (SELECT debit AS account, -amount AS amount FROM transfers UNION ALL SELECT credit, amount FROM transfers)
GROUP BY account""",
}
sinks.COLUMNS['balances'] = ('account INT, balance BIGINT, turnover BIGINT', 'account')
# the sink, how a topic holds it, the query
VARIANTS = {
    'sqlite-join': (sinks.Sqlite, None, 'join'), 'sqlite-union': (sinks.Sqlite, None, 'union'),
    'mariadb-join': (sinks.Mysql, None, 'join'), 'mariadb-union': (sinks.Mysql, None, 'union'),
    'upsert-kafka': (sinks.Kafka, 'upsert', 'union'), 'kafka-changelog': (sinks.Kafka, 'changelog', 'join'),
    'files': (sinks.Files, None, 'union'),
}
SHORT = ['sqlite-join', 'mariadb-union', 'upsert-kafka', 'files']


class Transfers:
    """The first of each partition are of nothing, from each account to the next: so an account is on both sides before it is in a transfer that counts."""

    def __init__(self, seed):
        self.seed = seed

    def make(self, i):
        if i < ACCOUNTS * PARTITIONS:
            debit = i // PARTITIONS
            t = {'id': i, 'debit': debit, 'credit': (debit + 1) % ACCOUNTS, 'amount': 0}
        else:
            h = random.Random(self.seed * 1000003 + i)
            debit = h.randrange(ACCOUNTS)
            t = {'id': i, 'debit': debit, 'credit': (debit + h.randrange(1, ACCOUNTS)) % ACCOUNTS, 'amount': h.randrange(1, 10000)}
        return [('transfers', json.dumps(t))]


def expected(sent):
    balance, turnover = [0] * ACCOUNTS, [0] * ACCOUNTS
    for t in map(json.loads, sent):
        balance[t['debit']] -= t['amount']
        balance[t['credit']] += t['amount']
        for account in (t['debit'], t['credit']):
            turnover[account] += t['amount']
    return [(a, balance[a], turnover[a]) for a in range(ACCOUNTS)]


class Seen:
    """Sums that somebody saw; of each state that was seen, how far it had come."""

    def __init__(self):
        self.states, self.looks, self.wrong = set(), 0, None

    def look(self, balance, turnover, count, where=''):
        self.looks += 1
        self.states.add((turnover, count))
        if balance and not self.wrong:
            self.wrong = f'the balances of {count} accounts sum to {balance}, with a turnover of {turnover}{where}'


LOOK = 'SELECT COALESCE(SUM(balance), 0), COALESCE(SUM(turnover), 0), COUNT(*) FROM balances'


def watch_sqlite(sink, seen, stop):
    while not stop.wait(0.02):
        if not sink.path.exists():
            continue
        try:
            db = sqlite3.connect(f'file:{sink.path}?mode=ro', uri=True, timeout=5)
            try:
                seen.look(*db.execute(LOOK).fetchone())
            finally:
                db.close()
        except sqlite3.OperationalError:      # no table yet, or a journal that the next writer rolls back
            continue


def watch_mysql(sink, seen, stop):
    while not stop.wait(0.1):
        client = subprocess.Popen([ROOT / 'tests/services/mariadb', 'sql', sink.server.dir / 'd', '--unbuffered', sink.database],
                                  stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        try:
            while not stop.wait(0.02):
                client.stdin.write(LOOK + ';\n')
                client.stdin.flush()
                line = client.stdout.readline()
                if not line:
                    break                     # the server is down, or has no table yet
                seen.look(*map(int, line.split('\t')))
        except OSError:
            pass
        finally:
            client.kill()
            client.wait()
            client.stdout.close()


def replay_topic(sink, seen):
    """Looks after each transaction: where the offsets of the one partition have a gap."""
    rows, last = {}, None

    def look(offset):
        seen.look(sum(r[1] for r in rows.values()), sum(r[2] for r in rows.values()), len(rows), f', before offset {offset}')

    for _, offset, _, key, value in sink.broker.consume(sink.topic):
        if last is not None and offset != last + 1:
            look(offset)
        last = offset
        change = value and json.loads(value)
        if sink.kind == 'upsert':
            account = json.loads(key)['account']
            rows.pop(account, None)
            if change:
                rows[account] = tuple(change[f] for f in sinks.fields('balances'))
            continue
        for half in ('before', 'after'):
            row = change[half] and tuple(change[half][f] for f in sinks.fields('balances'))
            if row and half == 'before' and rows.pop(row[0], None) != row:
                raise AssertionError(f'a row goes that is not there: {row}')
            if row and half == 'after':
                if row[0] in rows:
                    raise AssertionError(f'two rows of account {row[0]}')
                rows[row[0]] = row
    look('the end')


def replay_files(sink, seen):
    rows = {}
    for part in sink.parts():
        for line in part.read_text().splitlines():
            change = json.loads(line)
            if change['before']:
                rows.pop(change['before']['account'])
            if change['after']:
                rows[change['after']['account']] = change['after']
        seen.look(sum(r['balance'] for r in rows.values()), sum(r['turnover'] for r in rows.values()), len(rows), f', after {part.name}')


class Run(drive.Run):
    def __init__(self, world, root, variant, args):
        super().__init__(world, root, variant, args)
        cls, kind, query = VARIANTS[variant]
        self.seen, self.stop = Seen(), threading.Event()
        self.sink = cls(world, self.dir, variant, 'balances', **({'kind': kind, 'partitions': 1} if kind else {}))
        options = {'connector': 'kafka', 'topic': 'transfers', 'properties.bootstrap.servers': world.broker.servers, 'properties.group.id': f'transfers-{variant}',
                   'scan.startup.mode': 'earliest-offset', 'format': 'json'}
        sql = ''.join(f"SET '{k}' = '{v}';\n" for k, v in self.settings(f'transfers-{variant}', self.dir).items())
        sql += 'CREATE TABLE transfers (id BIGINT, debit INT, credit INT, amount BIGINT) WITH (' + ', '.join(f"'{k}' = '{v}'" for k, v in options.items()) + ');\n'
        self.job = Job(self.dir, f'{sql}{self.sink.ddl("balances")}INSERT INTO balances {QUERIES[query]};\n', variant)
        watch = {sinks.Sqlite: watch_sqlite, sinks.Mysql: watch_mysql}.get(cls)
        self.watcher = threading.Thread(target=watch, args=(self.sink, self.seen, self.stop), daemon=True) if watch else None
        if self.watcher:
            self.watcher.start()

    def compare(self):
        return model.difference(self.sink.read(), self.want, 'balances')

    def settle(self):
        self.want = expected(self.world.feed.sent['transfers'])
        self.finish()
        self.stop.set()
        if self.watcher:
            self.watcher.join()
        elif isinstance(self.sink, sinks.Kafka):
            replay_topic(self.sink, self.seen)
        else:
            replay_files(self.sink, self.seen)
        if self.seen.wrong:
            raise AssertionError(self.seen.wrong)
        if len(self.seen.states) < self.args.kills // 2:
            raise AssertionError(f'only {len(self.seen.states)} states were seen: that does not count')
        self.report(f'{len(self.seen.states)} states were seen, each sums to zero')


def begin(args, root):
    world = drive.World(Transfers(args.seed), args.rate, {'transfers': PARTITIONS})
    return drive.drive(world, [Run(world, root, v, args) for v in args.variants], args, Run.settle)


def self_test():
    rows = expected([t for i in range(2000) for _, t in Transfers(3).make(i)])
    assert sum(r[1] for r in rows) == 0 and sum(r[2] for r in rows) > 0
    seen = Seen()
    seen.look(0, 5, 2)
    assert not seen.wrong
    seen.look(7, 5, 2)
    assert 'sum to 7' in seen.wrong


if __name__ == '__main__':
    self_test()
    drive.main(__doc__, VARIANTS, SHORT, begin, kills=60, rate=300)
