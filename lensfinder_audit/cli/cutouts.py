# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""``lensfinder-audit cutouts``: fetch cutouts into a store, verify it and look at it."""
from importlib import import_module
from importlib.util import find_spec

import click

__all__ = ['cutouts_command']

_COMMANDS = {'fetch': 'lensfinder_audit.cli.cutouts_fetch:fetch',
             'verify': 'lensfinder_audit.cli.cutouts_verify:verify_command',
             'show': 'lensfinder_audit.cli.cutouts_show:show_command'}


class _Cutouts(click.Group):
    """Loads a command when it is asked for."""

    def list_commands(self, ctx):
        return [name for name, place in _COMMANDS.items() if find_spec(place.partition(':')[0])]

    def get_command(self, ctx, name):
        if name not in self.list_commands(ctx):
            return None
        module, _, attribute = _COMMANDS[name].partition(':')
        return getattr(import_module(module), attribute)


@click.group('cutouts', cls=_Cutouts)
def cutouts_command():
    """Fetch cutouts into a store, verify its pixels, and look at them."""
