# SPDX-License-Identifier: Apache-2.0
"""Small jobs for torture.py: inputs, SQL, and how their results are read.

A result is what a person would look for, whatever the files are called: of a table in a database its rows; of files their lines, sorted; of a changelog in files
the rows that it leaves. {dir} in the SQL is the folder of the run.
"""
import collections
import json
import pathlib
import sqlite3

BIDS = ''.join(json.dumps({'id': i, 'item': f'item {i % 7} of a longer name', 'price': i * 1.5, 'ts': f'2024-01-01 00:00:{i % 60:02d}'}) + '\n' for i in range(90))
ITEMS = ''.join(f'item {i} of a longer name,"class, {i % 3}"\n' for i in range(7))
CHANGES = ''.join(json.dumps(c) + '\n' for i in range(30) for c in (
    {'before': None, 'after': {'id': i, 'v': i}, 'op': 'c'},
    {'before': {'id': i, 'v': i}, 'after': {'id': i, 'v': i + 1}, 'op': 'u'},
    *([{'before': {'id': i, 'v': i + 1}, 'after': None, 'op': 'd'}] if i % 3 == 0 else []))) 

TABLES = """
CREATE TABLE bids (id INT, item STRING, price DOUBLE, ts TIMESTAMP(3)) WITH ('connector' = 'filesystem', 'path' = '{dir}/bids.ndjson', 'format' = 'json');
CREATE TABLE items (item STRING, class STRING) WITH ('connector' = 'filesystem', 'path' = '{dir}/items.csv', 'format' = 'csv');
CREATE TABLE changes (id INT, v INT) WITH ('connector' = 'filesystem', 'path' = '{dir}/changes.ndjson', 'format' = 'debezium-json');
"""
CHECKPOINTS = """
SET 'execution.checkpointing.interval' = '10 ms';
SET 'execution.checkpointing.dir' = '{dir}/chk';
SET 'pipeline.name' = 'small';
SET 'execution.trigger.max-rows' = '20';
SET 'restart-strategy.type' = 'none';
"""


class Job:
    """`sql` behind the tables above; outputs: (kind, path[, table]), kind one of db, lines, changelog. `append`: a rerun adds to what is there, so one
    after a run that made its result visible and then failed doubles it. `exact`: with checkpoints, which go on where they were."""

    def __init__(self, name, sql, *outputs, append=False, exact=False, settings='', needs=''):
        self.name, self.outputs, self.append, self.exact, self.needs = name, outputs, append, exact, needs
        self.sql = (CHECKPOINTS if exact else '') + settings + TABLES + sql

    def setup(self, directory):
        for name, text in (('bids.ndjson', BIDS), ('items.csv', ITEMS), ('changes.ndjson', CHANGES)):
            (directory / name).write_text(text)
        (directory / 'job.sql').write_text(self.sql.replace('{dir}', str(directory)))

    def result(self, directory):
        return [READERS[kind](directory / path, *more) for kind, path, *more in self.outputs]

    def databases(self, directory):
        """Every database in the folder, those of checkpoints too."""
        return [p for p in directory.rglob('*.db') if p.is_file()]

    def strays(self, directory):
        """Files that should not be there once a job has ended well: hidden ones, temporary ones, journals."""
        return sorted(str(p.relative_to(directory)) for p in directory.rglob('*') if p.is_file()
                      and (p.name.startswith('.') or p.name.endswith(('-journal', '.tmp', '.new', '.part', '.inprogress'))))


def read_table(path, table):
    if not path.exists():
        return []
    db = sqlite3.connect(f'file:{path}?mode=ro', uri=True)
    try:
        if not db.execute('SELECT 1 FROM sqlite_master WHERE name = ?', (table,)).fetchone():
            return []
        return sorted(map(repr, db.execute(f'SELECT * FROM "{table}"')))
    finally:
        db.close()


def lines_of(path):
    files = sorted(p for p in path.rglob('*') if p.is_file()) if path.is_dir() else [path] if path.exists() else []
    for file in files:
        relative = str(file.relative_to(path).parent) if path.is_dir() else '.'
        if file.name.startswith(('.', '_')):
            continue
        text = file.read_text()
        if text and not text.endswith('\n'):
            raise AssertionError(f'{file.name} ends within a line')
        for line in text.splitlines():
            yield relative, line


def read_lines(path):
    return sorted(f'{where}: {line}' for where, line in lines_of(path))


def read_changelog(path):
    rows = collections.Counter()
    for _, line in lines_of(path):
        change = json.loads(line)
        if change['before'] is not None:
            before = json.dumps(change['before'])
            if rows[before] <= 0:
                raise AssertionError(f'a row goes that is not there: {before}')
            rows[before] -= 1
        if change['after'] is not None:
            rows[json.dumps(change['after'])] += 1
    return sorted(rows.elements())


READERS = {'db': read_table, 'lines': read_lines, 'changelog': read_changelog}


def json_out(name, columns, path, more=''):
    return f"CREATE TABLE {name} ({columns}) {more} WITH ('connector' = 'filesystem', 'path' = '{{dir}}/{path}', 'format' = 'json');\n"


def rows_out(name, columns):
    return (f"CREATE TABLE {name} ({columns}) WITH ('connector' = 'jdbc', 'url' = 'jdbc:sqlite:{{dir}}/out.db', 'table-name' = '{name}');\n")


def sqlite_out(name, columns, key):
    return (f"CREATE TABLE {name} ({columns}, PRIMARY KEY ({key}) NOT ENFORCED) WITH ('connector' = 'jdbc', 'url' = 'jdbc:sqlite:{{dir}}/out.db', "
            f"'table-name' = '{name}');\n")


FILTER = "INSERT INTO o SELECT id, UPPER(item), price * 2 FROM bids WHERE price > 10;\n"
JOIN = """INSERT INTO totals SELECT class, COUNT(*), SUM(price), MAX(bids.item) FROM bids JOIN items ON bids.item = items.item GROUP BY class;
"""
TOTALS = 'class STRING, n BIGINT, total DOUBLE, top STRING'
EVERY = 'id INT, item STRING, price DOUBLE'
SUMS = "INSERT INTO sums SELECT v % 5, SUM(v), COUNT(*) FROM changes GROUP BY v % 5;\n"
SUMS_OUT = ("CREATE TABLE sums (k INT, s INT, n BIGINT) WITH ('connector' = 'filesystem', 'path' = '{dir}/sums.ndjson', 'format' = 'debezium-json');\n")
SET = 'EXECUTE STATEMENT SET BEGIN\n' + FILTER + JOIN + 'END;\n'
TWO = "SET 'execution.parallelism' = '2';\n"
RESTARTS = """SET 'restart-strategy.type' = 'fixed-delay';
SET 'restart-strategy.fixed-delay.attempts' = '2';
SET 'restart-strategy.fixed-delay.delay' = '5 ms';
"""

TICKS = """CREATE TABLE ticks (id INT, item STRING, price DOUBLE, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '5' SECOND)
WITH ('connector' = 'filesystem', 'path' = '{dir}/bids.ndjson', 'format' = 'json');
"""
MINUTES = 'ws TIMESTAMP(3), item STRING, n BIGINT, high BIGINT'
WINDOWED = """INSERT INTO minutes SELECT l.window_start, l.item, l.n, r.n FROM
(SELECT window_start, window_end, item, COUNT(*) AS n FROM TABLE(TUMBLE(TABLE ticks, DESCRIPTOR(ts), INTERVAL '10' SECOND)) GROUP BY window_start, window_end, item) l LEFT JOIN
(SELECT window_start, window_end, item, COUNT(*) AS n FROM TABLE(TUMBLE(TABLE ticks, DESCRIPTOR(ts), INTERVAL '10' SECOND)) WHERE price > 40 GROUP BY window_start, window_end, item) r
ON l.item = r.item AND l.window_start = r.window_start AND l.window_end = r.window_end;
"""
SUMMED = """INSERT INTO o SELECT window_start, item, COUNT(*), COUNT(DISTINCT price) FROM TABLE({}) GROUP BY window_start, window_end, item;
"""
HOPS = SUMMED.format("HOP(TABLE ticks, DESCRIPTOR(ts), INTERVAL '5' SECOND, INTERVAL '15' SECOND)")
HOPS_PLAIN = HOPS.replace('COUNT(DISTINCT price)', 'COUNT(price)')
SESSIONS = SUMMED.format("SESSION(TABLE ticks PARTITION BY item, DESCRIPTOR(ts), INTERVAL '6' SECOND)")
TOPS = """INSERT INTO o SELECT window_start, item, n, id FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY window_start, window_end ORDER BY price DESC) AS n
FROM TABLE(TUMBLE(TABLE ticks, DESCRIPTOR(ts), INTERVAL '10' SECOND))) WHERE n <= 2;
"""
INTERVALS = """INSERT INTO o SELECT l.ts, l.item, l.id, r.id FROM ticks l LEFT JOIN ticks r ON l.item = r.item AND l.ts BETWEEN r.ts - INTERVAL '8' SECOND AND r.ts - INTERVAL '1' SECOND;
"""
AS_OF = """CREATE TABLE versions (item STRING, price DOUBLE, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '5' SECOND, PRIMARY KEY (item) NOT ENFORCED)
WITH ('connector' = 'filesystem', 'path' = '{dir}/bids.ndjson', 'format' = 'json');
INSERT INTO o SELECT l.ts, l.item, l.id, CAST(r.price AS BIGINT) FROM ticks l JOIN versions FOR SYSTEM_TIME AS OF l.ts AS r ON l.item = r.item;
"""
FRAMES = "INSERT INTO o SELECT ts, item, COUNT(*) OVER w, CAST(SUM(price) OVER w AS BIGINT) FROM ticks WINDOW w AS (PARTITION BY item ORDER BY ts RANGE BETWEEN INTERVAL '20' SECOND PRECEDING AND CURRENT ROW);\n"

JOBS = [
    Job('file', json_out('o', EVERY, 'out.ndjson') + FILTER, ('lines', 'out.ndjson'), append=True),
    Job('folder', json_out('o', EVERY, 'out/') + FILTER, ('lines', 'out'), append=True),
    Job('csv', FILTER.join([json_out('o', EVERY, 'out.csv').replace("'json'", "'csv'"), '']), ('lines', 'out.csv'), append=True),
    Job('sqlite', sqlite_out('totals', TOTALS, 'class') + JOIN, ('db', 'out.db', 'totals')),
    Job('sqlite, two workers', sqlite_out('totals', TOTALS, 'class') + JOIN, ('db', 'out.db', 'totals'), settings=TWO),
    Job('batch', sqlite_out('totals', TOTALS, 'class') + JOIN, ('db', 'out.db', 'totals'), settings="SET 'execution.runtime-mode' = 'batch';\n"),
    Job('debezium', SUMS_OUT + SUMS, ('changelog', 'sums.ndjson'), append=True),
    Job('from sqlite', sqlite_out('totals', TOTALS, 'class') + JOIN + json_out('o', TOTALS, 'out.ndjson') + 'INSERT INTO o SELECT * FROM totals;\n',
        ('db', 'out.db', 'totals'), ('lines', 'out.ndjson'), append=True),
    Job('statement set', json_out('o', EVERY, 'out.ndjson') + sqlite_out('totals', TOTALS, 'class') + SET,
        ('lines', 'out.ndjson'), ('db', 'out.db', 'totals'), append=True),
    Job('checkpoints, sqlite', sqlite_out('totals', TOTALS, 'class') + JOIN, ('db', 'out.db', 'totals'), exact=True),
    Job('checkpoints, sqlite, restarts', sqlite_out('totals', TOTALS, 'class') + JOIN, ('db', 'out.db', 'totals'), exact=True, settings=RESTARTS),
    Job('checkpoints, folder', json_out('o', EVERY, 'out/') + FILTER, ('lines', 'out'), exact=True),
    Job('checkpoints, file', json_out('o', EVERY, 'out.ndjson') + FILTER, ('lines', 'out.ndjson'), exact=True),
    Job('checkpoints, csv file', json_out('o', EVERY, 'out.csv').replace("'json'", "'csv'") + FILTER, ('lines', 'out.csv'), exact=True, settings=RESTARTS),
    Job('checkpoints, debezium', SUMS_OUT + SUMS, ('changelog', 'sums.ndjson'), exact=True),
    Job('checkpoints, set', json_out('o', EVERY, 'out/') + sqlite_out('totals', TOTALS, 'class') + SET, ('lines', 'out'), ('db', 'out.db', 'totals'), exact=True),
    Job('available now', json_out('o', EVERY, 'out/') + FILTER, ('lines', 'out'), exact=True, settings="SET 'execution.trigger' = 'available-now';\n"),
    Job('checkpoints, two in sqlite', sqlite_out('totals', TOTALS, 'class') + rows_out('o', EVERY) + SET, ('db', 'out.db', 'totals'), ('db', 'out.db', 'o'),
        exact=True, settings=TWO),
    Job('checkpoints, windowed join', TICKS + sqlite_out('minutes', MINUTES, 'ws, item') + WINDOWED, ('db', 'out.db', 'minutes'), exact=True),
    Job('windowed join, two workers', TICKS + sqlite_out('minutes', MINUTES, 'ws, item') + WINDOWED, ('db', 'out.db', 'minutes'), settings=TWO),
    *[Job(f'checkpoints, {name}', TICKS + json_out('o', MINUTES, 'out/') + sql, ('lines', 'out'), exact=True)
      for name, sql in (('hop', HOPS_PLAIN), ('hop distinct', HOPS), ('session', SESSIONS), ('window top', TOPS), ('interval join', INTERVALS), ('temporal join', AS_OF), ('over', FRAMES))],
]
