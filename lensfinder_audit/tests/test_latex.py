# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""Tables for a paper: no word of the audit is read as LaTeX, numbers are those of the tables."""
import re
import shutil
import subprocess

import numpy as np
import pytest
from astropy.table import QTable
from hypothesis import example, given, settings
from hypothesis import strategies as st

from lensfinder_audit.cli.tests.running import run
from lensfinder_audit.findings import Limits
from lensfinder_audit.output import write_latex
from lensfinder_audit.report.latex import latex_tables
from lensfinder_audit.report.tex import escape, number, tabular, with_errors
from lensfinder_audit.tests.stand_in import make_result
from lensfinder_audit.verdict import verdict_table

HOSTILE = '\\input{/etc/passwd} & 95 % _ # $x$ {a} ~ ^ -- [b] "q"'
DOCUMENT = ('\\documentclass{article}\n\\usepackage{booktabs}\n\\begin{document}\n'
            '\\extrafloats{200}\\input{tables.tex}\n\\end{document}\n')


@pytest.fixture(scope='module')
def result():
    found = make_result(finders=('res_net & co', 'lucky'), n_lenses=300, n_negatives=2000)
    found.tables['verdict'] = verdict_table(found.tables, limits=Limits())
    found.findings['finding'] = [HOSTILE, *found.findings['finding'][1:]]
    return found


@pytest.fixture(scope='module')
def files(result):
    return latex_tables(result)


def balanced(text):
    """Return whether environments and braces close in order."""
    found = []
    for kind, name in re.findall(r'\\(begin|end)\{([a-z*]+)\}', text):
        if kind == 'begin':
            found.append(name)
        elif not found or found.pop() != name:
            return False
    bare = re.sub(r'\\\\|\\[{}]', '', text)
    depth = np.cumsum([{'{': 1, '}': -1}.get(letter, 0) for letter in bare])
    return not found and depth.min() >= 0 and depth[-1] == 0


def test_one_file_for_each_table_and_one_that_inputs_them(files):
    assert {'verdict', 'findings', 'completeness', 'completeness_by_psfsize_r', 'false_positives',
            'calibration', 'tables'} <= set(files)
    assert set(re.findall(r'\\input\{(.*)\.tex\}', files['tables'])) == set(files) - {'tables'}


def test_environments_close_and_rows_are_as_wide_as_their_head(files):
    for name, text in files.items():
        assert balanced(text), name
        for table in re.findall(r'\\toprule\n(.*?)\\bottomrule', text, re.DOTALL):
            rows = [row for row in table.replace('\\midrule', '').split('\\\\') if row.strip()]
            assert len({len(re.findall(r'(?<!\\)&', row)) for row in rows}) == 1, name


def test_words_of_the_audit_are_no_commands(files):
    assert '\\input{/etc' not in ''.join(files.values())
    assert '\\textbackslash{}input\\{/etc/passwd\\} \\& 95 \\% \\_ \\# \\$x\\$' in files['findings']
    assert 'res\\_net \\& co' in files['verdict'] and 'res_net' not in files['verdict']


def test_captions_name_the_interval_and_what_is_counted(files):
    caption, = re.findall(r'\\caption\{(.*)\}\n', files['false_positives_by_psfsize_r'])
    assert 'Errors are the 95 \\% Wilson interval.' in caption and '$n$: negatives' in caption
    assert '$n_\\mathrm{groups}$: independent groups among them. In all $2\\,000$ neg' in caption
    assert 'independent groups (values of group, resampled together); stated prev' in caption
    assert '$0.002$' in caption and 'PSF FWHM, $r$ ($\\mathrm{arcsec}$) &' in files[
        'false_positives_by_psfsize_r']
    assert 'Bonferroni' in files['verdict']


def test_numbers_are_those_of_the_table(result, files):
    table = result.tables['completeness']
    row = table[(table['discovery'] == 'independent') & (table['state'] == 'supported')][0]
    wanted = with_errors(float(row['estimate']), float(row['lo']), float(row['hi']))
    assert f'{wanted} & ${row["n"]}$ & ${row["n_groups"]}$' in files['completeness']
    plus, minus = (float(item) for item in re.findall(r'[+-](0\.\d+)', wanted))
    assert row['estimate'] + plus == pytest.approx(row['hi'], abs=2e-3)
    assert row['estimate'] - minus == pytest.approx(row['lo'], abs=2e-3)


def test_agreement_and_completeness_are_tables_apart(files):
    captions = re.findall(r'\\caption\{([A-Za-z ]+)', files['completeness'])
    assert captions == ['Completeness of whole samples',
                        'Agreement with an earlier finder of whole samples',
                        'Recovered fraction of lenses whose way of discovery is not known of whole '
                        'samples']


@given(st.text())
@settings(max_examples=80, deadline=None)
def test_any_words_are_escaped(text):
    tex = escape(text)
    plain = tex
    for word in ('textbackslash', 'textasciitilde', 'textasciicircum', 'textless', 'textgreater',
                 'textbar'):
        plain = plain.replace(f'\\{word}{{}}', '')
    plain = re.sub(r'\\[&%_#${},]|\{\\char\d\d\}|\{[-*\[\]]\}|\$\\[a-z]+\$|\\ldots\{\}', '', plain)
    plain = re.sub(r'\$(-|\^2|\^\\circ)\$|--|~', '', plain)
    assert not set(plain) & set('\\&%_#${}~^"\'`')
    assert balanced('{}' + tex) and '\n' not in tex


@given(st.floats(-1e9, 1e9), st.floats(0, 1e3), st.floats(0, 1e3))
@example(2e-311, 0.0, 7e-10)
@example(5e-324, 0.0, 5e-324)
@settings(max_examples=60, deadline=None)
def test_any_number_is_a_closed_formula(value, below, above):
    for tex in (number(value), with_errors(value, value - below, value + above)):
        assert tex.startswith('$') and tex.endswith('$') and tex.count('$') == 2 and balanced(tex)


def test_what_carries_no_number_is_a_word():
    assert number(np.nan) == '--' and number(np.inf) == '$\\infty$'
    assert with_errors(0.5, np.nan, np.nan) == '$0.5$'
    assert number(446893) == '$446\\,893$'


def test_a_rate_of_zero_is_set_as_its_bound():
    rates = QTable({'finder': ['a'], 'operating_point': ['x'], 'n': [690], 'n_groups': [690],
                    'estimate': [0.0], 'lo': [0.0], 'hi': [0.0055], 'upper': [0.00433],
                    'state': ['supported']}, meta={'interval': 'wilson', 'confidence': 0.95})
    result = make_result(n_lenses=60, n_negatives=300, finders=('one',))
    result.tables = {'false_positives': rates}
    assert '$< 0.0043$ & $690$' in latex_tables(result)['false_positives']


def test_long_tables_go_on_in_another():
    text = tabular([('A', [str(item) for item in range(100)])], caption='Long.', label='x')
    assert text.count('\\begin{table*}') == 3 and '(part 3)' in text and 'tab:x-3' in text
    assert sorted(re.findall(r'^(\d+) \\\\', text, re.MULTILINE), key=int) == [
        str(item) for item in range(100)]


def test_the_command_writes_them_beside_the_report(tmp_path):
    assert run('audit', '--example', '--resamples', '100', '--no-figures', '--latex', '-o',
               tmp_path / 'out').exit_code == 0
    names = {path.stem for path in (tmp_path / 'out' / 'latex').iterdir()}
    assert {'tables', 'verdict', 'completeness', 'false_positives'} <= names


def test_pdflatex_sets_every_table(result, tmp_path):
    if not shutil.which('pdflatex'):
        pytest.skip('there is no pdflatex here; the tables were only parsed')
    write_latex(result, tmp_path)
    (tmp_path / 'paper.tex').write_text(DOCUMENT)
    command = 'pdflatex -interaction=nonstopmode -halt-on-error -no-shell-escape paper.tex'
    done = subprocess.run(command.split(), cwd=tmp_path, capture_output=True, text=True,
                          timeout=120, errors='replace')
    assert done.returncode == 0, '\n'.join(line for line in done.stdout.splitlines()
                                           if line.startswith(('!', 'l.')))
    assert (tmp_path / 'paper.pdf').stat().st_size > 20_000
