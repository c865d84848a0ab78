#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The user's job on a real Flink: its three tables and its statement written out in today's Flink SQL (window columns computed), over the same Kafka topics
that ./sqluice sql/sensor_analysis.sql reads; the final results are compared.

usage: tests/diff/sensor_on_flink.py [--deps DIR] [--readings N]

Flink and its Kafka connector come from PyPI and Maven Central (see ask_flink.py). Ports 9092 and 3306 must be free.
"""
import argparse
import json
import math
import pathlib
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / 'system'))
import ask_flink  # noqa: E402
import harness  # noqa: E402
import test_verbatim as v  # noqa: E402

CONNECTOR = 'org.apache.flink:flink-sql-connector-kafka:5.0.0-2.2'
TOPIC = """WITH ('connector' = 'kafka', 'topic' = '%s', 'properties.bootstrap.servers' = 'localhost:9092', 'properties.group.id' = 'flink',
  'scan.startup.mode' = 'earliest-offset', 'scan.bounded.mode' = 'latest-offset', 'format' = 'json')"""
JOB = f"""CREATE TABLE sensor_data (id STRING, `timestamp` BIGINT, `value` DOUBLE) {TOPIC % 'sensor_data'};
CREATE TABLE sensor_window (id STRING, `timestamp` BIGINT, `value` DOUBLE,
  tstart AS `timestamp` - MOD(`timestamp`, 10000), tend AS `timestamp` - MOD(`timestamp`, 10000) + 10000) {TOPIC % 'sensor_window'};
CREATE TABLE sensor_result (id STRING, `count` BIGINT, `sum` DOUBLE) WITH ('connector' = 'filesystem', 'path' = '{{dir}}/result', 'format' = 'debezium-json');
INSERT INTO sensor_result
SELECT sensor_data.id, COUNT(*) AS `count`, SUM(sensor_data.`value`) AS `sum`
FROM sensor_data JOIN sensor_window ON sensor_data.id = sensor_window.id
  AND sensor_data.`timestamp` >= sensor_window.tstart AND sensor_data.`timestamp` < sensor_window.tend
GROUP BY sensor_data.id;
"""


def jars(deps):
    directory = deps / 'flink-jars'
    if not directory.exists():
        subprocess.run(['mvn', '-q', '-B', 'dependency:copy', f'-Dartifact={CONNECTOR}', f'-DoutputDirectory={directory}'], check=True)
    return list(directory.glob('*.jar'))


def flinks_result(home, deps, work):
    job = work / 'flink.sql'
    job.write_text(JOB.replace('{dir}', str(work)))
    ask_flink.run(home, [job], jars(deps))
    status = pathlib.Path(f'{job}.rc').read_text()
    if not status.startswith('0\n'):
        sys.exit(f'Flink failed: {status[:2000]}')
    result = {}
    for f in sorted(p for p in (work / 'result').rglob('*') if p.is_file() and p.name[0] not in '._'):
        for line in f.read_text().splitlines():
            e = json.loads(line)
            row = e['after']
            if row is None:
                if result.get(e['before']['id']) == (e['before']['count'], e['before']['sum']):
                    del result[e['before']['id']]
            else:
                result[row['id']] = (row['count'], row['sum'])
    return result


def main():
    a = argparse.ArgumentParser()
    a.add_argument('--deps', type=pathlib.Path, default=ask_flink.ROOT / 'build/deps')
    a.add_argument('--readings', type=int, default=100_000)
    a = a.parse_args()
    deps, work = a.deps.absolute(), pathlib.Path(tempfile.mkdtemp(prefix='sensor-'))
    home = ask_flink.flink(deps)
    v.fresh()
    case = harness.Case(work)
    data, marks = v.random_rows(a.readings, 8), v.random_rows(500, 9)
    v.broker.send('sensor_data', v.lines(data))
    v.broker.send('sensor_window', v.lines(marks))
    expected = v.oracle(case, data, marks)
    begin = time.time()
    job = v.Job(case)
    job.until(expected)
    ours = time.time() - begin
    job.stop()
    result = v.result()
    begin = time.time()
    flink = flinks_result(home, deps, work)
    theirs = time.time() - begin
    same = flink.keys() == result.keys() and all(flink[k][0] == n and math.isclose(flink[k][1], s, rel_tol=1e-9, abs_tol=1e-6) for k, (n, s) in result.items())
    print(f'{a.readings:,} readings, {len(result)} ids: sqluice right after {ours:.1f} s, Flink done after {theirs:.1f} s (its start included)')
    print('1 passed, 0 failed' if same else f'0 passed, 1 failed\n{len(flink)} keys on Flink, {len(result)} here')
    return not same


if __name__ == '__main__':
    sys.exit(main())
