#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The kafka and upsert-kafka connectors as sinks, against a real broker: what messages look like, what arrives, and what goes wrong."""
import collections
import json
import os
import random
import signal
import sys
import time

from harness import contains, equal, main, test
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


# ---- brokers that go ----

@test
def broker_goes_and_comes(case):
    """nothing is lost while it is away; a topic that is not there is not made where the broker does not; a limit of time ends the job"""
    own = Broker(settings=['auto.create.topics.enable=false', 'transaction.max.timeout.ms=120000'])
    own.create('in', 2)
    own.create('out', 2)
    p = case.run(sql=table('ouk', on=own) + "INSERT INTO o VALUES (1, 'a');", expect=1)
    contains(p.stderr, f"table 'o': kafka at '{own.servers}' has no topic 'ouk'", "did you mean 'out'?", 'auto.create.topics.enable = false')
    sql = source('in', on=own, scan__bounded__mode=None) + table('out', on=own) + 'INSERT INTO o SELECT * FROM i;'
    job = Job(case, sql)
    own.send('in', [f'{{"id":{i},"s":"x"}}' for i in range(100)])
    end = time.time() + 20
    while len(own.read('out')) < 100 and time.time() < end:
        pass
    own.pause()
    job.wait_for(lambda s: 'cannot be reached' in s)
    own.resume()
    own.send('in', [f'{{"id":{i},"s":"x"}}' for i in range(100, 200)])
    end = time.time() + 20
    while len(own.read('out')) < 200 and time.time() < end:
        pass
    equal(sorted(json.loads(m[4])['id'] for m in own.read('out')), list(range(200)))
    equal(job.stop(), 0)
    case.write('slow.json', '')
    own.pause()
    p = case.run(sql=numbers(case, 10) + table('out', on=own, properties__max__block__ms='1500') + 'INSERT INTO o SELECT * FROM f;', expect=1, timeout=30)
    contains(p.stderr, f"kafka at '{own.servers}' cannot be reached")
    own.resume()
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
