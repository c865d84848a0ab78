#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The kafka source against a real broker: every way to begin and to end, keys, metadata, discovery, and what goes wrong."""
import collections
import json
import random
import re
import sqlite3
import subprocess
import sys
import time

from harness import ROOT, contains, equal, main, test
from kafka_broker import PRODUCE, Broker, Job, free_ports

COLUMNS = 'id STRING, `timestamp` BIGINT, `value` DOUBLE'
broker = None


def topic_name(case):
    return 't' + str(case.dir.name).replace('sqluice-test-', '').replace('_', '-')


def table(topic, columns=COLUMNS, name='t', **options):
    """CREATE TABLE; options by their keys with '__' for '.' and '_' for '-'."""
    given = {'connector': 'kafka', 'topic': topic, 'properties.bootstrap.servers': broker.servers, 'scan.startup.mode': 'earliest-offset',
             'scan.bounded.mode': 'latest-offset', 'format': 'json'}
    for k, v in options.items():
        k = k.replace('__', '.').replace('_', '-')
        given[k] = v
    text = ', '.join(f"'{k}' = '{v}'" for k, v in given.items() if v is not None)
    return f'CREATE TABLE {name} ({columns}) WITH ({text});\n'


def rows(case, sql, *args, **kw):
    """The rows of the last query, as tuples."""
    p = case.run('--quiet', '--mode', 'json', *args, sql=sql, **kw)
    return [tuple(json.loads(line).values()) for line in p.stdout.splitlines()]


def reading(i, value=None):
    return json.dumps({'id': f's{i % 7}', 'timestamp': 1000 * i, 'value': i / 4 if value is None else value})


def ids(result):
    return sorted(r[1] // 1000 for r in result)


# ---- the same as from a file ----

@test
def equals_ndjson(case):
    """100,000 readings over three partitions give what the file gives, at batch sizes 1, 7 and 2,048"""
    topic = topic_name(case)
    broker.create(topic, 3)
    r = random.Random(1)
    lines = [json.dumps({'id': r.choice(['a', 'b', 'a longer name of a sensor', 'é']), 'timestamp': i, 'value': r.choice([None, 1.5, -2, 1e300, 0.1])})
             for i in range(100_000)]
    case.write('r.ndjson', ''.join(line + '\n' for line in lines))
    broker.send(topic, lines)
    query = 'SELECT id, COUNT(*), COUNT(`value`), SUM(`timestamp`), MIN(`timestamp`), MAX(`value`) FROM t GROUP BY id;\n'
    file = f"CREATE TABLE t ({COLUMNS}) WITH ('connector' = 'filesystem', 'path' = 'r.ndjson', 'format' = 'json');\n"
    want = sorted(rows(case, file + query))
    for size in (1, 7, 2048):
        equal(sorted(rows(case, table(topic) + query, '--batch-rows', str(size))), want, f'batch size {size}')
    equal(sorted(rows(case, "SET 'execution.runtime-mode' = 'batch';\n" + table(topic) + query)), want, 'batch mode')


@test
def compressed(case):
    """gzip, snappy, lz4 and zstd"""
    topic = topic_name(case)
    broker.create(topic, 2)
    for n, codec in enumerate(('gzip', 'snappy', 'lz4', 'zstd')):
        broker.send(topic, [reading(n * 1000 + i) for i in range(1000)], '-z', codec)
    equal(ids(rows(case, table(topic) + 'SELECT * FROM t;')), list(range(4000)))


@test
def big_messages(case):
    """messages of 5 MB, more than a fetch asks for"""
    topic = topic_name(case)
    broker.create(topic, 1, 'max.message.bytes=10000000')
    broker.send(topic, [json.dumps({'id': c * 5_000_000, 'timestamp': 1, 'value': 2}) for c in 'abc'], '-X', 'message.max.bytes=10000000')
    equal(sorted(rows(case, table(topic) + 'SELECT SUBSTRING(id, 1, 3), CHAR_LENGTH(id) FROM t;')),
          [('aaa', 5_000_000), ('bbb', 5_000_000), ('ccc', 5_000_000)])


@test
def arrays_and_empty(case):
    """a message that is an array gives a row for each object; an empty one and a tombstone give none, and are counted"""
    topic = topic_name(case)
    broker.create(topic)
    broker.send_fields(topic, (0, None, None, None, '[' + ', '.join(reading(i) for i in range(10)) + ']'), (0, None, None, 'k', None),
                       (0, None, None, None, ''), (0, None, None, None, reading(10)))
    for size in (1, 3, 2048):
        equal(ids(rows(case, table(topic) + 'SELECT * FROM t;', '--batch-rows', str(size))), list(range(11)))
    p = case.run(sql=table(topic) + f"CREATE TABLE o ({COLUMNS}) WITH ('connector' = 'blackhole');\nINSERT INTO o SELECT * FROM t;")
    contains(p.stdout + p.stderr, '2 without a row')


# ---- where to begin and to end ----

@test
def startup_modes(case):
    """earliest, latest, timestamp, specific offsets and those of the group; every way to end"""
    topic = topic_name(case)
    broker.create(topic, 2)
    broker.send_fields(topic, *[(i % 2, 1_600_000_000_000 + i * 1000, None, None, reading(i)) for i in range(20)])   # offsets 0..9 in both

    def got(**options):
        return ids(rows(case, table(topic, **options) + 'SELECT * FROM t;'))
    equal(got(), list(range(20)))
    equal(got(scan__startup__mode='latest-offset'), [])
    equal(got(scan__startup__mode='timestamp', scan__startup__timestamp_millis='1600000013000'), list(range(13, 20)))
    equal(got(scan__startup__mode='timestamp', scan__startup__timestamp_millis='1700000000000'), [])
    equal(got(scan__startup__mode='specific-offsets', scan__startup__specific_offsets='partition:0,offset:8;partition:1,offset:9'), [16, 18, 19])
    equal(got(scan__startup__mode='specific-offsets', scan__startup__specific_offsets='partition:1,offset:9'), [*range(0, 20, 2), 19])
    equal(got(scan__bounded__mode='timestamp', scan__bounded__timestamp_millis='1600000005000'), [0, 1, 2, 3, 4])
    equal(got(scan__bounded__mode='specific-offsets', scan__bounded__specific_offsets='partition:0,offset:2;partition:1,offset:0'), [0, 2])
    equal(got(scan__startup__mode='timestamp', scan__startup__timestamp_millis='1600000005000', scan__bounded__mode='timestamp',
              scan__bounded__timestamp_millis='1600000008000'), [5, 6, 7])


@test
def group_offsets(case):
    """a group without offsets is an error, unless auto.offset.reset says where to begin; its offsets are where to begin and to end"""
    topic = topic_name(case)
    broker.create(topic, 2)
    broker.send(topic, [reading(i) for i in range(10)])
    group = {'scan__startup__mode': None, 'properties__group__id': 'g-' + topic}
    p = case.run(sql=table(topic, **group) + 'SELECT * FROM t;', expect=1)
    contains(p.stderr, f"topic {topic}, partition 0: the group 'g-{topic}' has no committed offset", "'properties.auto.offset.reset' = 'earliest'")
    equal(ids(rows(case, table(topic, properties__auto__offset__reset='earliest', **group) + 'SELECT * FROM t;')), list(range(10)))
    equal(ids(rows(case, table(topic, properties__auto__offset__reset='latest', **group) + 'SELECT * FROM t;')), [])
    broker.produce('commit', 'g-' + topic, topic, 0, 3)
    broker.produce('commit', 'g-' + topic, topic, 1, 5)
    equal(ids(rows(case, table(topic, **group) + 'SELECT * FROM t;')), [6, 8])
    equal(ids(rows(case, table(topic, **{**group, 'scan__startup__mode': 'earliest-offset', 'scan__bounded__mode': 'group-offsets'}) + 'SELECT * FROM t;')),
          [0, 1, 2, 3, 4, 5, 7, 9])
    # without enable.auto.commit nothing is committed; with it, what was read
    equal(broker.produce('committed', 'g-' + topic, topic, 0).strip(), '3')
    rows(case, table(topic, properties__enable__auto__commit='true', **group) + 'SELECT * FROM t;')
    equal(broker.produce('committed', 'g-' + topic, topic, 0).strip(), '5')
    p = case.run(sql=table(topic, scan__startup__mode=None) + 'SELECT * FROM t;', expect=1)
    contains(p.stderr, "the group 'KafkaSource-t' has no committed offset")


@test
def offsets_that_are_gone(case):
    """specific offsets outside of the log begin at its beginning, and that is said; truncated logs are read from what is left"""
    topic = topic_name(case)
    broker.create(topic)
    broker.send(topic, [reading(i) for i in range(10)])
    broker.produce('truncate', topic, 0, 4)
    p = case.run('--mode', 'json', sql=table(topic, scan__startup__mode='specific-offsets', scan__startup__specific_offsets='partition:0,offset:1') + 'SELECT * FROM t;')
    contains(p.stderr, 'has the offsets 4 to 9: instead of 1 it is read from its beginning')
    equal(len(p.stdout.splitlines()), 6)
    equal(ids(rows(case, table(topic) + 'SELECT * FROM t;')), list(range(4, 10)))
    equal(ids(rows(case, table(topic, scan__bounded__mode='specific-offsets', scan__bounded__specific_offsets='partition:0,offset:2') + 'SELECT * FROM t;')), [])


@test
def offsets_out_of_range(case):
    """a group's offset that is not in the log: an error with the offsets, or 'auto.offset.reset' says where to go on, and a notice that it did"""
    topic = topic_name(case)
    broker.create(topic)
    broker.send(topic, [reading(i) for i in range(10)])
    broker.produce('truncate', topic, 0, 4)
    for at, why in ((2, 'messages were deleted before they were read'), (25, 'was the topic deleted and made anew?')):
        broker.produce('commit', topic, topic, 0, at)
        for bounded in ('latest-offset', None):
            group = table(topic, scan__startup__mode='group-offsets', properties__group__id=topic, scan__bounded__mode=bounded)
            out = f"CREATE TABLE o ({COLUMNS}) WITH ('connector' = 'blackhole');\nINSERT INTO o SELECT * FROM t;"
            p = case.run(sql=group + out, expect=1, timeout=30)
            contains(p.stderr, f'topic {topic}, partition 0: offset {at} was to be read, and the log has the offsets 4 to 9', why)
        for reset, want in (('earliest', list(range(4, 10))), ('latest', [])):
            group = table(topic, scan__startup__mode='group-offsets', properties__group__id=topic, properties__auto__offset__reset=reset)
            p = case.run('--mode', 'json', sql=group + 'SELECT * FROM t;', timeout=30)
            equal(sorted(json.loads(line)['timestamp'] // 1000 for line in p.stdout.splitlines()), want)
            contains(p.stderr, f"it goes on at {10 if reset == 'latest' else 4} ('properties.auto.offset.reset' = '{reset}')")


@test
def empty_topics(case):
    """bounded reads of nothing end at once"""
    topic = topic_name(case)
    broker.create(topic, 3)
    began = time.time()
    equal(rows(case, table(topic) + 'SELECT * FROM t;'), [])
    assert time.time() - began < 5


@test
def transactions(case):
    """by default aborted rows are read too (Java's default); with read_committed they are not, and a bounded read ends behind the marks"""
    topic = topic_name(case)
    broker.create(topic)
    broker.send(topic, [reading(i) for i in range(5)])
    broker.send(topic, [reading(i) for i in range(5, 10)], '-t', topic + '-a', '-a')
    broker.send(topic, [reading(i) for i in range(10, 15)], '-t', topic + '-b')
    equal(ids(rows(case, table(topic) + 'SELECT * FROM t;', timeout=30)), list(range(15)))
    equal(ids(rows(case, table(topic, properties__isolation__level='read_committed') + 'SELECT * FROM t;', timeout=30)), [0, 1, 2, 3, 4, 10, 11, 12, 13, 14])


@test
def ends_behind_transactions(case):
    """a bounded read ends at once whatever the log ends with: marks of aborted transactions, nothing but such marks, one that is still open"""
    topic = topic_name(case)
    committed = {'properties__isolation__level': 'read_committed'}
    for name, want in (('aborted', list(range(5))), ('only', []), ('open', list(range(5)))):
        t = f'{topic}-{name}'
        broker.create(t)
        if name != 'only':
            broker.send(t, [reading(i) for i in range(5)])
        if name == 'open':                              # what is behind it is not read either: it is behind the last stable offset
            left = subprocess.Popen([PRODUCE, broker.servers, 'send', t, '-t', t], stdin=subprocess.PIPE, text=True)
            left.stdin.write(''.join(reading(i) + '\n' for i in range(5, 2000)))
            left.stdin.flush()
            end = time.time() + 10
            while int(broker.produce('end', t, 0)) < 1000 and time.time() < end:
                time.sleep(0.05)
            broker.send(t, [reading(i) for i in range(3000, 3010)])
        else:
            broker.send(t, [reading(i) for i in range(5, 10)], '-t', t, '-a')
        for size in ('1', '2048'):
            began = time.time()
            equal(ids(rows(case, table(t, **committed) + 'SELECT * FROM t;', '--batch-rows', size, timeout=30)), want, name)
            assert time.time() - began < 5, name
        if name == 'open':
            left.kill()
            left.wait()


@test
def old_descriptors(case):
    """tables as Flink 1.9 to 1.13 declared them"""
    topic = topic_name(case)
    broker.create(topic, 2)
    broker.send(topic, [reading(i) for i in range(10)])   # offsets 0..4 in both

    def old(mode):
        return (f"CREATE TABLE t ({COLUMNS}) WITH ('connector.type' = 'kafka', 'connector.version' = 'universal', 'connector.property-version' = '1', 'update-mode' = 'append', "
                f"'connector.topic' = '{topic}', {mode}, 'connector.properties.0.key' = 'bootstrap.servers', 'connector.properties.0.value' = '{broker.servers}', "
                "'connector.properties.group.id' = 'old', 'format.type' = 'json', 'format.derive-schema' = 'true', 'scan.bounded.mode' = 'latest-offset');\nSELECT * FROM t;")
    equal(ids(rows(case, old("'connector.startup-mode' = 'earliest-offset'"))), list(range(10)))
    equal(ids(rows(case, old("'connector.startup-mode' = 'specific-offsets', 'connector.specific-offsets' = 'partition:0,offset:4;partition:1,offset:3'"))), [7, 8, 9])
    equal(ids(rows(case, old("'connector.startup-mode' = 'specific-offsets', 'connector.specific-offsets.0.partition' = '0', 'connector.specific-offsets.0.offset' = '3', "
                             "'connector.specific-offsets.1.partition' = '1', 'connector.specific-offsets.1.offset' = '5'"))), [6, 8])


@test
def many_partitions(case):
    """more partitions than messages, each read once"""
    topic = topic_name(case)
    broker.create(topic, 64)
    broker.send(topic, [reading(i) for i in range(100)])
    equal(ids(rows(case, table(topic) + 'SELECT * FROM t;')), list(range(100)))


# ---- topics ----

@test
def several_topics(case):
    """a list and a pattern; a metadata column tells them apart"""
    topic = topic_name(case)
    for n in ('a-1', 'a-2', 'b-1'):
        broker.create(f'{topic}.{n}', 2)
        broker.send(f'{topic}.{n}', [reading(i) for i in range(4)])
    columns = COLUMNS + ', topic STRING METADATA VIRTUAL'
    query = 'SELECT topic, COUNT(*) FROM t GROUP BY topic;'
    equal(sorted(rows(case, table(f'{topic}.a-1;{topic}.b-1', columns) + query)), [(f'{topic}.a-1', 4), (f'{topic}.b-1', 4)])
    equal(sorted(rows(case, table(None, columns, topic_pattern=re.escape(topic).replace('\\-', '-') + r'\.[ab]-\d').replace("'topic' = 'None', ", '') + query)),
          [(f'{topic}.a-1', 4), (f'{topic}.a-2', 4), (f'{topic}.b-1', 4)])
    equal(sorted(rows(case, table(None, columns, topic_pattern=topic + '.(?:a-[^1]|c.*)') + query)), [(f'{topic}.a-2', 4)])


@test
def discovery(case):
    """partitions and topics that come up while a job runs are read from their first message"""
    topic = topic_name(case)
    broker.create(topic)
    broker.send(topic, [reading(0)])
    job = Job(case, table(None, COLUMNS + ', topic STRING METADATA VIRTUAL, `partition` INT METADATA VIRTUAL', scan__bounded__mode=None, topic_pattern=topic + '.*',
                          scan__topic_partition_discovery__interval='300 ms', scan__startup__mode='latest-offset')
              + "CREATE TABLE o (id STRING, `timestamp` BIGINT, `value` DOUBLE, topic STRING, p INT) WITH ('connector' = 'print');\n"
                'INSERT INTO o SELECT * FROM t;')
    time.sleep(1)
    broker.send(topic, [reading(1)])
    job.wait_for(lambda s: f'+I[s1, 1000, 0.25, {topic}, 0]' in s)
    broker.produce('partitions', topic, 2)
    broker.send_fields(topic, (1, None, None, None, reading(2)))
    job.wait_for(lambda s: f'+I[s2, 2000, 0.5, {topic}, 1]' in s)
    broker.create(topic + '-new')
    broker.send(topic + '-new', [reading(3)])
    job.wait_for(lambda s: f'+I[s3, 3000, 0.75, {topic}-new, 0]' in s)
    broker.send(topic, [reading(4)], '-p', '0')
    job.wait_for(lambda s: f'+I[s4, 4000, 1.0, {topic}, 0]' in s)
    job.stop()
    assert '+I[s0' not in job.text()


# ---- metadata, keys ----

@test
def metadata(case):
    """topic, partition, offset, timestamp, its type, headers"""
    topic = topic_name(case)
    broker.create(topic, 2)
    broker.send_fields(topic, (0, 1_600_000_000_123, 'a=1;b=two;a=3;c', 'k', reading(1)), (1, 1_600_000_001_000, None, None, '[' + reading(2) + ',' + reading(3) + ']'))
    columns = COLUMNS + (', tp STRING METADATA FROM \'topic\' VIRTUAL, p INT METADATA FROM \'partition\' VIRTUAL, o BIGINT METADATA FROM \'offset\' VIRTUAL,'
                         ' ts TIMESTAMP_LTZ(3) METADATA FROM \'timestamp\', tt STRING METADATA FROM \'timestamp-type\' VIRTUAL, h MAP<STRING, BYTES> METADATA FROM \'headers\'')
    query = "SELECT p, o, id, tp, CAST(ts AS STRING), tt, CAST(h['a'] AS STRING), CAST(h['b'] AS STRING), h['c'] IS NULL, h IS NULL FROM t;"
    for size in (1, 2048):
        got = sorted(rows(case, "SET 'table.local-time-zone' = 'UTC';\n" + table(topic, columns) + query, '--batch-rows', str(size)))
        equal(got, [(0, 0, 's1', topic, '2020-09-13 12:26:40.123', 'CreateTime', '3', 'two', True, False),
                    (1, 0, 's2', topic, '2020-09-13 12:26:41.000', 'CreateTime', None, None, True, False),
                    (1, 0, 's3', topic, '2020-09-13 12:26:41.000', 'CreateTime', None, None, True, False)])
    p = case.run(sql=table(topic, COLUMNS + ", e INT METADATA FROM 'leader-epoch' VIRTUAL") + 'SELECT * FROM t;', expect=None)
    assert p.returncode == 0 or 'needs librdkafka 2.1' in p.stderr, p.stderr


@test
def keys(case):
    """key and value with formats and fields of their own; a key that gives no row takes its message with it"""
    topic = topic_name(case)
    broker.create(topic)
    broker.send_fields(topic, (0, None, None, '{"id": "k1", "n": 1}', '{"id": "v1", "value": 1.5}'), (0, None, None, None, '{"id": "v2", "value": 2.5}'),
                       (0, None, None, '{"id": "k3", "n": 3}', None), (0, None, None, '{"id": "k4 is long enough", "n": null}', '[{"value": 4}, {"value": 5}]'),
                       (0, None, None, '', '{"value": 6}'))
    keyed = {'format': None, 'key__format': 'json', 'value__format': 'json'}
    query = 'SELECT * FROM t;'
    for size in (1, 2048):
        got = rows(case, table(topic, 'k_id STRING, `value` DOUBLE, k_n INT', key__fields='k_n;k_id', key__fields_prefix='k_', value__fields_include='EXCEPT_KEY', **keyed)
                   + query, '--batch-rows', str(size))
        equal(got, [('k1', 1.5, 1), ('k4 is long enough', 4.0, None), ('k4 is long enough', 5.0, None)])
    equal(rows(case, table(topic, 'id STRING, `value` DOUBLE', key__fields='id', **keyed) + query), [('v1', 1.5), (None, 4.0), (None, 5.0)])
    p = case.run('--mode', 'json', sql=table(topic, 'n INT, `value` DOUBLE', key__fields='n', value__fields_include='EXCEPT_KEY', key__json__fail_on_missing_field='true', **keyed)
                 + 'SELECT COUNT(*) FROM t;')
    equal(json.loads(p.stdout.splitlines()[-1]), {'EXPR$0': 3})
    bad = topic + '-bad'
    broker.create(bad)
    broker.send_fields(bad, (0, None, None, '{"id": 1', '{"value": 1}'))
    p = case.run(sql=table(bad, 'id STRING, `value` DOUBLE', key__fields='id', value__fields_include='EXCEPT_KEY', **keyed) + query, expect=1)
    contains(p.stderr, f'topic {bad}, partition 0, offset 0, key: ')
    equal(rows(case, table(bad, 'id STRING, `value` DOUBLE', key__fields='id', value__fields_include='EXCEPT_KEY', key__json__ignore_parse_errors='true', **keyed) + query), [])


@test
def change_records(case):
    """debezium-json on a topic"""
    topic = topic_name(case)
    broker.create(topic)
    broker.send_fields(topic, (0, None, None, 'k', '{"before": null, "after": {"id": 1, "v": 1}, "op": "c"}'), (0, None, None, 'k', None),
                       (0, None, None, 'k', '{"before": {"id": 1, "v": 1}, "after": {"id": 1, "v": 5}, "op": "u"}'))
    equal(rows(case, table(topic, 'id INT, v INT', format='debezium-json') + 'SELECT SUM(v) FROM t;')[-1], (5,))


# ---- what goes wrong ----

@test
def bad_records(case):
    """the error names topic, partition and offset; skipped ones are counted"""
    topic = topic_name(case)
    broker.create(topic, 3)
    broker.send(topic, [reading(i) for i in range(3)], '-p', '2')
    broker.send_fields(topic, (2, None, None, None, '{"id": "x", "timestamp": "soon", "value": 1}'), (2, None, None, None, '{"id": '), (2, None, None, None, reading(9)))
    p = case.run(sql=table(topic) + 'SELECT * FROM t;', expect=1)
    contains(p.stderr, f"topic {topic}, partition 2, offset 3: column 'timestamp': ")
    got = rows(case, table(topic, json__ignore_parse_errors='true') + 'SELECT * FROM t;')
    equal(sorted(r[1] for r in got if r[1] is not None), [0, 1000, 2000, 9000])
    equal(len(got), 5)
    p = case.run(sql=table(topic, json__ignore_parse_errors='true') + """
        CREATE TABLE good (id STRING, n BIGINT, PRIMARY KEY (id) NOT ENFORCED) WITH ('connector' = 'jdbc', 'url' = 'jdbc:sqlite:o.db', 'table-name' = 'good');
        CREATE TABLE bad (source STRING, part INT, at BIGINT, line BIGINT, reason STRING, raw BYTES) WITH ('connector' = 'jdbc', 'url' = 'jdbc:sqlite:o.db', 'table-name' = 'bad');
        EXECUTE STATEMENT SET BEGIN
            INSERT INTO good SELECT id, COUNT(*) FROM t GROUP BY id;
            INSERT INTO bad SELECT * FROM t$bad;
        END;""")
    (row,) = sqlite3.connect(case.dir / 'o.db').execute('SELECT * FROM bad').fetchall()
    equal(row[:4] + row[5:], (topic, 2, 4, None, b'{"id": '))
    contains(row[4], 'malformed JSON at byte 8')
    contains(p.stderr, '6 records = 5 rows + 1 bad', 'it balances')


@test
def missing_topic(case):
    """an error with the nearest name, and the topic is not made by asking"""
    topic = topic_name(case)
    broker.create(topic + '-readings')
    for _ in range(2):
        p = case.run(sql=table(topic + '-reading') + 'SELECT * FROM t;', expect=1, timeout=20)
        contains(p.stderr, f"kafka at '{broker.servers}' has no topic '{topic}-reading'", f"did you mean '{topic}-readings'?")
    p = case.run(sql=table(topic + '-readings', scan__startup__mode='specific-offsets', scan__startup__specific_offsets='partition:4,offset:1') + 'SELECT * FROM t;', expect=1)
    contains(p.stderr, f"'scan.startup.specific-offsets': topic '{topic}-readings' has no partition 4; it has 1")


@test
def without_the_library(case):
    """an error that names the package; tables can be declared all the same"""
    case.write('librdkafka.so.1', 'not a library')
    env = {'LD_LIBRARY_PATH': str(case.dir)}
    case.run(sql=table('x') + 'DESCRIBE t;', env=env)
    p = case.run(sql=table('x') + 'SELECT * FROM t;', expect=1, env=env)
    contains(p.stderr, "tables of connector 'kafka' need the library librdkafka.so.1", 'apt-get install librdkafka1')


@test
def deleted_topic(case):
    """a topic that goes away under a job is an error that says so"""
    topic = topic_name(case)
    broker.create(topic)
    broker.send(topic, [reading(0)])
    job = Job(case, table(topic, scan__bounded__mode=None, properties__metadata__max__age__ms='1000', properties__topic__metadata__refresh__interval__ms='500')
              + f"CREATE TABLE o ({COLUMNS}) WITH ('connector' = 'print');\nINSERT INTO o SELECT * FROM t;")
    job.wait_for(lambda s: '+I[s0' in s)
    broker.produce('delete', topic)
    job.p.wait(60)
    job.stop()
    contains(job.text(), f'topic {topic}, partition 0', 'was the topic deleted while the job ran?')


@test
def topic_made_anew(case):
    """a topic that is deleted and made again under a job is an error, also where the new one has the offset that is next"""
    for count in (10, 300):
        topic = f'{topic_name(case)}-{count}'
        broker.create(topic)
        broker.send(topic, [reading(i) for i in range(100)])
        job = Job(case, table(topic, scan__bounded__mode=None) + f"CREATE TABLE o ({COLUMNS}) WITH ('connector' = 'print');\nINSERT INTO o SELECT * FROM t;")
        job.wait_for(lambda s: s.count('+I[') == 100)
        broker.produce('delete', topic)
        for _ in range(50):
            try:
                broker.create(topic)
                break
            except AssertionError:                      # it is still there
                time.sleep(0.05)
        broker.send(topic, [reading(1000 + i) for i in range(count)])
        job.p.wait(60)
        equal(job.stop(), 1)
        equal(job.text().count('+I['), 100)
        contains(job.text(), f'error: topic {topic}, partition 0')


@test
def unreachable(case):
    """tried again with a notice, then a clear error within the time given"""
    port = free_ports(1)
    sql = table('x', properties__default__api__timeout__ms='2000').replace(broker.servers, f'127.0.0.1:{port}') + 'SELECT * FROM t;'
    began = time.time()
    p = case.run(sql=sql, expect=1, timeout=30)
    assert 1.5 < time.time() - began < 8, time.time() - began
    contains(p.stderr, f"kafka at '127.0.0.1:{port}' does not answer", 'trying again for', f"kafka at '127.0.0.1:{port}' cannot be reached", 'Connection refused',
             "'properties.default.api.timeout.ms'")
    p = case.run(sql=table('x', properties__default__api__timeout__ms='1000').replace(broker.servers, 'no-such-host.invalid:9092') + 'SELECT * FROM t;', expect=1)
    contains(p.stderr, "kafka at 'no-such-host.invalid:9092' cannot be reached", 'Failed to resolve')


@test
def interrupted(case):
    """Ctrl-C ends a job that waits: for messages, for a broker"""
    topic = topic_name(case)
    broker.create(topic)
    broker.send(topic, [reading(0)])
    insert = f"CREATE TABLE o ({COLUMNS}) WITH ('connector' = 'print');\nINSERT INTO o SELECT * FROM t;"
    job = Job(case, table(topic, scan__bounded__mode=None) + insert)
    job.wait_for(lambda s: '+I[s0' in s)
    began = time.time()
    job.stop()
    assert time.time() - began < 3
    job = Job(case, table(topic, scan__bounded__mode=None).replace(broker.servers, f'127.0.0.1:{free_ports(1)}') + insert)
    job.wait_for(lambda s: 'trying again' in s)
    began = time.time()
    job.stop()
    assert time.time() - began < 4


@test
def broker_goes_and_comes(case):
    """a job goes on when its broker comes back; it fails when it does not"""
    own = Broker()
    own.create('t', 2)
    own.send('t', [reading(i) for i in range(10)])
    sql = (table('t', scan__bounded__mode=None).replace(broker.servers, own.servers)
           + f"CREATE TABLE o ({COLUMNS}) WITH ('connector' = 'print');\nINSERT INTO o SELECT * FROM t;")
    job = Job(case, sql)
    job.wait_for(lambda s: s.count('+I[') == 10)
    own.pause()
    job.wait_for(lambda s: 'cannot be reached' in s)
    own.resume()
    own.send('t', [reading(i) for i in range(10, 20)])
    job.wait_for(lambda s: s.count('+I[') == 20 and 'answers again' in s)
    job.stop()
    equal(len(set(re.findall(r'\+I\[.*\]', job.text()))), 20)
    job = Job(case, sql.replace("'format' = 'json'", "'format' = 'json', 'properties.default.api.timeout.ms' = '2000'", 1))
    job.wait_for(lambda s: s.count('+I[') == 20)
    own.pause()
    job.p.wait(30)
    equal(job.stop(), 1)
    contains(job.text(), f"kafka at '{own.servers}' cannot be reached: asked for messages for ")
    own.stop()


# ---- TLS and SASL ----

def secured(topic, offset, protocol, **options):
    return table(topic, properties__security__protocol=protocol, **options).replace(broker.servers, f'localhost:{broker.port + offset}')


PLAIN = 'org.apache.kafka.common.security.plain.PlainLoginModule required username="alice" password="wonder; land";'
SCRAM = "org.apache.kafka.common.security.scram.ScramLoginModule required username='scram' password='wonder; land';"


@test
def sasl_and_tls(case):
    """PLAIN, SCRAM, TLS; what a wrong password, an unknown authority and a wrong protocol say"""
    topic = topic_name(case)
    broker.create(topic)
    broker.send(topic, [reading(0)])
    query = 'SELECT * FROM t;'
    ca = {'properties__ssl__truststore__type': 'PEM', 'properties__ssl__truststore__location': str(broker.dir / 'ca.pem')}
    plain = {'properties__sasl__mechanism': 'PLAIN', 'properties__sasl__jaas__config': PLAIN}
    scram = {'properties__sasl__mechanism': 'SCRAM-SHA-256', 'properties__sasl__jaas__config': SCRAM.replace("'", "''")}
    for sql in (secured(topic, 2, 'SASL_PLAINTEXT', **plain), secured(topic, 2, 'SASL_PLAINTEXT', **scram), secured(topic, 3, 'SSL', **ca),
                secured(topic, 4, 'SASL_SSL', **ca, **plain), secured(topic, 4, 'SASL_SSL', **ca, **scram)):
        equal(ids(rows(case, sql + query, timeout=30)), [0])
    p = case.run(sql=secured(topic, 2, 'SASL_PLAINTEXT', **{**plain, 'properties__sasl__jaas__config': PLAIN.replace('wonder; land', 'hunter2')}) + query, expect=1, timeout=30)
    contains(p.stderr, 'refuses the connection', 'uthentication')
    assert 'hunter2' not in p.stderr + p.stdout
    p = case.run(sql=secured(topic, 3, 'SSL') + query, expect=1, timeout=30)
    contains(p.stderr, 'refuses the connection', 'certificate verify failed')
    p = case.run(sql=table(topic, properties__default__api__timeout__ms='2000').replace(broker.servers, f'localhost:{broker.port + 2}') + query, expect=1, timeout=30)
    contains(p.stderr, 'cannot be reached')
    p = case.run(sql=secured(topic, 2, 'SASL_PLAINTEXT', **plain) + 'SHOW CREATE TABLE t;')
    assert 'wonder' not in p.stdout, p.stdout


# ---- the job this project was started from ----

@test
def sensor_job(case):
    """its tables and its statement over two topics, against sums computed here; then the job as it is written, fed while it runs"""
    r = random.Random(7)
    readings = [(r.choice('abcd'), r.randrange(0, 100_000), r.randrange(-400, 400) / 4) for _ in range(20_000)]
    marks = [(r.choice('abce'), r.randrange(0, 100_000)) for _ in range(40)]
    count, total = collections.Counter(), collections.Counter()
    window = collections.Counter((i, ts // 10_000) for i, ts in marks)
    for i, ts, v in readings:
        n = window[i, ts // 10_000]
        if n:
            count[i] += n
            total[i] += n * v
    job = (ROOT / 'sql/sensor_analysis.sql').read_text()
    own = Broker()
    for name, data in (('sensor_data', readings), ('sensor_window', marks)):
        own.create(name, 2)
        own.send(name, [json.dumps(dict(zip(('id', 'timestamp', 'value'), row))) for row in data])
    job = job.replace('jdbc:mysql://localhost:3306/sensor', 'jdbc:sqlite:sensor.db').replace("    'driver' = 'com.mysql.jdbc.Driver',\n", '')
    job = job.replace("'connector' = 'kafka',", f"'connector' = 'kafka', 'properties.bootstrap.servers' = '{own.servers}',")
    case.run('--quiet', sql=job.replace("'format' = 'json'", "'format' = 'json', 'scan.bounded.mode' = 'latest-offset'"))

    def result():
        db = sqlite3.connect(case.dir / 'sensor.db')
        try:
            return {i: (n, round(s, 6)) for i, n, s in db.execute('SELECT * FROM sensor_result')}
        except sqlite3.OperationalError:
            return {}
        finally:
            db.close()
    want = {i: (count[i], round(total[i], 6)) for i in count}
    equal(result(), want)
    (case.dir / 'sensor.db').unlink()
    live = Job(case, job)
    live.wait_for(lambda s: result() == want)
    own.send('sensor_window', ['{"id": "new", "timestamp": 5}', '{"id": "new", "timestamp": 7}'])
    own.send('sensor_data', ['{"id": "new", "timestamp": 9999, "value": 0.5}', '{"id": "new", "timestamp": 10000, "value": 100}'])
    live.wait_for(lambda s: result() == {**want, 'new': (2, 1.0)})
    live.stop()
    own.stop()


if __name__ == '__main__':
    if not PRODUCE.exists():
        print('0 passed, 0 failed (built without librdkafka)')
        sys.exit(0)
    broker = Broker(secure=True)
    main()
