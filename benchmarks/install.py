#!/usr/bin/env python
# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Time the installation of the package and the start of its command.

``python benchmarks/install.py`` makes a fresh virtual environment, installs a clone
of the checkout without extras and without any cache (``pip install --no-cache-dir``),
and prints how long that took, how much room it needs and whether any optional
package came along. It then times ``lensfinder-audit --help`` beside
``python -c pass`` and lists what heavy packages the command imported.

Most of the time of an installation is the network's; it is a budget, not a race.
"""
import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

#: Budget of the installation in seconds.
SECONDS = 120

#: Packages that the core must not install, and those that ``--help`` must not import.
OPTIONAL = ('torch', 'torchvision', 'timm', 'lightning', 'astroquery', 'pyvo', 'lenscat', 'dask',
            'pyspark', 'lenstronomy', 'pandas')
HEAVY = (*OPTIONAL, 'numpy', 'scipy', 'astropy', 'numba', 'pyarrow', 'sklearn', 'matplotlib',
         'healpy', 'photutils', 'onnxruntime')

ROOT = Path(__file__).parents[1]


def install(folder):
    """Install into a fresh environment; return its programs, wall and CPU seconds."""
    subprocess.run([sys.executable, '-m', 'venv', folder], check=True)
    subprocess.run(['git', 'clone', '--quiet', ROOT, folder / 'clone'], check=True)
    programs = folder / 'bin'
    start = clocks()
    subprocess.run([programs / 'pip', 'install', '--quiet', '--disable-pip-version-check',
                    '--no-cache-dir', folder / 'clone'], check=True,
                   stderr=subprocess.DEVNULL)
    return programs, clocks() - start


def clocks():
    """Return the wall time and the processor time of finished children, in seconds."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return np.array([time.perf_counter(), used.ru_utime + used.ru_stime])


def best(command, repeats=9):
    """Return the least wall seconds of a command."""
    spent = []
    for _ in range(repeats):
        start = time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        spent.append(time.perf_counter() - start)
    return min(spent)


def imported(python):
    """Return the heavy packages that ``--help`` imports."""
    code = ('import json, sys\nfrom lensfinder_audit.cli import main\n'
            'main(["--help"], standalone_mode=False)\n'
            f'print("\\n" + json.dumps([name for name in {HEAVY} if name in sys.modules]))')
    done = subprocess.run([python, '-c', code], check=True, capture_output=True, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def main():
    """Print what was measured; return 1 where a budget is exceeded."""
    parser = argparse.ArgumentParser(description=__doc__.strip().partition('\n')[0])
    parser.add_argument('--here', action='store_true',
                        help='time the command of this environment, without installing')
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        if args.here:
            return start_up(Path(sys.executable).parent)
        programs, (seconds, cpu) = install(Path(folder) / 'venv')
        done = subprocess.run([programs / 'pip', 'list', '--format=json',
                               '--disable-pip-version-check'], check=True, capture_output=True,
                              text=True)
        names = {item['name'].lower() for item in json.loads(done.stdout)}
        extra = sorted(names & set(OPTIONAL))
        shutil.rmtree(programs.parent / 'clone')
        size = sum(os.lstat(Path(at) / name).st_size for at, _, files in os.walk(folder)
                   for name in files) / 1e6
        print(f'installed in {seconds:.0f} s, {cpu:.0f} s of CPU time (budget {SECONDS} s): '
              f'{len(names)} packages, {size:.0f} MB; '
              f'optional packages among them: {extra or "none"}')
        return max(int(seconds > SECONDS or bool(extra)), start_up(programs))


def start_up(programs):
    """Time the command beside the bare interpreter; return 1 where it imports too much."""
    bare = best([programs / 'python', '-c', 'pass'])
    helped = best([programs / 'lensfinder-audit', '--help'])
    heavy = imported(programs / 'python')
    print(f'python -c pass {1000 * bare:.0f} ms; lensfinder-audit --help {1000 * helped:.0f} ms, '
          f'{helped / bare:.1f} times as long; heavy packages imported: {heavy or "none"}')
    return int(bool(heavy))


if __name__ == '__main__':
    sys.exit(main())
