# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""``lensfinder-audit plugins``: list, describe and check plugins."""
import click

from lensfinder_audit.exceptions import PluginError, PluginNotFoundError, did_you_mean

__all__ = ['plugins_command']


@click.group('plugins', short_help='List, describe and check plugins.')
def plugins_command():
    """List, describe and check the plugins that are installed."""


@plugins_command.command('list')
@click.option('--kind', help='Only this kind.')
def list_command(kind):
    """List the installed plugins with the distributions they come from."""
    from lensfinder_audit.plugins import KINDS, find_plugin, plugin_names

    for name in [kind] if kind else KINDS:
        found = plugin_names(name)
        click.secho(f'{name}: {KINDS[name]}', bold=True)
        for plugin in found:
            click.echo(f'  {plugin:<24} {_origin(find_plugin, name, plugin)}')
        if not found:
            click.echo('  none is installed')


@plugins_command.command('show')
@click.argument('name')
@click.option('--kind', help='Kind, where several have a plugin of this name.')
def show_command(name, kind):
    """Describe one plugin: what it does, its reference, parameters and origin."""
    import inspect

    from lensfinder_audit.plugins import find_plugin, load_plugin

    kind = _kind_of(name, kind)
    plugin, point = load_plugin(kind, name), find_plugin(kind, name)
    click.secho(f'{name} ({kind})', bold=True)
    click.echo(f'  object        {point.value}')
    click.echo(f'  distribution  {point.dist.name} {point.dist.version}')
    click.echo(f'  reference     {getattr(plugin, "reference", "") or "none given"}')
    if inspect.isclass(plugin):
        from lensfinder_audit.interfaces import parameter_names
        click.echo(f'  contract      version {getattr(plugin, "api_version", "?")}')
        signature = inspect.signature(plugin.__init__)
        for item in parameter_names(plugin):
            click.echo(f'  parameter     {signature.parameters[item]}')
    click.echo()
    click.echo(inspect.getdoc(plugin) or 'no description')


@plugins_command.command('check')
@click.argument('name')
@click.option('--kind', help='Kind, where several have a plugin of this name.')
@click.pass_context
def check_command(ctx, name, kind):
    """Run the conformance checks on a plugin; exit code 1 if one fails."""
    import inspect

    from lensfinder_audit.plugins import load_plugin
    from lensfinder_audit.testing import check_plugin

    kind = _kind_of(name, kind)
    plugin = load_plugin(kind, name)
    try:
        made = plugin() if inspect.isclass(plugin) else plugin
    except TypeError as error:
        raise PluginError(f'{kind} plugin {name!r} cannot be made without arguments ({error}); '
                          'check it from Python with lensfinder_audit.testing') from error
    failed = 0
    for check, passed, message in check_plugin(kind, made):
        click.secho(f'  {"ok  " if passed else "FAIL"}  {check}', fg=None if passed else 'red')
        if not passed:
            failed += 1
            click.echo(f'        {message}')
    click.echo(f'{name} ({kind}): {"conforms" if not failed else f"{failed} checks failed"}')
    ctx.exit(int(failed > 0))


def _kind_of(name, kind):
    """Find the kind of a plugin by its name."""
    from lensfinder_audit.plugins import KINDS, find_plugin, plugin_names

    if kind:
        find_plugin(kind, name)
        return kind
    kinds = [item for item in KINDS if name in plugin_names(item)]
    if len(kinds) == 1:
        return kinds[0]
    if kinds:
        raise PluginError(f'{name!r} names plugins of the kinds {kinds}; say which with --kind')
    names = sorted({plugin for item in KINDS for plugin in plugin_names(item)})
    raise PluginNotFoundError(f'no plugin is named {name!r}. Installed: {names}.'
                              f'{did_you_mean(name, names)}')


def _origin(find_plugin, kind, name):
    try:
        point = find_plugin(kind, name)
    except PluginError as error:
        return f'! {error}'
    return f'{point.dist.name} {point.dist.version}'
