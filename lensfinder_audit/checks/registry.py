# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""The checks by name, what each asks, and how they are run."""
from dataclasses import dataclass
from importlib import import_module

from lensfinder_audit.exceptions import ConfigError, did_you_mean

__all__ = ['Check', 'CHECKS', 'find_check', 'run_checks']


@dataclass(frozen=True)
class Check:
    """
    One check.

    Parameters
    ----------
    name : str
        By which it is called.
    about : {'sample', 'finder', 'injections', 'statistics'}
        What it looks at.
    question : str
        What it asks.
    function : str
        ``module:function`` that takes a case and yields findings.
    measured : tuple of str, optional
        Measurements that it reads; without it the sample alone. Thresholds are
        always set.
    """

    name: str
    about: str
    question: str
    function: str
    measured: tuple = ()

    @property
    def needs(self):
        """What must be given beside the sample."""
        return _NEEDS.get(self.name, ())

    def __call__(self, case):
        """Return the findings of a case."""
        module, _, name = self.function.partition(':')
        return list(getattr(import_module(f'lensfinder_audit.{module}'), name)(case))


def _checks(*rows):
    return {row[0]: Check(*row) for row in rows}


_NEEDS = {'image-shortcuts': ('store',), 'near-duplicates': ('store',), 'bands': ('store',),
          'known-lenses': ('known',), 'response': ('store', 'model'), 'batch': ('store', 'model'),
          **dict.fromkeys(('hosts', 'match', 'gain', 'realism'), ('injections',))}

#: Every check of an audit, in the order in which findings of one severity stand.
CHECKS = _checks(
    ('reference-selection', 'sample', 'Did an earlier finder choose the lenses?',
     'checks.basic:reference_selection'),
    ('comparison', 'sample', 'Are finders compared on lenses that one of them may have chosen?',
     'checks.basic:comparison'),
    ('training', 'sample', 'Are objects that were trained on in the sample?',
     'checks.basic:training'),
    ('leakage', 'sample', 'Do the sets of the split share objects, cutouts, pixels of the sky or a '
     'frozen set?', 'checks.leakage:leakage'),
    ('tiers', 'sample', 'What evidence is there that the lenses are lenses?', 'checks.basic:tiers'),
    ('tier-evidence', 'sample', 'Does every tier A lens come with a reason?',
     'checks.sample:tier_evidence'),
    ('label-noise', 'sample', 'What is left of completeness if some candidates are not lenses?',
     'checks.sample:label_noise',
     ('completeness',)),
    ('duplicates', 'sample', 'Do objects stand in the sample twice, or in both classes?',
     'checks.basic:duplicates'),
    ('near-duplicates', 'sample', 'Do stamps of different names show the same pixels?',
     'checks.images:near_copies'),
    ('known-lenses', 'sample', 'Are known lenses among the negatives, and whose are the lenses?',
     'checks.sample:known_lenses'),
    ('hidden-lenses', 'sample', 'How many negatives score as lenses do, and what is the '
     'false-positive rate without them?', 'checks.sample:hidden'),
    ('condition-shortcuts', 'sample', 'Do observing conditions alone tell lenses from negatives?',
     'checks.shortcuts:condition_shortcuts'),
    ('image-shortcuts', 'sample', 'Do sky, missing pixels, core or profile tell lenses from '
     'negatives?', 'checks.images:image_shortcuts'),
    ('class-balance', 'sample', 'Does every stratum hold both classes?',
     'checks.sample:class_balance'),
    ('classes', 'sample', 'Does the sample hold both classes, and where do they come from?',
     'checks.basic:classes'),
    ('population', 'sample', 'Can the sample pass for a survey?', 'checks.basic:population'),
    ('conditions', 'sample', 'For how many objects are the conditions known?',
     'checks.basic:conditions'),
    ('chosen-conditions', 'sample', 'Are lenses with a known condition like those without?',
     'checks.basic:chosen_conditions',
     ('completeness',)),
    ('support', 'sample', 'Do cells hold enough, and none that the selection excludes?',
     'checks.basic:support',
     ('completeness', 'false_positives', 'purity')),
    ('groups', 'sample', 'Are groups, strata and weights given?', 'checks.basic:groups'),
    ('saturation', 'finder', 'Do many lenses share one score?', 'checks.basic:saturation'),
    ('calibration', 'finder', 'Do scores mean what they say?', 'checks.basic:calibration',
     ('calibration',)),
    ('calibration-by-stratum', 'finder', 'Does a score mean the same under all conditions?',
     'checks.finder:calibration_by_stratum'),
    ('trends', 'finder', 'On which conditions do the rates depend?', 'checks.finder:trends'),
    ('sky-halves', 'finder', 'Do trends of one half of the sky predict the other half?',
     'checks.finder:transfer'),
    ('response', 'finder', 'Does the finder answer to what changes no lens?',
     'checks.material:response'),
    ('batch', 'finder', 'Does a score depend on the batch that it is made in?',
     'checks.material:batch'),
    ('bands', 'finder', 'Are the bands of the stamps in their order?', 'checks.material:bands'),
    ('hosts', 'injections', 'Do a few hosts carry the injections?', 'checks.material:hosts'),
    ('match', 'injections', 'Do arcs of injections look like those of lenses?',
     'checks.material:match'),
    ('gain', 'injections', 'Does the gain of the injections agree with the noise of the pixels?',
     'checks.material:gain'),
    ('realism', 'injections', 'Can injections be told from real lenses?',
     'checks.material:realism'),
    ('thresholds', 'statistics', 'How well does the sample fix each threshold?',
     'checks.basic:thresholds'),
    ('tails', 'statistics', 'Does a fitted tail give the same thresholds?',
     'checks.statistics:tails'),
    ('intervals', 'statistics', 'Can every interval be computed again from its table?',
     'checks.statistics:intervals',
     ('completeness', 'false_positives')),
    ('effective-n', 'statistics', 'How much do weights and groups leave of the sample?',
     'checks.statistics:effective_n',
     ('completeness', 'false_positives')),
)


def find_check(name):
    """
    Find a check by its name.

    Parameters
    ----------
    name : str
        Its name.

    Returns
    -------
    check : `Check`
        The check.

    Raises
    ------
    ConfigError
        Naming the nearest one.

    Examples
    --------
    >>> from lensfinder_audit.checks import find_check
    >>> find_check('trends').question
    'On which conditions do the rates depend?'
    """
    if name not in CHECKS:
        raise ConfigError(f'there is no check {name!r}.{did_you_mean(name, CHECKS)} Checks are '
                          f'{", ".join(CHECKS)}.')
    return CHECKS[name]


def run_checks(case, names=None):
    """
    Run checks.

    Parameters
    ----------
    case : `~lensfinder_audit.findings.Case`
        What they look at; their tables are added to it.
    names : iterable of str, optional
        Which ones; all without it.

    Returns
    -------
    findings : list of `~lensfinder_audit.findings.Finding`
        In the order of the checks.
    """
    return [finding for name in names or CHECKS for finding in find_check(name)(case)]
