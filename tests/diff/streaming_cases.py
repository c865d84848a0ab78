#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes tests/diff/flink-streaming.jsonl: streaming queries over small seeded tables, new ones without answers. `ask_flink.py --only streaming --update` then asks a real Flink for those.

Rows are out of order within what the watermark allows, so none is late: which late rows Flink drops is a race. Times cross midnight and 1970; keys and values are NULL now and then.
"""
import random

from cases import COLUMNS, NAMES, changes, rows, save

def table(name, fmt, watermark=True):
    cols = ', '.join(f'{c} {t}' for c, t in COLUMNS)
    mark = ", WATERMARK FOR ts AS ts - INTERVAL '3' SECOND" if watermark else ''
    return f"CREATE TABLE {name} ({cols}{mark}) WITH ('connector' = 'filesystem', 'path' = '{{dir}}/{name}.ndjson', 'format' = '{fmt}')"


CASES = []


def case(kind, query, sink, seed, e=30, o=0, retract=False, **kw):
    r = random.Random(f'{kind} {seed}')
    fmt = 'debezium-json' if retract else 'json'
    inputs = {'events': {'columns': NAMES, 'format': fmt, 'rows': changes(r, e) if retract else rows(r, e, **kw)}}
    setup = ["SET 'table.local-time-zone' = 'UTC'", table('events', fmt, not retract)]
    if o is not None and 'others' in query:
        inputs['others'] = {'columns': NAMES, 'format': 'json', 'rows': rows(r, o, **kw)}
        setup.append(table('others', 'json'))
    setup.append('CREATE TABLE sink (' + ', '.join(f'{c} {t}' for c, t in sink) + ") WITH ('connector' = 'filesystem', 'path' = '{dir}/sink.ndjson', 'format' = 'debezium-json')")
    CASES.append({'name': f'streaming_{kind}/{seed}', 'mode': 'streaming', 'inputs': inputs, 'setup': setup, 'query': 'INSERT INTO sink ' + query,
                  'sink': {'table': 'sink', 'columns': [c for c, _ in sink], 'types': [t for _, t in sink], 'key': None}, 'expected': None})


WINDOWS = {
    'tumble': "TUMBLE(TABLE {t}, DESCRIPTOR(ts), INTERVAL '5' SECOND)",
    'tumble_offset': "TUMBLE(TABLE {t}, DESCRIPTOR(ts), INTERVAL '10' SECOND, INTERVAL '3' SECOND)",
    'tumble_back': "TUMBLE(TABLE {t}, DESCRIPTOR(ts), INTERVAL '1' MINUTE, INTERVAL '-7' SECOND)",
    'tumble_named': "TUMBLE(DATA => TABLE {t}, TIMECOL => DESCRIPTOR(ts), SIZE => INTERVAL '7' SECOND)",
    'hop': "HOP(TABLE {t}, DESCRIPTOR(ts), INTERVAL '2' SECOND, INTERVAL '6' SECOND)",
    'hop_wide': "HOP(TABLE {t}, DESCRIPTOR(ts), INTERVAL '10' SECOND, INTERVAL '60' SECOND)",
    'hop_offset': "HOP(TABLE {t}, DESCRIPTOR(ts), INTERVAL '5' SECOND, INTERVAL '20' SECOND, INTERVAL '1' SECOND)",
    'cumulate': "CUMULATE(TABLE {t}, DESCRIPTOR(ts), INTERVAL '5' SECOND, INTERVAL '20' SECOND)",
    'cumulate_offset': "CUMULATE(TABLE {t}, DESCRIPTOR(ts), INTERVAL '2' SECOND, INTERVAL '10' SECOND, INTERVAL '1' SECOND)",
}
BOUNDS = [('ws', 'TIMESTAMP(3)'), ('we', 'TIMESTAMP(3)')]
AGGS = [('COUNT(*)', 'BIGINT'), ('SUM(v)', 'INT'), ('MIN(d)', 'DECIMAL(8, 2)'), ('MAX(ts)', 'TIMESTAMP(3)'), ('AVG(w)', 'BIGINT'), ('COUNT(DISTINCT v)', 'BIGINT'),
        ('SUM(v) FILTER (WHERE w > 1)', 'INT'), ('SUM(DISTINCT w)', 'BIGINT'), ('STDDEV_POP(CAST(v AS DOUBLE))', 'DOUBLE'), ('MAX(k)', 'STRING'), ('VAR_SAMP(CAST(d AS DOUBLE))', 'DOUBLE')]


def windows():
    for n, (name, w) in enumerate(WINDOWS.items()):
        for seed in range(4):
            r = random.Random(f'{name} aggs {seed}')
            aggs = r.sample([a for a in AGGS if name != 'hop_offset' or 'DISTINCT' not in a[0]], 3)    # two DISTINCTs of one HOP and a SUM are too much for Flink
            keys = [[], ['k'], ['k', 'w'], ['w']][seed]
            case(f'window_{name}', f"SELECT window_start, window_end{''.join(', ' + k for k in keys)}, {', '.join(a for a, _ in aggs)} FROM TABLE({w.format(t='events')})"
                 f"{' WHERE v > 2' if seed == 3 else ''} GROUP BY window_start, window_end{''.join(', ' + k for k in keys)}{' HAVING COUNT(*) > 1' if seed == 2 else ''}",
                 BOUNDS + [(k, dict(COLUMNS)[k]) for k in keys] + [(f'a{i}', t) for i, (_, t) in enumerate(aggs)], seed)
    for seed in range(6):
        part, gap = [('PARTITION BY k', 3), ('PARTITION BY k', 8), ('', 4), ('PARTITION BY (k, w)', 5), ('PARTITION BY k', 1), ('PARTITION BY w', 20)][seed]
        keys = part.replace('PARTITION BY', '').strip(' ()').replace(' ', '').split(',') if part else []
        case('window_session', f"SELECT window_start, window_end{''.join(', ' + k for k in keys)}, COUNT(*), SUM(v), COUNT(DISTINCT w) FROM TABLE(SESSION(TABLE events {part}, DESCRIPTOR(ts), INTERVAL '{gap}' SECOND)) "
             f"GROUP BY window_start, window_end{''.join(', ' + k for k in keys)}", BOUNDS + [(k, dict(COLUMNS)[k]) for k in keys] + [('c', 'BIGINT'), ('s', 'INT'), ('u', 'BIGINT')], seed)
    case('window_1970', f"SELECT window_start, window_end, COUNT(*) FROM TABLE({WINDOWS['hop'].format(t='events')}) GROUP BY window_start, window_end", BOUNDS + [('c', 'BIGINT')], 0, start='1969-12-31 23:59:50')
    case('window_empty', f"SELECT window_start, window_end, COUNT(*) FROM TABLE({WINDOWS['tumble'].format(t='events')}) GROUP BY window_start, window_end", BOUNDS + [('c', 'BIGINT')], 0, e=0)
    for seed, name in enumerate(('tumble', 'hop', 'cumulate')):
        case('window_rows', f"SELECT id, window_start, window_end, window_time FROM TABLE({WINDOWS[name].format(t='events')})", [('id', 'INT'), *BOUNDS, ('wt', 'TIMESTAMP(3)')], seed)
        case('window_over_window', f"SELECT window_start, window_end, SUM(c), COUNT(*) FROM TABLE(TUMBLE((SELECT k, window_time AS t, COUNT(*) AS c FROM TABLE({WINDOWS[name].format(t='events')}) "
             "GROUP BY window_start, window_end, window_time, k), DESCRIPTOR(t), INTERVAL '20' SECOND)) GROUP BY window_start, window_end", BOUNDS + [('s', 'BIGINT'), ('c', 'BIGINT')], seed)
        case('window_sets', f"SELECT window_start, window_end, k, w, COUNT(*), SUM(v) FROM TABLE({WINDOWS[name].format(t='events')}) GROUP BY window_start, window_end, "
             f"{('GROUPING SETS ((k), (w), ())', 'ROLLUP (k, w)', 'CUBE (k, w)')[seed]}", [*BOUNDS, ('k', 'STRING'), ('w', 'BIGINT'), ('c', 'BIGINT'), ('s', 'INT')], seed)
    old = [("TUMBLE(ts, INTERVAL '5' SECOND)", 'TUMBLE'), ("HOP(ts, INTERVAL '2' SECOND, INTERVAL '6' SECOND)", 'HOP'), ("SESSION(ts, INTERVAL '4' SECOND)", 'SESSION')]
    for seed, (w, name) in enumerate(old):
        args = w[len(name):]
        case('group_window', f"SELECT k, {name}_START{args}, {name}_END{args}, COUNT(*), SUM(v), MAX(d) FROM events GROUP BY k, {w}",
             [('k', 'STRING'), *BOUNDS, ('c', 'BIGINT'), ('s', 'INT'), ('m', 'DECIMAL(8, 2)')], seed)


def joins():
    on = 'l.k = o.k AND l.window_start = o.window_start AND l.window_end = o.window_end'
    for seed, name in enumerate(('tumble', 'hop', 'cumulate', 'tumble_offset')):
        l, o = (f"(SELECT * FROM TABLE({WINDOWS[name].format(t=t)}))" for t in ('events', 'others'))
        for kind in ('INNER', 'LEFT', 'RIGHT', 'FULL OUTER'):
            case(f"window_join_{kind.split()[0].lower()}", f"SELECT COALESCE(l.window_start, o.window_start), l.id, o.id FROM {l} l {kind} JOIN {o} o ON {on}", [('ws', 'TIMESTAMP(3)'), ('l', 'INT'), ('r', 'INT')], seed, e=20, o=20)
        for kind in ('IN', 'NOT IN'):
            case(f"window_join_{'semi' if kind == 'IN' else 'anti'}", f"SELECT l.window_start, l.id FROM {l} l WHERE l.w {kind} (SELECT w FROM {o} o WHERE {on.replace('l.k = o.k AND ', '')})",
                 [('ws', 'TIMESTAMP(3)'), ('id', 'INT')], seed, e=20, o=8)
    for seed in range(3):
        for kind in ('JOIN', 'LEFT JOIN', 'RIGHT JOIN', 'FULL JOIN'):
            case(f"join_{kind.split()[0].lower()}", f"SELECT e.id, o.id, e.v, o.d FROM events e {kind} others o ON e.k = o.k AND {('e.v = o.v', 'e.v < o.v', 'e.w = o.w AND e.id <> o.id')[seed]}",
                 [('a', 'INT'), ('b', 'INT'), ('v', 'INT'), ('d', 'DECIMAL(8, 2)')], seed, e=18, o=18)
            case(f"interval_join_{kind.split()[0].lower()}", f"SELECT e.id, o.id FROM events e {kind} others o ON e.k = o.k AND e.ts BETWEEN o.ts - INTERVAL '{(5, 1, 10)[seed]}' SECOND AND o.ts + INTERVAL '{(2, 1, 0)[seed]}' SECOND",
                 [('a', 'INT'), ('b', 'INT')], seed, e=22, o=22)
    case('join_three', 'SELECT a.id, b.id, c.id FROM events a JOIN others b ON a.k = b.k AND a.v = b.v LEFT JOIN others c ON b.w = c.w AND a.v = c.v', [('a', 'INT'), ('b', 'INT'), ('c', 'INT')], 0, e=15, o=15)
    case('join_retract', 'SELECT e.id, e.v, o.id FROM events e LEFT JOIN others o ON e.v = o.v', [('a', 'INT'), ('v', 'INT'), ('b', 'INT')], 0, e=18, o=12, retract=True)
    case('join_agg', 'SELECT a.k, a.c, b.s FROM (SELECT k, COUNT(*) AS c FROM events GROUP BY k) a JOIN (SELECT k, SUM(v) AS s FROM others GROUP BY k) b ON a.k = b.k', [('k', 'STRING'), ('c', 'BIGINT'), ('s', 'INT')], 0, o=20)


def queries():
    sets = [('INTERSECT', ''), ('INTERSECT', ' ALL'), ('EXCEPT', ''), ('EXCEPT', ' ALL'), ('UNION', '')]
    for op, every in sets:
        case(f"set_{op.lower()}{every.strip().lower()}", f'SELECT k, w FROM events {op}{every} SELECT k, w FROM others WHERE v > 3', [('k', 'STRING'), ('w', 'BIGINT')], 0, e=25, o=25)
    subs = ['v IN (SELECT v FROM others WHERE w = 1)', 'v NOT IN (SELECT v FROM others WHERE w = 1 AND v IS NOT NULL)', 'v NOT IN (SELECT v FROM others)', 'EXISTS (SELECT 1 FROM others o WHERE o.k = e.k AND o.v > e.v)',
            'NOT EXISTS (SELECT 1 FROM others o WHERE o.k = e.k AND o.v = e.v)', 'v > (SELECT AVG(v) FROM others)', 'EXISTS (SELECT 1 FROM others o WHERE o.k = e.k) AND v < 5',
            '(k, w) IN (SELECT k, w FROM others WHERE v > 6)', 'd > (SELECT MAX(d) FROM others o WHERE o.k = e.k)']
    for seed, s in enumerate(subs):
        case('subquery', f'SELECT id, k, v FROM events e WHERE {s}', [('id', 'INT'), ('k', 'STRING'), ('v', 'INT')], seed, e=25, o=12)
    for seed, s in enumerate(subs[:2]):
        case('subquery_retract', f'SELECT id, k, v FROM events e WHERE {s}', [('id', 'INT'), ('k', 'STRING'), ('v', 'INT')], seed, e=25, o=12, retract=True)
    for seed, g in enumerate(('GROUPING SETS ((k, w), (k), ())', 'ROLLUP (k, w)', 'CUBE (k, w)', 'GROUPING SETS ((k), (w))')):
        case('sets', f'SELECT k, w, COUNT(*), SUM(v), MIN(d), GROUPING(k) FROM events GROUP BY {g}', [('k', 'STRING'), ('w', 'BIGINT'), ('c', 'BIGINT'), ('s', 'INT'), ('m', 'DECIMAL(8, 2)'), ('g', 'BIGINT')], seed)
    case('sets_retract', 'SELECT k, w, COUNT(*), SUM(v), MAX(v) FROM events GROUP BY ROLLUP (k, w)', [('k', 'STRING'), ('w', 'BIGINT'), ('c', 'BIGINT'), ('s', 'INT'), ('m', 'INT')], 0, retract=True)
    for seed in range(3):
        case('group_retract', f"SELECT k, COUNT(*), SUM(v), MIN(v), MAX(d), COUNT(DISTINCT w), AVG(v) FROM events {('', 'WHERE v > 2', '')[seed]} GROUP BY k {('', '', 'HAVING COUNT(*) > 2')[seed]}",
             [('k', 'STRING'), ('c', 'BIGINT'), ('s', 'INT'), ('lo', 'INT'), ('hi', 'DECIMAL(8, 2)'), ('u', 'BIGINT'), ('a', 'INT')], seed, e=40, retract=True)
    case('with', 'WITH a AS (SELECT k, SUM(v) AS s FROM events GROUP BY k), b AS (SELECT MAX(s) AS m FROM a) SELECT a.k, a.s, b.m FROM a, b', [('k', 'STRING'), ('s', 'INT'), ('m', 'INT')], 0)
    case('distinct', 'SELECT DISTINCT k, w FROM events', [('k', 'STRING'), ('w', 'BIGINT')], 0)
    case('distinct_retract', 'SELECT DISTINCT k, v FROM events', [('k', 'STRING'), ('v', 'INT')], 0, retract=True)
    case('unnest', 'SELECT e.id, u.x FROM events e CROSS JOIN UNNEST(ARRAY[e.v, CAST(e.w AS INT), 7]) AS u (x)', [('id', 'INT'), ('x', 'INT')], 0, e=12)


def ranks():
    orders = ['v DESC, id', 'd, id DESC', 'ts DESC, id', 'w, v DESC, id']
    for seed, by in enumerate(orders):
        case('top', f'SELECT id, k, n FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY k ORDER BY {by}) AS n FROM events) WHERE n <= {seed + 2}', [('id', 'INT'), ('k', 'STRING'), ('n', 'BIGINT')], seed)     # n <= 1 with n: Flink leaves every former first row
        case('top_plain', f'SELECT id, k FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY k, w ORDER BY {by}) AS n FROM events) WHERE n <= 2', [('id', 'INT'), ('k', 'STRING')], seed)
        case('top_retract', f'SELECT id, v, n FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY k ORDER BY {by}) AS n FROM events) WHERE n <= 3', [('id', 'INT'), ('v', 'INT'), ('n', 'BIGINT')], seed, e=30, retract=True)
    for seed, by in enumerate(('ASC', 'DESC')):
        case('dedup', f'SELECT id, k, w FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY k, w ORDER BY ts {by}) AS n FROM events) WHERE n = 1', [('id', 'INT'), ('k', 'STRING'), ('w', 'BIGINT')], seed)
    for seed, name in enumerate(('tumble', 'hop', 'cumulate')):
        case('window_top', f"SELECT window_start, id, n FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY window_start, window_end ORDER BY d DESC, id) AS n FROM TABLE({WINDOWS[name].format(t='events')})) WHERE n <= 2",
             [('ws', 'TIMESTAMP(3)'), ('id', 'INT'), ('n', 'BIGINT')], seed)
        case('window_dedup', f"SELECT window_start, k, id FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY window_start, window_end, k ORDER BY ts DESC) AS n FROM TABLE({WINDOWS[name].format(t='events')})) WHERE n = 1",
             [('ws', 'TIMESTAMP(3)'), ('k', 'STRING'), ('id', 'INT')], seed)
        case('window_top_of_sums', f"SELECT window_start, k, s FROM (SELECT window_start, window_end, k, SUM(w) AS s, ROW_NUMBER() OVER (PARTITION BY window_start, window_end ORDER BY SUM(w) DESC, k) AS n FROM TABLE({WINDOWS[name].format(t='events')}) "
             "GROUP BY window_start, window_end, k) WHERE n <= 1", [('ws', 'TIMESTAMP(3)'), ('k', 'STRING'), ('s', 'BIGINT')], seed)
    frames = ['ROWS BETWEEN 2 PRECEDING AND CURRENT ROW', "RANGE BETWEEN INTERVAL '5' SECOND PRECEDING AND CURRENT ROW", 'ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW', 'RANGE BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW']
    for seed, f in enumerate(frames):
        case('over', f'SELECT id, COUNT(*) OVER w1, SUM(v) OVER w1, MIN(d) OVER w1, MAX(ts) OVER w1 FROM events WINDOW w1 AS (PARTITION BY k ORDER BY ts {f})',
             [('id', 'INT'), ('c', 'BIGINT'), ('s', 'INT'), ('m', 'DECIMAL(8, 2)'), ('t', 'TIMESTAMP(3)')], seed)


for make in (windows, joins, queries, ranks):
    make()
save('flink-streaming.jsonl', CASES)
