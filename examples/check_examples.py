#!/usr/bin/env python
# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Install the package and every example beside this file, and check them all.

A new virtual environment in a temporary folder gets the package and each
example as a user would install them. Then each plugin is checked by name and
each example's own tests are run. The exit code tells whether all is well::

    python examples/check_examples.py          # the package above this folder
    python examples/check_examples.py PACKAGE  # a folder, a wheel or a requirement
"""
import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import tomllib
import venv
from configparser import ConfigParser
from pathlib import Path

HERE = Path(__file__).resolve().parent
CHECK = """
import sys
from lensfinder_audit.plugins import load_plugin
from lensfinder_audit.testing import check_plugin
found = check_plugin(sys.argv[1], load_plugin(*sys.argv[1:]))
print(*(f'{name}: {message}' for name, passed, message in found if not passed), sep='\\n')
sys.exit(not all(passed for _, passed, _ in found))
"""


def main():
    """Run everything; return the number of failures."""
    parser = argparse.ArgumentParser(description=__doc__.strip().partition('\n')[0])
    parser.add_argument('package', nargs='?', default=str(HERE.parent), help='what pip installs')
    parser.add_argument('--here', action='store_true',
                        help='use the running Python, with what it has installed, and install '
                             'only the examples')
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        python = Path(sys.executable) if options.here else make_environment(f'{folder}/venv')
        examples = [copied(path, folder) for path in sorted(HERE.iterdir()) if plugins_of(path)]
        failed = install(python, [] if options.here else [options.package], examples)
        failed = failed or [what for example in examples for what in check(python, example)]
    print(f'{len(examples)} examples, {len(failed)} failures', *failed, sep='\n  ')
    return len(failed)


def make_environment(folder):
    """Return the interpreter of a new virtual environment."""
    venv.create(folder, with_pip=True)
    return Path(folder) / ('Scripts' if os.name == 'nt' else 'bin') / 'python'


def copied(example, folder):
    """Copy an example, because building leaves files in its folder."""
    leave = shutil.ignore_patterns('build', '*.egg-info', '__pycache__')
    return Path(shutil.copytree(example, Path(folder) / example.name, ignore=leave))


def install(python, packages, examples):
    """Install packages and examples together; return what failed."""
    extra = [] if packages else ['--no-deps', '--no-build-isolation']
    wanted = [*packages, *(['pytest'] if packages else []), *map(str, examples)]
    return run('installation', [python, '-m', 'pip', 'install', '-q', *extra, *wanted])


def check(python, example):
    """Check the plugins of an example and run its tests; return what failed."""
    failed, reason = [], unchecked(example)
    for kind, name in plugins_of(example):
        if reason:
            print(f'--- {example.name}: no check of {name} by name: {reason}')
            continue
        failed += run(f'{example.name}: check of {name}', check_command(python, kind, name))
    tests = [python, '-m', 'pytest', '-q', '-p', 'no:cacheprovider', '--rootdir', example,
             example / 'tests']
    return failed + run(f'{example.name}: tests', tests)


def unchecked(example):
    """Return why the plugins of an example cannot be made by name; empty where they can."""
    project = example / 'pyproject.toml'
    found = tomllib.loads(project.read_text()) if project.is_file() else {}
    return found.get('tool', {}).get('check_examples', {}).get('needs_file', '')


def check_command(python, kind, name):
    """Return the command that checks one plugin, through the command line where it can."""
    script = python.with_name('lensfinder-audit' + python.suffix)
    asked = subprocess.run([script, 'plugins', 'check', '--help'], capture_output=True, check=False)
    if asked.returncode == 0:
        return [script, 'plugins', 'check', name]
    return [python, '-c', CHECK, kind, name]


def plugins_of(folder):
    """Return kind and name of each plugin that a folder registers."""
    groups = {}
    if (folder / 'pyproject.toml').is_file():
        project = tomllib.loads((folder / 'pyproject.toml').read_text()).get('project', {})
        groups = project.get('entry-points', {})
    if not groups and (folder / 'setup.cfg').is_file():
        config = ConfigParser()
        config.read(folder / 'setup.cfg')
        section = 'options.entry_points'
        found = config.items(section) if config.has_section(section) else []
        groups = {group: [line.partition('=')[0].strip() for line in lines.splitlines()
                          if '=' in line] for group, lines in found}
    return [(group.removeprefix('lensfinder_audit.'), name) for group, names in groups.items()
            for name in names if group.startswith('lensfinder_audit.')]


def run(what, command):
    """Run a command away from the source tree; return its name if it fails."""
    print(f'--- {what}', flush=True)
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run([str(part) for part in command], cwd=folder, check=False)
    return [what] if done.returncode else []


if __name__ == '__main__':
    sys.exit(bool(main()))
