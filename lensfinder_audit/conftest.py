# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""What every test of the package shares."""
import os
from pathlib import Path

import hypothesis
import pytest

import lensfinder_audit

os.environ.setdefault('MPLBACKEND', 'Agg')  # before anything imports pyplot

try:
    from pytest_astropy_header.display import PYTEST_HEADER_MODULES, TESTED_VERSIONS
except ImportError:
    PYTEST_HEADER_MODULES = TESTED_VERSIONS = None

# The same examples on every machine, and no verdict from a slow one.
hypothesis.settings.register_profile('ci', derandomize=True, deadline=None)
hypothesis.settings.register_profile('search', deadline=None, max_examples=1000)
hypothesis.settings.load_profile(os.environ.get('LENSFINDER_AUDIT_HYPOTHESIS', 'ci'))


def pytest_configure(config):
    """Show in the header of a run which versions it rests on."""
    if PYTEST_HEADER_MODULES is None:
        return
    config.option.astropy_header = True
    PYTEST_HEADER_MODULES.clear()
    PYTEST_HEADER_MODULES.update({name.capitalize(): name for name in (
        'numpy', 'scipy', 'astropy', 'pyarrow', 'numba', 'healpy', 'photutils', 'onnxruntime',
        'torch', 'dask')})
    TESTED_VERSIONS['lensfinder_audit'] = lensfinder_audit.__version__


@pytest.fixture(scope='session')
def real_data():
    """Folder of the real data; the test is skipped where there is none."""
    beside = Path(__file__).resolve().parents[1] / '..' / 'shared' / 'real-data'
    folder = Path(os.environ.get('LENSFINDER_AUDIT_REAL_DATA', beside)).resolve()
    if not folder.is_dir():
        pytest.skip(f'no real data at {folder}; LENSFINDER_AUDIT_REAL_DATA names its folder')
    return folder
