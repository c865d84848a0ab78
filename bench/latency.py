#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""End-to-end latency Kafka -> filter and project -> Kafka at 1,000 rows a second, measured by a client of its own (bench/latency.c), against a bare
consume -> produce forwarder in turn in the same run; and the same job with transactions, one each second, read committed.

usage: bench/latency.py --build DIR [--rounds R] [--seconds S]
"""
import argparse
import os
import pathlib
import statistics
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
CEILING, RATE = 1.3, 1000

JOB = """{settings}
CREATE TABLE i (id BIGINT, t BIGINT) WITH ('connector' = 'kafka', 'topic' = 'in', 'properties.bootstrap.servers' = '{servers}', 'scan.startup.mode' = 'latest-offset',
    'format' = 'json');
CREATE TABLE o (id BIGINT, t BIGINT) WITH ('connector' = 'kafka', 'topic' = '{out}', 'properties.bootstrap.servers' = '{servers}', 'format' = 'json', 'properties.linger.ms' = '0',
    {sink});
INSERT INTO o SELECT id, t FROM i WHERE id >= 0;
"""


def main():
    a = argparse.ArgumentParser()
    a.add_argument('--build', type=pathlib.Path, required=True)
    a.add_argument('--rounds', type=int, default=5)
    a.add_argument('--seconds', type=int, default=8)
    a = a.parse_args()
    build = a.build.absolute()
    os.environ['SQLUICE_BUILD'] = str(build)
    sys.path.insert(0, str(ROOT / 'tests/system'))
    import kafka_broker
    broker = kafka_broker.Broker(heap='1g')
    tool = build / 'bench/latency'

    def round_of(command, out, isolation='read_uncommitted'):
        p = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(2)
        try:
            m = subprocess.run([tool, 'measure', broker.servers, 'in', out, str(RATE), str(a.seconds), isolation], capture_output=True, text=True, check=True)
        finally:
            p.kill()
            p.wait()
        return [float(x) for x in m.stdout.split()]

    try:
        for topic in ('in', 'bare', 'ours', 'committed'):
            broker.create(topic)
        plain, safe = broker.dir / 'plain.sql', broker.dir / 'safe.sql'
        plain.write_text(JOB.format(servers=broker.servers, settings='', out='ours', sink="'sink.delivery-guarantee' = 'none'"))
        safe.write_text(JOB.format(servers=broker.servers, out='committed', sink="'sink.delivery-guarantee' = 'exactly-once', 'sink.transactional-id-prefix' = 'bench'",
                                   settings=f"SET 'execution.checkpointing.interval' = '1 s'; SET 'execution.checkpointing.dir' = '{broker.dir}/cp'; SET 'pipeline.name' = 'bench';"))
        bare, ours = [], []
        for n in range(a.rounds + 1):
            b = round_of([tool, 'forward', broker.servers, 'in', 'bare'], 'bare')
            o = round_of([build / 'sqluice', '--quiet', plain], 'ours')
            if n:                                # the first warms up
                bare.append(b)
                ours.append(o)
        ratios = [o[1] / b[1] for o, b in zip(ours, bare)]
        print(f'{RATE} rows a second, Kafka -> filter, project -> Kafka, linger 0, median of {a.rounds} rounds:')
        print(f'  bare forwarder   p50 {statistics.median(b[0] for b in bare):7.2f} ms   p99 {statistics.median(b[1] for b in bare):7.2f} ms')
        print(f'  sqluice          p50 {statistics.median(o[0] for o in ours):7.2f} ms   p99 {statistics.median(o[1] for o in ours):7.2f} ms')
        print(f'  p99 of the bare forwarder\'s: {statistics.median(ratios):.2f} (ceiling {CEILING}; {min(ratios):.2f} … {max(ratios):.2f})')
        m = round_of([build / 'sqluice', '--quiet', safe], 'committed', 'read_committed')
        print(f'  exactly once, a transaction each second: p50 {m[0]:.0f} ms, p99 {m[1]:.0f} ms')
    finally:
        broker.stop()


if __name__ == '__main__':
    sys.exit(main())
