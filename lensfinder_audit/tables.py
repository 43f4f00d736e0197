# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
The schema of every table that crosses a module border.

A schema lists the columns that a table must or may have; further columns, such
as observing conditions, are always allowed. `check_table` says what is wrong in
words that name the column, the number of rows and the nearest column there is.
"""
from dataclasses import dataclass

import numpy as np
from astropy import units as u
from astropy.table import QTable

import lensfinder_audit
from lensfinder_audit._readers import plain
from lensfinder_audit.exceptions import TableError, did_you_mean
from lensfinder_audit.files import write_whole

__all__ = ['Column', 'Schema', 'SCHEMAS', 'CELL_STATES', 'check_table', 'schema_meta',
           'require_columns', 'write_whole']

#: What a cell of a result can be. A cell is *empty* where no object fell into
#: it, *impossible* where the selection of the sample lets none fall into it,
#: and *unsupported* where too few objects or groups carry a number.
CELL_STATES = ('supported', 'unsupported', 'empty', 'impossible')

_KINDS = {'float': 'fiu', 'int': 'iu', 'bool': 'biu', 'str': 'UOS'}


@dataclass(frozen=True)
class Column:
    """
    One column of a schema.

    Parameters
    ----------
    kind : str
        ``'float'``, ``'int'``, ``'bool'`` or ``'str'``.
    description : str
        What it holds.
    unit : str, optional
        Unit that a quantity must convert to; a bare column is taken to be in it.
    required : bool, optional
        Whether the table must have the column.
    allowed : tuple, optional
        The only values that may occur.
    span : tuple of float, optional
        Least and greatest value.
    complete : bool, optional
        Whether every row must have a value.
    """

    kind: str
    description: str
    unit: str = ''
    required: bool = True
    allowed: tuple = ()
    span: tuple = ()
    complete: bool = False


@dataclass(frozen=True)
class Schema:
    """
    The columns of one kind of table.

    Parameters
    ----------
    name : str
        Name of the schema.
    version : int
        Raised when a column changes its meaning.
    description : str
        What one row is.
    columns : dict of str to `Column`
        In the order in which they are written.
    """

    name: str
    version: int
    description: str
    columns: dict


def _optional(kind, description, **rest):
    return Column(kind, description, required=False, **rest)


_POSITION = {
    'ra': Column('float', 'right ascension, J2000', unit='deg', span=(0, 360), complete=True),
    'dec': Column('float', 'declination, J2000', unit='deg', span=(-90, 90), complete=True)}
_OPTIONAL_POSITION = {name: Column(column.kind, column.description, column.unit, False,
                                   span=column.span) for name, column in _POSITION.items()}
_INTERVAL = {
    'estimate': Column('float', 'weighted fraction', span=(0, 1)),
    'lo': Column('float', 'lower end of the interval', span=(0, 1)),
    'hi': Column('float', 'upper end of the interval', span=(0, 1)),
}
_COUNTS = {
    'n': Column('int', 'objects in the cell'),
    'n_recovered': Column('int', 'objects in the cell at or above the threshold'),
    'n_groups': Column('int', 'independent groups in the cell'),
    'n_eff': Column('float', 'number of independent, equally weighted objects with the '
                             'same variance'),
}
_CELL = {**_COUNTS, **_INTERVAL,
         'supported': Column('bool', 'whether the cell carries a number'),
         'state': Column('str', 'supported, unsupported, empty or impossible',
                         allowed=CELL_STATES)}

#: The schemas by name.
SCHEMAS = {schema.name: schema for schema in (
    Schema('reference', 1, 'a known lens, candidate or confuser', {
        'name': Column('str', 'name as published'), **_POSITION,
        'is_lens': Column('bool', 'whether it is taken to be a lens'),
        'grade': Column('str', 'grade as published'),
        'tier': Column('str', 'A: spectroscopy or space-based imaging; B: candidate',
                       allowed=('A', 'B', '')),
        'tier_reason': Column('str', 'evidence behind the tier'),
        'discovery_method': Column('str', 'how it was found'),
        'arc_visible': _optional('str', 'whether the arc can be seen from the ground',
                                 allowed=('yes', 'no', 'unknown')),
        'in_training': _optional('str', 'whether a finder was trained on it',
                                 allowed=('yes', 'no', 'unknown')),
        'confuser_class': _optional('str', 'confuser family, empty for lenses'),
        'theta_e': _optional('float', 'Einstein radius', unit='arcsec'),
        'z_lens': _optional('float', 'redshift of the lens'),
        'reference': Column('str', 'where it was published')}),
    Schema('manifest', 1, 'an object of the study', {
        'object_id': Column('str', 'key of the object'), **_OPTIONAL_POSITION,
        'label': _optional('bool', 'whether it is taken to be a lens'),
        'tier': _optional('str', 'tier of a lens', allowed=('A', 'B', '')),
        'confuser_class': _optional('str', 'confuser family of a negative'),
        'type': _optional('str', 'morphological type in the catalogue'),
        'ebv': _optional('float', 'Galactic reddening E(B-V)', unit='mag'),
        'stratum': _optional('str', 'sampling stratum'),
        'weight': _optional('float', 'objects of the population that the row stands for'),
        'healpix': _optional('int', 'pixel of the sky that the split follows'),
        'split': _optional('str', 'train, val or test', allowed=('train', 'val', 'test', '')),
        'cutout': _optional('str', 'key in the cutout store; object_id where there is none'),
        'sha256': _optional('str', 'checksum of the cutout')}),
    Schema('scores', 1, 'an object with the scores of one or more finders', {
        'object_id': _optional('str', 'key of the object'), **_OPTIONAL_POSITION,
        'label': Column('bool', 'whether it is taken to be a lens'),
        'weight': _optional('float', 'objects of the population that the row stands for'),
        'group': _optional('str', 'host, brick or pixel; resampled together'),
        'stratum': _optional('str', 'sampling stratum'),
        'tier': _optional('str', 'tier of a lens'),
        'grade': _optional('str', 'grade as published'),
        'discovery_method': _optional('str', 'how a lens was found'),
        'in_training': _optional('str', 'whether the finder was trained on it',
                                 allowed=('yes', 'no', 'unknown')),
        'confuser_class': _optional('str', 'confuser family of a negative')}),
    Schema('injections', 1, 'an injection, in one arm', {
        'object_id': Column('str', 'key of the injection and arm'),
        'injection': Column('int', 'number of the injection, the same in all arms'),
        'arm': Column('str', 'base, or what is changed'),
        'cell': Column('int', 'cell of the grid'),
        'host': Column('str', 'object_id of the host'),
        'group': Column('str', 'what is resampled together; the host by default'),
        'simulator': Column('str', 'class of the simulator'),
        'seed': Column('int', 'what the random numbers of the row follow from'),
        'magnification': Column('float', 'flux of all images over that of the source'),
        'arc_snr': Column('float', 'r-band light of the arcs in 4 to 16 pixels over sqrt(N) sigma'),
        'annulus_snr': Column('float', 'the same of what stands out from a round galaxy in the '
                                       'whole image'),
        'annulus_color': Column('float', 'color of that, first band less r'),
        'score': Column('float', 'score of the finder; missing where there is a problem'),
        'label': Column('bool', 'true: it is a lens'),
        'problem': Column('str', 'why there is no score, empty where there is one'),
        'theta_e': _optional('float', 'Einstein radius', unit='arcsec'),
        'ebv': _optional('float', 'Galactic reddening E(B-V) of the host', unit='mag')}),
    Schema('injection_cells', 1, 'a cell of an injection grid', {
        'cell': Column('int', 'number of the cell'),
        'n_hosts': Column('int', 'hosts that lie in the cell'),
        'n': Column('int', 'injections'), 'n_failed': Column('int', 'injections without a score'),
        'n_distinct_hosts': Column('int', 'hosts that were injected into'),
        'n_eff_hosts': Column('float', 'equally used hosts with the same sum of squares'),
        'state': _CELL['state'], 'reason': Column('str', 'why it is not supported')}),
    Schema('paired', 1, 'an arm of a paired design, beside its base', {
        'arm': Column('str', 'what is changed'), 'n_pairs': Column('int', 'pairs with both scores'),
        'n_left_out': Column('int', 'pairs that lack a score'),
        'n_groups': Column('int', 'independent groups of pairs'),
        'n_both': Column('int', 'recovered in both arms'),
        'n_only_base': Column('int', 'recovered in the base alone'),
        'n_only_arm': Column('int', 'recovered in the arm alone'),
        'n_neither': Column('int', 'recovered in none'),
        'difference': Column('float', 'recovered fraction, arm less base', span=(-1, 1)),
        'lo': Column('float', 'lower end of the interval of the difference'),
        'hi': Column('float', 'upper end of the interval of the difference'),
        'p_value': Column('float', 'exact McNemar test of independent pairs', span=(0, 1))}),
    Schema('comparison', 1, 'a pair of finders on the same objects', {
        'finder_a': Column('str', 'first finder'), 'finder_b': Column('str', 'second finder'),
        'statistic': Column('str', 'recovered fraction, false-positive rate or AUC'),
        'sample': Column('str', 'way of discovery of the lenses, negatives, or all'),
        'operating_point': Column('str', 'how thresholds were set, empty for AUC'),
        'n': Column('int', 'objects'), 'n_groups': Column('int', 'independent groups'),
        'estimate_a': Column('float', 'of the first finder'),
        'estimate_b': Column('float', 'of the second finder'),
        'difference': Column('float', 'first less second', span=(-1, 1)),
        'lo': Column('float', 'lower end of the interval of the difference'),
        'hi': Column('float', 'upper end of the interval of the difference'),
        'n_only_a': Column('int', 'objects above the threshold of the first finder alone'),
        'n_only_b': Column('int', 'objects above the threshold of the second finder alone'),
        'p_value': Column('float', 'two-sided, of this test alone'),
        'p_mid': Column('float', 'mid-p McNemar'),
        'p_adjusted': Column('float', 'p_value corrected for the tests of the table'),
        'test': Column('str', 'name of the test')}),
    Schema('realism', 1, 'two samples, and how well a probe tells them apart', {
        'comparison': Column('str', 'which samples'),
        'role': Column('str', 'the gate, or a null beside it', allowed=('gate', 'null')),
        'n_first': Column('int', 'rows of the first'),
        'n_second': Column('int', 'rows of the second'),
        'n_groups': Column('int', 'independent groups'),
        'auc': Column('float', 'out-of-fold AUC of the probe', span=(0, 1)),
        'lo': Column('float', 'lower end of its interval'),
        'hi': Column('float', 'upper end of its interval'),
        'p_value': Column('float', 'against 0.5, by permutation', span=(0, 1)),
        'frechet': Column('float', 'squared Frechet distance'),
        'frechet_corrected': Column('float', 'the same, extrapolated to samples without end'),
        'frechet_null': Column('float', 'median of that of mixed samples'),
        'frechet_null_hi': Column('float', 'upper quantile of that of mixed samples')}),
    Schema('match', 1, 'a quantity of injections and of lenses', {
        'quantity': Column('str', 'column'), 'n_injections': Column('int', 'with a value'),
        'n_lenses': Column('int', 'with a value'),
        'injections_median': Column('float', 'median of the injections'),
        'lenses_median': Column('float', 'median of the lenses'),
        'distance': Column('float', 'Kolmogorov-Smirnov distance', span=(0, 1)),
        'p_value': Column('float', 'of that distance', span=(0, 1)),
        'inside': Column('float', 'lenses in the central 95 % of the injections', span=(0, 1))}),
    Schema('tails', 1, 'a false-positive rate, and its threshold by a fitted tail', {
        'finder': Column('str', 'finder'), 'fpr': Column('float', 'rate', span=(0, 1)),
        'n_above': Column('int', 'negatives that the empirical threshold rests on'),
        'threshold': Column('float', 'empirical threshold, on the scale of the fit'),
        'fitted': Column('float', 'threshold by the fitted tail'),
        'lo': Column('float', 'lower end of its interval'),
        'hi': Column('float', 'upper end of its interval'),
        'n_exceed': Column('int', 'negatives that the fit uses'),
        'shape': Column('float', 'shape of the generalised Pareto distribution'),
        'shape_half': Column('float', 'the same from half as many'),
        'p_value': Column('float', 'of the Kolmogorov-Smirnov distance', span=(0, 1))}),
    Schema('trends', 1, 'a test of a fraction against a condition', {
        'axis': Column('str', 'condition'), 'n': Column('int', 'objects with a value'),
        'n_success': Column('int', 'of them above the threshold'),
        'slope': Column('float', 'log odds per standard deviation of the condition'),
        'slope_se': Column('float', 'its standard error'),
        'p_value': Column('float', 'of this test alone'),
        'p_adjusted': Column('float', 'corrected for the tests of the table'),
        'trend': Column('str', 'what was found', allowed=(
            'rises', 'falls', 'bends', 'differs', 'none found', 'not tested')),
        'note': Column('str', 'why it was not tested')}),
    Schema('pools', 1, 'hosts that are injected into under one set of conditions', {
        'n': Column('int', 'injections'), 'n_recovered': Column('int', 'recovered ones'),
        'n_hosts': Column('int', 'distinct hosts'),
        'n_eff_hosts': Column('float', 'equally used hosts with the same sum of squares'),
        'estimate': Column('float', 'recovered fraction', span=(0, 1)),
        'share': Column('float', 'share of all detections', span=(0, 1)),
        'share_expected': Column('float', 'share of all injections', span=(0, 1)),
        'pull': Column('float', 'distance from the mean of all in standard errors'),
        'state': _CELL['state']}),
    Schema('transfer', 1, 'a fit to one half of the sky, and what it predicts of the other', {
        'finder': Column('str', 'finder'), 'operating_point': Column('str', 'of the finder'),
        'rate': Column('str', 'recovered fraction or false-positive rate'),
        'fitted_on': Column('str', 'half that was fitted'),
        'predicted': Column('str', 'half that is predicted'),
        'n': Column('int', 'objects there'),
        'n_success': Column('int', 'those above the threshold'),
        'deviance': Column('float', 'of the prediction, per object'),
        'constant': Column('float', 'of the fraction of the fitted half alone'),
        'own': Column('float', 'of a fit to the half itself'),
        'p_value': Column('float', 'of equal coefficients in both halves', span=(0, 1)),
        'p_adjusted': Column('float', 'the same, for all tests of the table', span=(0, 1))}),
    Schema('sensitivity', 1, 'a conclusion, under every choice', {
        'finder': Column('str', 'finder'), 'operating_point': Column('str', 'of the finder'),
        'conclusion': Column('str', 'what is concluded'),
        'as_audited': Column('str', 'with the choices of the audit'),
        'n_flips': Column('int', 'choices that change it'),
        'contradicted': Column('bool', 'whether one turns it into its opposite')}),
    Schema('near_duplicates', 1, 'a pair of stamps that show the same pixels', {
        'first': Column('int', 'row of the one'), 'second': Column('int', 'row of the other'),
        'correlation': Column('float', 'of their noise', span=(-1.001, 1.001)),
        'dy': Column('int', 'shift in pixels along y'),
        'dx': Column('int', 'shift in pixels along x')}),
    Schema('count_pools', 1, 'a pool of published counts, beside a model of the others', {
        'n': Column('int', 'injections'), 'n_recovered': Column('int', 'recovered ones'),
        'estimate': Column('float', 'recovered fraction', span=(0, 1)),
        'model': Column('float', 'fraction by a monotone model of all pools', span=(0, 1)),
        'without': Column('float', 'the same, fitted to the other pools', span=(0, 1)),
        'excess': Column('float', 'detections above that'),
        'pull': Column('float', 'the excess in errors that include the over-dispersion'),
        'share': Column('float', 'share of all detections', span=(0, 1)),
        'best': Column('float', 'greatest fraction of a pool under conditions no worse')}),
    Schema('count_totals', 1, 'the fraction of all injections, under one reading of the counts', {
        'taken_as': Column('str', 'what is taken to be independent'),
        'n': Column('int', 'injections'), 'n_recovered': Column('int', 'recovered ones'),
        'n_eff': Column('float', 'independent injections of the same variance'), **_INTERVAL}),
    Schema('shortcuts', 1, 'a set of features that should not tell lenses apart', {
        'features': Column('str', 'what the probe sees'),
        'n_lenses': Column('int', 'lenses with a value'),
        'n_negatives': Column('int', 'negatives with a value'),
        'n_groups': Column('int', 'independent groups'),
        'auc': Column('float', 'out-of-fold AUC'), 'lo': Column('float', 'lower end'),
        'hi': Column('float', 'upper end'), 'p_value': Column('float', 'against 0.5'),
        'state': _CELL['state']}),
    Schema('verdict', 1, 'a region of conditions or of lenses, and what a finder is good for', {
        'finder': Column('str', 'finder'), 'operating_point': Column('str', 'how it is used'),
        'region': Column('str', 'where'),
        'verdict': Column('str', 'use, do not use or not known',
                          allowed=('use', 'do not use', 'not known')),
        'because': Column('str', 'the numbers it rests on'),
        'n_lenses': Column('int', 'independently found lenses'),
        'n_negatives': Column('int', 'negatives'),
        'completeness_lo': Column('float', 'simultaneous lower bound'),
        'completeness_hi': Column('float', 'simultaneous upper bound'),
        'fpr_lo': Column('float', 'simultaneous lower bound'),
        'fpr_hi': Column('float', 'simultaneous upper bound')}),
    Schema('yields', 1, 'a finder at an inspection budget', {
        'finder': Column('str', 'finder'), 'budget': Column('float', 'objects that are inspected'),
        'n_lenses': Column('int', 'lenses in the sample'),
        'n_groups': Column('int', 'independent groups with lenses'),
        'found': Column('float', 'lenses among the inspected'),
        'lo': Column('float', 'lower end of its interval'),
        'hi': Column('float', 'upper end of its interval'),
        'interval': Column('str', 'method of the interval'),
        'completeness': Column('float', 'fraction of the lenses', span=(0, 1)),
        'purity': Column('float', 'fraction of the inspected', span=(0, 1)),
        'n_tied': Column('int', 'objects in the tied block that the budget cuts'),
        'found_least': Column('float', 'lenses without the tied block'),
        'found_greatest': Column('float', 'lenses with the tied block')}),
    Schema('yield_differences', 1, 'a pair of finders at an inspection budget', {
        'finder_a': Column('str', 'first finder'), 'finder_b': Column('str', 'second finder'),
        'budget': Column('float', 'objects that are inspected'),
        'found_a': Column('float', 'lenses found by the first'),
        'found_b': Column('float', 'lenses found by the second'),
        'difference': Column('float', 'second less first'),
        'lo': Column('float', 'lower end of the interval of the difference'),
        'hi': Column('float', 'upper end of the interval of the difference'),
        'interval': Column('str', 'method of the interval'),
        'se': Column('float', 'standard error of the difference'),
        'n_only_a': Column('int', 'lenses that the first alone finds'),
        'n_only_b': Column('int', 'lenses that the second alone finds'),
        'p_value': Column('float', 'exact McNemar test of independent lenses', span=(0, 1)),
        'smallest_detectable': Column('float', 'difference that would have been seen')}),
    Schema('yield_contrasts', 1, 'a weighted sum of yields at an inspection budget', {
        'contrast': Column('str', 'what is compared'),
        'budget': Column('float', 'objects that are inspected'),
        'found_first': Column('float', 'lenses found, what counts positive'),
        'found_second': Column('float', 'lenses found, what counts negative'),
        'difference': Column('float', 'first less second'),
        'lo': Column('float', 'lower end of the interval of the difference'),
        'hi': Column('float', 'upper end of the interval of the difference'),
        'se': Column('float', 'standard error of the difference, from the objects'),
        'se_seeds': _optional('float', 'standard error that the training seeds add'),
        'total_lo': _optional('float', 'lower end with the error of the seeds'),
        'total_hi': _optional('float', 'upper end with the error of the seeds'),
        'smallest_detectable': Column('float', 'difference that would have been seen')}),
    Schema('covered_area', 1, 'a finder, and where it is complete enough', {
        'finder': Column('str', 'finder'),
        'area': Column('float', 'share of the search where it is', span=(0, 1.000001)),
        'lo': Column('float', 'lower end of its interval'),
        'hi': Column('float', 'upper end of its interval'),
        'area_sure': Column('float', 'share where the lower end of the completeness is'),
        'share_supported': Column('float', 'share of the search in cells with support'),
        'n_cells': Column('int', 'cells that hold objects'),
        'n_supported': Column('int', 'cells with support'),
        'difference': Column('float', 'area less that of the reference'),
        'difference_lo': Column('float', 'lower end of the interval of the difference'),
        'difference_hi': Column('float', 'upper end of the interval of the difference')}),
    Schema('ensemble_members', 1, 'a model of an ensemble study', {
        'finder': Column('str', 'name'),
        'role': Column('str', 'what it is there for', allowed=(
            'member', 'baseline', 'control', 'stratified', 'random')),
        'source': Column('str', 'trained, or where its scores come from'),
        'subset': Column('str', 'what it was trained on'), 'seed': Column('int', 'of the training'),
        'n_train_lenses': Column('int', 'lenses that it was trained on; -1 where not known'),
        'n_train_negatives': Column('int', 'negatives that it was trained on; -1 where not known'),
        'state': Column('str', 'supported, or impossible', allowed=CELL_STATES),
        'reason': Column('str', 'why it is not there'),
        'auc': Column('float', 'on the rows that are reported on'),
        'auc_lo': Column('float', 'lower end of its interval'),
        'auc_hi': Column('float', 'upper end of its interval')}),
    Schema('diversity', 1, 'a measure of how alike two finders are', {
        'finder_a': Column('str', 'first finder'), 'finder_b': Column('str', 'second finder'),
        'sample': Column('str', 'lenses, negatives or all', allowed=('lenses', 'negatives', 'all')),
        'operating_point': Column('str', 'how objects were selected, empty for correlations'),
        'statistic': Column('str', 'what is measured'), 'n': Column('int', 'objects'),
        'n_groups': Column('int', 'independent groups'),
        'estimate': Column('float', 'value; missing where it does not exist', span=(-1, 1)),
        'lo': Column('float', 'lower end of its interval'),
        'hi': Column('float', 'upper end of its interval')}),
    Schema('discovery_sets', 1, 'objects that the same finders select', {
        'operating_point': Column('str', 'how objects were selected'),
        'found_by': Column('str', 'finders that select them'),
        'n_finders': Column('int', 'how many these are'), 'n': Column('int', 'objects'),
        'n_lenses': Column('int', 'lenses among them'),
        'estimate': Column('float', 'fraction of all lenses', span=(0, 1)),
        'lo': _INTERVAL['lo'], 'hi': _INTERVAL['hi']}),
    Schema('cutout_quality', 1, 'a cutout of a store', {
        'object_id': Column('str', 'key of the cutout'),
        'flags': Column('str', 'what is to be said of it, joined by commas; empty if nothing'),
        'n_flags': Column('int', 'how many words these are'),
        'damaged': Column('bool', 'whether it cannot be read or is not what was written'),
        'problem': Column('str', 'what is damaged, empty where nothing is'),
        'nan_fraction': Column('float', 'missing pixels of all bands', span=(0, 1)),
        'n_central_nan': Column('int', 'missing pixels within 8 pixels of the center'),
        'zero_fraction': Column('float', 'exact zeros in the band that has most', span=(0, 1)),
        'missing_bands': Column('str', 'bands without any flux, missing or zero'),
        'constant_bands': Column('str', 'other bands with one value everywhere'),
        'same_pixels_as': Column('str', 'first cutout before it with the same pixels'),
        'turned_copy_of': Column('str', 'first before it with the same pixels in another order'),
        'same_place_as': Column('str', 'another about a position within 1 arcsec'),
        'brick_edge': _optional('bool', 'whether it reaches beyond its brick')}),
    Schema('band_order', 1, 'an order of the planes of stamps', {
        'order': Column('str', 'bands of the planes, one after another'),
        'n': Column('int', 'objects with positive fluxes'),
        'deviation': Column('float', 'median deviation from catalogued magnitudes'),
        'stated': Column('bool', 'whether it is the order that they are said to have')}),
    Schema('response', 1, 'a change of the stamps', {
        'change': Column('str', 'what is done'),
        'should_stay': Column('bool', 'whether scores should stay as they are'),
        'n': Column('int', 'stamps'), 'median': Column('float', 'median change of the score'),
        'percentile_95': Column('float', '95th percentile of it'),
        'largest': Column('float', 'largest change'),
        'crossing': Column('float', 'fraction that crosses the threshold', span=(0, 1)),
        'rank_correlation': Column('float', 'Spearman, with the scores as they were')}),
    Schema('plan', 1, 'a question of how many objects a study needs', {
        'quantity': Column('str', 'completeness or false-positive rate'),
        'expected': Column('float', 'expected value', span=(0, 1)),
        'wanted': Column('float', 'wanted half-width or upper bound', span=(0, 1)),
        'n_needed': Column('int', 'objects'), 'n_groups': Column('int', 'groups that they make'),
        'n_eff': Column('float', 'independent objects that they are worth'),
        'lo': Column('float', 'lower end of the interval to expect'),
        'hi': Column('float', 'upper end of the interval to expect'),
        'interval': Column('str', 'name of the interval'),
        'assurance': Column('float', 'probability that is reached', span=(0, 1))}),
    Schema('operating_points', 1, 'a threshold of one finder', {
        'finder': Column('str', 'finder'), 'operating_point': Column('str', 'how it was set'),
        'threshold': Column('float', 'objects at or above it are selected'),
        'threshold_lo': Column('float', 'lower end of the interval of the threshold'),
        'threshold_hi': Column('float', 'upper end of the interval of the threshold'),
        'n_negatives_above': Column('int', 'negatives that the threshold rests on'),
        'n_tied': Column('int', 'objects in the tied block that the operating point cuts'),
        'completeness_least': Column('float', 'completeness without the tied block'),
        'completeness_greatest': Column('float', 'completeness with the tied block')}),
    Schema('completeness', 1, 'a cell of known lenses', _CELL),
    Schema('false_positives', 1, 'a cell of negatives', _CELL),
    Schema('selection_function', 1, 'a cell of injections, or of known lenses', {
        **_CELL, 'fraction': Column('float', 'weighted fraction, before cells lean on each other'),
        'target': Column('float', 'what the cell leans on'),
        'shrinkage': Column('float', 'how far it leans on that', span=(0, 1))}),
    Schema('purity', 1, 'a cell of selected objects at a stated prevalence', {
        **_INTERVAL, 'state': _CELL['state']}),
    Schema('ranking', 1, 'a ranking statistic of one finder', {
        'finder': Column('str', 'finder'), 'statistic': Column('str', 'AUC, partial AUC, TPR'),
        'estimate': Column('float', 'value'), 'lo': Column('float', 'lower end'),
        'hi': Column('float', 'upper end'), 'interval': Column('str', 'method of the interval')}),
    Schema('reliability', 1, 'a bin of score', {
        'score_min': Column('float', 'lower edge, inclusive'),
        'score_max': Column('float', 'upper edge'),
        'mean_probability': Column('float', 'weighted mean of the probability'), **_CELL}),
    Schema('calibration', 1, 'a calibration statistic of one finder', {
        'statistic': Column('str', 'statistic'), 'estimate': Column('float', 'value'),
        'lo': Column('float', 'lower end'), 'hi': Column('float', 'upper end')}),
    Schema('score_to_probability', 1, 'a score of one finder', {
        'score': Column('float', 'score'),
        'probability': Column('float', 'probability of a lens at this score', span=(0, 1)),
        'lo': _INTERVAL['lo'], 'hi': _INTERVAL['hi'],
        'n_positives_above': Column('int', 'lenses at or above the score'),
        'n_negatives_above': Column('int', 'non-lenses at or above the score'),
        'supported': _CELL['supported'], 'state': _CELL['state']}),
    Schema('findings', 1, 'a finding of the audit about itself', {
        'severity': Column('str', 'how much it matters',
                           allowed=('severe', 'warning', 'note')),
        'check': Column('str', 'name of the check'),
        'finding': Column('str', 'what was found, in one sentence'),
        'evidence': Column('str', 'table and rows that show it'),
        'advice': Column('str', 'what to do')}),
)}


def schema_meta(name, **values):
    """
    Return the ``meta`` that every result of a schema carries.

    Parameters
    ----------
    name : str
        Name of the schema.
    **values
        Threshold, interval, seed and whatever else rebuilds the table; `None`
        is left out.

    Returns
    -------
    meta : dict
        Schema, its version, the package version and the values.
    """
    head = {'schema': name, 'schema_version': SCHEMAS[name].version,
            'package_version': lensfinder_audit.__version__}
    return {**head, **{key: value for key, value in values.items() if value is not None}}


def require_columns(table, names, *, what='the table'):
    """
    Raise if a table lacks a column.

    Parameters
    ----------
    table : `~astropy.table.Table`
        Any table.
    names : iterable of str
        Columns that it must have.
    what : str, optional
        How the message calls the table.

    Raises
    ------
    TableError
        Naming the column, the nearest one there is, and all of them.
    """
    for name in names:
        if name not in table.colnames:
            raise TableError(f'{what} has no column {name!r}.'
                             f'{did_you_mean(name, table.colnames)} Its columns are '
                             f'{table.colnames}.')


def check_table(table, schema):
    """
    Check a table against a schema.

    Parameters
    ----------
    table : `~astropy.table.Table`
        Any table; not changed.
    schema : str
        Name of the schema.

    Returns
    -------
    table : `~astropy.table.QTable`
        A copy that carries the schema's units and descriptions. Truth values
        given as 0 and 1 become bool, and numbers that serve as names text.

    Raises
    ------
    TableError
        If a required column is missing, holds another kind of value, a wrong
        unit, or a value that is not allowed.
    """
    wanted = SCHEMAS[schema]
    required = [name for name, column in wanted.columns.items() if column.required]
    require_columns(table, required, what=f'the {schema} table')
    table = plain(QTable(table, copy=True))
    for name, column in wanted.columns.items():
        if name in table.colnames:
            _check_column(table, name, column, f'column {name!r} of the {schema} table')
    return table


def _check_column(table, name, column, what):
    converted = _CONVERT[column.kind](table[name], what)
    if converted is not table[name]:
        table[name] = converted
    if column.unit:
        table[name] = _in_unit(table[name], column.unit, what)
    values = np.asarray(getattr(table[name], 'value', table[name]))
    if len(values) and values.dtype.kind not in _KINDS[column.kind]:
        raise TableError(f'{what} must hold {column.kind} values; it holds {values.dtype}')
    _check_values(values, column, what)
    table[name].info.description = column.description


def _to_float(values, what):
    """Text without a letter in any row is a column of missing numbers."""
    if _kind(values) in 'UO' and not any(str(value).strip() for value in values):
        return np.full(len(values), np.nan)
    return values


def _to_int(values, what):
    if _kind(values) != 'f' or getattr(values, 'unit', None) is not None:
        return values
    _refuse_missing(values, ~np.isfinite(values), what)
    whole = np.asarray(values) == np.round(values)
    if not whole.all():
        raise TableError(f'{what} must hold whole numbers; row {np.argmin(whole)} has '
                         f'{values[np.argmin(whole)]}')
    return np.asarray(values).astype(int)


def _to_bool(values, what):
    """Accept 0 and 1, as numbers of any type, and the words true and false."""
    kind = _kind(values)
    if kind in 'UO':
        words = np.char.lower(np.asarray(values).astype(str))
        _refuse_missing(values, words == '', what)
        values = np.where(words == 'true', 1, np.where(words == 'false', 0, 2))
        strange = np.flatnonzero(values == 2)
        if len(strange):
            raise TableError(f'{what} must hold true or false, or 1 or 0; row {strange[0]} has '
                             f'{str(words[strange[0]])!r}')
    elif kind in 'fiu':
        if kind == 'f':
            _refuse_missing(values, np.isnan(values), what)
        strange = sorted(set(np.unique(np.asarray(values)).tolist()) - {0, 1})
        if strange:
            raise TableError(f'{what} must hold 1 or 0; it also holds {strange[:3]}')
    return np.asarray(values).astype(bool) if kind in 'UOfiu' else values


def _to_str(values, what):
    """Take numbers as names: 12 is the text 12, and a missing number is empty."""
    kind = _kind(values)
    if getattr(values, 'unit', None) is not None or kind not in 'fiu':
        return values
    if kind == 'f':
        return np.array(['' if np.isnan(value) else f'{value:.0f}' if value == round(value)
                         else str(value) for value in values.tolist()], dtype=str)
    return np.asarray(values).astype(str)


_CONVERT = {'float': _to_float, 'int': _to_int, 'bool': _to_bool, 'str': _to_str}


def _kind(values):
    return getattr(getattr(values, 'dtype', None), 'kind', '-')


def _refuse_missing(values, missing, what):
    rows = np.flatnonzero(missing)
    if len(rows):
        raise TableError(f'{what} has no value in {len(rows)} of {len(values)} rows, the first is '
                         f'row {rows[0]}')


def _in_unit(values, unit, what):
    if _kind(values) in 'UO':
        raise TableError(f'{what} must hold numbers; it holds text, such as {str(values[0])!r}')
    try:
        return u.Quantity(values, unit, copy=False)
    except (u.UnitConversionError, TypeError) as error:
        raise TableError(f'{what} must be in {unit}: {error}') from error


def _check_values(values, column, what):
    if column.complete:
        _refuse_missing(values, np.isnan(values), what)
    if column.allowed:
        strange = sorted(set(np.unique(values.astype(str)).tolist()) - set(column.allowed))
        if strange:
            raise TableError(f'{what} holds {strange[:3]}; allowed are {list(column.allowed)}')
    if column.span:
        low, high = column.span
        bad = np.flatnonzero((values < low) | (values > high))
        if len(bad):
            raise TableError(f'{what} must lie in [{low}, {high}]; {len(bad)} of {len(values)} '
                             f'rows do not, the first is row {bad[0]} with {values[bad[0]]}')
