# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
import subprocess
import sys

import pytest

HEAVY = ('torch', 'astropy', 'pandas', 'pyarrow', 'numba', 'dask', 'numpy', 'scipy', 'sklearn',
         'matplotlib', 'healpy', 'photutils', 'onnxruntime', 'astroquery', 'pyvo', 'lenscat',
         'lenstronomy', 'pyspark', 'lightning', 'timm')
HELP = "from lensfinder_audit.cli import main; main({}, standalone_mode=False)"


def imported(code):
    """Return which heavy packages some code imports in a fresh interpreter."""
    report = f'import sys; print("|".join(name for name in {HEAVY} if name in sys.modules))'
    done = subprocess.run([sys.executable, '-c', f'{code}\n{report}'], capture_output=True,
                          text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()[-1]


@pytest.mark.parametrize('code', [
    'import lensfinder_audit',
    'import lensfinder_audit; dir(lensfinder_audit); lensfinder_audit.__version__',
    'import lensfinder_audit.exceptions',
    "from lensfinder_audit import plugin_names; plugin_names('normalizers')",
    'from lensfinder_audit import read_table',
    HELP.format("['--help']"),
    HELP.format("['--version']"),
    HELP.format("['audit', '--help']"),
])
def test_nothing_heavy_is_imported(code):
    assert imported(code) == ''


def test_listing_plugins_imports_none_of_them():
    code = """
import sys
from lensfinder_audit.plugins import KINDS, plugin_names
for kind in KINDS:
    plugin_names(kind)
assert not [name for name in sys.modules if name.startswith('lensfinder_audit.')
            and name.split('.')[1] in KINDS], sys.modules
"""
    assert imported(code) == ''


def test_audit_of_a_table_needs_no_torch():
    code = 'import lensfinder_audit.measure, pkgutil, importlib\n' \
           'for item in pkgutil.iter_modules(lensfinder_audit.measure.__path__):\n' \
           '    if item.name != "tests":\n' \
           '        importlib.import_module(f"lensfinder_audit.measure.{item.name}")'
    found = set(imported(code).split('|'))
    assert not found & {'torch', 'timm', 'astroquery', 'dask', 'matplotlib', 'pandas', 'lenscat'}
