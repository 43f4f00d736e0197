# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""Paired designs: the same hosts and systems, with one thing changed."""
import copy

import numpy as np

from lensfinder_audit._recovery_work import BASE, Arm
from lensfinder_audit.exceptions import ConfigError, did_you_mean
from lensfinder_audit.interfaces import InjectionSimulator, parameter_names
from lensfinder_audit.plugins import load_plugin
from lensfinder_audit.psf import PROFILES

__all__ = ['PAIRS', 'make_arms']

#: What a pair can change, and what it is without a value.
PAIRS = {'noise': 'off', 'psf': 'gaussian', 'clip': 'inf', 'simulator': None}


def make_arms(pairs, classifier, *, psf=None, gain=None):
    """Return the arm of the run and one for each of ``('noise', 'clip=20', simulator, ...)``."""
    base = Arm(BASE, psf=psf or {}, gain=gain)
    arms = [base]
    for text in [pairs] if isinstance(pairs, str | InjectionSimulator) else pairs:
        if not isinstance(text, str):
            text, made = text if isinstance(text, tuple) else (type(text).__name__, text)
            arms.append(_simulator(base, text.removeprefix('simulator='), classifier, made=made))
            continue
        kind, _, value = str(text).partition('=')
        if kind not in PAIRS:
            raise ConfigError(f'a pair cannot change {kind!r}; it can change {list(PAIRS)}.'
                              f'{did_you_mean(kind, PAIRS)}')
        value = value or PAIRS[kind]
        if value is None:
            raise ConfigError(f'a pair of {kind}s needs the other one, such as {kind}=lenstronomy')
        arms.append(_MAKERS[kind](base, value, classifier))
    names = [arm.name for arm in arms]
    if len(set(names)) < len(names):
        raise ConfigError(f'two pairs are the same: {names[1:]}')
    return tuple(arms)


def _noise(base, value, classifier):
    gain = 'none' if value == 'off' else _number('noise', value)
    if gain == base.gain:
        raise ConfigError(f'the pair noise={value} changes nothing: that is the noise of the run')
    return Arm(f'noise={value}', psf=base.psf, gain=gain)


def _psf(base, value, classifier):
    options = {**base.psf, 'profile': value} if value in PROFILES else {
        **base.psf, 'width': _number('psf', value, f'one of {list(PROFILES)}, or a factor of its '
                                                   'width')}
    return Arm(f'psf={value}', psf=options, gain=base.gain)


def _clip(base, value, classifier):
    normalizer = classifier.normalizer
    if 'clip' not in parameter_names(type(normalizer)):
        raise ConfigError(f'a pair of clips needs a normaliser with a parameter clip; '
                          f'{normalizer!r} has none')
    changed = copy.copy(classifier)
    changed.normalizer = type(normalizer)(**{**normalizer.parameters(),
                                             'clip': _number('clip', value)})
    return Arm(f'clip={value}', classifier=changed, psf=base.psf, gain=base.gain)


def _simulator(base, value, classifier, *, made=None):
    return Arm(f'simulator={value}', simulator=made or load_plugin('simulators', value)(),
               psf=base.psf, gain=base.gain)


def _number(kind, value, wanted='a positive number'):
    try:
        number = float(value)
    except ValueError:
        number = np.nan
    if not number > 0:
        raise ConfigError(f'the pair {kind}={value} needs {wanted}')
    return number


_MAKERS = {'noise': _noise, 'psf': _psf, 'clip': _clip, 'simulator': _simulator}
