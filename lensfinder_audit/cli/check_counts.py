# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""``check counts``, ``check interval`` and ``check fpr``: what published numbers show."""
import click

from lensfinder_audit.exceptions import ConfigError

__all__ = ['count_options', 'check_counts', 'print_interval', 'print_rate', 'rate_words']

_OPTIONS = (
    ('--counts', {'metavar': 'N,RECOVERED'}, 'For "counts": columns of injections and detections.'),
    ('--where', {'multiple': True, 'metavar': 'COLUMN=VALUE'}, 'For "counts": only these rows.'),
    ('--each', {'metavar': 'COLUMN'},
     'For "counts": rows of different values are not added up, such as a threshold.'),
    ('--rises', {'multiple': True, 'metavar': 'COLUMN'},
     'For "counts": a condition with which completeness can only rise, such as depth.'),
    ('--falls', {'multiple': True, 'metavar': 'COLUMN'},
     'For "counts": one with which it can only fall, such as the PSF.'),
    ('--published', {'metavar': 'LOW,HIGH'}, 'For "counts": columns of published intervals.'),
    ('--shown', {'metavar': 'COLUMN'}, 'For "counts": whether a cell passed a filter.'),
    ('--n-negatives', {'type': click.IntRange(1)},
     'For "fpr" and "counts": negatives behind the threshold at --fpr.'))


def count_options(command):
    """Add the options of checks of published numbers."""
    for name, rest, text in reversed(_OPTIONS):
        command = click.option(name, help=text, **rest)(command)
    return command


def check_counts(arguments, values, limits):
    """Run the checks of counts on a table of them."""
    from lensfinder_audit.checks.counts import count_checks, counted
    from lensfinder_audit.cli.selection_input import choose_rows
    from lensfinder_audit.files import read_table
    from lensfinder_audit.findings import Finding
    from lensfinder_audit.tables import require_columns

    n, k = _pair(values['counts'], '--counts')
    interval = _pair(values['published'], '--published') if values['published'] else ()
    directions = {**dict.fromkeys(values['falls'], -1), **dict.fromkeys(values['rises'], 1)}
    by = list(dict.fromkeys([*directions, *values['by']]))
    table = choose_rows(read_table(arguments[0]), values['where'])
    require_columns(table, [n, k, *by, *interval, *filter(None, (values['each'],
                                                                 values['shown']))],
                    what=arguments[0])
    known, words = {}, _behind(values)
    if words:
        known['negatives'] = words, True
    tables, found = count_checks(
        counted(table, n, k), by=by, each=values['each'] or '', interval=interval,
        flag=values['shown'] or '', directions=directions, known=known, limits=limits,
        confidence=values['confidence'])
    for rate in values['fprs'] if words else ():
        if rate * values['n_negatives'] < limits.min_negatives_above:
            found.append(Finding('warning', 'negatives', rate_words(
                rate, values['n_negatives'], values['confidence']), 'not_known',
                'Score more negatives, or quote a looser operating point.'))
    return tables, found


def _behind(values):
    if values['n_negatives'] is None:
        return ''
    if not values['fprs']:
        raise ConfigError('--n-negatives needs the rate at which the threshold was set, --fpr')
    return '; '.join(rate_words(rate, values['n_negatives'], values['confidence'])
                     for rate in values['fprs'])


def _pair(text, option):
    parts = [item.strip() for item in (text or '').split(',')]
    if len(parts) != 2 or not all(parts):
        raise ConfigError(f'{option} takes two columns, as in {option} A,B; it is {text!r}')
    return parts


def rate_words(rate, n_negatives, confidence):
    """Say on how many negatives a threshold rests."""
    from lensfinder_audit.measure.intervals import binomial_interval

    count = rate * n_negatives
    lo, hi = binomial_interval(count, n_negatives, method='clopper-pearson', confidence=confidence)
    return (f'a threshold at FPR {rate:g} on {n_negatives:,} negatives rests on {count:.3g} of '
            f'them; the rate is known between {lo:.2g} and {hi:.2g} (Clopper-Pearson, '
            f'{100 * confidence:g} %)')


def print_rate(arguments, n_negatives, confidence):
    """Print on how many negatives a threshold rests, or that this is not known."""
    rate, = _numbers(arguments, 1, 'fpr RATE --n-negatives N')
    if not 0 < rate < 1:
        raise ConfigError(f'a false-positive rate lies between 0 and 1; it is {rate:g}')
    if n_negatives is None:
        click.echo(f'not known: how many negatives a threshold at FPR {rate:g} rests on; give '
                   '--n-negatives')
    else:
        click.echo(rate_words(rate, n_negatives, confidence))


def print_interval(arguments, confidence):
    """Print by which method a published interval was made."""
    from lensfinder_audit.checks.statistics import name_interval

    k, n, lo, hi = _numbers(arguments, 4, 'interval K N LOW HIGH')
    if not 0 < n or not 0 <= k <= n or not lo <= hi <= 1:
        raise ConfigError(f'check interval K N LOW HIGH: K lies between 0 and N, and LOW below '
                          f'HIGH, as fractions; they are {k:g}, {n:g}, {lo:g} and {hi:g}')
    digits = max(len(item.partition('.')[2]) for item in arguments[2:])
    table = name_interval(k, n, lo, hi, confidence=confidence, digits=digits)
    for row in table:
        click.echo(f'  {row["interval"]:<18} [{row["lo"]:.{digits + 1}f}, '
                   f'{row["hi"]:.{digits + 1}f}]{"  agrees" * bool(row["agrees"])}')
    found = table['interval'][table['agrees']].tolist()
    click.echo(f'[{lo:g}, {hi:g}] for {k:g} of {n:g} is '
               + (' or '.join(found) if found else 'none of these')
               + f' at {100 * confidence:g} %')


def _numbers(arguments, count, words):
    try:
        found = [float(item) for item in arguments]
    except ValueError as error:
        raise ConfigError(f'check {words}: {error}') from error
    if len(found) != count:
        raise ConfigError(f'write it as "check {words}"; {len(found)} numbers were given')
    return found
