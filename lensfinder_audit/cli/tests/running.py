# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""Run the command line in the process of a test."""
from click.testing import CliRunner

from lensfinder_audit.cli import main
from lensfinder_audit.files import read_table, write_whole
from lensfinder_audit.tests.made_up import make_table

#: Options that keep an audit short.
QUICK = ('--resamples', '200', '--no-figures')


def run(*arguments):
    """Run a command; an exception that is not turned into a message is raised."""
    done = CliRunner().invoke(main, [str(item) for item in arguments])
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done


def audit(folder, table, *arguments, out='out', name='scores.ecsv'):
    """Write a table, audit it and expect no complaint."""
    write_whole(table, folder / name, overwrite=True)
    done = run('audit', folder / name, '-o', folder / out, *QUICK, *arguments)
    assert done.exit_code == 0, done.stderr
    return folder / out


def refusal(folder, *arguments, code=2):
    """Run a command that must be refused in one line, and leave the folder as it is."""
    before = contents(folder)
    done = run(*arguments)
    lines = done.stderr.strip().splitlines()
    assert done.exit_code == code, (done.exit_code, done.stderr)
    assert contents(folder) == before
    assert done.stdout == ''
    if not lines[0].startswith('Usage: '):
        assert len(lines) == 1
    return lines[-1]


def contents(folder):
    """Return every file below a folder with what it holds."""
    return {path.relative_to(folder): path.read_bytes() if path.is_file() else None
            for path in sorted(folder.rglob('*'))}


def tables(out):
    """Read the tables of an audit."""
    return {path.stem: read_table(path) for path in sorted((out / 'tables').glob('*.ecsv'))}


def small_table():
    """A table without a fault that is audited in a moment."""
    return make_table(600)
