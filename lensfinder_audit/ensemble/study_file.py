# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
The file of an ensemble study: models, subsets, budgets, combiners.

It is YAML that anyone can change. ``domain_split`` and ``scores`` ship with the package.
"""
from dataclasses import asdict, dataclass, field
from pathlib import Path

from lensfinder_audit.combiners.storage import METHODS
from lensfinder_audit.ensemble.study_values import check_keys, check_value
from lensfinder_audit.exceptions import ConfigError, did_you_mean
from lensfinder_audit.preset_files import read_preset

__all__ = ['Model', 'Study', 'load_study', 'EXAMPLES', 'JOINT', 'ROLES']

#: Studies that ship with the package.
EXAMPLES = ('domain_split', 'scores')

#: Ways to combine ranks, beside the methods of `lensfinder_audit.combiners.storage.METHODS`.
JOINT = ('union', 'intersection')

#: What a model is there for.
ROLES = ('member', 'baseline', 'control', 'stratified', 'random')

_TRAINED = ('subset', 'lenses', 'fraction', 'seed', 'preset', 'settings')
_LOADED = {'column': ('score_kind',),
           'scores': ('score', 'key', 'match_radius', 'score_kind'),
           'finder': ('checkpoint', 'options')}
_COMBINERS = tuple(name for name in METHODS if name in ('mean', 'meta_learner',
                                                        'feature_weighted')) + JOINT


@dataclass(frozen=True)
class Model:
    """
    One model of a study.

    Parameters
    ----------
    name : str
        Its name.
    role : str
        One of `ROLES`.
    source : str
        ``train``, or what is loaded: ``column``, ``scores`` or ``finder``.
    values : dict, optional
        What the file says of it.
    seed : int, optional
        Of the training.
    """

    name: str
    role: str
    source: str
    values: dict = field(default_factory=dict)
    seed: int = 0


@dataclass
class Study:
    """
    An ensemble study, as its file tells it.

    Parameters
    ----------
    members : dict of str to dict
        Models of which the ensemble is made.
    budgets : list of float
        Objects that are inspected; the first one is that of figures and areas.
    baseline : dict or None, optional
        One model on all data.
    controls : int, str or dict, optional
        Models on all data that differ in their seed alone: how many, ``same`` for as many as
        there are members, or the models.
    combiners : list of str, optional
        Of ``mean``, ``meta_learner``, ``feature_weighted``, ``union``, ``intersection``.
    combiner_options : dict of str to dict, optional
        Arguments of the fit of a combiner, such as ``{'meta_learner': {'hidden': 20}}``.
    conditions, bins : optional
        Observing conditions, and their edges by name.
    level : float, optional
        Completeness that is enough.
    splits : dict, optional
        Names of the splits that are trained on, that combiners are fitted on, and that is
        reported on; ``assign`` makes them from the sky.
    training : dict, optional
        Preset and settings of everything that is trained.
    stratification : dict, optional
        Seeds, strata and negatives per lens; or loaded pairs.
    columns, label : optional
        Columns of the manifest by role; an expression that is true for lenses.
    search, statistics : dict, optional
        Prevalence and size of the search; confidence, resamples, seed, power, least groups.
    injections : str or dict, optional
        Folder that ``inject --keep-images`` wrote, or ``folder`` with that and ``by``, the axes
        of the completeness: ``theta_e`` and the conditions by default.
    group : str, optional
        Column that is resampled together.
    missing : str, optional
        ``refuse`` or ``leave_out``: rows that a model has no score of.
    title : str, optional
        Of the report.
    folder : `~pathlib.Path`, optional
        Where files that it names are looked for.
    """

    members: dict
    budgets: list
    baseline: dict | None = None
    controls: int | str | dict = 0
    combiners: list = field(default_factory=lambda: ['mean'])
    combiner_options: dict = field(default_factory=dict)
    conditions: list = field(default_factory=list)
    bins: dict = field(default_factory=dict)
    level: float = 0.5
    splits: dict = field(default_factory=dict)
    training: dict = field(default_factory=dict)
    stratification: dict = field(default_factory=dict)
    columns: dict = field(default_factory=dict)
    label: str = ''
    search: dict = field(default_factory=dict)
    statistics: dict = field(default_factory=dict)
    injections: str | dict = ''
    group: str = ''
    missing: str = 'refuse'
    title: str = 'Ensemble study'
    folder: Path = field(default_factory=Path)

    def as_dict(self):
        """Return what the file says, as plain values."""
        return {name: value for name, value in asdict(self).items() if name != 'folder'}

    def models(self):
        """
        Return all models by name.

        Returns
        -------
        models : dict of str to `Model`
            Baseline, members, controls, and the pairs of the stratification study.
        """
        seed = self.statistics.get('seed', 0)
        found = [] if self.baseline is None else [_model('baseline', 'baseline', self.baseline,
                                                         seed)]
        found += [_model(name, 'member', entry, seed) for name, entry in self.members.items()]
        if isinstance(self.controls, dict):
            found += [_model(name, 'control', entry, seed + 1 + i)
                      for i, (name, entry) in enumerate(self.controls.items())]
        else:
            number = len(self.members) if self.controls == 'same' else self.controls
            found += [_model(f'seed {seed + 1 + i}', 'control', {}, seed + 1 + i)
                      for i in range(number)]
        return {item.name: item for item in [*found, *self._pairs()]}

    def _pairs(self):
        pairs = self.stratification.get('pairs') or {
            seed: {'stratified': {}, 'random': {}} for seed in self.stratification.get('seeds', ())}
        for seed, arms in pairs.items():
            for arm in ('stratified', 'random'):
                yield _model(f'{arm}, seed {seed}', arm, arms[arm], int(seed))


def load_study(source):
    """
    Read a study.

    Parameters
    ----------
    source : str or `~pathlib.Path`
        One of `EXAMPLES`, or a YAML file.

    Returns
    -------
    study : `Study`
        Checked.

    Raises
    ------
    ConfigError
        If the file cannot be read, has an unknown key or a value that cannot be.

    Examples
    --------
    >>> from lensfinder_audit.ensemble.study_file import load_study
    >>> study = load_study('domain_split')
    >>> list(study.members), study.combiners
    (['A', 'B', 'C', 'D'], ['mean', 'meta_learner', 'union', 'intersection'])
    """
    found, label, folder = read_preset(source, 'ensemble', EXAMPLES, what='study',
                                       begins='members')
    names = [name for name in Study.__dataclass_fields__ if name != 'folder']
    check_keys(found, names, label)
    for name in ('members', 'budgets'):
        if not found.get(name):
            raise ConfigError(f'{label}: says nothing of its {name}')
    for name, value in found.items():
        check_value(name, value, label)
    study = Study(**found, folder=folder)
    _check_models(study, label)
    _check_words(study, label)
    return study


def _model(name, role, entry, seed):
    source = next((key for key in _LOADED if key in entry), 'train')
    return Model(name, role, source, dict(entry), int(entry.get('seed', seed)))


def _check_models(study, label):
    models = study.models()
    pairs = study.stratification.get('pairs') or study.stratification.get('seeds') or ()
    wanted = len(study.members) + (study.baseline is not None) + 2 * len(pairs) + (
        len(study.members) if study.controls == 'same' else study.controls
        if isinstance(study.controls, int) else len(study.controls))
    if len(models) < wanted:
        raise ConfigError(f'{label}: two models have one name; the names are {list(models)}, and '
                          '"baseline" and "seed 1" and so on are those of the controls')
    for model in models.values():
        where = f'{label}: {model.name}'
        allowed = (*_TRAINED, *_LOADED) if model.source == 'train' else (model.source,
                                                                         *_LOADED[model.source])
        check_keys(model.values, allowed, where)
        if model.values.get('lenses', 'all') not in ('all', 'subset'):
            raise ConfigError(f'{where}: lenses is {model.values["lenses"]!r}; it is subset, or '
                              'all where the subset is one of the negatives')
    if any(model.source == 'train' for model in models.values()) and not study.training:
        first = next(model.name for model in models.values() if model.source == 'train')
        raise ConfigError(f'{label}: {first} is to be trained and there is no "training: {{preset: '
                          'NAME}"; or load it with column, scores or finder')


def _check_words(study, label):
    for name in study.combiners:
        if name not in _COMBINERS:
            raise ConfigError(f'{label}: there is no combiner {name!r}; there are '
                              f'{list(_COMBINERS)}.{did_you_mean(name, _COMBINERS)}')
    check_keys(study.combiner_options, study.combiners, f'{label}: combiner_options')
    if 'feature_weighted' in study.combiners and not study.conditions:
        raise ConfigError(f'{label}: feature_weighted needs conditions, such as '
                          '"conditions: [psfsize_r, depth_r]"')
    if len(study.members) < 2:
        raise ConfigError(f'{label}: an ensemble has two members or more; there is '
                          f'{list(study.members)}')
