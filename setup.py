#!/usr/bin/env python
# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""All metadata is in setup.cfg; the version comes from the git tags."""
from setuptools import setup

setup(use_scm_version={'write_to': 'lensfinder_audit/_version.py',
                       'fallback_version': '0.1.dev0'})
