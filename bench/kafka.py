#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Kafka -> COUNT(*) and SUM(value) by id, one worker, against a bare rd_kafka_consume_batch_queue loop over the same topic.

usage: bench/kafka.py --build DIR [--rows N] [--rounds R] [--check]

Sensor readings of about 60 bytes, 1,000 ids, one partition, not compressed, in a broker started for this. The first round warms the page cache; then
the two take turns. Figures are rows per CPU-second (user and system, all threads) of the client alone, medians of the rounds; what they have to each
other is the median of the rounds' quotients. A busy machine fills librdkafka's queue, and then each row costs more. --check exits 1 below the floor.
"""
import argparse
import os
import pathlib
import re
import statistics
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
FLOOR = 0.8

JOB = """CREATE TABLE readings (id STRING, `timestamp` BIGINT, `value` DOUBLE) WITH ('connector' = 'kafka', 'topic' = 'readings',
    'properties.bootstrap.servers' = '{servers}', 'scan.startup.mode' = 'earliest-offset', 'scan.bounded.mode' = 'latest-offset', 'format' = 'json');
CREATE TABLE out (id STRING, n BIGINT, total DOUBLE) WITH ('connector' = 'blackhole');
INSERT INTO out SELECT id, COUNT(*), SUM(`value`) FROM readings GROUP BY id;
"""


def measure(build, *command):
    p = subprocess.run([build / 'bench/measure', *map(str, command)], capture_output=True, text=True)
    if p.returncode:
        sys.exit(f'bench: {command[0]} failed: {p.stdout}{p.stderr}')
    return {k: float(v) for k, v in re.findall(r'(\w+)=([\d.]+)', p.stdout)}


def main():
    a = argparse.ArgumentParser()
    a.add_argument('--build', type=pathlib.Path, required=True)
    a.add_argument('--rows', type=int, default=3_000_000)
    a.add_argument('--rounds', type=int, default=7)
    a.add_argument('--check', action='store_true')
    a = a.parse_args()
    build = a.build.absolute()
    os.environ['SQLUICE_BUILD'] = str(build)
    sys.path.insert(0, str(ROOT / 'tests/system'))
    import kafka_broker
    broker = kafka_broker.Broker(heap='1g')
    try:
        broker.create('readings')
        gen = subprocess.Popen([build / 'bench/gen_readings', str(a.rows), '1000', '42'], stdout=subprocess.PIPE)
        subprocess.run([kafka_broker.PRODUCE, broker.servers, 'send', 'readings', '-X', 'batch.size=1000000'], stdin=gen.stdout, check=True)
        job = broker.dir / 'job.sql'
        job.write_text(JOB.format(servers=broker.servers))
        commands = {'bare loop': (build / 'bench/kafka_consume', broker.servers, 'readings'), 'sqluice': (build / 'sqluice', '--quiet', job)}
        cpu, wall = {k: [] for k in commands}, {k: [] for k in commands}
        for n in range(a.rounds + 1):
            for k, command in commands.items():
                m = measure(build, *command)
                if n:
                    cpu[k].append(a.rows / m['cpu_s'])
                    wall[k].append(a.rows / m['wall_ms'] * 1000)
    finally:
        broker.stop()
    print(f'{a.rows:,} messages of Kafka, median of {a.rounds} rounds, million rows per CPU-second (min … max); per second of time:')
    for k in commands:
        print(f'  {k:10} {statistics.median(cpu[k]) / 1e6:7.2f}   ({min(cpu[k]) / 1e6:.2f} … {max(cpu[k]) / 1e6:.2f}); {statistics.median(wall[k]) / 1e6:.2f}')
    ratio = statistics.median(x / y for x, y in zip(cpu['sqluice'], cpu['bare loop']))
    print(f'  of the bare loop: {ratio:.2f} (floor {FLOOR})')
    return 1 if a.check and ratio < FLOOR else 0


if __name__ == '__main__':
    sys.exit(main())
