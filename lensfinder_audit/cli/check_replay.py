# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""``check replay``: are recorded injections those that the run would make now?"""
__all__ = ['check_replay']


def check_replay(arguments, values, limits):
    """Make some injections of a run again, each alone, and compare scores and systems."""
    from lensfinder_audit.checks.replay import replay_check
    from lensfinder_audit.cli.replay import open_run
    from lensfinder_audit.recovery import replay

    injections, run = open_run(arguments[0])

    def again(row):
        return replay(injections, [row], run.manifest, run.store, run.simulator,
                      classifier=run.finder, **run.options)[1]['score'][0]

    return replay_check(injections, again)
