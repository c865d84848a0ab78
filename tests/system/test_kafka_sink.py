#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The kafka and upsert-kafka connectors as sinks, against a real broker: what messages look like, what arrives, and what goes wrong."""
import collections
import json
import random
import subprocess
import sys
import time

from harness import BUILD, contains, equal, main, test
from kafka_broker import PRODUCE, Broker, Job, free_ports

COLUMNS = 'id INT, s STRING'
broker = None


def topic_name(case):
    return 's' + str(case.dir.name).replace('sqluice-test-', '').replace('_', '-')


def table(topic, columns=COLUMNS, name='o', on=None, **options):
    """CREATE TABLE; options by their keys with '__' for '.' and '_' for '-'."""
    given = {'connector': 'kafka', 'topic': topic, 'properties.bootstrap.servers': (on or broker).servers, 'format': 'json'}
    for k, v in options.items():
        given[k.replace('__', '.').replace('_', '-')] = v
    text = ', '.join(f"'{k}' = '{v}'" for k, v in given.items() if v is not None)
    return f'CREATE TABLE {name} ({columns}) WITH ({text});\n'


def upsert(topic, columns='id INT, s STRING, PRIMARY KEY (id) NOT ENFORCED', name='o', **options):
    return table(topic, columns, name, **{'connector': 'upsert-kafka', 'format': None, 'key__format': 'json', 'value__format': 'json', **options})


def source(topic, columns=COLUMNS, name='i', **options):
    return table(topic, columns, name, **{'scan__startup__mode': 'earliest-offset', 'scan__bounded__mode': 'latest-offset', **options})


def rows(case, sql, *args, **kw):
    """The rows of the last query, as tuples."""
    p = case.run('--quiet', '--mode', 'json', *args, sql=sql, **kw)
    return [tuple(json.loads(line).values()) for line in p.stdout.splitlines()]


def messages(topic, **kw):
    """(key, value) of every message."""
    return [m[3:] for m in broker.read(topic, **kw)]


def numbers(case, n, name='n.ndjson'):
    """A file with rows (id, s), and the table that reads it."""
    case.write(name, ''.join(f'{{"id": {i}, "s": "row {i}"}}\n' for i in range(n)))
    return f"CREATE TABLE f ({COLUMNS}) WITH ('connector' = 'filesystem', 'path' = '{name}', 'format' = 'json');\n"


def until(what, seconds=30):
    end = time.time() + seconds
    while not what():
        assert time.time() < end, 'it did not come'


# ---- what a message looks like ----

@test
def values_and_keys(case):
    """formats of value and key, prefix, which columns the value holds; NULL in a raw key is no key, in a raw value no value"""
    topic = topic_name(case)
    cases = [
        ({}, [(None, '{"id":1,"s":"a"}'), (None, '{"id":2,"s":null}')]),
        ({'format': 'csv'}, [(None, '1,a'), (None, '2,')]),
        ({'key__format': 'json', 'key__fields': 'id'}, [('{"id":1}', '{"id":1,"s":"a"}'), ('{"id":2}', '{"id":2,"s":null}')]),
        ({'key__format': 'json', 'key__fields': 'id', 'value__fields_include': 'EXCEPT_KEY'}, [('{"id":1}', '{"s":"a"}'), ('{"id":2}', '{"s":null}')]),
        ({'key__format': 'csv', 'key__fields': 's;id'}, [('a,1', '{"id":1,"s":"a"}'), (',2', '{"id":2,"s":null}')]),
        ({'key__format': 'raw', 'key__fields': 's'}, [('a', '{"id":1,"s":"a"}'), (None, '{"id":2,"s":null}')]),
        ({'format': None, 'value__format': 'raw', 'key__format': 'json', 'key__fields': 'id', 'value__fields_include': 'EXCEPT_KEY'}, [('{"id":1}', 'a'), ('{"id":2}', None)]),
        ({'value__format': 'json', 'format': None, 'value__json__encode__ignore_null_fields': 'true'}, [(None, '{"id":1,"s":"a"}'), (None, '{"id":2}')]),
    ]
    for i, (options, want) in enumerate(cases):
        case.run(sql=table(f'{topic}-{i}', **options) + "INSERT INTO o VALUES (1, 'a'), (2, CAST(NULL AS STRING));")
        equal(messages(f'{topic}-{i}'), want, options)
    case.run(sql=table(topic, 'k_id INT, s STRING', key__format='json', key__fields='k_id', key__fields_prefix='k_', value__fields_include='EXCEPT_KEY')
             + "INSERT INTO o VALUES (7, 'x');")
    equal(messages(topic), [('{"id":7}', '{"s":"x"}')])


@test
def change_records(case):
    """debezium-json takes every change; json refuses a query that updates"""
    topic = topic_name(case)
    query = "INSERT INTO o SELECT s, COUNT(*) FROM (VALUES ('a'), ('b'), ('a')) AS v(s) GROUP BY s;"
    case.run('--batch-rows', '1', sql=table(topic, 's STRING, n BIGINT', format='debezium-json') + query)
    equal([v for _, v in messages(topic)], [
        '{"before":null,"after":{"s":"a","n":1},"op":"c"}', '{"before":null,"after":{"s":"b","n":1},"op":"c"}',
        '{"before":{"s":"a","n":1},"after":null,"op":"d"}', '{"before":null,"after":{"s":"a","n":2},"op":"c"}'])
    equal(sorted(rows(case, source(topic, 's STRING, n BIGINT', format='debezium-json') + 'SELECT * FROM i;')), [('a', 2), ('b', 1)])
    p = case.run(sql=table(topic, 's STRING, n BIGINT') + query, expect=2)
    contains(p.stderr, "sink 'o' (connector 'kafka') takes only inserts, but the query updates rows (GROUP BY)")


@test
def metadata(case):
    """timestamp and headers as given, NULL is now and none; the others cannot be written"""
    topic = topic_name(case)
    columns = 'id INT, at TIMESTAMP_LTZ(3) METADATA FROM \'timestamp\', h MAP<STRING, BYTES> METADATA FROM \'headers\', `partition` INT METADATA VIRTUAL'
    now = time.time() * 1000
    case.write('in.json', '{"id":1,"at":"1970-01-01 00:20:34.567Z","h":{"a":"MQ==","b":"MjI="}}\n{"id":2,"at":null,"h":null}\n{"id":3,"at":null,"h":{"c":null}}\n')
    case.run(sql=table(topic, columns) + "CREATE TABLE f (id INT, at TIMESTAMP_LTZ(3), h MAP<STRING, BYTES>) WITH ('connector' = 'filesystem', 'path' = 'in.json', 'format' = 'json');"
             "INSERT INTO o SELECT * FROM f;")
    got = broker.read(topic)
    equal([m[4] for m in got], ['{"id":1}', '{"id":2}', '{"id":3}'])
    equal((got[0][1], got[0][2], got[1][2], got[2][2]), (1234567, 'a=1;b=22', '', ''))
    assert now - 5000 < got[1][1] < now + 60000, got[1]
    p = case.run(sql=table(topic, 'id INT, `offset` BIGINT METADATA') + 'INSERT INTO o VALUES (1, 2);', expect=2)
    contains(p.stderr, "metadata 'offset' (column 'offset') cannot be written", 'METADATA VIRTUAL')
    case.write('in.json', '{"id":1,"at":"1969-12-31 23:59:59Z"}\n')
    p = case.run(sql=table(topic, columns) + "CREATE TABLE f (id INT, at TIMESTAMP_LTZ(3), h MAP<STRING, BYTES>) WITH ('connector' = 'filesystem', 'path' = 'in.json', 'format' = 'json');"
                 "INSERT INTO o SELECT * FROM f;", expect=1)
    contains(p.stderr, "table 'o': a row has a timestamp before 1970, which kafka does not take")


@test
def topics_by_row(case):
    """with several topics each row names its own; one that is not listed, or none, is an error"""
    topic = topic_name(case)
    columns = 'id INT, `topic` STRING METADATA'
    for i, given in enumerate(({'topic': f'{topic}-a;{topic}-b'}, {'topic': None, 'topic-pattern': f'{topic}-(a|b)'})):
        sql = table(columns=columns, **given)
        case.run(sql=sql + f"INSERT INTO o VALUES ({i}, '{topic}-a'), ({i + 10}, '{topic}-b'), ({i + 20}, '{topic}-a');")
        p = case.run(sql=sql + f"INSERT INTO o VALUES (1, '{topic}-c');", expect=1)
        contains(p.stderr, f"table 'o': a row names the topic '{topic}-c', which is not one of '{'topic-pattern' if i else 'topic'}'")
        p = case.run(sql=sql + 'INSERT INTO o (id) VALUES (1);', expect=1)
        contains(p.stderr, "table 'o': a row names no topic (column 'topic' is NULL)")
        p = case.run(sql=table(**given) + "INSERT INTO o VALUES (1, 'x');", expect=2)
        contains(p.stderr, 'stands for several topics, and nothing says which one a row goes to', 'add a column `topic` STRING METADATA')
    equal([v for _, v in messages(f'{topic}-a')], ['{"id":0}', '{"id":20}', '{"id":1}', '{"id":21}'])
    equal([v for _, v in messages(f'{topic}-b')], ['{"id":10}', '{"id":11}'])


# ---- which partition ----

def murmur2(data):
    """Of Kafka's default partitioner."""
    m, mask = 0x5bd1e995, 0xffffffff
    h = 0x9747b28c ^ len(data)
    for i in range(0, len(data) // 4 * 4, 4):
        k = int.from_bytes(data[i:i + 4], 'little') * m & mask
        k = (k ^ k >> 24) * m & mask
        h = h * m & mask ^ k
    tail = data[len(data) // 4 * 4:]
    if tail:
        h = (h ^ int.from_bytes(tail, 'little')) * m & mask
    h = (h ^ h >> 13) * m & mask
    return (h ^ h >> 15) & 0x7fffffff


@test
def partitioners(case):
    """default: where Java's producer puts the key; fixed: one partition; round-robin: all of them in turn"""
    topic = topic_name(case)
    for name in ('key', 'fixed', 'robin', 'none'):
        broker.create(f'{topic}-{name}', 5)
    sql = numbers(case, 1000)
    case.run(sql=sql + table(f'{topic}-key', key__format='raw', key__fields='s') + 'INSERT INTO o SELECT * FROM f;')
    got = broker.read(f'{topic}-key')
    equal(len(got), 1000)
    equal([m for m in got if m[0] != murmur2(m[3].encode()) % 5], [])
    case.run(sql=sql + table(f'{topic}-fixed', sink__partitioner='fixed') + 'INSERT INTO o SELECT * FROM f;')
    equal(collections.Counter(m[0] for m in broker.read(f'{topic}-fixed')), {0: 1000})
    case.run('--batch-rows', '10', sql=sql + table(f'{topic}-robin', sink__partitioner='round-robin') + 'INSERT INTO o SELECT * FROM f;')
    equal(collections.Counter(m[0] for m in broker.read(f'{topic}-robin')), {i: 200 for i in range(5)})
    case.run(sql=sql + table(f'{topic}-none') + 'INSERT INTO o SELECT * FROM f;')
    equal(sorted(json.loads(m[4])['id'] for m in broker.read(f'{topic}-none')), list(range(1000)))


# ---- all of it arrives ----

@test
def many_rows(case):
    """300,000 rows over 4 partitions, through a queue that is much too small, with each compression: each row once, in order by key"""
    topic = topic_name(case)
    broker.create(topic, 4)
    sql = numbers(case, 300_000)
    case.run(sql=sql + table(topic, key__format='raw', key__fields='s', properties__buffer__memory='100000', properties__compression__type='lz4') + 'INSERT INTO o SELECT * FROM f;')
    got = [json.loads(m[4])['id'] for m in broker.read(topic)]
    equal(len(got), 300_000)
    equal(len(set(got)), 300_000)
    for i, codec in enumerate(('none', 'gzip', 'snappy', 'zstd')):
        case.run(sql=sql + table(f'{topic}-{codec}', properties__compression__type=codec, properties__compression__gzip__level='1') + f'INSERT INTO o SELECT * FROM f WHERE id < 2000;')
        equal([json.loads(v)['id'] for _, v in messages(f'{topic}-{codec}')], list(range(2000)), codec)


@test
def forwarded(case):
    """from topic to topic: rows go out as they come, each within a moment"""
    topic = topic_name(case)
    for name in ('in', 'out'):
        broker.create(f'{topic}-{name}')
    job = Job(case, source(f'{topic}-in', scan__bounded__mode=None) + table(f'{topic}-out') + 'INSERT INTO o SELECT id + 1, s FROM i;')
    for i in range(3):
        began = time.time()
        broker.send(f'{topic}-in', [f'{{"id":{i},"s":"x"}}'])
        while len(messages(f'{topic}-out')) <= i:
            assert time.time() - began < 20, job.text()
    equal([json.loads(v)['id'] for _, v in messages(f'{topic}-out')], [1, 2, 3])
    equal(job.stop(), 0)


@test
def big_messages(case):
    """of 3 MB where both sides allow them; an error that says which limit was met where one does not"""
    topic = topic_name(case)
    broker.create(f'{topic}-big', 1, 'max.message.bytes=10000000')
    broker.create(f'{topic}-small', 1)
    sql = ("CREATE TABLE f (id INT, s STRING) WITH ('connector' = 'filesystem', 'path' = 'big.json', 'format' = 'json');\n")
    case.write('big.json', json.dumps({'id': 1, 's': 'x' * 3_000_000}) + '\n' + json.dumps({'id': 2, 's': 'y'}) + '\n')
    case.run(sql=sql + table(f'{topic}-big', properties__max__request__size='5000000') + 'INSERT INTO o SELECT * FROM f;')
    equal([len(v) for _, v in messages(f'{topic}-big')], [3_000_015, 16])
    p = case.run(sql=sql + table(f'{topic}-big') + 'INSERT INTO o SELECT * FROM f;', expect=1)
    contains(p.stderr, f"table 'o': a message for topic '{topic}-big' has 3000015 bytes, and at most 1048576 may be sent", "raise 'properties.max.request.size'")
    p = case.run(sql=sql + table(f'{topic}-small', properties__max__request__size='5000000') + 'INSERT INTO o SELECT * FROM f;', expect=1)
    contains(p.stderr, f"table 'o': kafka at '{broker.servers}' does not take a message of 3000015 bytes into topic '{topic}-small'", 'max.message.bytes')


@test
def refused_messages(case):
    """what a broker does not take fails the job: a compacted topic wants keys"""
    topic = topic_name(case)
    broker.create(topic, 1, 'cleanup.policy=compact')
    p = case.run(sql=table(topic) + "INSERT INTO o VALUES (1, 'a');", expect=1)
    contains(p.stderr, f"table 'o': kafka at '{broker.servers}' does not take a message into topic '{topic}'", "see 'key.format' and 'key.fields'")


@test
def topic_made_on_demand(case):
    """as Kafka does it; where the broker does not, an error with the nearest name"""
    topic = topic_name(case)
    case.run(sql=table(topic) + "INSERT INTO o VALUES (1, 'a');")
    equal(messages(topic), [(None, '{"id":1,"s":"a"}')])


# ---- exactly once: call by call ----

JOB = 'aaaaaaaa-0000-0000-0000-000000000001'


class Sink:
    """The writer of a table, called as the runtime calls it (tests/services/sink.c)."""

    def __init__(self, topic, words='epochs copies', job=JOB, on=None, **options):
        given = {'connector': 'kafka', 'topic': topic, 'format': 'json', 'properties.bootstrap.servers': (on or broker).servers,
                 'sink.delivery-guarantee': 'exactly-once', 'sink.transactional-id-prefix': topic}
        for k, v in options.items():
            given[k.replace('__', '.').replace('_', '-')] = v
        self.p = subprocess.Popen([BUILD / 'asan/tests/services/sink'], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.notes = ''
        self.opened = self.call(f'open {words} job={job} sink=c.d.t|' + ';'.join(f'{k}={v}' for k, v in given.items() if v is not None))

    def call(self, line):
        """The answer: a number, or the error's text."""
        self.p.stdin.write(line + '\n')
        self.p.stdin.flush()
        while (answer := self.p.stdout.readline()).startswith('note '):
            self.notes += answer
        assert answer, f'no answer to {line}'
        kind, text = answer.rstrip('\n').split(' ', 1)
        return int(text) if kind == 'ok' else text

    def do(self, *lines):
        for line in lines:
            answer = self.call(line)
            if isinstance(answer, str):
                raise AssertionError(f'{line}: {answer}')
        return answer

    def kill(self):
        self.p.kill()
        self.p.wait()

    def close(self):
        out, _ = self.p.communicate(timeout=60)
        equal((self.p.returncode, out), (0, ''))


def values(topic, **kw):
    return [json.loads(m[4])['s'] for m in (kw.pop('on', None) or broker).read(topic, **kw)]


@test
def visible_at_commit(case):
    """rows of an epoch come into sight together, at its commit; the marker goes with them; an epoch may be empty"""
    topic = topic_name(case)
    s = Sink(topic)
    equal((s.opened, s.do('marker')), (0, 0))
    s.do('write 1:a 2:b', 'write 3:c', f'prepare 1 {case.dir}/1')
    end = time.time() + 10
    while len(values(topic, uncommitted=True)) < 3 and time.time() < end:
        pass
    equal(values(topic), [])
    s.do('commit 1')
    equal(values(topic), ['a', 'b', 'c'])
    s.do('prepare 2', 'commit 2', 'commit 2', 'marker')
    equal(s.do('marker'), 2)
    s.do('write 4:d', 'prepare 3', 'commit 3')
    assert s.do('pending') == 0
    s.do('write 5:e')
    s.close()                                           # aborts
    equal(values(topic), ['a', 'b', 'c', 'd'])
    s = Sink(topic)
    equal(s.do('marker'), 3)
    contains(s.call('commit 5'), f"table 't': the last epoch that was committed to topic '{topic}' is 3, and 5 does not follow it")
    contains(s.call('prepare 3'), 'and 3 does not follow it')
    s.do('mark 9')
    equal(s.do('marker'), 9)
    s.do('write 6:f', 'prepare 10', 'commit 10')
    s.close()
    equal(values(topic), ['a', 'b', 'c', 'd', 'f'])
    other = Sink(topic, job='bbbbbbbb-0000-0000-0000-000000000002')
    equal(other.do('marker'), 0)                        # another job's is none
    other.close()


@test
def killed_anywhere(case):
    """kill -9 before prepare, before and after commit: after recovery each row is there once"""
    topic = topic_name(case)
    want, epoch = [], 0
    for round, step in enumerate(('write', 'prepare', 'commit', 'again')):
        s = Sink(topic)
        marker = s.do('marker')
        equal(marker, epoch, step)
        s.do(f'write {round}:x{round} {round}:y{round}')
        if step != 'write':
            s.do(f'prepare {epoch + 1} {case.dir}/{epoch + 1}')
        if step in ('commit', 'again'):
            s.do(f'commit {epoch + 1}')
        s.kill()
        s = Sink(topic)
        marker = s.do('marker')
        equal(marker, epoch + (step in ('commit', 'again')), step)
        if step == 'write':
            s.do(f'write {round}:x{round} {round}:y{round}', f'prepare {epoch + 1} {case.dir}/{epoch + 1}')
        else:                                           # also when it happened: nothing comes twice
            s.do(f'recover {epoch + 1} {case.dir}/{epoch + 1}')
        s.do(f'commit {epoch + 1}')
        s.kill()
        epoch += 1
        want += [f'x{round}', f'y{round}']
        equal(values(topic), want, step)
    s = Sink(topic, words='epochs')                     # who decides alone needs no copies
    s.do('marker', f'write 9:z', f'prepare {epoch + 1}', f'commit {epoch + 1}')
    s.close()
    equal(values(topic), want + ['z'])


@test
def zombie(case):
    """a second run locks the first one out, whatever it does next"""
    topic = topic_name(case)
    for i, call in enumerate(('write 1:z', 'prepare 1', 'commit 1')):
        old = Sink(f'{topic}-{i}')
        old.do('marker', 'write 1:old')
        if call == 'commit 1':
            old.do('prepare 1')
        new = Sink(f'{topic}-{i}')
        new.do('marker', 'write 1:new', 'prepare 1', 'commit 1')
        answer = old.call(call)
        for after in ('prepare 1', 'commit 1'):         # rows are sent in the background; what was sent before needs no answer
            if not isinstance(answer, str):
                answer = old.call(after)
        contains(str(answer), "table 't': another run of this job writes with the transactional id", f'{topic}-{i}-c.d.t')
        new.do('write 2:newer', 'prepare 2', 'commit 2')
        old.close()
        new.close()
        equal(values(f'{topic}-{i}'), ['new', 'newer'])


@test
def damaged_copies(case):
    """what a checkpoint holds is not trusted"""
    topic = topic_name(case)
    s = Sink(topic, key__format='json', key__fields='id')
    s.do('marker', 'write 1:a 2:#', f'prepare 1 {case.dir}/good')
    good = (case.dir / 'good').read_bytes()
    s.kill()
    s = Sink(topic, key__format='json', key__fields='id')
    for bad in (good[:-1], good[:20], b'', good + b'x', good.replace(b'kafka-1', b'kafka-2'), good[:8] + b'\xff' + good[9:], good[:25] + b'\xfe' * 4 + good[29:]):
        case.write('bad', bad)
        contains(str(s.call(f'recover 1 {case.dir}/bad')), "table 't': what the checkpoint holds of the sink's messages is damaged")
    s.do('marker', f'recover 1 {case.dir}/good', 'commit 1')
    s.close()
    equal([m[3:] for m in broker.read(topic)], [('{"id":1}', '{"id":1,"s":"a"}'), ('{"id":2}', '{"id":2,"s":null}')])


@test
def all_or_nothing(case):
    """without checkpoints: an input that ends is one transaction; one that does not is at least once, and a notice says so"""
    topic = topic_name(case)
    s = Sink(topic, words='bounded', job='')
    s.do('write 1:a', 'write 2:b', 'flush')
    time.sleep(0.3)
    equal(values(topic), [])
    s.do('finish')
    equal(values(topic), ['a', 'b'])
    s.close()
    s = Sink(topic, words='bounded', job='')
    s.do('write 3:c', 'flush')
    s.close()
    equal(values(topic), ['a', 'b'])
    s = Sink(topic, words='', job='')
    contains(s.notes, "table 't': 'sink.delivery-guarantee' = 'exactly-once' needs checkpoints (SET 'execution.checkpointing.interval')", 'at least once')
    s.do('write 3:c', 'finish')
    s.close()
    equal(values(topic), ['a', 'b', 'c'])


@test
def at_least_once(case):
    """prepare waits until the brokers have everything; none does not, and loses nothing in an ordinary end"""
    topic = topic_name(case)
    for guarantee in ('at-least-once', 'none'):
        s = Sink(f'{topic}-{guarantee}', sink__delivery_guarantee=guarantee)
        s.do('write ' + ' '.join(f'{i}:a{i}' for i in range(500)), 'prepare 1')
        if guarantee == 'at-least-once':
            equal(len(values(f'{topic}-{guarantee}')), 500)
        s.do('commit 1', 'write 1:b', 'last', 'prepare 2')
        equal(len(values(f'{topic}-{guarantee}')), 501)
        s.do('commit 2')
        s.close()


@test
def transaction_timeouts(case):
    """a time that does not fit is an error at the start: the interval's, the brokers' limit"""
    s = Sink(topic_name(case), words='epochs interval=5000', properties__transaction__timeout__ms='5000')
    contains(s.opened, "table 't': a transaction may take 5000 ms, and there are 5000 ms between two checkpoints", "raise 'properties.transaction.timeout.ms'")
    s.close()
    s = Sink(topic_name(case), properties__transaction__timeout__ms='1000000')
    contains(s.opened, f"table 't': kafka at '{broker.servers}' does not take transactions of 1000000 ms", 'transaction.max.timeout.ms')
    s.close()


# ---- upsert-kafka ----

PK = 'PRIMARY KEY (id) NOT ENFORCED'


def changes(case, lines, name='d', columns=f'id INT, s STRING, {PK}'):
    """A table of change records: (before, after) pairs, None where there is no row."""
    def op(b, a):
        return 'd' if a is None else 'u' if b else 'c'
    case.write(f'{name}.json', ''.join(json.dumps({'before': b, 'after': a, 'op': op(b, a)}) + '\n' for b, a in lines))
    return f"CREATE TABLE {name} ({columns}) WITH ('connector' = 'filesystem', 'path' = '{name}.json', 'format' = 'debezium-json');\n"


def row(i, s):
    return {'id': i, 's': s}


@test
def upsert_messages(case):
    """key and value in each setting; a deletion has no value; an update is one message"""
    topic = topic_name(case)
    sql = changes(case, [(None, row(1, 'a')), (None, row(2, None)), (row(1, 'a'), row(1, 'b')), (row(2, None), None), (None, row(2, 'c'))])
    for i, (options, want) in enumerate((
            ({}, [('{"id":1}', '{"id":1,"s":"a"}'), ('{"id":2}', '{"id":2,"s":null}'), ('{"id":1}', '{"id":1,"s":"b"}'), ('{"id":2}', None), ('{"id":2}', '{"id":2,"s":"c"}')]),
            ({'value__fields_include': 'EXCEPT_KEY', 'key__format': 'raw', 'value__format': 'raw'},
             [('\0\0\0\1', 'a'), ('\0\0\0\2', None), ('\0\0\0\1', 'b'), ('\0\0\0\2', None), ('\0\0\0\2', 'c')]),
            ({'sink__buffer_flush__max_rows': '100', 'sink__buffer_flush__interval': '1 h', 'key__format': 'csv'}, [('1', '{"id":1,"s":"b"}'), ('2', '{"id":2,"s":"c"}')]))):
        case.run('--batch-rows', '1' if i == 0 else '2048', sql=sql + upsert(f'{topic}-{i}', **options) + 'INSERT INTO o SELECT * FROM d;')
        got = messages(f'{topic}-{i}')
        if i == 1:                                      # -D and +I of one key, side by side, are one message
            want = [m for n, m in enumerate(want) if n != 3]
        equal(got, want, options)
    case.run(sql=changes(case, [(None, {'k_id': 1, 's': 'a'})], columns='k_id INT, s STRING, PRIMARY KEY (k_id) NOT ENFORCED')
             + upsert(topic, columns='k_id INT, s STRING, PRIMARY KEY (k_id) NOT ENFORCED', value__fields_include='EXCEPT_KEY', key__fields_prefix='k_')
             + 'INSERT INTO o SELECT * FROM d;')
    equal(messages(topic), [('{"id":1}', '{"s":"a"}')])


@test
def upsert_round_trip(case):
    """random changes into a topic and out again, at each batch size, with one worker and two: the last row of each key"""
    topic = topic_name(case)
    r = random.Random(7)
    table_now, lines = {}, []
    for i in range(5000):
        key = r.randrange(300)
        old = table_now.get(key)
        if old and r.random() < 0.3:
            lines.append((row(key, old), None))
            del table_now[key]
        else:
            table_now[key] = f'value {i}' if r.random() < 0.9 else f'v{i}'
            lines.append((row(key, old) if old else None, row(key, table_now[key])))
    sql = changes(case, lines)
    want = sorted(table_now.items())
    for i, options in enumerate(({}, {'sink__buffer_flush__max_rows': '50', 'sink__buffer_flush__interval': '1 s'}, {'value__fields_include': 'EXCEPT_KEY', 'key__format': 'csv'})):
        broker.create(f'{topic}-{i}', 3)
        t = upsert(f'{topic}-{i}', scan__bounded__mode='latest-offset', **options)
        case.run('--batch-rows', str((1, 7, 2048)[i]), sql=sql + t + 'INSERT INTO o SELECT * FROM d;')
        got = broker.read(f'{topic}-{i}')
        assert any(m[4] is None for m in got) and len(got) <= 5000, len(got)
        for size in ('1', '7', '2048'):
            for workers in '12':
                equal(sorted(rows(case, f"SET 'parallelism.default' = '{workers}';\n" + t + 'SELECT * FROM o;', '--batch-rows', size)), want, (options, size, workers))
        equal(rows(case, t + "SELECT COUNT(*), COUNT(DISTINCT s) FROM o WHERE s LIKE 'value%';")[0][0], sum(v.startswith('value') for v in table_now.values()))
        copy = upsert(f'{topic}-{i}-copy', name='c', scan__bounded__mode='latest-offset')
        case.run(sql=t + copy + 'INSERT INTO c SELECT * FROM o;')            # as they come, tombstones too
        equal(sorted(rows(case, copy + 'SELECT * FROM c;')), want)
    db = f"CREATE TABLE {{}} (id INT, s STRING{{}}, {PK}) WITH ('connector' = 'jdbc', 'url' = 'jdbc:sqlite:t.db', 'table-name' = '{{}}');\n"
    plain, strict = db.format('plain', '', 'plain'), db.format('strict', ' NOT NULL', 'strict')
    for name in ('plain', 'strict'):                    # a deletion knows the key alone: where the other columns must not be NULL, what the row was is kept
        p = case.run(sql=t + plain + strict + f'EXPLAIN INSERT INTO {name} SELECT * FROM o;INSERT INTO {name} SELECT * FROM o;')
        equal('ChangelogNormalize' in p.stdout, name == 'strict')
        equal(sorted(rows(case, plain + strict + f'SELECT * FROM {name};')), want)
    p = case.run(sql=t + 'EXPLAIN SELECT s FROM o;' + f"CREATE TABLE b (id INT, s STRING) WITH ('connector' = 'blackhole');INSERT INTO b SELECT * FROM o;")
    contains(p.stdout, 'ChangelogNormalize(key=[id])')
    contains(p.stdout + p.stderr, 'it balances')


@test
def upsert_reads(case):
    """a message without a key gives no row; a bad one is skipped or fails with its place; metadata of deletions; NOT NULL columns"""
    topic = topic_name(case)
    broker.create(topic)
    broker.send_fields(topic, (0, 1000, None, '{"id":1}', '{"id":1,"s":"a"}'), (0, 2000, None, None, '{"id":9,"s":"x"}'), (0, 3000, 'h=1', '{"id":2}', '{"id":2,"s":"b"}'),
                       (0, 4000, None, '{"id":1}', None), (0, 5000, None, '{"id":3}', ''), (0, 6000, None, '{"id":2}', '{"id":2,"s":"c"}'), (0, 7000, None, '{"id":4}', None))
    columns = f"id INT, s STRING NOT NULL, `timestamp` TIMESTAMP_LTZ(3) METADATA VIRTUAL, `offset` BIGINT METADATA VIRTUAL, {PK}"
    t = upsert(topic, columns, scan__bounded__mode='latest-offset')
    changelog = "SET 'sql-client.execution.result-mode' = 'changelog';\n"
    for size in ('1', '2', '2048'):
        got = rows(case, changelog + t + 'SELECT id, s, `offset` FROM o;', '--batch-rows', size)
        equal(got, [('+I', 1, 'a', 0), ('+I', 2, 'b', 2), ('-D', 1, 'a', 0), ('-U', 2, 'b', 2), ('+U', 2, 'c', 5)], size)
    p = case.run(sql=t + "CREATE TABLE b (id INT, s STRING) WITH ('connector' = 'blackhole');\nINSERT INTO b SELECT id, s FROM o;")
    contains(p.stdout + p.stderr, '7 records', '2 without a row', 'it balances')
    broker.send_fields(topic, (0, None, None, '{"id":5}', '{"id":5,"s":"e"}'), (0, None, None, '{"id":5}', None), (0, None, None, '{"id":6}', '{"id":6,"s"'))
    p = case.run(sql=t + 'SELECT * FROM o;', expect=1)
    contains(p.stderr, f'topic {topic}, partition 0, offset 9')
    skip = upsert(topic, columns, scan__bounded__mode='latest-offset', value__json__ignore_parse_errors='true')
    equal(rows(case, skip + 'SELECT id, s FROM o;'), [(2, 'c')])
    broker.send_fields(topic, (0, None, None, '{"id":7}', '[{"id":7,"s":"f"},{"id":7,"s":"g"}]'), (0, None, None, '{"id":7}', None))
    p = case.run(sql=skip + 'SELECT * FROM o;', expect=1)
    contains(p.stderr, f'topic {topic}, partition 0, offset 10: it gives several rows')


@test
def upsert_live(case):
    """a join of a table by key with a stream follows its changes; exactly once by transactions as well"""
    topic = topic_name(case)
    for name in ('names', 'in', 'out'):
        broker.create(f'{topic}-{name}', 2)
    job = Job(case, upsert(f'{topic}-names', name='n') + source(f'{topic}-in', scan__bounded__mode=None)
              + upsert(f'{topic}-out', 'id INT, s STRING, name STRING, PRIMARY KEY (id) NOT ENFORCED')
              + 'INSERT INTO o SELECT g.id, g.m, n.s FROM (SELECT id, MAX(s) AS m FROM i GROUP BY id) AS g JOIN n ON g.id = n.id;')

    def result():
        now = {}
        for _, _, _, k, v in broker.read(f'{topic}-out'):
            now[json.loads(k)['id']] = v and tuple(json.loads(v).values())[1:]
        return {k: v for k, v in now.items() if v}
    broker.send_fields(f'{topic}-names', (0, None, None, '{"id":1}', '{"id":1,"s":"one"}'), (0, None, None, '{"id":2}', '{"id":2,"s":"two"}'))
    broker.send(f'{topic}-in', ['{"id":1,"s":"a"}', '{"id":2,"s":"b"}', '{"id":3,"s":"c"}'])
    until(lambda: result() == {1: ('a', 'one'), 2: ('b', 'two')})
    broker.send_fields(f'{topic}-names', (0, None, None, '{"id":1}', '{"id":1,"s":"uno"}'), (0, None, None, '{"id":2}', None), (1, None, None, '{"id":3}', '{"id":3,"s":"three"}'))
    until(lambda: result() == {1: ('a', 'uno'), 3: ('c', 'three')})
    equal(job.stop(), 0)
    s = Sink(f'{topic}-tx', words='epochs copies pk mode=upsert', connector='upsert-kafka', format=None, key__format='json', value__format='json',
             sink__buffer_flush__max_rows='1000', sink__buffer_flush__interval='1h')
    s.do('marker', 'write 1:a 2:b ^1:c -2:b 3:d', f'prepare 1 {case.dir}/1')
    s.kill()
    s = Sink(f'{topic}-tx', words='epochs pk mode=upsert', connector='upsert-kafka', format=None, key__format='json', value__format='json')
    equal(s.do('marker'), 0)
    s.do(f'recover 1 {case.dir}/1', 'commit 1', 'write -1:c 4:e', 'prepare 2', 'commit 2')
    s.close()
    equal(messages(f'{topic}-tx'), [('{"id":1}', '{"id":1,"s":"c"}'), ('{"id":2}', None), ('{"id":3}', '{"id":3,"s":"d"}'), ('{"id":1}', None), ('{"id":4}', '{"id":4,"s":"e"}')])


# ---- brokers that go ----

@test
def broker_goes_and_comes(case):
    """nothing is lost while it is away; a topic that is not there is not made where the broker does not; limits of time end the job"""
    own = Broker(properties=['auto.create.topics.enable=false', 'transaction.abort.timed.out.transaction.cleanup.interval.ms=200'])
    for name in ('in', 'out', 'eo'):
        own.create(name, 2)
    p = case.run(sql=table('ouk', on=own) + "INSERT INTO o VALUES (1, 'a');", expect=1)
    contains(p.stderr, f"table 'o': kafka at '{own.servers}' has no topic 'ouk'", "did you mean 'out'?", 'auto.create.topics.enable = false')

    job = Job(case, source('in', on=own, scan__bounded__mode=None) + table('out', on=own) + 'INSERT INTO o SELECT * FROM i;')
    own.send('in', [f'{{"id":{i},"s":"x"}}' for i in range(100)])
    until(lambda: len(own.read('out')) == 100)
    s = Sink('eo', on=own, properties__delivery__timeout__ms='2000', properties__transaction__timeout__ms='60000')
    late = Sink('eo', on=own, words='epochs', sink__transactional_id_prefix='late', properties__transaction__timeout__ms='2000')
    s.do('marker', 'write 1:a')
    late.do('marker', 'write 1:late')
    own.pause()
    job.wait_for(lambda s: 'cannot be reached' in s)
    s.do('write 2:b')
    time.sleep(2.2)                                     # its messages are too old now
    own.resume()
    own.send('in', [f'{{"id":{i},"s":"x"}}' for i in range(100, 200)])
    s.do('prepare 1')                                   # aborted, and sent again
    contains(s.notes, "table 't': the transaction of an epoch failed", 'its 2 messages are sent again')
    until(lambda: len(own.read('out')) == 200)
    equal(sorted(json.loads(m[4])['id'] for m in own.read('out')), list(range(200)))
    equal(job.stop(), 0)
    own.pause()
    own.resume()
    s.do('commit 1', 'write 3:c', 'prepare 2', 'commit 2')
    equal(sorted(values('eo', on=own)), ['a', 'b', 'c'])
    answer = late.call('prepare 1')
    if not isinstance(answer, str):
        answer = late.call('commit 1')
    contains(answer, "or a transaction took longer than 2000 ms")
    late.close()
    s.do('write 4:d', 'prepare 3')
    own.pause()
    p = case.run(sql=numbers(case, 10) + table('out', on=own, properties__max__block__ms='1500') + 'INSERT INTO o SELECT * FROM f;', expect=1, timeout=30)
    contains(p.stderr, f"kafka at '{own.servers}' cannot be reached")
    s.kill()
    own.stop()


@test
def unreachable(case):
    """an error within the time given"""
    port = free_ports(1)
    p = case.run(sql=table('x', properties__default__api__timeout__ms='1000').replace(broker.servers, f'127.0.0.1:{port}') + "INSERT INTO o VALUES (1, 'a');", expect=1, timeout=30)
    contains(p.stderr, f"kafka at '127.0.0.1:{port}' cannot be reached", 'Connection refused')


if __name__ == '__main__':
    if not PRODUCE.exists():
        print('0 passed, 0 failed (built without librdkafka)')
        sys.exit(0)
    broker = Broker()
    main()
