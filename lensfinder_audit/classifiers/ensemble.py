# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Finders made of finders: the mean, a fitted combiner, a calibrated finder.

Each member keeps its bands, its stamp size and its normaliser: it is called on fluxes,
as it would be alone. The contract of `~lensfinder_audit.interfaces.Classifier` stays as
it is; what the members would need beside pixels, such as observing conditions, is left
to ``lensfinder-audit combine``, which works on their tables of scores.
"""
import hashlib
from functools import reduce

import numpy as np

from lensfinder_audit.combiners.contract import to_log_odds, to_probability
from lensfinder_audit.combiners.stacking import Mean
from lensfinder_audit.combiners.storage import load_combiner
from lensfinder_audit.exceptions import ConfigError
from lensfinder_audit.interfaces import Classifier, Normalizer
from lensfinder_audit.plugins import load_plugin

__all__ = ['KeptFlux', 'MeanOfFinders', 'MetaLearner', 'CalibratedFinder', 'load_member']

# Stands for a missing pixel in an image that must be finite.
_MISSING = np.finfo(np.float32).min


class KeptFlux(Normalizer):
    """
    Leave fluxes as they are, for members that normalise them themselves.

    A missing pixel becomes the lowest number of single precision, which `restore` makes NaN
    again.

    Examples
    --------
    >>> import numpy as np
    >>> from lensfinder_audit.classifiers.ensemble import KeptFlux
    >>> kept = KeptFlux()(np.array([1.5, np.nan]).reshape(1, 1, 1, 2))
    >>> print(KeptFlux.restore(kept).ravel())
    [1.5 nan]
    """

    def normalize(self, flux):
        """
        Replace what is missing.

        Parameters
        ----------
        flux : (n, band, y, x) `~numpy.ndarray`
            Flux in nanomaggies; NaN marks a missing pixel.

        Returns
        -------
        images : (n, band, y, x) `~numpy.ndarray`
            float32.
        """
        flux = np.array(flux, dtype=np.float32)
        flux[np.isnan(flux)] = _MISSING
        return flux

    @staticmethod
    def restore(images):
        """Return the fluxes that `normalize` was given."""
        return np.where(images == _MISSING, np.float32(np.nan), images)


class MeanOfFinders(Classifier):
    """
    The average score of several finders.

    Parameters
    ----------
    members : sequence
        Finders, or what `load_member` makes one of, such as the path of an ONNX file.
        Probabilities and logits may be mixed; they are then averaged as probabilities.

    Raises
    ------
    ConfigError
        If there is no member, or they have different pixel scales or give ranks.

    Examples
    --------
    >>> from lensfinder_audit.classifiers.ensemble import MeanOfFinders
    >>> MeanOfFinders(members=['demo_network', 'demo_network']).bands
    ('g', 'r', 'z')
    """

    def __init__(self, *, members=('demo_network',)):
        self.members = [load_member(member) for member in members]
        _agree(self)
        kinds = {member.score_kind for member in self.members}
        self.score_kind = kinds.pop() if len(kinds) == 1 else 'probability'
        self._combiner = Mean([f'finder {i}' for i in range(len(self.members))],
                              score_kind=self.score_kind)

    @property
    def checksum(self):
        """SHA-256 of what is known of the members and how they are combined."""
        known = [str(getattr(member, 'checksum', '')) or repr(member) for member in self.members]
        return hashlib.sha256('\n'.join([*known, repr(self._combiner)]).encode()).hexdigest()

    def predict(self, images):
        """
        Score fluxes with every member and combine.

        Parameters
        ----------
        images : (n, band, y, x) `~numpy.ndarray`
            As `KeptFlux` gives them.

        Returns
        -------
        scores : (n,) `~numpy.ndarray`
            Combined scores.
        """
        flux, kind = KeptFlux.restore(images), self._combiner.score_kind
        convert = {'probability': to_probability, 'logit': to_log_odds}[kind]
        scores = [convert(member(_cut(flux, member), bands=self.bands), member.score_kind)
                  for member in self.members]
        return self._combiner(np.column_stack(scores))


class MetaLearner(MeanOfFinders):
    """
    A combiner that ``lensfinder-audit combine --save`` wrote, on the finders that it names.

    Parameters
    ----------
    combiner : str, `~pathlib.Path` or `~lensfinder_audit.combiners.contract.Combiner`
        The combiner or its file.
    members : sequence or dict
        Finders as for `MeanOfFinders`, in the order of the combiner or by its names.

    Raises
    ------
    ConfigError
        If the members are not those of the combiner, or it needs observing conditions.
    InputFileError
        If the file is damaged or no combiner.
    """

    def __init__(self, combiner, *, members):
        made = load_combiner(combiner) if not hasattr(combiner, 'finders') else combiner
        super().__init__(members=_in_order(members, made))
        self.combiner, self._combiner, self.score_kind = combiner, made, made.gives
        if made.conditions:
            raise ConfigError(f'the combiner reads {list(made.conditions)}, which pixels do not '
                              'tell; score each member and use "lensfinder-audit combine '
                              '--combiner" on the tables')
        if made.score_kind == 'rank':
            raise ConfigError('the combiner was fitted on ranks; combine tables of ranks with '
                              '"lensfinder-audit combine"')

    @classmethod
    def from_checkpoint(cls, path, *, device='cpu', members=None):
        """
        Load a combiner and its members.

        Parameters
        ----------
        path : str or `~pathlib.Path`
            File of the combiner.
        device : {'cpu'}, optional
            Members choose their own device.
        members : sequence or dict
            As for the class.

        Returns
        -------
        classifier : `MetaLearner`
            Ready to score.
        """
        if members is None:
            raise ConfigError(f'{path} combines {list(load_combiner(path).finders)}; give the '
                              'finders with --option members=[a.onnx,b.onnx]')
        return cls(path, members=members)


class CalibratedFinder(MetaLearner):
    """
    A finder whose score was made a probability, at the prevalence that its curve states.

    Parameters
    ----------
    combiner : str, `~pathlib.Path` or `~lensfinder_audit.combiners.contract.Combiner`
        A fitted curve (platt, isotonic, beta, temperature) or its file.
    members : sequence or dict
        The one finder.

    Raises
    ------
    ConfigError
        If there is more than one finder.
    """

    def __init__(self, combiner, *, members):
        super().__init__(combiner, members=members)
        if len(self.members) > 1:
            raise ConfigError(f'a calibrated finder has one member, not {len(self.members)}; '
                              'use meta_learner')


def load_member(member):
    """
    Return a finder from its description.

    Parameters
    ----------
    member : Classifier, str or dict
        A finder as it is; the path of an ONNX file; the name of a plugin; or a dict with
        ``plugin``, where it has one ``checkpoint``, and its other arguments.

    Returns
    -------
    finder : `~lensfinder_audit.interfaces.Classifier`
        Ready to score.

    Raises
    ------
    ConfigError
        If it is none of these.
    """
    if isinstance(member, Classifier):
        return member
    if isinstance(member, str):
        is_file = member.lower().endswith('.onnx')
        member = {'plugin': 'onnx', 'checkpoint': member} if is_file else {'plugin': member}
    if not isinstance(member, dict) or 'plugin' not in member:
        raise ConfigError(f'a member is {member!r}; give the path of an ONNX file, the name of a '
                          'plugin, or {plugin: NAME, checkpoint: FILE}')
    rest = {name: value for name, value in member.items() if name not in ('plugin', 'checkpoint')}
    cls, path = load_plugin('classifiers', member['plugin']), member.get('checkpoint')
    try:
        finder = cls.from_checkpoint(path, **rest) if path else cls(**rest)
    except (TypeError, NotImplementedError) as error:
        raise ConfigError(f'the member {member} cannot be made: {error}') from error
    if not isinstance(finder, Classifier):
        raise ConfigError(f'{member["plugin"]!r} scores rows of a table and no pixels; combine '
                          'its table with "lensfinder-audit combine"')
    return finder


def _in_order(members, combiner):
    """Return members in the order of the combiner's finders."""
    if isinstance(members, dict):
        lost = sorted(set(combiner.finders) ^ set(members))
        if lost:
            raise ConfigError(f'the combiner was made for {list(combiner.finders)}; the members '
                              f'are called {list(members)}')
        return [members[name] for name in combiner.finders]
    if len(members) != len(combiner.finders):
        raise ConfigError(f'the combiner was made for {list(combiner.finders)}; {len(members)} '
                          'members were given')
    return members


def _agree(ensemble):
    """Take the bands of all members and the largest stamp; pixel scales must be one."""
    members = ensemble.members
    if not members:
        raise ConfigError('an ensemble has at least one member')
    scales = [member.pixel_scale for member in members]
    if any(not np.isclose((scale / scales[0]).to_value(''), 1, rtol=1e-3) for scale in scales):
        raise ConfigError(f'the members were trained at {[str(scale) for scale in scales]} per '
                          'pixel; one stamp has one scale')
    ranks = [type(member).__name__ for member in members if member.score_kind == 'rank']
    if ranks:
        raise ConfigError(f'{ranks[0]} gives ranks, which cannot be averaged; calibrate its table '
                          'with "lensfinder-audit combine --method platt" first')
    ensemble.bands = tuple(reduce(lambda found, member: found | dict.fromkeys(member.bands),
                                  members, {}))
    ensemble.stamp_shape = tuple(max(member.stamp_shape[axis] for member in members)
                                 for axis in (0, 1))
    ensemble.pixel_scale, ensemble.normalizer = scales[0], KeptFlux()


def _cut(flux, member):
    """Cut the stamp of a smaller member about the center, where that is exact."""
    return member._crop(flux) if flux.shape[-2:] != tuple(member.stamp_shape) else flux
