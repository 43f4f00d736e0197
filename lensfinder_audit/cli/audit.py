# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""``lensfinder-audit audit``: the audit of a table of scores."""
import shlex
import sys

import click

from lensfinder_audit.cli.options import (column_options, given_options, read_bins, read_finders,
                                          read_numbers, read_pairs, sample_options)
from lensfinder_audit.exceptions import ConfigError

__all__ = ['audit_command']

# parameters of the command that are options of the audit as they are
_PLAIN = ('score_kind', 'match_radius', 'search_size', 'prevalence', 'interval', 'confidence',
          'group', 'min_groups', 'n_resamples', 'seed', 'title')
_INPUTS = ('scores', 'negatives', 'conditions', 'known', 'store', 'injections', 'model',
           'checkpoint', 'frozen')
_LISTS = ('thresholds', 'fprs', 'top_percents', 'budgets', 'by')


@click.command('audit', short_help='Audit finders from a table of their scores.')
@click.argument('scores', required=False, type=click.Path(dir_okay=False))
@click.option('-o', '--output', required=True, type=click.Path(file_okay=False), metavar='DIR',
              help='Folder for the report, tables and figures; made anew.')
@click.option('--example', is_flag=True, help='Audit the simulated table that ships with the '
                                              'package.')
@click.option('--config', type=click.Path(dir_okay=False),
              help='Repeat the audit of an audit.yaml; SCORES and other options change it.')
@column_options
@sample_options
@click.option('--lower-is-better', is_flag=True,
              help='A low score is the lens-like one; scores enter as 1 - p, or with their sign '
                   'changed.')
@click.option('--exclude-training', is_flag=True, help='Leave out objects that were trained on.')
@click.option('--threshold', 'thresholds', multiple=True, type=float,
              help='Operating point: fixed score.')
@click.option('--fpr', 'fprs', multiple=True, type=float,
              help='Operating point: false-positive rate. [0.01 and 0.001]')
@click.option('--top-percent', 'top_percents', multiple=True, type=float,
              help='Operating point: per cent of the objects searched.')
@click.option('--budget', 'budgets', multiple=True, type=float,
              help='Operating point: number of objects that can be inspected.')
@click.option('--search-size', type=float, help='Objects searched, from which a budget is taken.')
@click.option('--by', multiple=True, metavar='COLUMN[,COLUMN]', help='Axis; two make a surface.')
@click.option('--bins', multiple=True, metavar='AXIS=BINS',
              help='Edges (1,3,6,inf), classes (SER,DEV), quantile or published.')
@click.option('--possible', multiple=True, metavar='AXIS=LOW,HIGH',
              help='What the selection lets in; cells outside are impossible.')
@click.option('--prevalence', type=float,
              help='Fraction of lenses among the objects searched; there is no default.')
@click.option('--interval', type=click.Choice(['wilson', 'jeffreys', 'clopper-pearson']),
              help='Interval of fractions. [wilson]')
@click.option('--confidence', type=float, help='Confidence of all intervals. [0.95]')
@click.option('--group', metavar='COLUMN', help='Resampled together: a column, or healpix:NSIDE.')
@click.option('--min-groups', type=int, help='Cells on fewer groups are unsupported. [10]')
@click.option('--resamples', 'n_resamples', type=int, help='Bootstrap resamples. [10000]')
@click.option('--seed', type=int, help='Seed of the bootstrap. [0]')
@click.option('--known', multiple=True, type=click.Path(dir_okay=False), metavar='FILE',
              help='Catalogue of known lenses, to be found among the negatives.')
@click.option('--store', type=click.Path(file_okay=False), metavar='DIR',
              help='Cutout store, for the checks that look at stamps.')
@click.option('--injections', multiple=True, metavar='[FINDER=]DIR',
              help='Output of "inject"; with several finders, of FINDER. Galleries and checks of '
                   'images need its --keep-images.')
@click.option('--model', metavar='MODEL',
              help='The finder, an ONNX file or a plugin, for the checks of how it answers.')
@click.option('--checkpoint', type=click.Path(dir_okay=False), metavar='FILE',
              help='File that the plugin MODEL is loaded from.')
@click.option('--purity', 'purities', multiple=True, metavar='TIER=LOW,HIGH',
              help='Least and greatest fraction of a tier that are lenses.')
@click.option('--limit', 'limits', multiple=True, metavar='NAME=VALUE',
              help='Where a check begins to speak; "check list" names them.')
@click.option('--sensitivity', is_flag=True,
              help='Audit again under other choices, and list the conclusions that flip.')
@click.option('--frozen', type=click.Path(dir_okay=False), metavar='FILE',
              help='Frozen evaluation set; refuse a sample that is no longer it.')
@click.option('--title', help='Title of the report.')
@click.option('--latex', is_flag=True,
              help='Also set the tables for a paper: latex/*.tex, for use with booktabs.')
@click.option('--no-figures', is_flag=True, help='Draw no figures.')
@click.option('--fail-on', type=click.Choice(['severe', 'warning', 'note', 'never']),
              default='never', show_default=True, help='Exit with 1 on findings as grave as this.')
@click.option('--overwrite', is_flag=True, help='Replace an earlier audit in DIR.')
@click.pass_context
def audit_command(ctx, scores, output, example, config, **values):
    """
    Audit finders from SCORES, a table with one row per object and one column per
    finder (CSV, TSV, ECSV, FITS, VOTable or Parquet).

    Columns with usual names are found by themselves; "validate" shows which.
    Exit code: 0 clean, 1 findings as grave as --fail-on, 2 bad input.
    """
    from lensfinder_audit.audit import audit
    from lensfinder_audit.files import refuse_folder
    from lensfinder_audit.findings import severity_at_least
    from lensfinder_audit.output import MARKER

    refuse_folder(output, overwrite=values['overwrite'], marker=MARKER)
    inputs, options = _collect(scores, example, config, values)
    beside = {role: inputs.pop(role) for role in ('model', 'checkpoint', 'frozen')}
    result = audit(inputs.pop('scores'), **inputs, **options,
                   classifier=_finder(beside['model'], beside['checkpoint']),
                   frozen=beside['frozen'],
                   progress=_step if sys.stderr.isatty() else None)
    result.inputs |= _recorded(beside)
    result.summary['command'] = shlex.join(['lensfinder-audit', *sys.argv[1:]])
    result.write(output, overwrite=values['overwrite'], figures=not values['no_figures'],
                 latex=values['latex'])
    from lensfinder_audit.cli.summary import print_summary
    print_summary(result, output)
    ctx.exit(int(severity_at_least(result.worst(), values['fail_on'])))


def _collect(scores, example, config, values):
    """Join what the configuration, the example and the options say, the last winning."""
    if not (scores or example or config) or (scores and example) or (example and config):
        raise ConfigError('give the table of SCORES, --example, or --config')
    inputs, options = dict.fromkeys(_INPUTS), {}
    if example:
        from lensfinder_audit.example import EXAMPLE_OPTIONS, example_scores
        inputs['scores'], options = example_scores(), dict(EXAMPLE_OPTIONS)
    given = {'scores': scores, **{role: values[role] for role in _INPUTS[1:]},
             'injections': _injections(values['injections'])}
    given = {role: list(item) if isinstance(item, tuple) else item
             for role, item in given.items() if item}
    if config:
        inputs, options = _from_config(config, list(given))
    inputs |= given
    inputs['conditions'] = inputs['conditions'] or []
    return inputs, options | _from_values(values, options)


def _injections(given):
    """Return folders by the names of their finders; one without a name stands alone."""
    from pathlib import Path

    found = {}
    for item in given:
        finder, _, path = item.rpartition('=') if not Path(item).exists() else ('', '', item)
        if finder in found:
            raise ConfigError(f'--injections {item}: '
                              + (f'finder {finder!r} has injections already' if finder else
                                 'of several, each needs its finder, as in FINDER=DIR'))
        found[finder] = path
    return found.get('') if list(found) == [''] else found


def _from_config(config, replaced):
    from lensfinder_audit.config import load_config

    options, files = load_config(config, replaced=replaced)
    inputs = {role: [item.path for item in found] if role in ('conditions', 'known') else
              found[0].path if found else None for role, found in files.items()}
    if files['injections']:
        inputs['injections'] = {item.finder: item.path for item in files['injections']}
    if not inputs['scores'] and 'scores' not in replaced:
        from lensfinder_audit.example import example_scores
        inputs['scores'] = example_scores()  # an audit of the example names no file
    return inputs, options


def _finder(model, checkpoint):
    from lensfinder_audit.cli.finders import load_finder

    return load_finder(str(model), checkpoint, {}, 64) if model else None


def _recorded(beside):
    """Return the files, and the name of a plugin, with which the audit is repeated."""
    from pathlib import Path

    from lensfinder_audit.config import InputFile

    return {role: [InputFile.of(item) if Path(item).is_file() else InputFile(Path(item), '')]
            for role, item in beside.items() if item}


def _from_values(values, before):
    found = {name: values[name] for name in _PLAIN if values[name] is not None}
    found |= {name: list(values[name]) for name in _LISTS if values[name]}
    found |= {name: True for name in ('lower_is_better', 'exclude_training', 'sensitivity')
              if values[name]}
    groups = {'columns': given_options(values), 'finders': read_finders(values['scores_of']),
              'constants': read_pairs(values['constants'], '--set'),
              'negatives_columns': read_pairs(values['negatives_columns'], '--negatives-column'),
              'bins': read_bins(values['bins']),
              'possible': read_bins(values['possible'], '--possible'),
              'purity': read_bins(values['purities'], '--purity'),
              'limits': read_numbers(values['limits'], '--limit')}
    found |= {name: {**before.get(name, {}), **group} for name, group in groups.items() if group}
    if 'by' in found:  # bins of axes that are gone go with them
        axes = {name.strip() for item in found['by'] for name in item.split(',')}
        found |= {option: {axis: item for axis, item in kept.items()
                           if axis in axes or axis in groups[option]}
                  for option in ('bins', 'possible')
                  if (kept := found.get(option, before.get(option, {})))}
    return found


def _step(text):
    click.echo(f'\r\033[K{text}', nl=False, err=True)
