# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""The models of a study, trained or loaded, and their scores."""
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from lensfinder_audit.classifiers.ensemble import load_member
from lensfinder_audit.classifiers.score_table import ScoreTable
from lensfinder_audit.combine import score_columns
from lensfinder_audit.combiners.contract import to_probability
from lensfinder_audit.ensemble.sample import Impossible, arm_rows, training_rows
from lensfinder_audit.ensemble.trained import check_training, plain_name, train_model
from lensfinder_audit.exceptions import ConfigError, TableError
from lensfinder_audit.files import sha256
from lensfinder_audit.manifest import check_cutouts
from lensfinder_audit.scoretable import guess_score_kind
from lensfinder_audit.scoring import score_manifest

__all__ = ['Bench', 'Scored', 'score_models']


@dataclass
class Bench:
    """
    What training and scoring work with.

    Parameters
    ----------
    store : `~lensfinder_audit.cutouts.CutoutStore` or None, optional
        Cutouts of the manifest.
    folder : `~pathlib.Path`, optional
        Where what is trained is kept.
    device : str, optional
        Where networks run.
    tell : callable, optional
        Called with a line of text on what is being done.
    injected : `~lensfinder_audit.ensemble.injected.Injected`, optional
        Injected lenses that are scored as well.
    """

    store: object = None
    folder: Path | None = None
    device: str | None = None
    tell: object = None
    injected: object = None

    def say(self, text):
        """Tell what is being done."""
        if self.tell:
            self.tell(text)


@dataclass
class Scored:
    """
    The scores of the models of a study.

    Parameters
    ----------
    scores : dict of str to (n,) `~numpy.ndarray`
        By model, on the rows of the sample; NaN where there is none.
    kind : str
        ``probability``, or ``rank`` where a model gives ranks.
    rows : list of dict
        What is known of each model: the table of models.
    files : dict of str to str
        Checksums of what was read, by name.
    injected : dict of str to (m,) `~numpy.ndarray`
        By model, on the injected lenses; without the models that score no pixels.
    """

    scores: dict = field(default_factory=dict)
    kind: str = 'probability'
    rows: list = field(default_factory=list)
    files: dict = field(default_factory=dict)
    injected: dict = field(default_factory=dict)

    def of(self, *roles):
        """Return the names of the models of some roles that have scores."""
        return [row['finder'] for row in self.rows
                if row['role'] in roles and row['finder'] in self.scores]


def score_models(study, sample, bench):
    """
    Train or load every model of a study and score the rows that need it.

    Parameters
    ----------
    study : `~lensfinder_audit.ensemble.study_file.Study`
        The study.
    sample : `~lensfinder_audit.ensemble.sample.Sample`
        Its rows.
    bench : `Bench`
        Cutouts, folder and device.

    Returns
    -------
    scored : `Scored`
        Scores and what is known of the models. Members that the manifest makes impossible
        have none, and as many fewer controls are made where these are as many as the members.

    Raises
    ------
    TableError
        If a subset is empty, a model has no score of some rows, or a cutout is missing.
    ConfigError
        If a model cannot be made.
    """
    models, found, used = study.models(), Scored(), sample.fit | sample.report
    chosen, impossible = _chosen_rows(models, sample, study)
    if study.controls == 'same' and impossible:
        lost = [name for name, model in models.items() if model.role == 'control']
        models = {name: model for name, model in models.items()
                  if name not in lost[len(lost) - len(impossible):]}
    _check_members(models, impossible)
    ready, kinds = _prepared(models, study, sample, bench, found.files), {}
    check_training({name: models[name] for name in chosen if name in models}, study, sample,
                   bench.store, chosen)
    for number, (name, model) in enumerate(models.items()):
        row = {'finder': name, 'role': model.role, 'source': _source(model, study),
               'subset': str(model.values.get('subset', '')), 'seed': model.seed,
               'n_train_lenses': -1, 'n_train_negatives': -1, 'state': 'supported', 'reason': ''}
        found.rows.append(row)
        if name in impossible:
            row |= {'state': 'impossible', 'reason': impossible[name]}
            continue
        if name in chosen:
            row['n_train_lenses'] = int((chosen[name] & sample.label).sum())
            row['n_train_negatives'] = int((chosen[name] & ~sample.label).sum())
        bench.say(f'{name} ({number + 1} of {len(models)})')
        if model.source in ('column', 'scores'):
            found.scores[name], kinds[name] = ready[name]
            continue
        finder, folder = ready.get(name) or _trained(model, study, sample, bench, chosen[name],
                                                     found.files)
        score = _Scorer(finder, name, folder)
        found.scores[name], kinds[name] = np.full(len(used), np.nan), finder.score_kind
        found.scores[name][used] = score(sample.table[used], bench.store, 'scores')
        if bench.injected is not None:
            found.injected[name] = score(bench.injected.table, bench.injected.store, 'injected')
    return _of_one_kind(found, kinds)


def _chosen_rows(models, sample, study):
    """Return the rows of everything that is trained, before any of it is."""
    chosen, impossible = {}, {}
    for name, model in models.items():
        if model.source != 'train':
            continue
        if not sample.train.any():
            raise ConfigError(f'{name} is to be trained and the study names no rows to train on; '
                              'write "splits: {train: train, fit: val, report: test}"')
        try:
            chosen[name] = (arm_rows(model, sample, study.stratification)
                            if model.role in ('stratified', 'random')
                            else training_rows(model, sample))
        except Impossible as reason:
            impossible[name] = str(reason)
    return chosen, impossible


def _source(model, study):
    if model.source == 'train':
        return f'trained, {model.values.get("preset", study.training.get("preset", ""))}'
    return f'{model.source} {model.values[model.source]}'


def _check_members(models, impossible):
    left = [name for name, model in models.items() if model.role == 'member'
            and name not in impossible]
    if len(left) < 2:
        raise TableError(f'an ensemble has two members or more; there is {left}: '
                         + '; '.join(f'{name} is impossible, since {why}'
                                     for name, why in impossible.items()))


def _prepared(models, study, sample, bench, files):
    """Load all that is loaded before anything is trained; what cannot be is known at once."""
    ready = {}
    pixels = [name for name, model in models.items() if model.source in ('train', 'finder')]
    if pixels and bench.store is None:
        raise ConfigError(f'{pixels[0]} scores cutouts, and there is no cutout store; name it '
                          'with --store')
    if pixels:
        check_cutouts(sample.table[sample.fit | sample.report], bench.store)
    for name, model in models.items():
        if model.source == 'column':
            column = model.values['column']
            scores = score_columns(sample.table, [column])[:, 0]
            ready[name] = scores, (model.values.get('score_kind')
                                   or guess_score_kind(scores, column))
        elif model.source == 'scores':
            ready[name] = _looked_up(model, study, sample, files)
        elif model.source == 'finder':
            folder = None if bench.folder is None else bench.folder / f'{plain_name(name)}-loaded'
            ready[name] = _loaded(model, study), folder
            files[f'finder {name}'] = str(getattr(ready[name][0], 'checksum', '') or '')
    return ready


@dataclass
class _Scorer:
    """Scores cutouts, and goes on in its folder after an interruption."""

    finder: object
    name: str
    folder: Path | None

    def __call__(self, table, store, part):
        """Return the scores of the rows of a table."""
        parts = None if self.folder is None else self.folder / part
        return np.asarray(score_manifest(self.finder, table, store, name=self.name,
                                         parts=parts)['score'], dtype=float)


def _trained(model, study, sample, bench, rows, files):
    """Train a model, or find it again; return the finder and its folder."""
    folder, checkpoint, digest = train_model(model, study, sample, bench, rows)
    files[f'checkpoint of {model.name}'] = digest
    return load_member({'plugin': 'torch_checkpoint', 'checkpoint': str(checkpoint),
                        **({'device': bench.device} if bench.device else {})}), folder


def _looked_up(model, study, sample, files):
    """Read a table of scores and join it to the rows."""
    values = {name: value for name, value in model.values.items() if name != 'scores'}
    path = study.folder / model.values['scores']
    finder = ScoreTable(path, **values)
    files[f'scores of {model.name}'] = sha256(path)
    return finder(sample.table), finder.score_kind


def _loaded(model, study):
    name, given = str(model.values['finder']), model.values.get('checkpoint')
    options = model.values.get('options', {})
    if name.lower().endswith('.onnx'):
        name, given = 'onnx', name
    checkpoint = {} if given is None else {'checkpoint': str(study.folder / given)}
    return load_member({'plugin': name, **checkpoint, **options})


def _of_one_kind(found, kinds):
    """Bring logits to probabilities; ranks stay, and then only ranks can be combined."""
    ranked = [name for name, kind in kinds.items() if kind == 'rank']
    if ranked:
        found.kind = 'rank'
        return found
    for scores in (found.scores, found.injected):
        scores.update({name: to_probability(values, kinds[name])
                       for name, values in scores.items()})
    return found
