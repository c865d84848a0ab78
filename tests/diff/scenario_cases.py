#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes tests/diff/flink-scenarios.jsonl: streaming queries over small tables, each made to look at one thing. New ones are without answers: `ask_flink.py --only '^s_' --update` then asks a real Flink for those.

No row is late: which late rows Flink drops is a race.
"""
import random

from cases import changes, rows, save

CASES = []
TEN = "id INT, k STRING, v INT, w BIGINT, d DECIMAL(8, 2), ts TIMESTAMP(3)"


def names(columns):
    depth, parts = 0, ['']
    for c in columns:
        depth += (c in '(<') - (c in ')>')
        if c == ',' and depth == 0:
            parts.append('')
        else:
            parts[-1] += c
    return [p.strip().split()[0] for p in parts if not p.strip().startswith(('WATERMARK', 'PRIMARY')) and ' AS ' not in p]


class Table:
    """A table's columns and rows. Rows are lists; a changelog's begin with their kind."""

    def __init__(self, columns, data, mark="WATERMARK FOR ts AS ts - INTERVAL '3' SECOND", options=''):
        self.ddl = columns + (', ' + mark if mark else '')
        self.columns = names(columns)
        self.changelog = bool(data) and str(data[0][0])[:1] in ('+', '-') and len(data[0]) == len(self.columns) + 1
        self.rows = data if self.changelog else [['+I', *r] for r in data]
        self.format = 'debezium-json' if self.changelog and any(r[0] != '+I' for r in self.rows) else 'json'
        self.options = options

    def create(self, name):
        return f"CREATE TABLE {name} ({self.ddl}) WITH ('connector' = 'filesystem', 'path' = '{{dir}}/{name}.ndjson', 'format' = '{self.format}'{self.options})"


def case(name, query, zone='UTC', setup=(), **tables):
    CASES.append({'name': f's_{name}', 'mode': 'streaming', 'inputs': {n: {'columns': t.columns, 'format': t.format, 'rows': t.rows} for n, t in tables.items()},
                  'setup': [f"SET 'table.local-time-zone' = '{zone}'", *[t.create(n) for n, t in tables.items()], *setup], 'query': ' '.join(query.split()), 'sink': None, 'expected': None})


def each(name, query, variants, **kw):
    """One query with {} filled in in several ways."""
    for n, v in enumerate(variants):
        case(f'{name}/{n}', query.format(v), **kw)


def seeded(seed, n, **kw):
    return Table(TEN, rows(random.Random(seed), n, **kw))


def changing(seed, n, mark='', keyed=False):
    t = Table(TEN + (', PRIMARY KEY (id) NOT ENFORCED' if keyed else ''), changes(random.Random(seed), n), mark)
    t.format = 'debezium-json'
    return t


def times(*ts, columns='id INT, k STRING, v INT, ts TIMESTAMP(3)', mark="WATERMARK FOR ts AS ts - INTERVAL '3' SECOND"):
    """Rows (time, key, value), a day and minutes left out."""
    full = ['2024-05-01 00:00:00'[:23 - len(t)] + t for t, *_ in ts]
    return Table(columns, [[i, k, v, t] for i, (t, (_, k, v)) in enumerate(zip(full, ts))], mark)


EDGES = times(('00:00.000', 'a', 1), ('04.999', 'a', 2), ('05.000', 'b', None), ('05.001', 'a', 4), ('04.000', None, 5), ('09.999', None, 6), ('10.000', 'a', 7), ('08.000', 'b', 8), ('12.000', 'b', None),
              ('01:30.000', 'a', 10), ('01:31.000', 'a', 10), ('02:00.000', None, None))
BEFORE_1970 = Table(TEN, rows(random.Random('1970'), 30, start='1969-12-31 23:59:20'))
FAR = Table('id INT, k STRING, v INT, ts TIMESTAMP(3)', [[1, 'a', 1, '1815-06-18 11:30:00.001'], [2, 'a', 2, '1969-12-31 23:59:59.999'], [3, 'b', 3, '1970-01-01 00:00:00.000'], [4, 'a', 4, '2024-02-29 12:00:00.500'],
                                                         [5, 'b', 5, '2262-04-12 00:00:00.000'], [6, 'b', 6, '9999-12-31 23:59:59.999']])
NONE = Table(TEN, [])


def windows():
    w = ["TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '5' SECOND)", "HOP(TABLE t, DESCRIPTOR(ts), INTERVAL '5' SECOND, INTERVAL '10' SECOND)", "CUMULATE(TABLE t, DESCRIPTOR(ts), INTERVAL '5' SECOND, INTERVAL '15' SECOND)",
         "SESSION(TABLE t PARTITION BY k, DESCRIPTOR(ts), INTERVAL '4' SECOND)"]
    aggs = 'SELECT window_start AS ws, window_end AS we, k, COUNT(*) AS c, COUNT(v) AS cv, SUM(v) AS s, MIN(v) AS lo, MAX(v) AS hi, AVG(v) AS a FROM TABLE({}) GROUP BY window_start, window_end, k'
    each('window_edges', aggs, w, t=EDGES)
    each('window_1970', aggs, [x if 'SESSION' in x else x[:-1] + ", INTERVAL '1' SECOND)" for x in w] + w[:3], t=BEFORE_1970)
    each('window_far', aggs, ["TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '1' DAY)", "TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '7' DAY, INTERVAL '3' DAY)", "HOP(TABLE t, DESCRIPTOR(ts), INTERVAL '12' HOUR, INTERVAL '1' DAY)",
                                  "CUMULATE(TABLE t, DESCRIPTOR(ts), INTERVAL '6' HOUR, INTERVAL '1' DAY)", "SESSION(TABLE t PARTITION BY k, DESCRIPTOR(ts), INTERVAL '1' DAY)"], t=FAR)
    each('window_none', aggs, w, t=NONE)
    each('window_filtered', aggs.replace(' GROUP', ' WHERE v > 100 GROUP'), w[:2], t=EDGES)
    each('window_size', 'SELECT window_start AS ws, window_end AS we, COUNT(*) AS c FROM TABLE({}) GROUP BY window_start, window_end',
         ["TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '0.5' SECOND)", "TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '1:30' MINUTE TO SECOND)", "TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '0.001' SECOND)",
          "HOP(DATA => TABLE t, TIMECOL => DESCRIPTOR(ts), SLIDE => INTERVAL '3' SECOND, SIZE => INTERVAL '9' SECOND)", "CUMULATE(DATA => TABLE t, TIMECOL => DESCRIPTOR(ts), STEP => INTERVAL '3' SECOND, SIZE => INTERVAL '9' SECOND)",
          "HOP(DATA => TABLE t, TIMECOL => DESCRIPTOR(ts), SLIDE => INTERVAL '3' SECOND, SIZE => INTERVAL '9' SECOND, `OFFSET` => INTERVAL '-1' SECOND)",
          "SESSION(DATA => TABLE t PARTITION BY k, TIMECOL => DESCRIPTOR(ts), GAP => INTERVAL '2' SECOND)", "SESSION(DATA => TABLE t, TIMECOL => DESCRIPTOR(ts), GAP => INTERVAL '5' SECOND)",
          "TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '10' SECOND, INTERVAL '-9.5' SECOND)", "TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '10' MINUTE, INTERVAL '9' MINUTE)"], t=EDGES)
    each('window_functions', "SELECT window_start AS ws, k, {} FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '20' SECOND)) GROUP BY window_start, window_end, k",
         ['COUNT(DISTINCT v) FILTER (WHERE w > 1) AS a, COUNT(DISTINCT v) AS b, SUM(DISTINCT v) AS c', 'SUM(d) AS a, AVG(d) AS b, MIN(d) AS c, MAX(d) AS e', 'MIN(k) AS a, MAX(UPPER(k)) AS b, MIN(ts) AS c, MAX(ts) AS e',
          'STDDEV_SAMP(CAST(v AS DOUBLE)) AS a, VAR_POP(CAST(v AS DOUBLE)) AS b, STDDEV_POP(v) AS c, VAR_SAMP(w) AS e', 'SUM(CAST(v AS DOUBLE)) / COUNT(*) AS a, AVG(CAST(w AS DOUBLE)) AS b', "COUNT(*) FILTER (WHERE k = 'x') AS a, SUM(v) FILTER (WHERE v IS NOT NULL AND w = 2) AS b",
          'MAX(v > 5) AS a, MIN(v IS NULL) AS b', 'SUM(v) + SUM(w) AS a, MAX(v) - MIN(v) AS b, CASE WHEN COUNT(*) > 3 THEN 1 ELSE 0 END AS c', 'COUNT(DISTINCT k) AS a, COUNT(DISTINCT w) AS b, COUNT(DISTINCT d) AS c'], t=seeded('functions', 50))
    each('window_first', "SELECT window_start AS ws, {} FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '20' SECOND)) GROUP BY window_start, window_end",
         ['FIRST_VALUE(id) AS a, LAST_VALUE(id) AS b', 'FIRST_VALUE(v) AS a, LAST_VALUE(v) AS b', "LISTAGG(k) AS a, LISTAGG(k, ';') AS b", 'ARRAY_AGG(id) AS a', 'JSON_ARRAYAGG(v) AS a'], t=seeded('first', 40, jitter=1))
    each('window_by', "SELECT window_end AS we, {} AS g, COUNT(*) AS c, SUM(w) AS s FROM TABLE(HOP(TABLE t, DESCRIPTOR(ts), INTERVAL '10' SECOND, INTERVAL '30' SECOND)) GROUP BY window_start, window_end, {0}".replace('{}', '{0}'),
         ['UPPER(k)', 'MOD(v, 3)', "CASE WHEN v > 4 THEN 'high' WHEN v IS NULL THEN 'none' ELSE 'low' END", 'd > 0', 'CAST(w AS STRING)', 'k IS NULL'], t=seeded('by', 40))
    each('window_half', 'SELECT {}, COUNT(*) AS c, SUM(v) AS s FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL \'10\' SECOND)) GROUP BY {0}'.replace('{}', '{0}'), ['window_start', 'k', 'window_end, k'], t=seeded('half', 30))
    each('window_where', "SELECT window_start AS ws, COUNT(*) AS c FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '10' SECOND)) WHERE {} GROUP BY window_start, window_end",
         ["window_start >= TIMESTAMP '2024-02-29 00:00:00'", "k IN ('x', 'y') AND v BETWEEN 2 AND 7", "EXTRACT(SECOND FROM ts) < 30"], t=seeded('where', 40))
    each('window_input', "SELECT window_start AS ws, window_end AS we, COUNT(*) AS c, SUM(v) AS s FROM TABLE(TUMBLE(TABLE q, DESCRIPTOR(ts), INTERVAL '10' SECOND)) GROUP BY window_start, window_end",
         [''], t=seeded('input', 30), setup=['CREATE VIEW q AS SELECT id, v * 2 AS v, ts FROM t WHERE w > 1'])
    case('window_union', "SELECT window_start AS ws, k, COUNT(*) AS c, SUM(v) AS s FROM TABLE(TUMBLE(TABLE q, DESCRIPTOR(ts), INTERVAL '10' SECOND)) GROUP BY window_start, window_end, k",
         t=seeded('union1', 20), u=seeded('union2', 20), setup=['CREATE VIEW q AS SELECT k, v, ts FROM t UNION ALL SELECT k, v, ts FROM u'])
    case('window_computed', "SELECT window_start AS ws, SUM(twice) AS s FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '1' SECOND)) GROUP BY window_start, window_end",
         t=Table("id INT, moment STRING, twice AS id * 2, ts AS TO_TIMESTAMP(moment)", [[1, '2024-05-01 00:00:00'], [2, '2024-05-01 00:00:00'], [3, '2024-05-01 00:00:02']]))
    case('window_millis', "SELECT window_start AS ws, window_end AS we, window_time AS wt, COUNT(*) AS c FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '1' SECOND)) GROUP BY window_start, window_end, window_time",
         t=Table("id INT, ms BIGINT, ts AS TO_TIMESTAMP_LTZ(ms, 3)", [[1, 0], [2, 999], [3, 1000], [4, 1714521600000], [5, 1714521600999]]), zone='Asia/Kolkata')
    case('window_precision', "SELECT window_start AS ws, MAX(ts) AS m, COUNT(*) AS c FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '1' SECOND)) GROUP BY window_start, window_end",
         t=Table("id INT, ts TIMESTAMP(0)", [[1, '2024-05-01 00:00:00'], [2, '2024-05-01 00:00:00'], [3, '2024-05-01 00:00:02']]))
    each('window_top_of', "SELECT * FROM (SELECT k, window_start AS ws, SUM(w) AS s FROM TABLE({}) GROUP BY window_start, window_end, k) WHERE s > 3", w, t=seeded('of', 30))
    over = "SELECT window_start AS ws, window_end AS we, SUM(c) AS s, MAX(c) AS m FROM ({}) GROUP BY window_start, window_end"
    each('window_same_again', over, [f"SELECT window_start, window_end, k, COUNT(*) AS c FROM TABLE({x}) GROUP BY window_start, window_end, k" for x in w[:3]], t=seeded('again', 40))
    each('window_of_window', "SELECT window_start AS ws, window_end AS we, k, SUM(c) AS s FROM TABLE({}) GROUP BY window_start, window_end, k",
         ["TUMBLE(TABLE q, DESCRIPTOR(rt), INTERVAL '20' SECOND)", "HOP(TABLE q, DESCRIPTOR(rt), INTERVAL '10' SECOND, INTERVAL '20' SECOND)", "CUMULATE(TABLE q, DESCRIPTOR(rt), INTERVAL '10' SECOND, INTERVAL '60' SECOND)",
          "SESSION(TABLE q PARTITION BY k, DESCRIPTOR(rt), INTERVAL '15' SECOND)"], t=seeded('deep', 40),
         setup=["CREATE VIEW q AS SELECT k, window_time AS rt, COUNT(*) AS c FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '5' SECOND)) GROUP BY window_start, window_end, window_time, k"])
    each('window_sets', "SELECT window_start AS ws, k, w, GROUPING(k) AS gk, GROUPING_ID(k, w) AS g, COUNT(*) AS c, COUNT(DISTINCT v) AS u, MAX(d) AS m FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '20' SECOND)) GROUP BY window_start, window_end, {}",
         ['GROUPING SETS ((k, w), (k), (w), ())', 'ROLLUP (k, w)', 'CUBE (k, w)', 'GROUPING SETS ((k, w))'], t=seeded('wsets', 40))
    case('window_sets_of_all', "SELECT window_start AS ws, k, COUNT(*) AS c FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '20' SECOND)) GROUP BY GROUPING SETS ((window_start, window_end, k), (window_start, window_end))", t=seeded('wall', 30))
    # sessions that grow together by rows that come later
    merging = times(('00:00.000', 'a', 1), ('00:06.000', 'a', 2), ('00:03.500', 'a', 3), ('00:05.000', 'b', 4), ('00:09.000', 'b', 5), ('00:07.000', 'b', 6), ('00:07.000', 'b', 7), ('00:13.000', 'b', 8), ('00:11.000', None, 9), ('00:14.999', None, 10), ('00:15.000', 'a', 11),
                    ('00:19.000', 'a', 12), ('00:17.000', 'c', 13), ('00:22.999', 'a', 14), ('00:27.000', 'a', 15))
    each('session_merge', "SELECT window_start AS ws, window_end AS we, k, COUNT(*) AS c, SUM(v) AS s, MIN(v) AS lo, MAX(v) AS hi, COUNT(DISTINCT v) AS u FROM TABLE(SESSION(TABLE t PARTITION BY k, DESCRIPTOR(ts), INTERVAL '{}' SECOND)) GROUP BY window_start, window_end, k",
         [4, 3, 2, 5, 60], t=merging)
    each('session_rows', "SELECT id, {} FROM TABLE(SESSION(TABLE t PARTITION BY k, DESCRIPTOR(ts), INTERVAL '4' SECOND))", ['window_start, window_end, window_time'], t=merging)
    each('session_more', "SELECT window_start AS ws, window_end AS we, {} AS c FROM TABLE(SESSION(TABLE t PARTITION BY {{}}, DESCRIPTOR(ts), INTERVAL '4' SECOND)) GROUP BY window_start, window_end, k".replace('{{}}', '(k, w)'), ['COUNT(*)', 'SUM(v) FILTER (WHERE w > 1)'], t=seeded('smore', 40))
    each('session_sets', "SELECT window_start AS ws, window_end AS we, k, w, COUNT(*) AS c FROM TABLE(SESSION(TABLE t {}, DESCRIPTOR(ts), INTERVAL '4' SECOND)) GROUP BY window_start, window_end, GROUPING SETS ((k, w), (k), ())", ['PARTITION BY k', ''], t=seeded('ssets', 40))
    each('window_changes', aggs, w, t=changing('wc', 30, "WATERMARK FOR ts AS ts - INTERVAL '1' HOUR"))


ZONED = Table("id INT, k STRING, v INT, ts TIMESTAMP_LTZ(3)", [[i, 'ab'[i % 2], i, t] for i, t in enumerate(
    ['2024-03-30 22:30:00.000Z', '2024-03-30 23:00:00.000Z', '2024-03-31 00:59:59.999Z', '2024-03-31 01:00:00.000Z', '2024-03-31 00:30:00.000Z', '2024-03-31 01:30:00.000Z', '2024-03-31 21:59:59.999Z', '2024-03-31 22:00:00.000Z',
     '2024-10-26 21:59:59.000Z', '2024-10-26 22:00:00.000Z', '2024-10-27 00:00:00.000Z', '2024-10-27 00:30:00.000Z', '2024-10-27 01:00:00.000Z', '2024-10-27 01:30:00.000Z', '2024-10-27 02:00:00.000Z', '2024-10-27 22:59:59.000Z', '2024-10-27 23:00:00.000Z'])],
    mark="WATERMARK FOR ts AS ts - INTERVAL '1' HOUR")


def zones():
    agg = "SELECT window_start AS ws, window_end AS we, window_time AS wt, COUNT(*) AS c, SUM(v) AS s FROM TABLE({}) GROUP BY window_start, window_end, window_time"
    each('zone_berlin', agg, ["TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '1' DAY)", "TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '1' HOUR)", "HOP(TABLE t, DESCRIPTOR(ts), INTERVAL '1' HOUR, INTERVAL '3' HOUR)", "CUMULATE(TABLE t, DESCRIPTOR(ts), INTERVAL '6' HOUR, INTERVAL '1' DAY)",
                              "SESSION(TABLE t, DESCRIPTOR(ts), INTERVAL '45' MINUTE)", "TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '1' DAY, INTERVAL '8' HOUR)"], t=ZONED, zone='Europe/Berlin')
    for n, zone in enumerate(('UTC', 'America/New_York', 'Asia/Kathmandu', 'Pacific/Auckland')):
        case(f'zone_day/{n}', agg.format("TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '1' DAY)"), t=ZONED, zone=zone)
    case('zone_rows', "SELECT id, CAST(ts AS TIMESTAMP_LTZ(3)) AS moment, window_start, window_end, window_time FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '2' HOUR))", t=ZONED, zone='Europe/Berlin')
    case('zone_none', agg.format("TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '10' SECOND)"), t=seeded('zn', 20), zone='Europe/Berlin')
    for n, (f, args) in enumerate((('TUMBLE', "ts, INTERVAL '1' DAY"), ('HOP', "ts, INTERVAL '1' HOUR, INTERVAL '3' HOUR"), ('SESSION', "ts, INTERVAL '45' MINUTE"))):
        case(f'zone_group_window/{n}', f'SELECT {f}_START({args}) AS a, {f}_END({args}) AS b, {f}_ROWTIME({args}) AS r, COUNT(*) AS c FROM t GROUP BY {f}({args})', t=ZONED, zone='Europe/Berlin')
    case('zone_join', "SELECT a.id AS a, b.id AS b FROM t a JOIN u b ON a.k = b.k AND a.ts BETWEEN b.ts - INTERVAL '30' MINUTE AND b.ts + INTERVAL '1' HOUR", t=ZONED, u=ZONED, zone='Europe/Berlin')
    case('zone_text', "SELECT id, CAST(ts AS STRING) AS a, DATE_FORMAT(ts, 'yyyy-MM-dd HH:mm') AS b, EXTRACT(HOUR FROM ts) AS c, CAST(ts AS DATE) AS e, CAST(ts AS TIMESTAMP(3)) AS f, FLOOR(ts TO DAY) AS g FROM t", t=ZONED, zone='Europe/Berlin')


def group_windows():
    for n, (f, args) in enumerate((('TUMBLE', "ts, INTERVAL '5' SECOND"), ('HOP', "ts, INTERVAL '4' SECOND, INTERVAL '6' SECOND"), ('HOP', "ts, INTERVAL '10' SECOND, INTERVAL '4' SECOND"), ('SESSION', "ts, INTERVAL '4' SECOND"))):
        case(f'group_window/{n}', f"SELECT {f}_START({args}) AS a, {f}_END({args}) AS b, {f}_ROWTIME({args}) AS r, k, COUNT(*) AS c, SUM(v) AS s, COUNT(DISTINCT w) AS u, MAX(d) FILTER (WHERE w > 1) AS m FROM t GROUP BY {f}({args}), k", t=seeded(f'gw{n}', 40))
        case(f'group_window_1970/{n}', f"SELECT {f}_START({args}) AS a, {f}_END({args}) AS b, COUNT(*) AS c FROM t GROUP BY {f}({args})", t=BEFORE_1970)
        case(f'group_window_edges/{n}', f"SELECT {f}_START({args}) AS a, k, COUNT(v) AS c, SUM(v) AS s FROM t GROUP BY k, {f}({args}) HAVING COUNT(*) > 1", t=EDGES)
        case(f'group_window_none/{n}', f"SELECT {f}_START({args}) AS a, COUNT(*) AS c FROM t GROUP BY {f}({args})", t=NONE)
    case('group_window_of', "SELECT TUMBLE_START(rt, INTERVAL '20' SECOND) AS a, k, SUM(c) AS s FROM (SELECT TUMBLE_ROWTIME(ts, INTERVAL '5' SECOND) AS rt, k, COUNT(*) AS c FROM t GROUP BY TUMBLE(ts, INTERVAL '5' SECOND), k) GROUP BY TUMBLE(rt, INTERVAL '20' SECOND), k", t=seeded('gwo', 40))
    case('group_window_then', "SELECT window_start AS ws, SUM(c) AS s FROM TABLE(TUMBLE(TABLE q, DESCRIPTOR(rt), INTERVAL '20' SECOND)) GROUP BY window_start, window_end", t=seeded('gwt', 40),
         setup=["CREATE VIEW q AS SELECT HOP_ROWTIME(ts, INTERVAL '5' SECOND, INTERVAL '10' SECOND) AS rt, COUNT(*) AS c FROM t GROUP BY HOP(ts, INTERVAL '5' SECOND, INTERVAL '10' SECOND)"])


def window_joins():
    a, b = seeded('wj a', 25), seeded('wj b', 20)
    tumble = "(SELECT * FROM TABLE(TUMBLE(TABLE {}, DESCRIPTOR(ts), INTERVAL '10' SECOND)))"
    on = 'l.window_start = r.window_start AND l.window_end = r.window_end'
    L, R = tumble.format('t'), tumble.format('u')
    for n, kind in enumerate(('JOIN', 'LEFT JOIN', 'RIGHT JOIN', 'FULL JOIN')):
        pick = 'SELECT l.id AS a, r.id AS b, l.window_start AS lw, r.window_start AS rw, l.k AS lk, r.v AS rv'
        case(f'window_join_rest/{n}', f'{pick} FROM {L} l {kind} {R} r ON {on} AND l.k = r.k AND l.v < r.v', t=a, u=b)
        case(f'window_join_all/{n}', f'{pick} FROM {L} l {kind} {R} r ON {on}', t=seeded('wja', 12), u=seeded('wjb', 10))
        case(f'window_join_two/{n}', f'{pick} FROM {L} l {kind} {R} r ON {on} AND l.k = r.k AND l.w = r.w', t=a, u=b)
        case(f'window_join_none/{n}', f'{pick} FROM {L} l {kind} {R} r ON {on} AND l.k = r.k', t=seeded('wja', 12), u=NONE)
        case(f'window_join_null/{n}', f'{pick} FROM {L} l {kind} {R} r ON {on} AND l.v = r.v', t=a, u=b)
        case(f'window_join_of_sums/{n}', f"SELECT l.ws AS a, r.ws AS b, l.k AS c, r.k AS d, l.s AS e, r.c AS f FROM (SELECT window_start, window_end, window_start AS ws, k, SUM(v) AS s FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '10' SECOND)) GROUP BY window_start, window_end, k) l "
             f"{kind} (SELECT window_start, window_end, window_start AS ws, k, COUNT(*) AS c FROM TABLE(TUMBLE(TABLE u, DESCRIPTOR(ts), INTERVAL '10' SECOND)) GROUP BY window_start, window_end, k) r ON {on} AND l.k = r.k", t=a, u=b)
    each('window_semi', f'SELECT l.id, l.window_start AS ws FROM {L} l WHERE {{}}', [
        f'EXISTS (SELECT 1 FROM {R} r WHERE {on} AND l.k = r.k)', f'NOT EXISTS (SELECT 1 FROM {R} r WHERE {on} AND l.k = r.k)', f'EXISTS (SELECT 1 FROM {R} r WHERE {on} AND l.k = r.k AND r.v > l.v)',
        f'l.k IN (SELECT k FROM {R} r WHERE {on})', f'l.v NOT IN (SELECT v FROM {R} r WHERE {on})', f'NOT EXISTS (SELECT 1 FROM {R} r WHERE {on} AND l.k = r.k AND r.w = l.w)'], t=a, u=b)
    case('window_join_then', f"SELECT ws, SUM(n) AS s, COUNT(*) AS c FROM (SELECT l.window_start AS ws, l.window_start, l.window_end, l.v AS n FROM {L} l JOIN {R} r ON {on} AND l.k = r.k) GROUP BY ws, window_start, window_end", t=a, u=b)
    case('window_join_three', f"SELECT l.id AS a, r.id AS b, x.id AS c FROM {L} l JOIN {R} r ON {on} AND l.k = r.k JOIN {tumble.format('x')} x ON x.window_start = l.window_start AND x.window_end = l.window_end AND x.k = l.k", t=a, u=b, x=seeded('wj x', 15))
    top = "SELECT * FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY {} ORDER BY {}) AS n FROM {}) WHERE {}"
    plain = "(SELECT id, k, v, w, d, window_start, window_end FROM TABLE({}))"
    wins = ["TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '20' SECOND)", "HOP(TABLE t, DESCRIPTOR(ts), INTERVAL '10' SECOND, INTERVAL '30' SECOND)", "CUMULATE(TABLE t, DESCRIPTOR(ts), INTERVAL '10' SECOND, INTERVAL '30' SECOND)"]
    t = seeded('wtop', 40)
    for n, (part, by, pick) in enumerate((('window_start, window_end', 'v, id', 'n <= 3'), ('window_start, window_end', 'v DESC, id DESC', 'n <= 3'), ('window_start, window_end, k', 'd DESC, id', 'n <= 2'), ('window_start, window_end, k', 'w, v DESC, id', 'n BETWEEN 2 AND 3'),
                                          ('window_start, window_end', 'v ASC NULLS LAST, id', 'n <= 4'), ('window_start, window_end', 'd DESC NULLS LAST, id', 'n <= 2'), ('window_start, window_end', 'k, id', 'n = 1'), ('window_end, k, window_start', 'id DESC', 'n < 3'))):
        case(f'window_rank/{n}', top.format(part, by, plain.format(wins[n % 3]), pick), t=t)
    each('window_rank_of', "SELECT ws, k, s, n FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY window_start, window_end ORDER BY s DESC, k) AS n FROM (SELECT window_start, window_end, window_start AS ws, k, SUM(w) AS s FROM TABLE({}) GROUP BY window_start, window_end, k)) WHERE n <= 2", wins, t=t)
    case('window_rank_of_sessions', "SELECT ws, k, s, n FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY window_start, window_end ORDER BY s DESC, k) AS n FROM (SELECT window_start, window_end, window_start AS ws, k, SUM(w) AS s FROM TABLE(SESSION(TABLE t PARTITION BY k, DESCRIPTOR(ts), INTERVAL '4' SECOND)) GROUP BY window_start, window_end, k)) WHERE n <= 1", t=t)
    case('window_rank_of_join', f"SELECT a, b, ws, n FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY window_start, window_end ORDER BY a, b DESC) AS n FROM (SELECT l.id AS a, r.id AS b, l.window_start AS ws, l.window_start, l.window_end FROM {L} l JOIN {R} r ON {on} AND l.k = r.k)) WHERE n <= 3", t=a, u=b)
    for n, w in enumerate(wins):
        case(f'window_last/{n}', f"SELECT id, k, window_end FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY window_start, window_end, k ORDER BY ts {('DESC', 'ASC')[n % 2]}) AS n FROM TABLE({w})) WHERE n = 1", t=seeded(f'wlast{n}', 30, step=2))
    each('window_rank_none', top.format('window_start, window_end', 'v, id', plain.format('{}'), 'n <= 3'), wins[:2], t=NONE)


def joins():
    a, b = seeded('j a', 18), seeded('j b', 16)
    A, B = (Table(TEN, t.rows, '') for t in (a, b))
    pick = 'SELECT l.id AS a, r.id AS b, l.k AS c, r.v AS e FROM t l'
    kinds = ('JOIN', 'LEFT JOIN', 'RIGHT JOIN', 'FULL JOIN')
    each('join_null_keys', pick + ' {} u r ON l.v = r.v', kinds, t=A, u=B)
    each('join_rest', pick + ' {} u r ON l.k = r.k AND l.v + r.v > 8', kinds, t=A, u=B)
    each('join_one_side', pick + ' {} u r ON l.k = r.k AND l.w > 1', kinds, t=A, u=B)
    each('join_other_side', pick + ' {} u r ON l.k = r.k AND r.d > 0', kinds, t=A, u=B)
    each('join_changes', pick + ' {} u r ON l.v = r.v', kinds, t=changing('jc a', 24), u=changing('jc b', 24))
    each('join_keyed', pick + ' {} u r ON l.id = r.id', kinds, t=changing('jk a', 24, keyed=True), u=changing('jk b', 24, keyed=True))
    each('join_keyed_many', pick + ' {} u r ON l.v = r.v AND l.w <> r.w', kinds, t=changing('jm a', 20, keyed=True), u=changing('jm b', 20, keyed=True))
    each('join_none', pick + ' {} u r ON l.k = r.k', kinds, t=A, u=Table(TEN, [], ''))
    each('join_twice', pick + ' {} u r ON l.k = r.k AND l.w = r.w', kinds, t=Table(TEN, a.rows[:6] * 2, ''), u=Table(TEN, b.rows[:8] * 2, ''))
    each('join_where', pick + ' {} u r ON l.k = r.k WHERE l.v > 3 OR r.v IS NULL', kinds, t=A, u=B)
    each('join_not_distinct', pick + ' {} u r ON l.v IS NOT DISTINCT FROM r.v', kinds, t=A, u=B)
    each('join_by', pick + ' {} u r ON UPPER(l.k) = r.k AND l.v + 1 = r.v', kinds[:2], t=Table(TEN, [[r[0], r[1], (r[2] or '').lower() or None, *r[3:]] for r in a.rows], ''), u=Table(TEN, [[r[0], r[1], (r[2] or '').upper() or None, *r[3:]] for r in b.rows], ''))
    each('join_wider', pick + ' {} u r ON l.v = r.w', kinds[:2], t=A, u=B)
    each('join_range', pick + ' {} u r ON l.v < r.v AND l.d > r.d', kinds[:1], t=A, u=B)
    each('join_cross', pick + ' {} u r', ['CROSS JOIN', ','], t=Table(TEN, a.rows[:5], ''), u=Table(TEN, b.rows[:6], ''))
    X = Table(TEN, seeded('j x', 14).rows, '')
    each('join_chain', 'SELECT l.id AS a, r.id AS b, x.id AS c FROM t l {}', [f'{p} u r ON l.k = r.k AND l.w = r.w {q} x ON {s}' for p, q, s in
         (('JOIN', 'LEFT JOIN', 'x.v = r.v'), ('LEFT JOIN', 'JOIN', 'x.v = l.v'), ('LEFT JOIN', 'LEFT JOIN', 'x.v = r.v'), ('FULL JOIN', 'FULL JOIN', 'x.v = l.v'), ('RIGHT JOIN', 'LEFT JOIN', 'x.k = r.k AND x.v = r.v'), ('JOIN', 'RIGHT JOIN', 'x.k = l.k AND x.v = r.v'))], t=A, u=B, x=X)
    case('join_self', 'SELECT a.id AS a, b.id AS b FROM t a JOIN t b ON a.k = b.k AND a.id < b.id', t=A)
    case('join_self_sums', 'SELECT a.k, a.v, b.s FROM t a JOIN (SELECT k, SUM(v) AS s FROM t GROUP BY k) b ON a.k = b.k', t=A)
    case('join_sums_outer', 'SELECT a.k AS x, b.k AS y, a.c, b.s FROM (SELECT k, COUNT(*) AS c FROM t GROUP BY k) a FULL JOIN (SELECT k, SUM(v) AS s FROM u WHERE v > 4 GROUP BY k) b ON a.k = b.k', t=A, u=B)
    case('join_then_sum', 'SELECT l.k, COUNT(*) AS n, COUNT(r.id) AS m, SUM(r.v) AS s FROM t l LEFT JOIN u r ON l.v = r.v GROUP BY l.k', t=changing('jts', 24), u=B)
    case('join_using', 'SELECT k, w, t.id AS a, u.id AS b FROM t JOIN u USING (k, w)', t=A, u=B)
    case('join_natural', 'SELECT * FROM (SELECT k, w, id AS a FROM t) NATURAL JOIN (SELECT k, w, id AS b FROM u)', t=A, u=B)
    case('join_distinct', 'SELECT l.k, r.v FROM (SELECT DISTINCT k, w FROM t) l JOIN (SELECT DISTINCT w, v FROM u) r ON l.w = r.w', t=changing('jd', 24), u=B)
    case('join_top', 'SELECT l.k, l.id AS a, r.id AS b FROM (SELECT * FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY k ORDER BY v DESC, id) AS n FROM t) WHERE n <= 2) l JOIN u r ON l.k = r.k AND l.w = r.w', t=A, u=B)
    ij = 'SELECT l.id AS a, r.id AS b, CAST(l.ts AS TIMESTAMP(3)) AS lt, CAST(r.ts AS TIMESTAMP(3)) AS rt FROM t l {kind} u r ON l.k = r.k AND {on}'
    bounds = ["l.ts BETWEEN r.ts AND r.ts + INTERVAL '5' SECOND", "l.ts BETWEEN r.ts - INTERVAL '10' SECOND AND r.ts - INTERVAL '2' SECOND", "l.ts > r.ts - INTERVAL '3' SECOND AND l.ts < r.ts + INTERVAL '3' SECOND",
              "r.ts >= l.ts + INTERVAL '1' SECOND AND r.ts <= l.ts + INTERVAL '1' MINUTE AND l.v > r.v", 'l.ts = r.ts', "l.ts >= r.ts - INTERVAL '20' SECOND AND l.ts < r.ts AND l.v IS NOT NULL"]
    for n, on in enumerate(bounds):
        for m, kind in enumerate(kinds):
            case(f'interval_join/{n}{m}', ij.format(kind=kind, on=on), t=seeded(f'ij a{n // 2}', 24), u=seeded(f'ij b{n // 2}', 24))
    for m, kind in enumerate(kinds):
        case(f'interval_join_none/{m}', ij.format(kind=kind, on=bounds[0]), t=seeded('ija', 10), u=NONE)
        case(f'interval_join_keyless/{m}', ij.format(kind=kind, on=bounds[2]).replace('l.k = r.k AND ', ''), t=seeded('ijk', 12), u=seeded('ijl', 12))
        case(f'interval_join_1970/{m}', ij.format(kind=kind, on=bounds[0]), t=BEFORE_1970, u=Table(TEN, rows(random.Random('b70'), 20, start='1969-12-31 23:59:25')))
        case(f'interval_join_null/{m}', ij.format(kind=kind, on=bounds[2]).replace('l.k = r.k', 'l.v = r.v'), t=seeded('ijn', 20), u=seeded('ijm', 20))
    each('interval_one_bound', 'SELECT l.id AS a, r.id AS b FROM t l {}', ['JOIN u r ON l.k = r.k AND l.ts > r.ts', 'LEFT JOIN u r ON l.k = r.k AND l.ts <= r.ts'], t=seeded('ob', 12), u=seeded('oc', 12))
    case('interval_then_window', "SELECT window_start AS ws, COUNT(*) AS c FROM TABLE(TUMBLE(TABLE q, DESCRIPTOR(lt), INTERVAL '20' SECOND)) GROUP BY window_start, window_end", t=seeded('itw', 24), u=seeded('itv', 24), setup=['CREATE VIEW q AS ' + ij.format(kind='JOIN', on=bounds[0]).replace('CAST(l.ts AS TIMESTAMP(3))', 'l.ts')])
    case('interval_twice', "SELECT a.id AS a, b.id AS b, c.id AS c FROM t a JOIN u b ON a.k = b.k AND b.ts BETWEEN a.ts AND a.ts + INTERVAL '5' SECOND JOIN x c ON a.k = c.k AND c.ts BETWEEN a.ts - INTERVAL '5' SECOND AND a.ts", t=seeded('i1', 20), u=seeded('i2', 20), x=seeded('i3', 20))


RATES = Table('cur STRING, rate DECIMAL(8, 3), ts TIMESTAMP(3), PRIMARY KEY (cur) NOT ENFORCED', [
    ['+I', 'EUR', 1.1, '2024-05-01 00:00:05.000'], ['+I', 'USD', 1.0, '2024-05-01 00:00:06.000'], ['-U', 'EUR', 1.1, '2024-05-01 00:00:05.000'], ['+U', 'EUR', 1.2, '2024-05-01 00:00:20.000'], ['+I', 'JPY', 0.007, '2024-05-01 00:00:19.000'],
    ['-U', 'EUR', 1.2, '2024-05-01 00:00:20.000'], ['+U', 'EUR', 1.3, '2024-05-01 00:00:30.000'], ['-D', 'USD', 1.0, '2024-05-01 00:00:31.000'], ['-U', 'JPY', 0.007, '2024-05-01 00:00:19.000'], ['+U', 'JPY', None, '2024-05-01 00:00:40.000'],
    ['+I', 'USD', 0.9, '2024-05-01 00:00:50.000']])
ORDERS = Table('id INT, cur STRING, price DECIMAL(8, 2), ts TIMESTAMP(3)', [[i, c, p, f'2024-05-01 {t}'] for i, (c, p, t) in enumerate([
    ('EUR', 10, '00:00:00.000'), ('EUR', 20, '00:00:05.000'), ('USD', 7.5, '00:00:05.999'), ('USD', 8, '00:00:08.000'), ('EUR', 1, '00:00:07.000'), (None, 1, '00:00:08.000'), ('EUR', 2, '00:00:19.999'), ('EUR', 3, '00:00:20.000'), ('XXX', 3, '00:00:21.000'), ('JPY', 1000, '00:00:19.000'),
    ('USD', 5, '00:00:31.000'), ('USD', 5, '00:00:32.000'), ('EUR', None, '00:00:30.000'), ('JPY', 500, '00:00:45.000'), ('USD', 6, '00:00:50.000'), ('EUR', 9, '00:01:30.000')])])
HISTORY = Table('cur STRING, rate DECIMAL(8, 3), ts TIMESTAMP(3)', [[c, r, f'2024-05-01 00:{t}'] for c, r, t in [
    ('EUR', 1.1, '00:05.000'), ('USD', 1.0, '00:06.000'), ('EUR', 1.2, '00:20.000'), ('JPY', 0.007, '00:21.000'), ('EUR', 1.3, '00:30.000'), ('USD', 0.95, '00:31.000'), (None, 9, '00:32.000'), ('JPY', None, '00:40.000')]])
VERSIONS = ['CREATE VIEW r AS SELECT cur, rate, ts FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY cur ORDER BY ts DESC) AS n FROM h) WHERE n = 1']


def temporal():
    q = 'SELECT o.id, o.cur, o.price, r.rate, r.ts AS since FROM o {} r FOR SYSTEM_TIME AS OF o.ts AS r ON {}'
    for n, kind in enumerate(('JOIN', 'LEFT JOIN')):
        case(f'temporal/{n}', q.format(kind, 'o.cur = r.cur'), o=ORDERS, r=RATES)
        case(f'temporal_rest/{n}', q.format(kind, 'o.cur = r.cur AND o.price > 2 AND r.rate > 1'), o=ORDERS, r=RATES)
        case(f'temporal_view/{n}', q.format(kind, 'o.cur = r.cur'), o=ORDERS, h=HISTORY, setup=VERSIONS)
        case(f'temporal_none/{n}', q.format(kind, 'o.cur = r.cur'), o=ORDERS, h=Table('cur STRING, rate DECIMAL(8, 3), ts TIMESTAMP(3)', []), setup=VERSIONS)
        case(f'temporal_left_none/{n}', q.format(kind, 'o.cur = r.cur'), o=Table('id INT, cur STRING, price DECIMAL(8, 2), ts TIMESTAMP(3)', []), r=RATES)
        case(f'temporal_sum/{n}', 'SELECT o.cur, COUNT(*) AS c, SUM(o.price * r.rate) AS s FROM o {} r FOR SYSTEM_TIME AS OF o.ts AS r ON o.cur = r.cur GROUP BY o.cur'.format(kind), o=ORDERS, r=RATES)
    case('temporal_window', "SELECT window_start AS ws, SUM(x) AS s FROM TABLE(TUMBLE(TABLE q, DESCRIPTOR(ts), INTERVAL '20' SECOND)) GROUP BY window_start, window_end", o=ORDERS, r=RATES,
         setup=['CREATE VIEW q AS SELECT o.ts, o.price * r.rate AS x FROM o LEFT JOIN r FOR SYSTEM_TIME AS OF o.ts AS r ON o.cur = r.cur'])
    case('temporal_two', 'SELECT o.id, r.rate, r2.rate AS base FROM o LEFT JOIN r FOR SYSTEM_TIME AS OF o.ts AS r ON o.cur = r.cur JOIN r FOR SYSTEM_TIME AS OF o.ts AS r2 ON r2.cur = \'EUR\' AND r2.cur = o.cur', o=ORDERS, r=RATES)
    r = random.Random('temporal')
    for n in range(4):
        live, log = {}, []
        for i in range(30):
            key, at = r.choice('abcd'), f'2024-05-01 00:{i // 2:02}:{i % 2 * 30 + r.randint(0, 29):02}.000'
            if key in live and r.random() < 0.2:
                log.append(['-D', key, live.pop(key)[1], at])
                continue
            if key in live:
                log.append(['-U', *live[key]])
            log.append(['+U' if key in live else '+I', key, r.randint(1, 99), at])
            live[key] = log[-1][1:]
        orders = [[i, r.choice('abcde'), f'2024-05-01 00:{i // 3:02}:{i % 3 * 20 + r.randint(0, 19):02}.000'] for i in range(45)]
        for i in range(0, 44, 3):
            orders[i:i + 2] = orders[i:i + 2][::-1]
        case(f'temporal_seeded/{n}', f"SELECT o.id, r.v, r.ts AS since FROM o {('LEFT ', '')[n % 2]}JOIN r FOR SYSTEM_TIME AS OF o.ts AS r ON o.k = r.k", o=Table('id INT, k STRING, ts TIMESTAMP(3)', orders, "WATERMARK FOR ts AS ts - INTERVAL '1' MINUTE"),
             r=Table('k STRING, v INT, ts TIMESTAMP(3), PRIMARY KEY (k) NOT ENFORCED', log, 'WATERMARK FOR ts AS ts'))


def queries():
    a, b = Table(TEN, seeded('q a', 25).rows, ''), Table(TEN, seeded('q b', 15).rows, '')
    few = Table(TEN, [r for r in b.rows if r[3] is not None], '')
    pred = ['v IN (SELECT v FROM u)', 'v NOT IN (SELECT v FROM u WHERE v IS NOT NULL)', 'v NOT IN (SELECT v FROM u)', 'v NOT IN (SELECT v FROM u WHERE v > 100)', 'v IN (SELECT v FROM u WHERE v > 100)', 'v IN (SELECT v FROM u WHERE u.k = t.k)', 'v NOT IN (SELECT v FROM u WHERE u.k = t.k)',
            'EXISTS (SELECT * FROM u WHERE u.v > 8)', 'NOT EXISTS (SELECT * FROM u WHERE u.v > 100)', 'EXISTS (SELECT 1 FROM u WHERE u.k = t.k AND u.v = t.v)', 'NOT EXISTS (SELECT 1 FROM u WHERE u.k = t.k AND u.d < t.d)', '(k, v) IN (SELECT k, v FROM u)', 'v IN (1, 2, NULL, 7)', 'v NOT IN (1, 2, 7)',
            'v > (SELECT AVG(v) FROM u)', 'v = (SELECT MAX(v) FROM u WHERE u.k = t.k)', 'v > (SELECT MIN(v) FROM u WHERE v > 100)', '(SELECT COUNT(*) FROM u WHERE u.k = t.k) > 4', 'v IN (SELECT v FROM u) AND k IN (SELECT k FROM u WHERE w = 1)', 'v IN (SELECT MAX(v) FROM u GROUP BY k)',
            'v IN (SELECT v FROM u) OR w = 1', 'EXISTS (SELECT k FROM u WHERE u.k = t.k GROUP BY k HAVING COUNT(*) > 4)', 'd >= (SELECT SUM(d) / COUNT(*) FROM u) AND NOT (v IN (SELECT v FROM u WHERE w = 2))']
    each('in', 'SELECT id, k, v FROM t WHERE {}', pred, t=a, u=b)
    each('in_changes', 'SELECT id, k, v FROM t WHERE {}', [p for n, p in enumerate(pred) if n in (0, 1, 5, 9, 10, 11, 14, 15, 17)], t=changing('ic a', 24), u=changing('ic b', 20))
    each('scalar', 'SELECT id, {} AS x FROM t', ['(SELECT MAX(v) FROM u)', '(SELECT COUNT(*) FROM u WHERE u.k = t.k)', '(SELECT SUM(v) FROM u WHERE u.k = t.k AND u.w = t.w)', 'v - (SELECT AVG(v) FROM u)', '(SELECT v FROM u WHERE u.id = 3)', '(SELECT MAX(v) FROM u WHERE v > 100)', 'COALESCE((SELECT MIN(v) FROM u WHERE u.k = t.k), -1)'], t=a, u=b)
    ops = ['INTERSECT', 'INTERSECT ALL', 'EXCEPT', 'EXCEPT ALL', 'UNION', 'UNION ALL']
    each('sets_of', 'SELECT k, v FROM t {} SELECT k, v FROM u', ops, t=a, u=b)
    each('sets_changes', 'SELECT k, w FROM t {} SELECT k, w FROM u', ops, t=changing('sc a', 24), u=changing('sc b', 24))
    each('sets_none', 'SELECT k, v FROM t WHERE v > 4 {} SELECT k, v FROM u', ops, t=a, u=Table(TEN, [], ''))
    each('sets_three', 'SELECT k FROM t {} SELECT k FROM u {} SELECT k FROM t WHERE v > 6'.replace('{}', '{0}'), ops[:1] + ops[2:3], t=a, u=b)
    case('sets_wider', 'SELECT v AS x FROM t UNION SELECT w FROM u UNION ALL SELECT d FROM u', t=a, u=b)
    case('sets_in_from', 'SELECT k, COUNT(*) AS c FROM (SELECT k, v FROM t UNION SELECT k, v FROM u) GROUP BY k', t=a, u=b)
    grouping = ['GROUPING SETS ((k, w), (k), (w), ())', 'ROLLUP (k, w)', 'CUBE (k, w)', 'GROUPING SETS ((k, w), (k, w), (w))', 'k, ROLLUP (w)', 'GROUPING SETS ((k, w))', 'ROLLUP ((k, w))', 'ROLLUP (k), ROLLUP (w)']
    each('sets', 'SELECT k, w, GROUPING(k) AS a, GROUPING(w) AS b, GROUPING_ID(k, w) AS g, COUNT(*) AS c, SUM(v) AS s, COUNT(DISTINCT v) AS u, MAX(d) FILTER (WHERE v > 2) AS m FROM t GROUP BY {}', grouping, t=a)
    each('grouping_changes', 'SELECT k, w, COUNT(*) AS c, SUM(v) AS s, MIN(v) AS m, COUNT(DISTINCT v) AS u FROM t GROUP BY {}', grouping[:3], t=changing('gc', 30))
    case('grouping_having', 'SELECT k, w, COUNT(*) AS c FROM t GROUP BY CUBE (k, w) HAVING COUNT(*) > 3 AND GROUPING(k) = 0', t=a)
    case('grouping_case', "SELECT CASE WHEN GROUPING(k) = 1 THEN 'all' ELSE k END AS g, SUM(v) AS s FROM t GROUP BY ROLLUP (k)", t=a)
    lists = Table('id INT, xs ARRAY<INT>, rs ARRAY<ROW<a INT, b STRING>>, m MAP<STRING, INT>, r ROW<a INT, b ROW<c STRING>>', [
        [1, [1, 2, 2], [{'a': 1, 'b': 'x'}], {'p': 1, 'q': 2}, {'a': 1, 'b': {'c': 'deep'}}], [2, [], [], {}, None], [3, None, None, None, {'a': None, 'b': None}], [4, [None, 5], [{'a': None, 'b': 'y'}, {'a': 3, 'b': None}], {'p': None}, {'a': 4, 'b': {'c': None}}],
        [5, [7], [{'a': 9, 'b': 'z'}, {'a': 9, 'b': 'z'}], {'z': 26}, {'a': 5, 'b': {'c': ''}}]], '')
    each('unnest', 'SELECT id, {}', ['x FROM t CROSS JOIN UNNEST(xs) AS u (x)', 'x FROM t LEFT JOIN UNNEST(xs) AS u (x) ON TRUE', 'y, z FROM t CROSS JOIN UNNEST(rs) AS u (y, z)', 'y, z FROM t LEFT JOIN UNNEST(rs) AS u (y, z) ON TRUE', 'mk, mv FROM t CROSS JOIN UNNEST(m) AS u (mk, mv)',
                                     'x, o FROM t CROSS JOIN UNNEST(xs) WITH ORDINALITY AS u (x, o)', 'x FROM t, UNNEST(xs) AS u (x) WHERE x > 1', 'x, y FROM t CROSS JOIN UNNEST(xs) AS u (x) CROSS JOIN UNNEST(xs) AS w (y)', 'SUM(x) AS s, COUNT(*) AS c FROM t CROSS JOIN UNNEST(xs) AS u (x) GROUP BY id',
                                     'y, z, o FROM t CROSS JOIN UNNEST(rs) WITH ORDINALITY AS u (y, z, o)', 'x FROM t CROSS JOIN UNNEST(ARRAY[id, id * 2]) AS u (x)'], t=lists)
    each('nested', 'SELECT id, {} AS x FROM t', ['r.a', 'r.b.c', 'xs[1]', "m['p']", 'rs[1].b', 'CARDINALITY(xs)', 'CARDINALITY(m)', 'r', 'xs', 'm', 'rs', 'r IS NULL', 'ARRAY[id, r.a]', "MAP['k', id]", 'ROW(id, r.a)', 'ARRAY_CONTAINS(xs, 2)', 'xs[1] + COALESCE(xs[2], 0)'], t=lists)
    agg = 'SELECT k, {} FROM t GROUP BY k'
    aggs = ['COUNT(*) AS a, COUNT(v) AS b, SUM(v) AS c, AVG(v) AS e', 'MIN(v) AS a, MAX(v) AS b, MIN(d) AS c, MAX(ts) AS e', 'COUNT(DISTINCT v) AS a, SUM(DISTINCT w) AS b, AVG(DISTINCT v) AS c', 'SUM(d) AS a, AVG(d) AS b, SUM(d * v) AS c', 'STDDEV_POP(v) AS a, STDDEV_SAMP(CAST(v AS DOUBLE)) AS b, VAR_POP(v) AS c, VAR_SAMP(CAST(d AS DOUBLE)) AS e', 'VAR_POP(d) AS a, STDDEV_SAMP(d) AS b',
            'COUNT(*) FILTER (WHERE v > 4) AS a, SUM(v) FILTER (WHERE w = 1) AS b, COUNT(DISTINCT v) FILTER (WHERE d > 0) AS c', 'COUNT(DISTINCT v) AS a, COUNT(DISTINCT d) AS b, COUNT(DISTINCT w) FILTER (WHERE v IS NULL) AS c', 'SUM(v) * 1.0 / COUNT(*) AS a, MAX(v) - MIN(v) AS b', "SUM(CASE WHEN v > 4 THEN 1 ELSE 0 END) AS a, MAX(CASE WHEN w = 1 THEN d END) AS b",
            'MAX(v > 4) AS a, MIN(v IS NULL) AS b, MAX(CAST(v AS STRING)) AS c']
    each('agg', agg, aggs + ['LISTAGG(CAST(v AS STRING)) AS a', "FIRST_VALUE(v) AS a, LAST_VALUE(v) AS b", 'ARRAY_AGG(v) AS a', "JSON_OBJECTAGG(KEY CAST(id AS STRING) VALUE v) AS a"], t=a)
    each('agg_changes', agg, aggs + ['LISTAGG(CAST(v AS STRING)) AS a'], t=changing('ac', 36))
    each('agg_of_agg', 'SELECT {} FROM (SELECT k, w, COUNT(*) AS c, SUM(v) AS s FROM t GROUP BY k, w)', ['SUM(c) AS a, MAX(s) AS b, MIN(s) AS e, COUNT(*) AS f', 'COUNT(DISTINCT s) AS a, AVG(c) AS b', 'MAX(c) AS a, MIN(c) AS b, STDDEV_POP(c) AS e'], t=changing('aa', 36))
    each('agg_where', 'SELECT w, COUNT(*) AS c, SUM(v) AS s FROM t WHERE {} GROUP BY w', ['v > 100', "k = 'x' AND v IS NOT NULL", 'v IS NULL OR k IS NULL', 'd BETWEEN -10 AND 10'], t=a)
    each('agg_all', 'SELECT {} FROM t', ['COUNT(*) AS a, SUM(v) AS b, MIN(k) AS c', 'COUNT(DISTINCT k) AS a, AVG(d) AS b'], t=changing('al', 30))
    each('agg_key', 'SELECT {} AS g, COUNT(*) AS c, SUM(v) AS s FROM t GROUP BY {0}'.replace('{}', '{0}'), ['d', 'v IS NULL', 'CAST(ts AS DATE)', 'FLOOR(ts TO MINUTE)', 'k || CAST(w AS STRING)', 'MOD(v, 3)', 'CAST(d AS INT)'], t=a)
    each('distinct', 'SELECT DISTINCT {} FROM t', ['k', 'v, w', 'v IS NULL AS x', 'd'], t=changing('di', 30))
    each('top', 'SELECT id, k, v, n FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY {}) AS n FROM t) WHERE {{}}'.replace('{{}}', 'n <= 3'), ['k ORDER BY v DESC, id', 'w ORDER BY v NULLS LAST, id', 'k, w ORDER BY d DESC, id', 'k ORDER BY ts, id'], t=changing('tp', 30))
    each('top_range', 'SELECT id, k, n FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY k ORDER BY v DESC, id) AS n FROM t) WHERE {}', ['n BETWEEN 2 AND 3', 'n > 1 AND n <= 4', 'n = 2', 'n < 3'], t=a)
    each('limit', 'SELECT id, v FROM t ORDER BY {}', ['v DESC, id LIMIT 5', 'd, id LIMIT 3', 'v NULLS LAST, id LIMIT 4'], t=changing('li', 30))
    case('limit_offset', 'SELECT id, v FROM t ORDER BY id DESC LIMIT 4 OFFSET 3', t=a)
    case('top_of_sums', 'SELECT k, w, s, n FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY w ORDER BY s DESC, k) AS n FROM (SELECT k, w, SUM(v) AS s FROM t GROUP BY k, w)) WHERE n <= 2', t=changing('ts', 36))
    case('values_join', "SELECT t.id, x.name FROM t LEFT JOIN (VALUES ('x', 'ex'), ('y', 'why')) AS x (k, name) ON t.k = x.k", t=a)
    case('with_twice', 'WITH s AS (SELECT k, SUM(v) AS s FROM t GROUP BY k), m AS (SELECT AVG(s) AS m FROM s) SELECT s.k, s.s FROM s JOIN m ON s.s >= m.m', t=a)
    case('union_grouped', 'SELECT k, SUM(c) AS s FROM (SELECT k, COUNT(*) AS c FROM t GROUP BY k UNION ALL SELECT k, 0 - COUNT(*) FROM u GROUP BY k) GROUP BY k', t=a, u=b)
    for n, (frame, by) in enumerate((("ROWS BETWEEN 1 PRECEDING AND CURRENT ROW", 'PARTITION BY k'), ("RANGE BETWEEN INTERVAL '10' SECOND PRECEDING AND CURRENT ROW", ''), ('ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW', 'PARTITION BY w'), ('RANGE BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW', ''))):
        case(f'over/{n}', f'SELECT id, COUNT(v) OVER x AS a, AVG(d) OVER x AS b, MAX(k) OVER x AS c, COUNT(*) FILTER (WHERE v > 4) OVER x AS e FROM t WINDOW x AS ({by} ORDER BY ts {frame})'.replace('COUNT(*) FILTER (WHERE v > 4) OVER x AS e', 'SUM(w) OVER x AS e'), t=seeded(f'over{n}', 30, step=1))


def functions():
    t = Table('id INT, a TIMESTAMP(3), b TIMESTAMP_LTZ(3), e DATE, f TIME(0), s STRING, ms BIGINT', [
        [1, '2024-02-29 23:59:59.999', '2024-03-31 00:59:59.999Z', '2024-02-29', '23:59:59', '2024-02-29 23:59:59', 1709251199999], [2, '1969-12-31 23:59:59.001', '1969-12-31 23:59:59.001Z', '1969-12-31', '00:00:00', '1969-12-31 00:00:00', -1], [3, '2000-01-01 00:00:00.000', '2000-01-01 00:00:00.000Z', '2000-01-01', '12:30:45', 'not a time', 0],
        [4, None, None, None, None, None, None], [5, '2024-12-30 12:00:00.500', '2024-10-27 01:30:00.000Z', '2024-12-30', '01:02:03', '20241230', 1735560000500], [6, '2023-01-01 07:08:09.010', '2023-07-01 22:30:00.000Z', '2023-01-01', '07:08:09', '2023-01-01', 86400000]], '')
    each('time', 'SELECT id, {} FROM t', [
        "DATE_FORMAT(a, 'yyyy-MM-dd HH:mm:ss.SSS') AS x, DATE_FORMAT(a, 'EEE MMM d yy') AS y, DATE_FORMAT(b, 'HH:mm') AS z", 'EXTRACT(YEAR FROM a) AS x, EXTRACT(QUARTER FROM a) AS y, EXTRACT(WEEK FROM a) AS z, EXTRACT(DOY FROM a) AS u, EXTRACT(DOW FROM a) AS v', 'EXTRACT(HOUR FROM a) AS x, EXTRACT(MINUTE FROM f) AS y, EXTRACT(SECOND FROM a) AS z, EXTRACT(MILLISECOND FROM a) AS u',
        'FLOOR(a TO YEAR) AS x, FLOOR(a TO MONTH) AS y, FLOOR(a TO WEEK) AS z, FLOOR(a TO DAY) AS u, FLOOR(a TO HOUR) AS v', 'CEIL(a TO YEAR) AS x, CEIL(a TO MONTH) AS y, CEIL(a TO DAY) AS u, CEIL(a TO MINUTE) AS v', 'FLOOR(e TO MONTH) AS x, CEIL(e TO YEAR) AS y, FLOOR(b TO HOUR) AS z, FLOOR(b TO DAY) AS u',
        "TIMESTAMPADD(MONTH, 1, a) AS x, TIMESTAMPADD(DAY, -1, e) AS y, TIMESTAMPADD(SECOND, 90, b) AS z", "TIMESTAMPDIFF(DAY, a, TIMESTAMP '2024-03-01 00:00:00') AS x, TIMESTAMPDIFF(MONTH, a, TIMESTAMP '2024-03-31 00:00:00') AS y, TIMESTAMPDIFF(SECOND, a, TIMESTAMP '2000-01-01 00:00:00') AS z",
        "a + INTERVAL '1' MONTH AS x, a - INTERVAL '1:30' HOUR TO MINUTE AS y, e + INTERVAL '2' DAY AS z, f + INTERVAL '1' HOUR AS u", "TO_TIMESTAMP(s) AS x, TO_TIMESTAMP(s, 'yyyyMMdd') AS y, TO_DATE(s) AS z", 'TO_TIMESTAMP_LTZ(ms, 3) AS x, TO_TIMESTAMP_LTZ(id, 0) AS y', "UNIX_TIMESTAMP(s) AS x, FROM_UNIXTIME(id) AS y, UNIX_TIMESTAMP(s, 'yyyy-MM-dd') AS z",
        'CAST(a AS DATE) AS x, CAST(a AS TIME(0)) AS y, CAST(a AS STRING) AS z, CAST(e AS TIMESTAMP(3)) AS u', 'CAST(b AS TIMESTAMP(3)) AS x, CAST(a AS TIMESTAMP_LTZ(3)) AS y, CAST(b AS STRING) AS z, CAST(b AS DATE) AS u', 'TRY_CAST(s AS TIMESTAMP(3)) AS x, TRY_CAST(s AS DATE) AS y, TRY_CAST(s AS INT) AS z', "CONVERT_TZ(s, 'UTC', 'Asia/Tokyo') AS x, YEAR(e) AS y, MONTH(e) AS z, DAYOFMONTH(e) AS u",
        "a > TIMESTAMP '2000-01-01 00:00:00' AS x, e = DATE '2024-02-29' AS y, f < TIME '12:00:00' AS z, b <= TO_TIMESTAMP_LTZ(0, 3) AS u", "(a, TIMESTAMP '2024-01-01 00:00:00') OVERLAPS (TIMESTAMP '2023-06-01 00:00:00', TIMESTAMP '2023-07-01 00:00:00') AS x"], t=t, zone='Europe/Berlin')
    s = Table('id INT, s STRING, p STRING, n INT, x DOUBLE, d DECIMAL(10, 3), b BYTES', [[1, 'Hello World', 'o', 3, 1.5, 12.345, 'aGVsbG8='], [2, '', '', 0, 0.0, 0, ''], [3, None, None, None, None, None, None], [4, 'a,b,,c', ',', -1, -2.5, -0.005, 'AAH/'], [5, 'äöü€日本😀', 'ö', 2, 1e300, 9999999.999, '4oKs'], [6, '  trim me  ', ' ', 100, 1e-7, 0.5, 'eA=='], [7, 'x1y22z333', '[0-9]+', 2, 3.0, -12.5, 'eHg=']], '')
    each('text', 'SELECT id, {} FROM t', [
        'UPPER(s) AS x1, LOWER(s) AS y, INITCAP(s) AS z, CHAR_LENGTH(s) AS u', "TRIM(s) AS x1, LTRIM(s) AS y, RTRIM(s) AS z, TRIM(BOTH 'a' FROM s) AS u, BTRIM(s) AS w", "SUBSTRING(s, n) AS x1, SUBSTR(s, 2, 3) AS y, SUBSTRING(s FROM -3 FOR 2) AS z", "POSITION(p IN s) AS x1, INSTR(s, p) AS y, LOCATE(p, s) AS z, LOCATE(p, s, 3) AS u",
        "REPLACE(s, p, '#') AS x1, OVERLAY(s PLACING '##' FROM 2 FOR 1) AS y, REVERSE(s) AS z, REPEAT(p, n) AS u", "LPAD(s, 6, '*') AS x1, RPAD(s, 14, 'ab') AS y, LEFT(s, 2) AS z, RIGHT(s, 2) AS u", "SPLIT_INDEX(s, p, 1) AS x1, SPLIT_INDEX(s, ',', n) AS y, SPLIT_INDEX(s, ',', 3) AS z", "CONCAT(s, '-', p) AS x1, CONCAT_WS('|', s, p, 'z') AS y, s || p AS z",
        "REGEXP_REPLACE(s, '[0-9]+', '<>') AS x1, REGEXP_EXTRACT(s, '([a-z])([0-9]+)', 2) AS y, REGEXP(s, '[A-Z]') AS z, REGEXP_EXTRACT(s, 'z.*') AS u", "s LIKE '%o%' AS x1, s LIKE 'a_b%' AS y, s NOT LIKE '%e%' AS z, s SIMILAR TO '[a-z0-9]+' AS u, s LIKE '%\\_%' ESCAPE '\\' AS w",
        'ASCII(s) AS x1, CHR(n + 65) AS y, HEX(s) AS z, HEX(n) AS u', 'BIN(n) AS x1', "MD5(s) AS x1, SHA1(s) AS y, SHA256(s) AS z", "TO_BASE64(s) AS x1, FROM_BASE64(TO_BASE64(s)) AS y", "ENCODE(s, 'UTF-8') AS x1, DECODE(b, 'UTF-8') AS y, CAST(b AS STRING) AS z", "COALESCE(s, 'none') AS x1, NULLIF(s, '') AS y, IFNULL(p, '?') AS z, IF(n > 1, 'many', 'few') AS u", "STR_TO_MAP(s, ',', '=') AS x1",
        "SPLIT(s, ',') AS x1, TRANSLATE(s, 'lo', '01') AS y", "PARSE_URL('http://u:p@host:80/p/a?x=1&y=2#f', 'QUERY', 'y') AS x1, URL_ENCODE(s) AS y, URL_DECODE('a%20b') AS z", "JSON_VALUE('{\"a\": {\"b\": [1, 2]}}', '$.a.b[1]') AS x1, JSON_QUERY('{\"a\": [1]}', '$.a') AS y, JSON_EXISTS('{\"a\": 1}', '$.b') AS z, s IS JSON AS u", "ELT(n, 'a', 'b', 'c') AS x1, STARTSWITH(s, 'a') AS y, ENDSWITH(s, 'c') AS z", "COALESCE(CAST(b AS STRING), 'x') AS x1, CAST(s AS BYTES) = b AS y", "LOCATE('', s, 3) AS x1, LOCATE('', 'abc', n) AS y, LOCATE('a', 'banana', n) AS z, LOCATE(p, 'o,1', n) AS u"], t=s)
    each('number', 'SELECT id, {} FROM t', ['ABS(n) AS x1, ABS(d) AS y, SIGN(d) AS z, SIGN(n) AS u, -n AS w', 'FLOOR(x) AS x1, CEIL(d) AS y, ROUND(d, 1) AS z, ROUND(x, 2) AS u, TRUNCATE(d, 1) AS w', 'MOD(n, 3) AS x1, n / 2 AS y, d / 3 AS z, d * d AS u, n + d AS w, n % 7 AS q', 'POWER(n, 2) AS x1, SQRT(n) AS y, EXP(n) AS z, LN(n + 5) AS u, LOG10(n + 5) AS w, LOG(2, n + 5) AS q, LOG2(n + 5) AS q2',
        'SIN(x) AS x1, COS(x) AS y, ATAN2(x, 1) AS z, DEGREES(n) AS u, RADIANS(n) AS w', 'GREATEST(n, 2, id) AS x1, LEAST(n, 2, id) AS y', 'CAST(n AS DECIMAL(5, 2)) AS x1, CAST(d AS INT) AS y, CAST(d AS DOUBLE) AS z, CAST(d AS STRING) AS u, CAST(x AS STRING) AS w, TRY_CAST(s AS DECIMAL(5, 2)) AS q', 'n BETWEEN 0 AND 3 AS x1, n IN (2, 3) AS y, n IS DISTINCT FROM 2 AS z, NOT (n > 1) AS u',
        "CASE n WHEN 2 THEN 'two' WHEN 3 THEN 'three' END AS x1, CASE WHEN d > 1 THEN d WHEN n > 1 THEN n ELSE 0 END AS y", 'd > n AS x1, x = n AS y, d <> 0.5 AS z, CAST(n AS BIGINT) * 1000000000 AS u'], t=s)


if __name__ == '__main__':
    for make in (windows, zones, group_windows, window_joins, joins, temporal, queries, functions):
        make()
    save('flink-scenarios.jsonl', CASES)
