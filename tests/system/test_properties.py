#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What must not matter in time: the order in which rows come, as long as none is late, how they lie in files, how they are cut into batches, how many workers there are, streaming or batch, and crashes
with a restore from the last checkpoint. Every query gives the same final rows. The seed is printed when a test fails; SEEDS=n tries n of them, SEED=n begins with that one."""
import os
import random
import re

from harness import Case, equal, main, test

DELAY_S = 10
COLUMNS = f"id INT, k STRING, v INT, d DECIMAL(8, 2), ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '{DELAY_S}' SECOND"
SEED, SEEDS = int(os.environ.get('SEED', random.randrange(1 << 30))), int(os.environ.get('SEEDS', 1))

TUMBLE, HOP = "TUMBLE(TABLE {}, DESCRIPTOR(ts), INTERVAL '20' SECOND)", "HOP(TABLE {}, DESCRIPTOR(ts), INTERVAL '5' SECOND, INTERVAL '30' SECOND)"
CUMULATE, SESSION = "CUMULATE(TABLE {}, DESCRIPTOR(ts), INTERVAL '10' SECOND, INTERVAL '60' SECOND)", "SESSION(TABLE {} PARTITION BY k, DESCRIPTOR(ts), INTERVAL '6' SECOND)"
SUMS = 'SELECT window_start, window_end, k, COUNT(*), SUM(v), MIN(d), COUNT(DISTINCT v), MAX(d) FILTER (WHERE v > 4) FROM TABLE({}) GROUP BY window_start, window_end, k'
PAIRS = "SELECT l.id, r.id AS rid FROM l {} r ON l.k = r.k AND l.ts BETWEEN r.ts - INTERVAL '4' SECOND AND r.ts + INTERVAL '7' SECOND"
WINDOWED = f"SELECT a.id, b.id AS bid FROM (SELECT * FROM TABLE({TUMBLE.format('l')})) a {{}} (SELECT * FROM TABLE({TUMBLE.format('r')})) b ON a.k = b.k AND a.window_start = b.window_start AND a.window_end = b.window_end"
QUERIES = {
    **{f'sums {w[:4]}': SUMS.format(w.format('l')) for w in (TUMBLE, HOP, CUMULATE, SESSION)},
    'all': f"SELECT window_start, COUNT(*), AVG(d), ROUND(STDDEV_POP(CAST(v AS DOUBLE)), 6) FROM TABLE({HOP.format('l')}) GROUP BY window_start, window_end",
    'sets': f"SELECT window_start, k, v, COUNT(*) FROM TABLE({TUMBLE.format('l')}) GROUP BY window_start, window_end, CUBE (k, v)",
    'window of window': f"SELECT window_start, SUM(c) FROM TABLE(TUMBLE((SELECT window_time AS t, COUNT(*) AS c FROM TABLE({HOP.format('l')}) GROUP BY window_start, window_end, window_time), DESCRIPTOR(t), INTERVAL '1' MINUTE)) GROUP BY window_start, window_end",
    'rows': f"SELECT id, window_start, window_time FROM TABLE({SESSION.format('l')})",
    'old tumble': "SELECT TUMBLE_START(ts, INTERVAL '20' SECOND), k, COUNT(*), SUM(v) FROM l GROUP BY k, TUMBLE(ts, INTERVAL '20' SECOND)",
    'old session': "SELECT SESSION_START(ts, INTERVAL '6' SECOND), SESSION_END(ts, INTERVAL '6' SECOND), k, COUNT(*) FROM l GROUP BY k, SESSION(ts, INTERVAL '6' SECOND)",
    **{f'window {j}': WINDOWED.format(j) for j in ('JOIN', 'LEFT JOIN', 'RIGHT JOIN', 'FULL JOIN')},
    'window semi': f"SELECT id FROM (SELECT * FROM TABLE({TUMBLE.format('l')})) a WHERE v IN (SELECT v FROM TABLE({TUMBLE.format('r')}) b WHERE a.window_start = b.window_start AND a.window_end = b.window_end)",
    'window top': f"SELECT window_start, id, n FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY window_start, window_end, k ORDER BY v DESC, id) AS n FROM TABLE({HOP.format('l')})) WHERE n <= 2",
    'top of sums': f"SELECT s, k, n FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY window_start, window_end ORDER BY s DESC, k) AS n FROM (SELECT window_start, window_end, k, SUM(v) AS s FROM TABLE({TUMBLE.format('l')}) GROUP BY window_start, window_end, k)) WHERE n <= 2",
    'window last': f"SELECT id, window_start FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY window_start, window_end, k ORDER BY ts DESC) AS n FROM TABLE({TUMBLE.format('l')})) WHERE n = 1",
    **{f'interval {j}': PAIRS.format(j) for j in ('JOIN', 'LEFT JOIN', 'RIGHT JOIN', 'FULL JOIN')},
    **{f'regular {j}': f'SELECT l.id, r.id AS rid FROM l {j} r ON l.k = r.k AND l.v = r.v AND l.d < r.d' for j in ('JOIN', 'LEFT JOIN', 'FULL JOIN')},
    'anti': 'SELECT id FROM l WHERE NOT EXISTS (SELECT 1 FROM r WHERE l.k = r.k AND l.v = r.v)',
    'except': 'SELECT k, v FROM l EXCEPT ALL SELECT k, v FROM r',
    'rollup': 'SELECT k, v, COUNT(*), SUM(d) FROM l GROUP BY ROLLUP (k, v)',
    'top': 'SELECT id, n FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY k ORDER BY d DESC, id) AS n FROM l) WHERE n <= 3',
    'over': "SELECT id, COUNT(*) OVER w, SUM(v) OVER w FROM l WINDOW w AS (PARTITION BY k ORDER BY ts RANGE BETWEEN INTERVAL '10' SECOND PRECEDING AND CURRENT ROW)",
}


def stamp(ms):
    return f'2024-05-01 {ms // 3600000:02}:{ms // 60000 % 60:02}:{ms // 1000 % 60:02}.{ms % 1000:03}'


def rows(r, n):
    """In the order of time; times differ, gaps close sessions and leave windows empty."""
    ms, out = 0, []
    for i in range(n):
        ms += r.randint(1, 2500) + (r.randint(7000, 90000) if r.random() < 0.05 else 0)
        out.append((ms, i, r.choice(['a', 'b', 'c', 'd', None]), r.choice([None, *range(8)]), r.randint(-9999, 9999) / 100))
    return out


def shuffled(r, table):
    """No row is late: none comes behind one that is DELAY_S later than it."""
    return [row for _, row in sorted(((row[0] + r.randint(0, DELAY_S * 1000 - 1), row) for row in table), key=lambda x: x[0])]


def line(row):
    ms, i, k, v, d = row
    text = lambda x: 'null' if x is None else f'"{x}"' if isinstance(x, str) else str(x)    # noqa: E731
    return f'{{"id": {i}, "k": {text(k)}, "v": {text(v)}, "d": {d}, "ts": "{stamp(ms)}"}}\n'


def files(case, folder, name, table, r, parts):
    """The table as a folder of files; each keeps the order of its rows."""
    where = [r.randrange(parts) if r.random() < 0.8 else 0 for _ in table]
    (case.dir / folder / name).mkdir(parents=True)
    for p in range(parts):
        case.write(f'{folder}/{name}/part-{p}.json', ''.join(line(row) for row, w in zip(table, where) if w == p))


def script(folder, mode, workers):
    tables = ''.join(f"CREATE TABLE {t} ({COLUMNS}) WITH ('connector' = 'filesystem', 'path' = '{folder}/{t}', 'format' = 'json');\n" for t in 'lr')
    return f"SET 'execution.runtime-mode' = '{mode}';\nSET 'parallelism.default' = '{workers}';\n{tables}"


def results(case, folder, mode='streaming', workers=1, batch=2048):
    """query: its final rows, all of one run of the command."""
    sql = script(folder, mode, workers) + ''.join(f"SELECT 'query {n}' AS q;\n{q};\n" for n, q in enumerate(QUERIES.values()))
    out, found = case.run('--quiet', '--mode', 'csv', '--batch-rows', batch, sql=sql, timeout=600).stdout, {}
    for part in out.split('q\nquery ')[1:]:
        n, *lines = part.splitlines()
        found[list(QUERIES)[int(n)]] = sorted(lines[1:])
    return found


def same(seed, what, got, expected):
    for name in QUERIES:
        if got.get(name) != expected[name]:
            missing, extra = [x for x in expected[name] if x not in got.get(name, [])], [x for x in got.get(name, []) if x not in expected[name]]
            raise AssertionError(f'SEED={seed} {what}: {name}: {QUERIES[name]}\n  missing {missing[:4]}\n  extra   {extra[:4]}')


def prepare(case, seed, n=250):
    r = random.Random(seed)
    tables = {'l': rows(r, n), 'r': rows(r, n * 2 // 3)}
    for name, table in tables.items():
        files(case, 'sorted', name, table, r, 1)
    return r, tables


@test
def order_files_batches_workers(case):
    for seed in range(SEED, SEED + SEEDS):
        (case.dir / str(seed)).mkdir()
        here = Case(case.dir / str(seed))
        r, tables = prepare(here, seed)
        expected = results(here, 'sorted')
        equal(sorted(name for name in QUERIES if not expected.get(name)), [], f'SEED={seed}: queries without rows')
        same(seed, 'batch mode', results(here, 'sorted', 'batch'), expected)
        for n in range(6):
            parts, workers, batch = r.choice((1, 2, 5)), r.choice((1, 2, 4)), r.choice((1, 2, 3, 16, 100, 2048))
            for name, table in tables.items():
                files(here, f'shuffled{n}', name, shuffled(r, table), r, parts)
            same(seed, f'shuffled, {parts} files, {workers} workers, batches of {batch}', results(here, f'shuffled{n}', 'streaming', workers, batch), expected)


def cells(row):
    ms, *rest = row
    return ' | '.join('NULL' if x is None else str(x) for x in rest) + f' | {stamp(ms)}'


def test_file(tables, expected=None):
    """All queries as a file for `sqluice test`; their rows are those that another file states."""
    text = ''.join(f"table {name} ({COLUMNS})\n" + ''.join(f'  {cells(row)}\n' for row in table) for name, table in tables.items())
    sections = expected or [f'query {q}\nrows\n' for q in QUERIES.values()]
    return text + ''.join(sections)


@test
def crashes(case):
    for seed in range(SEED, SEED + SEEDS):
        r, tables = random.Random(seed), {}
        tables = {'l': rows(r, 60), 'r': rows(r, 40)}
        sections = [f'mode streaming\nquery {q}\nrows\n' for q in QUERIES.values()]
        case.write('sorted.test', test_file(tables, sections))
        case.run('test', '--update', 'sorted.test', expect=None)
        stated = case.read('sorted.test')
        stated = stated[stated.index('mode streaming'):]
        case.write('shuffled.test', test_file({name: shuffled(r, t) for name, t in tables.items()}, [stated]))
        p = case.run('test', '--crashes', os.environ.get('CRASHES', 3), '--seed', seed, 'shuffled.test', expect=None, timeout=900)
        if p.returncode:
            raise AssertionError(f'SEED={seed}\n{p.stdout[-3000:]}\n{p.stderr[-2000:]}')


SIZE_S, SLIDE_S = 20, 10


def model(table, slide_ms, size_ms):
    """What TUMBLE and HOP give, and how many rows are late for every window of theirs: a row is judged by the largest time before it."""
    windows, late, mark = {}, 0, None
    for ms, _, k, v, _ in table:
        starts = [s for s in range(ms - ms % slide_ms, ms - size_ms, -slide_ms) if mark is None or s + size_ms - 1 > mark]
        late += not starts
        for s in starts:
            c, total = windows.get((s, k), (0, None))
            windows[s, k] = c + 1, total if v is None else (total or 0) + v
        mark = max(ms - DELAY_S * 1000, -1 << 60 if mark is None else mark)
    before = lambda s: stamp(s) if s >= 0 else f'2024-04-30 23:59:{60 + s // 1000:02}.000'    # noqa: E731
    return sorted(f"{before(s)},{k or ''},{c},{'' if total is None else total}" for (s, k), (c, total) in windows.items()), late


@test
def late_rows(case):
    """Rows far out of order: what is late does not hang on batches and workers, batch mode has all rows, and the account has each row once."""
    sizes = {'TUMBLE': SIZE_S, 'HOP': SLIDE_S}
    for seed in range(SEED, SEED + SEEDS):
        r, here = random.Random(seed), Case(case.dir / str(seed))
        here.dir.mkdir()
        table = [row for _, row in sorted(((row[0] + r.choice((0, 0, 0, 40000)), row) for row in rows(r, 300)), key=lambda x: x[0])]
        for name in 'lr':
            files(here, 'in', name, table, r, 1)
        for kind, args in (('TUMBLE', f"INTERVAL '{SIZE_S}' SECOND"), ('HOP', f"INTERVAL '{SLIDE_S}' SECOND, INTERVAL '{SIZE_S}' SECOND")):
            query = f'SELECT window_start, k, COUNT(*), SUM(v) FROM TABLE({kind}(TABLE l, DESCRIPTOR(ts), {args})) GROUP BY window_start, window_end, k;\n'
            expected, late = model(table, sizes[kind] * 1000, SIZE_S * 1000)
            if not 5 < late < 100:
                raise AssertionError(f'SEED={seed}: {late} late rows make no test')
            for batch, workers in ((2048, 1), (1, 1), (7, 1), (2048, 2), (7, 2), (1, 4), (2048, 4)):
                p = here.run('--mode', 'csv', '--batch-rows', batch, sql=script('in', 'streaming', workers) + query)
                what = f'SEED={seed} {kind}, batches of {batch}, {workers} workers'
                equal(sorted(p.stdout.splitlines()[1:]), expected, what)
                if not re.search(rf'\b{late} late', p.stderr):
                    raise AssertionError(f'{what}: the account does not have the {late} late rows\n{p.stderr}')
            everything = here.run('--quiet', '--mode', 'csv', sql=script('in', 'batch', 2) + query).stdout
            equal(sum(int(x.split(',')[2]) for x in everything.splitlines()[1:]), 300 * SIZE_S // sizes[kind], f'SEED={seed} {kind}: rows in batch mode')


FIRST, LAST = ('(SELECT id, k, v, d, ts FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY {} ORDER BY ts {}) AS n FROM one) WHERE n <= {})'.format(*x) for x in (('k, v', '', 1), ('MOD(id, 7)', 'DESC', 5)))
AS_OF = ("(SELECT l.id, l.k, l.v, l.d, l.ts, p.d AS price FROM l {} p FOR SYSTEM_TIME AS OF l.ts ON l.k = p.k)".format(j) for j in ('JOIN', 'LEFT JOIN'))
ON = '(SELECT id, k, v, d, ts FROM r UNION ALL SELECT id, k, v, d, ts FROM l /*+ OPTIONS(\'scan.after\' = \'r\') */)'
BEHIND = {f'{name}, {w[:4]}': SUMS.format(w.format('TABLE').replace('TABLE TABLE', source))
          for name, source in zip(('first', 'last', 'as of', 'left as of', 'history'), (FIRST, LAST, *AS_OF, ON)) for w in (TUMBLE, HOP, CUMULATE)}


@test
def late_rows_of_several_files(case):
    """Which rows are late, and what comes of them, hangs neither on workers nor on batches, also where files are read side by side and behind operators that hold rows back. What is updated
    (first, last) is read from one file: of several, which row replaces which hangs on how they take turns."""
    queries = {name: q for name, q in {**QUERIES, **BEHIND}.items() if 'SESSION' not in q}
    more = f"CREATE TABLE one ({COLUMNS}) WITH ('connector' = 'filesystem', 'path' = 'one/l', 'format' = 'json');\nCREATE TABLE p ({COLUMNS}, PRIMARY KEY (k) NOT ENFORCED) WITH ('connector' = 'filesystem', 'path' = 'in/r', 'format' = 'json', 'json.ignore-parse-errors' = 'true');\n"
    for seed in range(SEED, SEED + SEEDS):
        r, here, expected = random.Random(seed), Case(case.dir / str(seed)), {}
        here.dir.mkdir()
        for name in 'lr':
            table = [row for _, row in sorted(((row[0] + r.choice((0, 0, 0, 40000)), row) for row in rows(r, 200)), key=lambda x: x[0])]
            files(here, 'in', name, table, r, 4)
            files(here, 'one', name, table, r, 1)
        for workers, batch in ((1, 2048), (1, 1), (2, 2048), (2, 7), (4, 1), (4, 2048)):
            for name, q in queries.items():
                p = here.run('--mode', 'csv', '--batch-rows', batch, sql=script('in', 'streaming', workers) + more + q + ';\n')
                got = sorted(p.stdout.splitlines()[1:]), sorted(re.findall(r'\d+ late', p.stderr))
                equal(got, expected.setdefault(name, got), f'SEED={seed} {name}, batches of {batch}, {workers} workers: {q}')
        if sum(bool(late) for _, late in expected.values()) < len(BEHIND):
            raise AssertionError(f'SEED={seed}: few late rows: {expected}')


if __name__ == '__main__':
    main()
