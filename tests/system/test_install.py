#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""make install into an empty prefix, and the C example built against it by pkg-config, static and shared; a second make does nothing."""
import os
import subprocess

from harness import BUILD, ROOT, contains, equal, main, test


def sh(*command, env=None, cwd=None):
    p = subprocess.run(list(map(str, command)), capture_output=True, text=True, cwd=cwd or ROOT, env={**os.environ, **(env or {})})
    if p.returncode:
        raise AssertionError(f'{command}: {p.stdout}{p.stderr}')
    return p.stdout


@test
def a_second_make_does_no_work(case):
    """make after make says that nothing is to be done"""
    sh('make', f'BUILD={BUILD.relative_to(ROOT) if BUILD.is_relative_to(ROOT) else BUILD}')
    out = sh('make', '-n', f'BUILD={BUILD.relative_to(ROOT) if BUILD.is_relative_to(ROOT) else BUILD}')
    assert 'cc ' not in out and 'gcc' not in out and 're2c' not in out, out


@test
def the_example_builds_against_what_is_installed(case):
    """pkg-config, shared and static"""
    prefix = case.dir / 'usr'
    sh('make', 'install', f'PREFIX={prefix}', f'BUILD={BUILD.relative_to(ROOT) if BUILD.is_relative_to(ROOT) else BUILD}')
    env = {'PKG_CONFIG_PATH': str(prefix / 'lib/pkgconfig')}
    flags = sh('pkg-config', '--cflags', '--libs', 'sqluice', env=env).split()
    static = sh('pkg-config', '--static', '--cflags', '--libs', 'sqluice', env=env).split()
    source = ROOT / 'examples/embed.c'
    sh('cc', '-Wall', '-Wextra', '-Werror', '-std=c11', '-o', case.dir / 'shared', source, *flags, f'-Wl,-rpath,{prefix}/lib')
    libs = [f for f in static if f.startswith('-l') and f != '-lsqluice']
    sh('cc', '-std=c11', '-o', case.dir / 'static', f'-I{prefix}/include', source, prefix / 'lib/libsqluice.a', *libs)
    a, b = (sh(case.dir / which, cwd=case.dir) for which in ('shared', 'static'))
    equal(a, b)
    assert a.strip(), 'the example shows nothing'
    contains(sh(prefix / 'bin/sqluice', '--version'), 'sqluice')
    exported = sh('nm', '-D', '--defined-only', prefix / 'lib/libsqluice.so').split('\n')
    wrong = [line for line in exported if line and not line.split()[-1].startswith('sqluice_')]
    equal(wrong, [], 'symbols that are not the API')
    sh('make', 'uninstall', f'PREFIX={prefix}')
    equal(sorted(p.name for p in prefix.rglob('*') if not p.is_dir()), [])


if __name__ == '__main__':
    main()
