# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
What is wrong with the sample, the finder or the audit itself.

A check looks at the sample and the tables and yields findings; a finding has a
severity, one sentence, the table that shows it and advice.
"""
from dataclasses import asdict, dataclass, fields

import numpy as np
from astropy.table import QTable, vstack
from scipy.special import logit

from lensfinder_audit.exceptions import ConfigError, did_you_mean
from lensfinder_audit.scoretable import means_trained
from lensfinder_audit.tables import SCHEMAS, schema_meta

__all__ = ['Case', 'Finding', 'Limits', 'SEVERITIES', 'SET_COLUMNS', 'add_findings', 'as_table',
           'collect_findings', 'severity_at_least']

#: Columns by which sets are compared.
SET_COLUMNS = ('object_id', 'ra', 'dec', 'label', 'split', 'in_training', 'healpix')

#: From the gravest down.
SEVERITIES = ('severe', 'warning', 'note')


@dataclass(frozen=True)
class Finding:
    """
    One finding.

    Parameters
    ----------
    severity : {'severe', 'warning', 'note'}
        *severe*: a number does not mean what it seems to; *warning*: it rests on
        less than it seems to; *note*: a reader should know.
    check : str
        Name of the check.
    finding : str
        One sentence with the numbers.
    evidence : str
        Table and rows that show it.
    advice : str
        What to do.
    """

    severity: str
    check: str
    finding: str
    evidence: str
    advice: str


@dataclass(frozen=True)
class Limits:
    """
    Where checks begin to speak.

    Parameters
    ----------
    min_negatives_above : int, optional
        A threshold on fewer negatives is a warning.
    tied_fraction : float, optional
        A block of equal scores with more than this fraction of the lenses.
    known_radius : float, optional
        A negative closer than this to a known lens, in arcsec, is one, or lies in its
        image.
    duplicate_radius : float, optional
        Objects closer than this, in arcsec, are taken to be the same.
    population_lenses : float, optional
        Greatest fraction of lenses with which a sample can pass for a survey.
    level : float, optional
        Level of each family of tests, corrected for their number.
    shortcut_auc, shortcut_severe : float, optional
        Lower bound of the AUC of what should not tell lenses apart, from which it is
        a warning, and severe.
    galaxy_auc : float, optional
        The same of core and profile, which differ in fair samples too.
    crossing : float, optional
        Fraction of stamps that may cross the threshold when they are turned or moved;
        its lower bound counts.
    batch_change : float, optional
        Change of a score, in log odds, when a stamp is scored in another batch.
    color_blind : float, optional
        Rank correlation of scores with those after the bands were reversed.
    realism_auc, realism_severe : float, optional
        Lower bound of the AUC between lenses and injections that is a warning, and severe.
    arc_distance : float, optional
        Kolmogorov-Smirnov distance of the arcs of lenses and injections.
    band_gain : float, optional
        Deviation of fluxes in the best order of the bands over that in the stated one.
    near_duplicate : float, optional
        Least correlation of the noise of two stamps that are taken to be copies.
    dispersion, dispersion_severe : float, optional
        Variance of pools about a model of their conditions over that of independent
        injections, from which it is a warning, and severe.
    pull : float, optional
        Distance of a pool from the model of the others, in errors.
    transfer, transfer_level : float, optional
        Share of the deviance that conditions explain on one half of the sky, which is a
        warning where the other half loses it; and the level of that test, because halves
        differ in much.
    shared_cutouts, shared_pixels : float, optional
        Fraction of objects inside the cutout, or the nside-128 pixel, of one that was
        trained on.
    known_share : float, optional
        Share of the lenses in one catalogue, from which its making matters.
    least_hidden : float, optional
        Hidden lenses below which nothing is said.
    effective_share : float, optional
        Effective over counted objects below which a note is made.
    host_share : float, optional
        Share of the detections of pools that rest on fewer hosts than the minimum.
    use_completeness, use_fpr : float, optional
        A finder is for use where completeness is surely above the one and the
        false-positive rate surely below the other.
    """

    min_negatives_above: int = 10
    tied_fraction: float = 0.01
    duplicate_radius: float = 1.0
    known_radius: float = 11.0
    population_lenses: float = 0.01
    level: float = 0.01
    shortcut_auc: float = 0.55
    shortcut_severe: float = 0.7
    galaxy_auc: float = 0.8
    crossing: float = 0.05
    batch_change: float = 1e-3
    color_blind: float = 0.99
    realism_auc: float = 0.6
    realism_severe: float = 0.9
    arc_distance: float = 0.15
    band_gain: float = 0.7
    near_duplicate: float = 0.3
    dispersion: float = 2.0
    dispersion_severe: float = 10.0
    pull: float = 3.0
    transfer: float = 0.5
    transfer_level: float = 0.001
    shared_cutouts: float = 0.05
    shared_pixels: float = 0.05
    known_share: float = 0.5
    least_hidden: float = 3.0
    effective_share: float = 0.25
    host_share: float = 0.1
    use_completeness: float = 0.5
    use_fpr: float = 0.02

    @classmethod
    def of(cls, values):
        """Make limits from names and numbers, naming the nearest of an unknown name."""
        known = [item.name for item in fields(cls)]
        for name in values:
            if name not in known:
                raise ConfigError(f'there is no limit {name!r}.{did_you_mean(name, known)} Limits '
                                  f'are {known}.')
        return cls(**values)


def severity_at_least(severity, least):
    """
    Compare severities.

    Parameters
    ----------
    severity : str
        One of `SEVERITIES`, or empty.
    least : str
        One of `SEVERITIES`, or ``'never'``.

    Returns
    -------
    reached : bool
        Whether the first is as grave as the second.
    """
    if not severity or least == 'never':
        return False
    return SEVERITIES.index(severity) <= SEVERITIES.index(least)


def collect_findings(sample, tables, summary, options, *, limits=None, trained=None, names=None,
                     **opened):
    """
    Run every check.

    Parameters
    ----------
    sample : `~astropy.table.QTable`
        One row per object.
    tables : dict of str to `~astropy.table.QTable`
        Measurements by name; checks add theirs.
    summary : dict
        Counts and settings.
    options : `~lensfinder_audit.config.AuditOptions`
        The options.
    limits : `Limits`, optional
        Where checks begin to speak; those of the options without it.
    trained : `~astropy.table.QTable`, optional
        Objects that were left out because the finder was trained on them.
    names : iterable of str, optional
        Checks to run; all without it.
    **opened
        Further fields of `Case`: stamps, known lenses, injections, the finder.

    Returns
    -------
    findings : `~astropy.table.QTable`
        Schema ``findings``, the gravest first.
    """
    from lensfinder_audit.checks import run_checks

    limits = Limits.of(options.limits) if limits is None else limits
    case = Case(sample, tables, summary, options, limits, trained, **opened)
    found = run_checks(case, names)
    return as_table(found, limits)


def as_table(found, limits):
    """
    Put findings into a table, the gravest first.

    Parameters
    ----------
    found : list of `Finding`
        In any order.
    limits : `Limits`
        Where the checks began to speak.

    Returns
    -------
    findings : `~astropy.table.QTable`
        Schema ``findings``.
    """
    found = sorted(found, key=lambda finding: SEVERITIES.index(finding.severity))
    names = list(SCHEMAS['findings'].columns)
    rows = [asdict(finding) for finding in found]
    table = QTable({name: np.array([row[name] for row in rows], dtype=str) for name in names})
    table.meta = schema_meta('findings', limits=asdict(limits))
    return table


def add_findings(table, found):
    """
    Add findings to a table of them.

    Parameters
    ----------
    table : `~astropy.table.QTable`
        As `as_table` returns it.
    found : list of `Finding`
        Further ones.

    Returns
    -------
    findings : `~astropy.table.QTable`
        All of them, the gravest first.
    """
    before = [Finding(**{name: str(row[name]) for name in Finding.__dataclass_fields__})
              for row in table]
    return as_table([*before, *found], Limits.of(table.meta['limits']))


@dataclass(frozen=True)
class Case:
    """
    What a check looks at.

    Parameters
    ----------
    sample : `~astropy.table.QTable`
        One row per object.
    tables : dict of str to `~astropy.table.QTable`
        Measurements by name; checks add theirs.
    summary : dict
        Counts and settings.
    options : `~lensfinder_audit.config.AuditOptions`
        The options.
    limits : `Limits`
        Where checks begin to speak.
    left_out : `~astropy.table.QTable`, optional
        Objects that were trained on and left out: names, places, labels and splits.
    store : `~lensfinder_audit.cutouts.CutoutStore`, optional
        Stamps of the objects.
    known : `~astropy.table.Table`, optional
        Known lenses and candidates.
    injections : `~astropy.table.QTable`, optional
        Injections with a score.
    images : `~lensfinder_audit.cutouts.CutoutStore`, optional
        Their images.
    classifier : `~lensfinder_audit.interfaces.Classifier`, optional
        The finder.
    frozen : `~astropy.table.QTable`, optional
        The frozen evaluation set.
    whole : bool, optional
        Whether copies are looked for among all stamps rather than among some of them.
    progress : callable, optional
        Called with how many stamps were read, and how many there are.
    """

    sample: QTable
    tables: dict
    summary: dict
    options: object
    limits: Limits
    left_out: object = None
    store: object = None
    known: object = None
    injections: object = None
    images: object = None
    classifier: object = None
    frozen: object = None
    whole: bool = False
    progress: object = None

    @property
    def lenses(self):
        """Rows that are labelled lenses."""
        return self.sample[self.sample['label']]

    def rows(self, name):
        """Return a table, or nothing."""
        return self.tables.get(name, ())

    def kind(self, finder):
        """Return the score kind of a finder."""
        return self.summary['score_kinds'][finder]

    def log_odds(self, finder):
        """Return scores on an open scale, `None` for ranks."""
        score = np.asarray(self.sample[finder], dtype=float)
        if self.kind(finder) == 'rank':
            return None
        return score if self.kind(finder) == 'logit' else logit(np.clip(score, 1e-12, 1 - 2**-25))

    def weight(self):
        """Return the weights, `None` without any."""
        return self._column('weight')

    def group(self):
        """Return the groups, `None` without any."""
        return self._column('group')

    def _column(self, name):
        return np.asarray(self.sample[name]) if name in self.sample.colnames else None

    def fprs(self):
        """Return the false-positive rates that thresholds were set at."""
        words = dict.fromkeys(str(row['operating_point']) for row in self.rows('operating_points'))
        return [float(word.split('=')[1]) for word in words if word.startswith('FPR')]

    def keys(self):
        """Return the key of each row in the store of stamps."""
        names = np.asarray(self.sample['object_id']).astype(str)
        if 'cutout' not in self.sample.colnames:
            return names
        keys = np.asarray(self.sample['cutout']).astype(str)
        return np.where(keys == '', names, keys)

    def some(self, most):
        """Return some rows, drawn at random, in their order."""
        rng = np.random.default_rng([self.options.seed, 0x50e])
        return np.sort(rng.permutation(len(self.sample))[:most])

    def sets(self):
        """Return all objects with the sets they are in, and whether ``split`` names these."""
        parts = [part for part in (self.left_out, self.sample) if part is not None]
        if not {'ra', 'dec'} <= set(self.sample.colnames):
            return None, False
        table = vstack([part[[name for name in SET_COLUMNS if name in part.colnames]]
                        for part in parts], metadata_conflicts='silent')
        if 'in_training' not in table.colnames:
            return (table, True) if 'split' in table.colnames else (None, False)
        words = np.asarray(table['in_training']).astype(str)  # of this finder, so it counts
        if 'split' in table.colnames and (
                means_trained(np.asarray(table['split']).astype(str)) == (words == 'yes')).all():
            return table, True
        table['split'] = np.select([words == 'yes', words == 'no'], ['train', 'held out'],
                                   'unknown')
        return (table, False) if (words == 'yes').any() else (None, False)
