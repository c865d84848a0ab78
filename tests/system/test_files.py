#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Files that come and grow, and files that are written while a job has epochs: stopped, killed, started again."""
import collections
import json
import os
import signal
import subprocess
import time

from harness import ENGINE, contains, equal, main, test

COLUMNS = 'id INT, s STRING'


def table(name, path, more='', form='json'):
    return f"CREATE TABLE {name} ({COLUMNS}) WITH ('connector' = 'filesystem', 'path' = '{path}', 'format' = '{form}'{more});\n"


def now(path='in/', out='out/', settings='', form='json'):
    return (f"SET 'execution.trigger' = 'available-now'; SET 'execution.checkpointing.dir' = 'ck'; SET 'pipeline.name' = 'j'; {settings}\n"
            + table('i', path, form=form) + table('o', out) + 'INSERT INTO o SELECT * FROM i;')


def row(i):
    return json.dumps({'id': i, 's': f'row {i}'}) + '\n'


def put(case, name, text, mode='w'):
    path = case.dir / name
    path.parent.mkdir(exist_ok=True)
    with open(path, mode) as f:
        f.write(text)


def move_in(case, name, text):
    put(case, 'in/.' + name, text)
    os.rename(case.dir / f'in/.{name}', case.dir / f'in/{name}')


def ids(case, out='out'):
    files = [case.dir / out] if (case.dir / out).is_file() else [p for p in (case.dir / out).glob('*') if p.name[0] != '.']
    return sorted(json.loads(line)['id'] for p in files for line in p.read_text().splitlines())


def hidden(case, out='out'):
    return [p.name for p in (case.dir / out).glob('.*')]


def wait_ids(case, want, seconds=30):
    end = time.time() + seconds
    while time.time() < end:
        if (case.dir / 'out').exists() and ids(case) == want:
            return
        time.sleep(0.05)
    raise AssertionError(f'{ids(case)}, not {want}')


@test
def available_now_goes_on(case):
    """what has come since the last run, in files that grew and in new ones; a line without an end waits; a file that was read and is gone is forgotten"""
    put(case, 'in/a', row(1) + row(2) + row(3)[:9])
    put(case, 'in/b', row(10))
    contains(case.run(sql=now()).stderr, "note: the last line of 'in/a' has no end: it is left for the next run")
    equal(ids(case), [1, 2, 10])
    case.run('job.sql')
    equal(ids(case), [1, 2, 10])
    put(case, 'in/a', row(3)[9:] + row(4), 'a')
    put(case, 'in/c', row(20))
    case.run('-p', '2', 'job.sql')
    equal(ids(case), [1, 2, 3, 4, 10, 20])
    (case.dir / 'in/b').unlink()
    put(case, 'in/c', row(21), 'a')
    case.run('job.sql')
    equal(ids(case), [1, 2, 3, 4, 10, 20, 21])


@test
def available_now_in_parts(case):
    """epochs of a few rows: the position is in the middle of a file, where the job is killed"""
    put(case, 'in/a', ''.join(map(row, range(1000))))
    slow = now(settings="SET 'execution.trigger.max-rows' = '10';")
    put(case, 'job.sql', slow)
    p = subprocess.Popen([ENGINE, 'job.sql'], cwd=case.dir, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    end = time.time() + 30
    while len(list((case.dir / 'out').glob('*') if (case.dir / 'out').exists() else ())) < 3 and time.time() < end:
        time.sleep(0.01)
    p.kill()
    p.wait()
    put(case, 'in/a', ''.join(map(row, range(1000, 1100))), 'a')
    case.run('job.sql')
    equal(ids(case), list(range(1100)))
    equal(hidden(case), [])


@test
def available_now_other_file(case):
    """a file that shrank, or is another one, is an error that names it"""
    put(case, 'in/a', row(1) + row(2))
    case.run(sql=now())
    put(case, 'in/a', row(7) + row(8) + row(9))
    contains(case.run('job.sql', expect=None).stderr, "'in/a' was replaced since byte ")
    put(case, 'in/a', row(1))
    contains(case.run('job.sql', expect=None).stderr, "'in/a' has shrunk since byte ")
    put(case, 'in/a', row(1) + row(2) + row(3))
    case.run('job.sql')
    equal(ids(case), [1, 2, 3])
    os.mkfifo(case.dir / 'pipe')
    contains(case.run(sql=now('pipe', 'other/', "SET 'pipeline.name' = 'p';"), expect=None).stderr, "'pipe' is not a regular file: it cannot be read again")


@test
def available_now_csv(case):
    """records that the format cuts: a quoted field may hold newlines"""
    put(case, 'in/a', '1,"x\ny"\n2,"half\n')
    case.run(sql=now(form='csv'))
    equal(ids(case), [1])
    put(case, 'in/a', 'of it"\n3,z\n', 'a')
    case.run('job.sql')
    equal(ids(case), [1, 2, 3])


@test
def watched(case):
    """'source.monitor-interval': new files are found, by all workers, also after a kill; each is read once"""
    for workers in (1, 2):
        folder = f'w{workers}'
        sql = (f"SET 'execution.checkpointing.interval' = '100 ms'; SET 'execution.checkpointing.dir' = 'ck{workers}'; SET 'parallelism.default' = '{workers}';\n"
               + table('i', 'in/', ", 'source.monitor-interval' = '50 ms'") + table('o', 'out/') + 'INSERT INTO o SELECT * FROM i;')
        put(case, 'job.sql', sql)
        put(case, 'in/0', row(0))
        p = subprocess.Popen([ENGINE, 'job.sql'], cwd=case.dir, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_ids(case, [0])
        for i in range(1, 8):
            move_in(case, str(i), row(i))
        wait_ids(case, list(range(8)))
        p.kill()
        p.wait()
        move_in(case, '8', row(8))
        p = subprocess.Popen([ENGINE, 'job.sql'], cwd=case.dir, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        wait_ids(case, list(range(9)))
        p.send_signal(signal.SIGINT)
        err = p.communicate(timeout=30)[1]
        equal(p.returncode, 0, err)
        contains(err, 'found in/8')
        equal(hidden(case), [])
        for name in ('in', 'out'):
            (case.dir / name).rename(case.dir / f'{folder}-{name}')


@test
def one_file(case):
    """rows of all epochs are in the file when the job ends or is stopped; killed and stopped in between, each of them once"""
    rows = 20_000
    sql = ("SET 'execution.checkpointing.interval' = '50 ms'; SET 'execution.checkpointing.dir' = 'ck';\n"
           f"CREATE TABLE i (id INT, s STRING) WITH ('connector' = 'datagen', 'rows-per-second' = '10000', 'fields.id.kind' = 'sequence', 'fields.id.start' = '0', 'fields.id.end' = '{rows - 1}');\n"
           + table('o', 'out.json') + 'INSERT INTO o SELECT * FROM i;')
    put(case, 'job.sql', sql)
    put(case, 'out.json', row(-1))
    for sig in (signal.SIGKILL, signal.SIGINT, signal.SIGKILL):
        p = subprocess.Popen([ENGINE, 'job.sql'], cwd=case.dir, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(0.45)
        p.send_signal(sig)
        p.wait(timeout=30)
        found = ids(case, 'out.json')
        equal(found, list(range(-1, len(found) - 1)))
    assert 1 < len(found) < rows, len(found)
    case.run('job.sql')
    counts = collections.Counter(ids(case, 'out.json'))
    equal((len(counts), max(counts.values())), (rows + 1, 1))
    equal([p.name for p in case.dir.glob('.out*')], [])


def parts(case, out='out'):
    return {str(p.parent.relative_to(case.dir / out)): p for p in (case.dir / out).rglob('*') if p.is_file() and p.name[0] not in '._'}


def ids_below(case, out='out'):
    return sorted(json.loads(line)['id'] for p in (case.dir / out).rglob('*') if p.is_file() and p.name[0] not in '._' for line in p.read_text().splitlines())


def datagen(rows, rate=10_000):
    return (f"CREATE TABLE i (id INT) WITH ('connector' = 'datagen', 'rows-per-second' = '{rate}', 'fields.id.kind' = 'sequence', "
            f"'fields.id.start' = '0', 'fields.id.end' = '{rows - 1}');\n")


@test
def partitions(case):
    """PARTITIONED BY: killed, stopped and killed again, each row is there once; at the end each partition is said to be complete; nothing hidden stays"""
    rows = 20_000
    sql = ("SET 'execution.checkpointing.interval' = '50 ms'; SET 'execution.checkpointing.dir' = 'ck';\n" + datagen(rows)
           + "CREATE TABLE o (id INT, d INT, s STRING) PARTITIONED BY (d, s) WITH ('connector' = 'filesystem', 'path' = 'out', 'format' = 'json', "
             "'sink.partition-commit.policy.kind' = 'success-file', 'sink.partition-commit.delay' = '1 h');\n"
             "INSERT INTO o SELECT id, id % 7, CASE WHEN id % 3 = 0 THEN NULL ELSE 'a/' || CAST(id % 3 AS STRING) END FROM i;")
    put(case, 'job.sql', sql)
    for sig in (signal.SIGKILL, signal.SIGINT, signal.SIGKILL):
        p = subprocess.Popen([ENGINE, 'job.sql'], cwd=case.dir, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(0.45)
        p.send_signal(sig)
        p.wait(timeout=30)
        found = ids_below(case)
        equal(found, list(range(len(found))))
        if sig == signal.SIGINT:
            assert found, 'nothing is visible after Ctrl-C'
    equal(list((case.dir / 'out').rglob('_SUCCESS')), [])
    case.run('job.sql')
    equal(ids_below(case), list(range(rows)))
    equal(len(list((case.dir / 'out').rglob('_SUCCESS'))), 21)
    equal(sorted(p.name for p in (case.dir / 'out').iterdir()), [f'd={i}' for i in range(7)])
    equal(sorted(p.name for p in (case.dir / 'out/d=0').iterdir()), ['s=__DEFAULT_PARTITION__', 's=a%2F1', 's=a%2F2'])
    read = sql.split('INSERT')[0].split(';\n', 2)[2] + "SELECT COUNT(*), COUNT(s), SUM(CASE WHEN d = id % 7 AND COALESCE(s, '') = CASE WHEN id % 3 = 0 THEN '' ELSE 'a/' || CAST(id % 3 AS STRING) END THEN 0 ELSE 1 END) FROM o;"
    equal(case.run('--mode', 'csv', sql=read).stdout.split()[-1], f'{rows},{rows * 2 // 3},0')


@test
def files_stay_open(case):
    """'sink.rolling-policy.rollover-interval': files span epochs, are cut back after a kill, and are visible after Ctrl-C"""
    sql = ("SET 'execution.checkpointing.interval' = '50 ms'; SET 'execution.checkpointing.dir' = 'ck';\n" + datagen(1_000_000)
           + "CREATE TABLE o (id INT) WITH ('connector' = 'filesystem', 'path' = 'out/', 'format' = 'json', 'sink.rolling-policy.rollover-interval' = '1 h');\n"
             'INSERT INTO o SELECT * FROM i;')
    put(case, 'job.sql', sql)
    for sig in (signal.SIGKILL, signal.SIGKILL, signal.SIGINT):
        p = subprocess.Popen([ENGINE, 'job.sql'], cwd=case.dir, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(0.5)
        equal(len(parts(case)) if (case.dir / 'out').exists() else 0, 0)
        p.send_signal(sig)
        p.wait(timeout=30)
    found = ids_below(case)
    assert len(found) > 5000, len(found)
    equal(found, list(range(len(found))))
    equal((len(list((case.dir / 'out').iterdir())), hidden(case)), (1, []))


@test
def idle_input(case):
    """nothing comes in any more: a file that is open is ended by the clock all the same, also after a kill, and its partition is complete"""
    put(case, 'in/a', row(1))
    sql = ("SET 'execution.checkpointing.interval' = '50 ms'; SET 'execution.checkpointing.dir' = 'ck';\n" + table('i', 'in/', ", 'source.monitor-interval' = '50 ms'")
           + "CREATE TABLE o (id INT, p STRING) PARTITIONED BY (p) WITH ('connector' = 'filesystem', 'path' = 'out', 'format' = 'json', 'sink.rolling-policy.rollover-interval' = '2 s', "
             "'sink.partition-commit.policy.kind' = 'success-file', 'sink.partition-commit.delay' = '3 s');\nINSERT INTO o SELECT id, 'x' FROM i;")
    put(case, 'job.sql', sql)
    for last in (False, True):
        p = subprocess.Popen([ENGINE, 'job.sql'], cwd=case.dir, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        end = time.time() + 30
        while not (hidden(case) if not last else (case.dir / 'out/p=x/_SUCCESS').exists()) and time.time() < end:
            time.sleep(0.02)
        if not last:
            time.sleep(0.3)
            equal(len(parts(case)), 0)
            p.kill()
        else:
            p.send_signal(signal.SIGINT)
        p.wait(timeout=30)
    equal((ids_below(case), hidden(case)), ([1], []))


@test
def complete_by_watermark(case):
    """'partition-time': a day is complete when the watermark has passed its end"""
    days = [f'2024-01-0{d} {h:02}:00:00' for d in (1, 2, 3) for h in (0, 12, 23)]
    put(case, 'in/a', ''.join(json.dumps({'id': i, 'ts': t}) + '\n' for i, t in enumerate(days[:-2])))
    sql = ("SET 'execution.checkpointing.interval' = '100 ms'; SET 'execution.checkpointing.dir' = 'ck';\n"
           "CREATE TABLE i (id INT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts) WITH ('connector' = 'filesystem', 'path' = 'in/', 'format' = 'json', 'source.monitor-interval' = '50 ms');\n"
           "CREATE TABLE o (id INT, dt STRING) PARTITIONED BY (dt) WITH ('connector' = 'filesystem', 'path' = 'out', 'format' = 'json', "
           "'sink.partition-commit.policy.kind' = 'success-file', 'sink.partition-commit.trigger' = 'partition-time', 'sink.partition-commit.delay' = '1 d');\n"
           "INSERT INTO o SELECT id, CAST(CAST(ts AS DATE) AS STRING) FROM i;")
    put(case, 'job.sql', sql)
    p = subprocess.Popen([ENGINE, 'job.sql'], cwd=case.dir, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    end = time.time() + 30
    while not (case.dir / 'out/dt=2024-01-01/_SUCCESS').exists() and time.time() < end:
        time.sleep(0.02)
    complete = lambda: sorted(x.parent.name[-1] for x in (case.dir / 'out').rglob('_SUCCESS'))
    equal(complete(), ['1'])                      # the watermark is 2024-01-03 00:00, and has to be behind the end of the second
    move_in(case, 'b', ''.join(json.dumps({'id': i, 'ts': t}) + '\n' for i, t in enumerate(days[-2:], 7)))
    while complete() != ['1', '2'] and time.time() < end:
        time.sleep(0.02)
    p.send_signal(signal.SIGINT)
    p.wait(timeout=30)
    equal(complete(), ['1', '2'])
    equal(ids_below(case), list(range(9)))


if __name__ == '__main__':
    main()
