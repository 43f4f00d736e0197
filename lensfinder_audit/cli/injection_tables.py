# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""The tables that ``inject`` writes beside its injections, and what it says of them."""
import click

from lensfinder_audit.cli.options import read_bins
from lensfinder_audit.exceptions import MeasurementError

__all__ = ['make_tables', 'report']


def make_tables(injections, run, values):
    """Return the tables by name, and why there are no weights, where they are refused."""
    from lensfinder_audit.recovery import cells_table

    good = injections[injections['problem'] == '']
    if not len(good):
        raise MeasurementError(f'none of {len(injections)} injections has a score; the first: '
                               f'{injections["problem"][0]}')
    sample = ['arm'] if len(run.options['pair']) else []
    gate, told = _realism(good, run, values)
    injections.meta['realism'] = good.meta['realism'] = told
    tables = _completeness(good, values, sample)
    if gate is not None:
        tables['realism'] = gate
    tables['cells'] = cells_table(injections, min_groups=values['min_groups'])
    tables['host_rules'] = run.rules
    if sample:
        from lensfinder_audit.measure.paired import paired_table

        tables['paired'] = paired_table(good, threshold=values['threshold'])
    refused = ''
    if values['match']:
        try:
            tables |= _matched(injections, good, values, sample)
        except MeasurementError as error:
            refused = injections.meta['match_refused'] = str(error)
    return tables, refused


def _realism(good, run, values):
    """Compare injections with the real lenses that were given."""
    from lensfinder_audit.cutouts import CutoutStore
    from lensfinder_audit.realism_gate import NOT_MEASURED, lens_gate

    if not values.get('lenses'):
        return None, f'{NOT_MEASURED} (--lenses)'
    from pathlib import Path

    from lensfinder_audit.manifest import read_manifest

    lenses = read_manifest(values['lenses'])
    store = CutoutStore(values.get('lenses_store') or Path(values['lenses']).parent / 'cutouts')
    return lens_gate(good, run.manifest, run.store, run.simulator, lenses, store,
                     classifier=run.finder, seed=values['seed'],
                     **{name: run.options[name] for name in ('grid', 'gain', 'psf', 'priors')})


def report(tables, injections, refused):
    """Say what was found, in a few lines."""
    for row in tables['host_rules']:
        if row['n_removed']:
            click.echo(f'{row["n_removed"]} hosts are left out by the rule "{row["rule"]}"; '
                       f'{row["n_left"]} are left')
    for row in tables['recovery']:
        arm = f'{row["arm"]}: ' if 'arm' in tables['recovery'].colnames else ''
        click.echo(f'{arm}{row["n_recovered"]} of {row["n"]} injections in {row["n_groups"]} hosts '
                   f'are recovered: {row["estimate"]:.4f} [{row["lo"]:.4f}, {row["hi"]:.4f}] '
                   f'({_interval(tables["recovery"])}, hosts resampled together)')
    for row in tables.get('realism', ()):
        click.echo(f'{row["comparison"]}: a probe tells them apart with AUC {row["auc"]:.3f} '
                   f'[{row["lo"]:.3f}, {row["hi"]:.3f}]' + ', a null' * (row['role'] == 'null'))
    if 'realism' not in tables:
        click.echo(f'realism is {injections.meta["realism"]}')
    for row in tables.get('paired', ()):
        click.echo(f'{row["arm"]}: {row["n_only_arm"]} are recovered only with it, '
                   f'{row["n_only_base"]} only without; difference {row["difference"]:+.4f} '
                   f'[{row["lo"]:+.4f}, {row["hi"]:+.4f}], McNemar p = {row["p_value"]:.2g}')
    _cells(tables['cells'])
    _problems(injections)
    if refused:
        click.echo(f'No weights: {refused}', err=True)
    elif 'match' in tables:
        meta = tables['match'].meta
        click.echo(f'Weights of {meta["n_injections"]} injections like {meta["n_lenses"]} lenses '
                   f'in {", ".join(meta["on"])} are worth {meta["n_eff"]:.0f} equal ones')


def _completeness(injections, values, sample, **design):
    from lensfinder_audit.composition import check_axes
    from lensfinder_audit.measure.binning import make_axis
    from lensfinder_audit.measure.completeness import completeness_table
    from lensfinder_audit.surveys.legacy_dr10 import LEGACY_DR10

    bins = read_bins(values['host_bins'], '--host-bins') | read_bins(values['bins'])
    found = {}
    for names in [[], *check_axes(injections, values['by'])]:
        by = [make_axis(injections[name], name, bins=bins.get(name, 'auto'),
                        published=getattr(LEGACY_DR10.conditions.get(name), 'published_edges', ()),
                        unit=str(getattr(injections[name], 'unit', '') or ''))
              for name in names]
        key = '_'.join(['recovery', *(['by', '_and_'.join(names)] if names else [])])
        found[key] = completeness_table(
            injections, threshold=values['threshold'], by=by, score='score', group='group',
            min_groups=values['min_groups'], sample=sample, **design)
        found[key].meta['injections'] = {name: injections.meta.get(name) for name in (
            'simulator', 'priors', 'gain', 'seed', 'checksums', 'simulated')}
        found[key].meta['realism'] = injections.meta['realism']
    return found


def _matched(injections, good, values, sample):
    """Weigh the injections of the base; other arms take the weights of their pair."""
    import numpy as np

    from lensfinder_audit.files import read_table
    from lensfinder_audit.measure.arc_match import match_weights

    base = good['arm'] == 'base'
    weights, cells = match_weights(good[base], read_table(values['match']),
                                   on=[name.strip() for name in values['match_on'].split(',')])
    by_number = dict(zip(np.asarray(good['injection'][base]).tolist(), weights, strict=True))
    for table in (injections, good):
        table['match_weight'] = np.array([by_number.get(int(number), 0.0)
                                          for number in table['injection']])
    found = _completeness(good, values, sample, weight='match_weight')
    return {'match': cells} | {f'{name}_matched': table for name, table in found.items()}


def _cells(cells):
    states = [str(state) for state in cells['state']]
    if len(states) > 1:
        click.echo(', '.join(f'{states.count(state)} cells are {state}'
                             for state in dict.fromkeys(states)) + ' (cells.ecsv)')


def _problems(injections):
    bad = injections[injections['problem'] != '']
    if len(bad):
        click.echo(f'{len(bad)} of {len(injections)} injections have no score and are left out; '
                   f'the first: {bad["problem"][0]}', err=True)
    if not injections.meta['shot_noise']:
        click.echo('The arcs carry no shot noise: the hosts have neither exposure times '
                   '(exptime_g ...) nor depths in all bands, or it was turned off.')


def _interval(table):
    return f'{100 * table.meta["confidence"]:g} % {table.meta["interval"]}'
