# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
import builtins

import pytest

from lensfinder_audit import exceptions
from lensfinder_audit.exceptions import LensfinderAuditError, did_you_mean

ERRORS = [getattr(exceptions, name) for name in exceptions.__all__ if name != 'did_you_mean']


@pytest.mark.parametrize('error', ERRORS, ids=lambda error: error.__name__)
def test_every_error_is_ours_and_has_a_docstring(error):
    assert issubclass(error, LensfinderAuditError)
    assert error.__doc__


@pytest.mark.parametrize('error', [error for error in ERRORS if error.__name__ not in
                                   ('LensfinderAuditError', 'PluginError')],
                         ids=lambda error: error.__name__)
def test_every_error_that_is_raised_is_a_builtin_one_too(error):
    own = {LensfinderAuditError, Exception}
    assert any(getattr(builtins, base.__name__, None) is base for base in set(error.__mro__) - own)


@pytest.mark.parametrize('name, choices, sentence', [
    ('treshold', ['threshold', 'budget'], " Did you mean 'threshold'?"),
    ('LABEL', ['label'], " Did you mean 'label'?"),
    ('xyz', ['label'], ''),
    ('x', [], ''),
    (3, [30, 4], " Did you mean '30'?"),
])
def test_did_you_mean_names_the_nearest_word_or_none(name, choices, sentence):
    assert did_you_mean(name, choices) == sentence
