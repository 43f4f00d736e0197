# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Conformance checks for plugin authors.

Each function takes one plugin, asks of it what its contract promises and raises
`~lensfinder_audit.exceptions.ConformanceError` at the first promise that is not
kept, with the numbers and with what to do. `check_plugin` goes on to the last
check and returns a list. A plugin's test is one line::

    def test_conforms():
        check_normalizer(MyNormalizer())
"""
from lensfinder_audit.psf import GaussianPSF
from lensfinder_audit.testing._catalog_finders import check_catalog_finder
from lensfinder_audit.testing._classifiers import check_classifier
from lensfinder_audit.testing._core import CheckResult, check_plugin
from lensfinder_audit.testing._engines import check_engine
from lensfinder_audit.testing._examples import example_flux, example_hosts
from lensfinder_audit.testing._normalizers import check_normalizer
from lensfinder_audit.testing._simulators import check_simulator
from lensfinder_audit.testing._sources import check_source
from lensfinder_audit.testing._surveys import check_survey

__all__ = ['check_normalizer', 'check_classifier', 'check_catalog_finder', 'check_simulator',
           'check_source', 'check_engine', 'check_survey', 'check_plugin', 'CheckResult',
           'GaussianPSF', 'example_flux', 'example_hosts']
