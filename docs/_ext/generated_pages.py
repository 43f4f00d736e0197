# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Pages that are written from the package itself when the documentation is built.

In ``docs/generated``: ``plugins_<kind>.rst`` (tables of the installed plugins),
``schemas.rst`` (columns of each table), ``cli_<command>.rst`` (the help
texts), ``model_card.rst`` (of the network that ships) and ``reference/<module>.rst``
with the pages that gather them by floor.
"""
import importlib
from importlib.metadata import entry_points
from inspect import cleandoc
from pathlib import Path

from sphinx.ext.autodoc.mock import mock
from sphinx.util import logging

from lensfinder_audit import plugins, tables
from lensfinder_audit.exceptions import MissingDependencyError
from lensfinder_audit.tests.house import FLOORS, floor_of, public_modules

LOG = logging.getLogger(__name__)

# Modules inside these packages serve the package; it is the package that is documented.
INNER = ('lensfinder_audit.cli.', 'lensfinder_audit.plotting.', 'lensfinder_audit.report.',
         'lensfinder_audit.checks.')

# Pages that join the chapter on samples, where they exist.
SAMPLE_PAGES = {'coverage', 'benchmarks'}


def setup(app):
    """Register the hook; it must run before Sphinx looks for pages."""
    app.connect('config-inited', write_pages)
    app.connect('builder-inited', find_pages, priority=400)
    return {'parallel_read_safe': True}


def write_pages(app, config):
    """Write every generated page, leaving those alone that did not change."""
    folder = Path(app.srcdir) / 'generated'
    pages = {}
    with mock(config.autodoc_mock_imports):
        if 'torch' in config.autodoc_mock_imports:
            import torch
            torch.Tensor = type('Tensor', (), {})  # scipy asks of every array whether it is one
        for kind in plugins.KINDS:
            pages[f'plugins_{kind}.rst'] = plugin_table(kind)
        pages |= reference_pages()
        pages |= command_pages()
    pages['more_samples.rst'] = toctree(app.srcdir, SAMPLE_PAGES)
    pages['more_guide.rst'] = toctree(app.srcdir, unplaced(app.srcdir) - SAMPLE_PAGES)
    pages['model_card.rst'] = model_card_block()
    pages['schemas.rst'] = '\n'.join(schema_section(schema) for schema in tables.SCHEMAS.values())
    for path in folder.rglob('*.rst'):
        if str(path.relative_to(folder)) not in pages:
            path.unlink()
    for path in Path(app.srcdir, 'api').glob('*.rst'):  # of what is no longer public
        module, _, name = path.stem.rpartition('.')
        if f'reference/{module}.rst' not in pages or name not in _public(module):
            path.unlink()
    for name, text in pages.items():
        _write(folder / name, text)


def find_pages(app):
    """Make automodapi see pages that an earlier build did not have."""
    app.env.find_files(app.config, app.builder)


def _write(path, text):
    if path.exists() and path.read_text() == text:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def list_table(header, rows, widths):
    """Return a reStructuredText table; cells may hold markup."""
    lines = ['.. list-table::', '   :header-rows: 1', f'   :widths: {widths}', '']
    for row in [header, *rows]:
        for i, cell in enumerate(row):
            lines.append(f'   {"*" if i == 0 else " "} - {cell}'.rstrip())
    return '\n'.join([*lines, ''])


def plugin_table(kind):
    """Return the table of the installed plugins of a kind."""
    rows = [_plugin_row(kind, name) for name in plugins.plugin_names(kind)]
    if not rows:
        return f'No plugin of kind ``{kind}`` is installed where these pages were built.\n'
    return list_table(['name', 'distribution', 'what it does', 'reference'], rows, '18 20 42 20')


def _plugin_row(kind, name):
    point = next(iter(entry_points(group=f'lensfinder_audit.{kind}', name=name)))
    owner = point.dist.name if point.dist else ''
    try:
        plugin = plugins.load_plugin(kind, name)
    except MissingDependencyError as error:
        if error.__cause__.name.startswith('lensfinder_audit'):
            LOG.warning('%s plugin %r: %s', kind, name, error)
        return [f'``{name}``', owner, str(error), '']
    except Exception as error:
        LOG.warning('%s plugin %r: %s', kind, name, error)
        return [f'``{name}``', owner, 'cannot be imported', '']
    return [_plugin_link(point, plugin, name), owner, _summary(plugin), _reference(plugin)]


def _plugin_link(point, plugin, name):
    target = f'{point.module}.{point.attr}'
    if point.module.startswith('lensfinder_audit.') and point.attr in _public(point.module):
        return f':obj:`{name} <{target}>`'
    return f'``{name}``'


def _public(module):
    try:
        return getattr(importlib.import_module(module), '__all__', ())
    except ImportError as error:
        LOG.warning('%s cannot be imported: %s', module, error)
        return ()


def _summary(plugin):
    text = plugin.__doc__ if isinstance(plugin, type) else getattr(plugin, 'name', '')
    return cleandoc(text or '').partition('\n\n')[0].replace('\n', ' ')


def _reference(plugin):
    reference = str(getattr(plugin, 'reference', '') or '')
    links = {'arXiv:': 'https://arxiv.org/abs/', 'doi:': 'https://doi.org/'}
    for prefix, url in links.items():
        if reference.startswith(prefix):
            return f'`{reference} <{url}{reference.removeprefix(prefix)}>`__'
    if len(reference) == 19 and reference[:4].isdigit():
        page = reference.replace('&', '%26')
        return f'`{reference} <https://ui.adsabs.harvard.edu/abs/{page}>`__'
    return reference


def schema_section(schema):
    """Return a section with the columns of a schema."""
    title = f'The ``{schema.name}`` table, version {schema.version}'
    intro = f'One row is {schema.description}.'
    rows = [[f'``{name}``', column.kind, f'``{column.unit}``' if column.unit else '',
             'yes' if column.required else '', _description(column)]
            for name, column in schema.columns.items()]
    header = ['column', 'holds', 'unit', 'required', 'description']
    table = list_table(header, rows, '22 8 12 10 48')
    return f'{title}\n{"-" * len(title)}\n\n{intro}\n\n{table}'


def _description(column):
    text = column.description
    if column.allowed:
        text += '; one of ' + ', '.join(f'``{value}``' if value else 'empty'
                                        for value in column.allowed)
    if column.span:
        text += f'; in [{column.span[0]:g}, {column.span[1]:g}]'
    return text


def unplaced(folder):
    """Return the pages that no toctree names; they join the user guide by themselves."""
    pages = {path.stem: path.read_text() for path in Path(folder).glob('*.rst')}
    named = {line.strip() for text in pages.values() for line in text.splitlines()}
    return set(pages) - named - {'index'}


def toctree(folder, names):
    """Return a toctree of those pages that there are."""
    found = [name for name in sorted(names) if Path(folder, f'{name}.rst').exists()]
    return '\n'.join(['.. toctree::', '   :maxdepth: 1', '', *(f'   /{name}' for name in found),
                      '']) if found else ''


def reference_pages():
    """Return a page for each public module and one for each floor."""
    pages, floors = {}, {number: [] for number in FLOORS}
    packages = {number: [] for number in FLOORS}
    for name in public_modules():
        if name.startswith(INNER):
            continue
        if floor_of(name) is None:
            LOG.warning('%s has no floor in lensfinder_audit/tests/house.py', name)
        elif _public(name):
            pages[f'reference/{name}.rst'] = _module_page(name)
            floors[floor_of(name)].append(name)
        else:
            packages[floor_of(name)].append(name)
    for number, names in floors.items():
        pages[f'reference/floor_{number}.rst'] = _floor_page(number, names, packages[number])
    return pages


def _module_page(name):
    title = f'``{name.removeprefix("lensfinder_audit.")}``'  # fits the side bar
    skipped = ''.join(f'   :skip: {other}\n' for other in _from_elsewhere(name))
    return (f'{title}\n{"=" * len(title)}\n\n.. automodapi:: {name}\n   :no-heading:\n'
            f'   :no-inheritance-diagram:\n   :include-all-objects:\n   :headings: =-\n{skipped}')


def _from_elsewhere(name):
    """Return the public names that have their page in another module."""
    module = importlib.import_module(name)
    homes = {other: getattr(getattr(module, other), '__module__', name)
             for other in module.__all__ if not isinstance(getattr(module, other), type(module))}
    return [other for other, home in homes.items()
            if home != name and _has_page(home) and other in _public(home)]


def _has_page(module):
    return module in public_modules() and not module.startswith(INNER)


def _floor_page(number, names, packages):
    title, text = FLOORS[number]
    head = f'Floor {number}: {title}'
    lines = [head, '=' * len(head), '', *(f'.. py:module:: {name}' for name in packages), '',
             text, '']
    if names:
        rows = [[f':doc:`{name} <{name}>`', _summary_of(name)] for name in names]
        lines += [list_table(['module', 'what it holds'], rows, '40 60')]
        lines += ['.. toctree::', '   :hidden:', '', *(f'   {name}' for name in names), '']
    return '\n'.join(lines)


def _summary_of(name):
    return cleandoc(importlib.import_module(name).__doc__ or '').partition('\n\n')[0].replace(
        '\n', ' ')


def command_pages():
    """Return the help text of each command as a literal block."""
    try:
        from lensfinder_audit.cli import main
    except ImportError as error:
        LOG.warning('the command line cannot be imported: %s', error)
        return {'cli_main.rst': ''}
    import click

    context = click.Context(main, info_name='lensfinder-audit', max_content_width=78)
    pages = {'cli_main.rst': ''}
    for name in main.list_commands(context):
        try:
            command = main.get_command(context, name)
        except ImportError as error:
            LOG.warning('command %s cannot be imported: %s', name, error)
            continue
        inner = click.Context(command, info_name=name, parent=context, max_content_width=78)
        pages[f'cli_{name}.rst'] = _help_block(command, inner)
    if len(pages) == len(main.list_commands(context)) + 1:
        pages['cli_main.rst'] = _help_block(main, context)
    return pages


def _help_block(command, context):
    lines = command.get_help(context).splitlines()
    return '\n'.join(['.. code-block:: text', '', *(f'   {line}'.rstrip() for line in lines), ''])


def model_card_block():
    """Return what the card of the network that ships says, as a table and a list."""
    from lensfinder_audit.classifiers.demo_network import model_card

    card = model_card()
    measured = dict(card['validation'])
    gates = measured.pop('gates (AUC)')
    rows = [[name.replace('n_', 'number of '), str(value)] for name, value in measured.items()]
    rows += [[f'gate, AUC of the {name}', str(value)] for name, value in gates.items()]
    made = [[name.replace('n_train', 'trained on').replace('_', ' '), str(card[name])] for name in
            ('architecture', 'parameters', 'n_train_lenses', 'n_train_negatives', 'epochs',
             'training_seconds', 'seeds')]
    made.append(['command', f'``{card["command"]}``'])
    tables = (list_table(['measured on the validation sample', ''], rows, '60 40') + '\n'
              + list_table(['how it was made', ''], made, '30 70'))
    limits = '\n'.join(f'- {text}' for text in card['limitations'])
    return (f'The card of the network\n{"=" * 23}\n\n{tables}\nA gate is the AUC of a logistic '
            'regression, cross-validated over folds that share no brick, on what a finder should '
            'not live on; beside it stand the same lenses without their arcs, and labels at '
            f'random.\n\nIts limitations:\n\n{limits}\n')
