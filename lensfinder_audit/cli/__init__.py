# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
The command line. Commands import what they need when they run, so that
``--help`` is instant.
"""
from importlib import import_module

import click

import lensfinder_audit
from lensfinder_audit.exceptions import LensfinderAuditError

__all__ = ['main']

_COMMANDS = {'demo': 'lensfinder_audit.cli.demo:demo_command',
             'audit': 'lensfinder_audit.cli.audit:audit_command',
             'check': 'lensfinder_audit.cli.check:check_command',
             'compare': 'lensfinder_audit.cli.compare:compare_command',
             'validate': 'lensfinder_audit.cli.validate:validate_command',
             'train': 'lensfinder_audit.cli.train:train_command',
             'score': 'lensfinder_audit.cli.score:score_command',
             'combine': 'lensfinder_audit.cli.combine:combine_command',
             'diversity': 'lensfinder_audit.cli.diversity:diversity_command',
             'ensemble': 'lensfinder_audit.cli.ensemble:ensemble_command',
             'export': 'lensfinder_audit.cli.export:export_command',
             'inject': 'lensfinder_audit.cli.inject:inject_command',
             'replay': 'lensfinder_audit.cli.replay:replay_command',
             'selection': 'lensfinder_audit.cli.selection:selection_command',
             'conditions': 'lensfinder_audit.cli.conditions:conditions_command',
             'catalog': 'lensfinder_audit.cli.catalog:catalog_command',
             'negatives': 'lensfinder_audit.cli.negatives:negatives_command',
             'manifest': 'lensfinder_audit.cli.manifest:manifest_command',
             'cutouts': 'lensfinder_audit.cli.cutouts:cutouts_command',
             'split': 'lensfinder_audit.cli.split:split_command',
             'plugins': 'lensfinder_audit.cli.plugins:plugins_command',
             'plan': 'lensfinder_audit.cli.plan:plan_command'}


class _Refused(click.ClickException):
    """Bad input: one line on standard error, exit code 2."""

    exit_code = 2


class _Commands(click.Group):
    """Loads a command when it is asked for and turns errors into one line."""

    def list_commands(self, ctx):
        return list(_COMMANDS)

    def get_command(self, ctx, name):
        if name not in _COMMANDS:
            return None
        module, _, attribute = _COMMANDS[name].partition(':')
        return getattr(import_module(module), attribute)

    def invoke(self, ctx):
        try:
            return super().invoke(ctx)
        except LensfinderAuditError as error:
            raise _Refused(' '.join(str(error).split())) from error
        except BrokenPipeError:
            raise  # the reader went away; click ends quietly
        except OSError as error:  # a full disk, a folder without permission
            raise _Refused(f'{error.filename or "a file"}: {error.strerror or error}; nothing was '
                           'written') from error
        except KeyboardInterrupt:
            click.echo('Interrupted; nothing was written.', err=True)
            ctx.exit(130)


@click.group(cls=_Commands, context_settings={'help_option_names': ['-h', '--help'],
                                              'max_content_width': 100})
@click.version_option(lensfinder_audit.__version__, prog_name='lensfinder-audit')
def main():
    """Measure what a strong gravitational lens finder can and cannot detect."""
