#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The command as a person meets it: exit codes, flags, pipes, and the shell on a (pseudo) terminal."""
import os
import re
import signal
import subprocess
import time

from harness import ENGINE, Terminal, contains, equal, main, test


@test
def exit_codes(case):
    """0 done, 1 job failed, 2 bad usage or SQL"""
    case.run('-c', 'SELECT 1')
    case.run('-c', "SELECT CAST('x' AS INT)", expect=1)
    case.run('-c', 'SELEC 1', expect=2)
    case.run('-c', 'SELECT a FROM nowhere', expect=2)
    case.run('-c', 'SELECT ' + '(' * 300 + '1' + ')' * 300, expect=2)
    case.run('--no-such-flag', expect=2)
    case.run('no-such-file.sql', expect=2)


@test
def one_failed_statement_stops_the_file(case):
    """what comes behind it does not run"""
    p = case.run(sql="SELECT 1 AS one;\nSELECT x;\nSELECT 3 AS three;\n", expect=2)
    contains(p.stdout, 'one')
    assert 'three' not in p.stdout
    contains(p.stderr, 'job.sql:2:8: error:', '^')


@test
def where_an_error_is(case):
    """in text that is no file the command's name stands for it, with and without a place"""
    assert case.run('-c', 'SELECT x', expect=2).stderr.startswith('sqluice:1:8: error: ')
    assert case.run('-c', "SELECT CAST('x' AS INT)", expect=1).stderr.startswith('sqluice:1:8: error: ')
    assert case.run(stdin='SELECT x', expect=2).stderr.startswith('stdin:1:8: error: ')


@test
def the_last_line_is_ended(case):
    """in every mode, whatever is printed, also when there are no rows"""
    sql = ('SELECT 1', 'SELECT 1 WHERE FALSE', 'EXPLAIN SELECT 1', 'SHOW TABLES', 'SHOW FUNCTIONS', 'SET', 'HELP', "SET 'pipeline.name' = 'x'", 'SELECT x',
           "CREATE TABLE t (a INT) WITH ('connector' = 'print'); DESCRIBE t", "CREATE TABLE t (a INT) WITH ('connector' = 'print'); SHOW CREATE TABLE t")
    for mode in ('table', 'csv', 'json', 'vertical'):
        for text in sql:
            for more in ([], ['--changelog']):
                p = case.run('-m', mode, *more, '-c', text, expect=None)
                for out in (p.stdout, p.stderr):
                    assert out == '' or out.endswith('\n') and not out.endswith('\n\n'), (mode, text, out)


@test
def standard_input(case):
    """a pipe is a job file"""
    contains(case.run(stdin='SELECT 6 * 7 AS answer;').stdout, 'answer', '42')
    contains(case.run('-', stdin='SELECT 6 * 7 AS answer;').stdout, '42')


@test
def output_modes(case):
    """table, csv, json, vertical; NULL, quotes and wide characters"""
    sql = """SELECT * FROM (VALUES (1, 'a,"b"', CAST(NULL AS INT)), (2, '日本', 7)) AS t (id, s, n)"""
    equal(case.run('--mode', 'csv', '-c', sql).stdout.replace('\r', ''), 'id,s,n\n1,"a,""b""",\n2,日本,7\n')
    equal(case.run('--mode', 'json', '-c', sql).stdout, '{"id":1,"s":"a,\\"b\\"","n":null}\n{"id":2,"s":"日本","n":7}\n')
    contains(case.run('--mode', 'vertical', '-c', sql).stdout, '日本')
    contains(case.run('-c', sql).stdout, 'NULL', '日本')
    sql = """SELECT X'00ff41' AS b, 'a' || CHR(0) || 'z' AS s"""   # bytes that are no text, a text with a zero byte
    contains(case.run('-c', sql).stdout, "x'00ff41'", 'a\\x00z')
    contains(case.run('--mode', 'vertical', '-c', sql).stdout, "x'00ff41'")
    equal(case.run('--mode', 'csv', '-c', sql).stdout.replace('\r', ''), 'b,s\nx\'00ff41\',"a\0z"\n')
    equal(case.run('--mode', 'json', '-c', sql).stdout, '{"b":"AP9B","s":"a\\u0000z"}\n')


@test
def help_and_version(case):
    """would satisfy a stranger"""
    p = case.run('--help')
    contains(p.stdout, 'usage', 'job.sql', '-c', 'test', '--version')
    equal(p.stderr, '')
    assert re.match(r'sqluice \d+\.\d+', case.run('--version').stdout)


@test
def a_closed_pipe_is_no_crash(case):
    """sqluice … | head"""
    p = subprocess.run(['bash', '-c', f"{ENGINE} --mode csv -c \"SELECT * FROM g\" 2>err < /dev/null | head -1; echo ${{PIPESTATUS[0]}}"], cwd=case.dir, capture_output=True, text=True)
    assert 'Segmentation' not in p.stdout + p.stderr
    case.write('g.ndjson', '{"a":1}\n' * 200_000)
    case.write('j.sql', "CREATE TABLE g (a INT) WITH ('connector'='filesystem','path'='g.ndjson','format'='json'); SELECT * FROM g;")
    p = subprocess.run(['bash', '-c', f'{ENGINE} --mode csv j.sql | head -1; echo ${{PIPESTATUS[0]}}'], cwd=case.dir, capture_output=True, text=True, timeout=60)
    equal(p.stdout.split('\n')[0], 'a')
    assert int(p.stdout.split('\n')[1]) in (0, 141), p.stdout


@test
def the_shell(case):
    """prompt, statements over several lines, errors that keep the session, history, .quit"""
    t = Terminal(case)
    t.wait('sqluice>')
    t.type('SELECT 6 *')
    t.wait('...>')
    t.type('7 AS answer;')
    contains(t.wait('sqluice>'), 'answer', '42')
    t.type('SELECT nope;')
    contains(t.wait('sqluice>'), 'error', '^')
    t.type("CREATE TABLE t (a INT) WITH ('connector' = 'blackhole');")
    t.wait('sqluice>')
    t.type('SHOW TABLES;')
    contains(t.wait('sqluice>'), 't')
    t.type('.quit')
    equal(t.close(), 0)


@test
def files_that_are_no_tests(case):
    """sqluice test: said with exit code 2, and nothing is written outside the run's own directory"""
    outside = case.dir / 'outside'
    for text, why in (('garbage\n', 'a block starts with'), (f'file {outside}\n  x\n', "in the run's directory"),
                      ('file a/../../outside\n  x\n', "in the run's directory"), ('file x sometimes\n  x\n', 'escaped'), ('clock yesterday\n', 'a clock is written'),
                      ('clock 2024-01-01 12:61:00\n', 'a clock is written'), ('mode fast\n', 'mode is'), ('rows\n  1\n', 'belongs below')):
        case.write('x.test', text)
        p = case.run('test', 'x.test', expect=2)
        contains(p.stdout, why, '1 not run')
    assert not outside.exists()
    (case.dir / 'empty').mkdir()
    contains(case.run('test', 'empty', expect=2).stderr, 'no *.test file')
    case.run('test', 'not-there', expect=2)
    case.write('x.test', 'clock 2024-05-01 12:00:00\nfile sub/x.ndjson escaped\n  {"a":1}\\n\nquery SELECT CAST(CURRENT_TIMESTAMP AS STRING)\nrows\n  2024-05-01 12:00:00.000\n')
    case.run('test', 'x.test')


@test
def tests_with_crashes(case):
    """sqluice test: INSERTs are broken off and go on; a run that fails says the seed that repeats it"""
    rows = ''.join(f'  {"abc"[i % 3]} | {i}\n' for i in range(40))
    case.write('x.test', f'mode streaming\ntable t (k STRING, v INT)\n{rows}'
               'sink s (k STRING, n BIGINT, PRIMARY KEY (k) NOT ENFORCED)\nstatement INSERT INTO s SELECT k, COUNT(*) FROM t GROUP BY k\nrows of SELECT * FROM s\n'
               '  a | 14\n  b | 13\n  c | 13\nquery SELECT k, SUM(v) FROM t GROUP BY k\nrows\n  a | 273\n  b | 247\n  c | 260\n')
    p = case.run('test', '-v', '-c', '20', '-s', '4', '-b', '1', 'x.test')
    broken, went_on = map(int, re.search(r'crashes: (\d+) INSERTs were broken off, (\d+) went on', p.stdout).groups())
    assert broken > 20 and went_on > 5, p.stdout
    assert 'crashes' not in case.run('test', '-v', '-c', '0', 'x.test').stdout
    contains(case.run('test', '-c', 'some', 'x.test', expect=2).stderr, "--crashes takes a number, not 'some'")
    contains(case.run('test', '-s', '0', 'x.test', expect=2).stderr, "--seed takes a number, not '0'")


@test
def progress_on_a_terminal_only(case):
    """a line for long work on a terminal, none in a pipe"""
    case.write('slow.sql', "CREATE TABLE g (a INT) WITH ('connector'='datagen','number-of-rows'='3000','rows-per-second'='1000');"
               "CREATE TABLE o (a INT) WITH ('connector'='blackhole'); INSERT INTO o SELECT a FROM g;")
    t = Terminal(case, 'slow.sql')
    t.wait('rows/s')
    equal(t.close(), 0)
    p = case.run('slow.sql')
    assert 'rows/s' not in p.stdout and '\r' not in p.stderr, p.stderr


@test
def ctrl_c_ends_an_endless_job_with_its_account(case):
    """SIGINT and SIGTERM: what was written is kept, the account is printed, exit 0"""
    case.write('endless.sql', "CREATE TABLE g (a BIGINT) WITH ('connector'='datagen','rows-per-second'='2000','fields.a.kind'='sequence','fields.a.start'='1','fields.a.end'='1000000000');"
               "CREATE TABLE o (a BIGINT) WITH ('connector'='filesystem','path'='o.ndjson','format'='json'); INSERT INTO o SELECT a FROM g;")
    for sig in (signal.SIGINT, signal.SIGTERM):
        (case.dir / 'o.ndjson').unlink(missing_ok=True)
        p = subprocess.Popen([ENGINE, 'endless.sql'], cwd=case.dir, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        time.sleep(1.0)
        p.send_signal(sig)
        out, err = p.communicate(timeout=20)
        equal(p.returncode, 0, err)
        contains(err, 'rows')
        written = case.read('o.ndjson').splitlines()
        assert len(written) > 100, len(written)
        equal(written[:2], ['{"a":1}', '{"a":2}'])


if __name__ == '__main__':
    main()
