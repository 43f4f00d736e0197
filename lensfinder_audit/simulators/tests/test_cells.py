# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""Cells hold their light; without lenstronomy its simulator says what to install."""
import subprocess
import sys

import numpy as np
import pytest
from numpy.testing import assert_allclose

from lensfinder_audit.simulators._cells import integrate


def test_a_missing_lenstronomy_is_one_line():
    code = ("import sys; sys.modules['lenstronomy'] = None\n"
            'from lensfinder_audit.exceptions import MissingDependencyError\n'
            'from lensfinder_audit.plugins import load_plugin\n'
            "try:\n    load_plugin('simulators', 'lenstronomy')\n"
            'except MissingDependencyError as error:\n    print(error)')
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, check=True)
    assert done.stdout.strip().count('\n') == 0
    assert "pip install 'lensfinder_audit[lenstronomy]'" in done.stdout


def test_cells_are_split_where_light_is_steep():
    def peak(x, y):
        return np.exp(-np.hypot(x - 0.03, y) / 0.05) / (2 * np.pi * 0.05 ** 2)

    image = integrate(peak, (21, 21), 0.262, 1e-6)
    assert image.sum() == pytest.approx(1, rel=2e-4)
    assert not integrate(lambda x, y: 0 * x, (5, 7), 0.262, 1e-6).any()
    flat = integrate(lambda x, y: np.ones_like(x), (3, 4), 0.5, 1e-6)
    assert_allclose(flat, np.full((3, 4), 0.25))
