# SPDX-License-Identifier: Apache-2.0
"""The sinks of the crash test: the SQL of a job that writes to them, and what is in them, read by clients of their own.

A variant is a job: 'sqlite' writes one table (so that database alone decides whether an epoch happened), 'sqlite-set' three of them (so the checkpoint store
does), 'mixed' to all systems at once.
"""
import json
import sqlite3

from model import COLUMNS, QUERIES, replay


def with_clause(**options):
    given = {k.replace('__', '.').replace('_', '-'): v for k, v in options.items()}
    return ' WITH (' + ', '.join(f"'{k}' = '{v}'" for k, v in given.items()) + ')'


def create(name, stored, options, more=''):
    columns, key = COLUMNS[stored]
    return f'CREATE TABLE {name} ({columns}{f", PRIMARY KEY ({key}) NOT ENFORCED" if key else ""}){more}{options};\n'


def fields(stored):
    return [c.split()[0] for c in COLUMNS[stored][0].split(', ')]


class Sqlite:
    def __init__(self, world, directory, tag, stored):
        self.path, self.stored = directory / 'out.db', stored

    def ddl(self, name):
        return create(name, self.stored, with_clause(connector='jdbc', url=f'jdbc:sqlite:{self.path}', table_name=self.stored))

    def read(self):
        if not self.path.exists():
            return []
        db = sqlite3.connect(f'file:{self.path}?mode=ro', uri=True, timeout=20)
        try:
            if not db.execute('SELECT 1 FROM sqlite_master WHERE name = ?', (self.stored,)).fetchone():
                return []
            return sorted(db.execute(f'SELECT {", ".join(fields(self.stored))} FROM {self.stored}'))
        finally:
            db.close()

    def check(self):
        """integrity_check, by the library's own eyes."""
        db = sqlite3.connect(self.path)
        said = db.execute('PRAGMA integrity_check').fetchall()
        db.close()
        if said != [('ok',)]:
            raise AssertionError(f'{self.path}: {said}')


class Mysql:
    def __init__(self, world, directory, tag, stored):
        self.server, self.database, self.stored = world.database, 'crash_' + tag.replace('-', '_'), stored
        world.database.sql(f'CREATE DATABASE IF NOT EXISTS {self.database}', database=None)

    def ddl(self, name):
        return create(name, self.stored, with_clause(connector='jdbc', url=f'jdbc:mysql://127.0.0.1:{self.server.port}/{self.database}', table_name=self.stored,
                                                     username='root', password=self.server.password))

    def read(self):
        if not self.server.sql(f"SELECT 1 FROM information_schema.tables WHERE table_schema = '{self.database}' AND table_name = '{self.stored}'", database=None):
            return []
        rows = self.server.sql(f'SELECT {", ".join(fields(self.stored))} FROM `{self.stored}`', database=self.database)
        types = [c.split()[1] for c in COLUMNS[self.stored][0].split(', ')]
        return sorted(tuple(v if t == 'STRING' else int(v) for v, t in zip(row, types)) for row in rows)

    def check(self):
        pass


class Kafka:
    """Rows that only come: JSON, over two partitions. Changes: as a changelog on one partition, or the last row of each key (upsert-kafka) on two."""

    def __init__(self, world, directory, tag, stored, kind=None, partitions=None):
        self.broker, self.topic, self.stored, self.tag = world.broker, f'out-{tag}-{stored}', stored, tag
        self.kind = kind or {'lines': 'rows', 'totals': 'upsert', 'busy': 'changelog', 'windows': 'rows'}[stored]
        world.broker.create(self.topic, partitions or (1 if self.kind == 'changelog' else 2))

    def ddl(self, name):
        options = {'connector': 'kafka', 'topic': self.topic, 'properties.bootstrap.servers': self.broker.servers, 'format': 'json',
                   'properties.transaction.timeout.ms': '60000', 'sink.delivery-guarantee': 'exactly-once', 'sink.transactional-id-prefix': f'crash-{self.tag}'}
        if self.kind == 'upsert':
            del options['format']
            options.update({'connector': 'upsert-kafka', 'key.format': 'json', 'value.format': 'json'})
        elif self.kind == 'changelog':
            options['format'] = 'debezium-json'
        columns, key = COLUMNS[self.stored]
        primary = f', PRIMARY KEY ({key}) NOT ENFORCED' if self.kind == 'upsert' else ''
        return f'CREATE TABLE {name} ({columns}{primary}) WITH (' + ', '.join(f"'{k}' = '{v}'" for k, v in options.items()) + ');\n'

    def read(self):
        names, messages = fields(self.stored), self.broker.consume(self.topic)
        if self.kind == 'rows':
            return sorted(tuple(json.loads(m[4])[f] for f in names) for m in messages)
        if self.kind == 'changelog':
            changes = [json.loads(m[4]) for m in messages]
            return replay([(c['before'], c['after']) for c in changes], names, COLUMNS[self.stored][1].split(', '))
        last = {}
        for partition, _, _, key, value in messages:
            if last.setdefault(key, (partition,))[0] != partition:
                raise AssertionError(f'{self.topic}: key {key} is in two partitions')
            last[key] = (partition, value and json.loads(value))
        return sorted(tuple(v[f] for f in names) for _, v in last.values() if v is not None)

    def check(self):
        pass


class Files:
    """A folder of JSON lines; changes as debezium-json, read in the order of the parts."""

    def __init__(self, world, directory, tag, stored):
        self.path, self.stored = directory / f'out-{stored}', stored
        self.changes = COLUMNS[stored][1] is not None and stored != 'windows'      # each is put out once

    def ddl(self, name):
        columns = COLUMNS[self.stored][0]
        return (f'CREATE TABLE {name} ({columns}) '
                f"WITH ('connector' = 'filesystem', 'path' = '{self.path}/', 'format' = '{'debezium-json' if self.changes else 'json'}');\n")

    def parts(self):
        """Finished parts, in the order in which they were made."""
        found = [p for p in self.path.rglob('*') if p.is_file() and not p.name.startswith(('.', '_'))]
        return sorted(found, key=lambda p: [int(x) if x.isdigit() else x for x in p.name.replace('.', '-').split('-')])

    def read(self):
        names, rows, changes = fields(self.stored), [], []
        for part in self.parts():
            text = part.read_text()
            if text and not text.endswith('\n'):
                raise AssertionError(f'{part} ends within a line')
            for line in text.splitlines():
                record = json.loads(line)
                if self.changes:
                    changes.append((record['before'], record['after']))
                else:
                    for folder in part.relative_to(self.path).parts[:-1]:
                        key, value = folder.split('=', 1)
                        record[key] = value
                    rows.append(tuple(record[f] for f in names))
        return replay(changes, names, COLUMNS[self.stored][1].split(', ')) if self.changes else sorted(rows)

    def check(self):
        pass


class Partitions(Files):
    """The same, PARTITIONED BY the region; files stay open over epochs for a second."""

    def ddl(self, name):
        return (f'CREATE TABLE {name} ({COLUMNS[self.stored][0]}) PARTITIONED BY (region) '
                f"WITH ('connector' = 'filesystem', 'path' = '{self.path}', 'format' = 'json', 'sink.rolling-policy.rollover-interval' = '1 s');\n")


VARIANTS = {
    'sqlite': [(Sqlite, 'totals')],
    'sqlite-set': [(Sqlite, 'totals'), (Sqlite, 'lines'), (Sqlite, 'busy')],
    'mariadb': [(Mysql, 'totals')],
    'mariadb-set': [(Mysql, 'totals'), (Mysql, 'lines'), (Mysql, 'busy')],
    'kafka': [(Kafka, 'lines')],
    'kafka-set': [(Kafka, 'totals'), (Kafka, 'lines'), (Kafka, 'busy')],
    'files': [(Files, 'lines')],
    'files-set': [(Files, 'totals'), (Files, 'lines'), (Files, 'busy')],
    'files-partitions': [(Partitions, 'lines')],
    'windows': [(Sqlite, 'windows')],
    'windows-set': [(Mysql, 'windows'), (Kafka, 'windows'), (Files, 'windows')],
    'micro-batch': [(Sqlite, 'totals'), (Files, 'lines')],
    'mixed': [(Sqlite, 'totals'), (Mysql, 'busy'), (Kafka, 'lines'), (Files, 'lines')],
}


# SET values that a variant has besides
MORE = {
    'micro-batch': {'execution.trigger': '150 ms', 'execution.trigger.max-rows': '60'},
    'kafka': {'execution.trigger.max-rows': '60'},
    'files-set': {'execution.checkpointing.num-retained': '3'},
}


def job_sql(world, name, sinks, settings, bounded=False):
    """The job file: settings, the two inputs, the sinks, one INSERT for each."""
    text = ''.join(f"SET '{k}' = '{v}';\n" for k, v in settings.items())
    for topic, columns in (('orders', "id BIGINT, cust INT, amount BIGINT, `at` BIGINT, ts AS TO_TIMESTAMP_LTZ(`at`, 3), WATERMARK FOR ts AS ts - INTERVAL '1' SECOND"),
                           ('customers', 'cust INT, region STRING')):
        options = {'connector': 'kafka', 'topic': topic, 'properties.bootstrap.servers': world.broker.servers, 'properties.group.id': f'crash-{name}',
                   'scan.startup.mode': 'earliest-offset', 'format': 'json'}
        if bounded:
            options['scan.bounded.mode'] = 'latest-offset'
        text += f'CREATE TABLE {topic} ({columns}) WITH (' + ', '.join(f"'{k}' = '{v}'" for k, v in options.items()) + ');\n'
    inserts = ''
    for i, sink in enumerate(sinks):
        text += sink.ddl(f'sink{i}')
        inserts += f'INSERT INTO sink{i} {QUERIES[sink.stored]};\n'
    return text + (f'EXECUTE STATEMENT SET BEGIN\n{inserts}END;\n' if len(sinks) > 1 else inserts)
