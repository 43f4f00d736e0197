# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""``lensfinder-audit train``: from a manifest and its cutouts to a finder with a model card."""
import click

from lensfinder_audit.cli.options import read_pairs

__all__ = ['train_command']

_RUNNING = ('devices', 'workers', 'threads')


@click.command('train', short_help='Train a finder on a manifest and its cutouts.')
@click.argument('manifest', type=click.Path(dir_okay=False))
@click.argument('store', type=click.Path(file_okay=False))
@click.option('-o', '--output', required=True, type=click.Path(file_okay=False), metavar='DIR',
              help='Folder of the training.')
@click.option('--preset', required=True, metavar='NAME|FILE',
              help='paper4-shielded-resnet, paper4-efficientnetv2-s, resnet18, or a YAML file.')
@click.option('--set', 'changes', multiple=True, metavar='NAME=VALUE',
              help='Change to the preset, such as epochs=20 or loss=tier.')
@click.option('--seed', type=click.IntRange(0), default=0, show_default=True,
              help='Of first weights, order and augmentation.')
@click.option('--frozen', type=click.Path(dir_okay=False), metavar='FILE',
              help='Frozen evaluation set, of which nothing may be trained on.')
@click.option('--device', metavar='NAME', help='cpu, cuda or mps. [the fastest]')
@click.option('--devices', type=click.IntRange(1), metavar='N', help='Devices that share a step.')
@click.option('--workers', type=click.IntRange(0), metavar='N',
              help='Processes that read ahead. [none on a CPU, else one per core, 8 at most]')
@click.option('--threads', type=click.IntRange(1), metavar='N',
              help='Threads of torch on the CPU. [one per core]')
@click.option('--overwrite', is_flag=True, help='Throw away a training that is in DIR.')
def train_command(manifest, store, output, preset, changes, seed, frozen, device, overwrite,
                  **running):
    """
    Train a finder on the cutouts in STORE of the objects of MANIFEST, which has the
    columns label and split.

    DIR gets best.safetensors and last.safetensors with their model cards, history.csv,
    and what a training needs to go on: after an interruption the same command does, and
    ends with the same weights. Next to it comes "score torch_checkpoint".
    """
    from lensfinder_audit.training import train_finder

    settings = read_pairs(changes, '--set')
    settings |= {name: running[name] for name in _RUNNING if running[name] is not None}
    with _Told() as told:
        try:
            result = train_finder(manifest, store, output, preset=preset, seed=seed,
                                  settings=settings, overwrite=overwrite, device=device,
                                  frozen=frozen, progress=told)
        except KeyboardInterrupt:
            told.close()
            click.echo('Interrupted; the same command goes on after the last whole epoch.',
                       err=True)
            raise click.exceptions.Exit(130) from None
    _tell(result)


class _Told:
    """A bar for the epoch that runs, and a line for each that is done."""

    def __init__(self):
        self._bar = None

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.close()

    def __call__(self, found):
        from tqdm import tqdm

        if found['done']:
            self.close()
            click.echo(_line(found), err=True)
            return
        if self._bar is None:
            self._bar = tqdm(total=found['of'], unit=' stamps', disable=None, leave=False,
                             desc=f'epoch {found["epoch"]}')
        self._bar.update(found['stamps'] - self._bar.n)

    def close(self):
        """Take the bar away."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None


def _line(row):
    return (f'epoch {row["epoch"]}: loss {row["loss"]:.4f}, validation loss '
            f'{row["validation_loss"]:.4f}, AUC {row["validation_auc"]:.4f}, TPR at FPR 1e-3 '
            f'{row["validation_tpr"]:.3f}, {row["images_per_second"]:.0f} stamps/s, '
            f'{100 * row["waiting"]:.1f} % waiting for data' + ', the best so far' * row['best'])


def _tell(result):
    best = result.card['validation']
    click.echo(f'{len(result.history)} epochs, the best is {best["epoch"]} with AUC '
               f'{best["validation_auc"]:.4f}; {100 * result.waiting:.1f} % of the time was spent '
               'waiting for data')
    click.echo(result.checkpoint)
    click.echo('Next: lensfinder-audit score torch_checkpoint MANIFEST --checkpoint '
               f'{result.checkpoint} -o scores.parquet')
