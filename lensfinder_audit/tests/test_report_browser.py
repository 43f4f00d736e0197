# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""A browser shows the report on a telephone and on a screen, where there is a browser."""
import html
import json
import os
import re
import shutil
import subprocess

import pytest

from lensfinder_audit.findings import Limits
from lensfinder_audit.plotting import draw_figures
from lensfinder_audit.report import render_report
from lensfinder_audit.tests.stand_in import make_result
from lensfinder_audit.verdict import verdict_sentences, verdict_table

BROWSERS = ('chromium', 'chromium-browser', 'google-chrome', 'chrome')
WIDTHS = (375, 1280)

#: Frames of both widths; what they hold is measured once they are there.
FRAMES = """<!DOCTYPE html><html><body>%s<pre id="told"></pre><script>
window.onload = () => {
  const told = [...document.querySelectorAll('iframe')].map(frame => {
    const page = frame.contentDocument, root = page.documentElement;
    const outside = [...page.querySelectorAll('p, h1, h2, h3, li, figure, .scroll, pre, nav')]
      .filter(item => item.getBoundingClientRect().right > root.clientWidth + 1);
    const pictures = [...page.images];
    return {width: root.clientWidth, content: root.scrollWidth, height: root.scrollHeight,
            outside: outside.map(item => item.tagName + ' ' + item.textContent.slice(0, 40)),
            wide: [...page.querySelectorAll('body *')].filter(item => !item.closest('.scroll, pre')
              && item.scrollWidth > root.clientWidth).map(item => item.tagName).slice(0, 9),
            pictures: pictures.length, broken: pictures.filter(item => !item.naturalWidth).length,
            dumb: pictures.filter(item => item.alt.length < 10).length,
            font: parseFloat(frame.contentWindow.getComputedStyle(page.body).fontSize)};
  });
  document.getElementById('told').textContent = JSON.stringify(told);
};
</script></body></html>"""


def reduced_report():
    """Return a page with every kind of part, and names that do not break."""
    result = make_result(n_lenses=300, n_negatives=2000,
                         finders=('a_finder_with_a_name_longer_than_any_telephone_is_wide', 'b'))
    result.tables['verdict'] = verdict_table(result.tables, limits=Limits())
    result.summary |= {'verdict': verdict_sentences(result.tables['verdict']),
                       'limitations': ['x' * 120], 'command': 'lensfinder-audit ' + 'y' * 200}
    shown, result.tables = result.tables, {
        name: result.tables[name] for name in ('verdict', 'completeness_by_type')}
    figures = [item for item in draw_figures(result) if 'scores' not in item['name']]
    result.tables = shown
    return render_report(result, figures)


@pytest.fixture(scope='module')
def seen(tmp_path_factory):
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if not browser:
        pytest.skip(f'there is none of the browsers {BROWSERS} here')
    folder = tmp_path_factory.mktemp('browser')
    page = html.escape(reduced_report(), quote=True)
    frames = ''.join(f'<iframe width="{width}" height="800" style="border:0" srcdoc="{page}">'
                     '</iframe>' for width in WIDTHS)
    (folder / 'frames.html').write_text(FRAMES % frames, encoding='utf-8')
    command = [browser, '--headless', '--no-sandbox', '--disable-gpu', '--disable-extensions',
               '--disable-dev-shm-usage', '--no-first-run', '--enable-logging=stderr',
               f'--user-data-dir={folder / "profile"}', '--window-size=1700,900', '--dump-dom',
               (folder / 'frames.html').as_uri()]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=90,
                              env={**os.environ, 'HOME': str(folder)})
    except subprocess.TimeoutExpired:
        pytest.skip(f'{browser} did not answer within 90 seconds')
    told = re.search(r'<pre id="told">(.+?)</pre>', done.stdout)
    if not told:
        pytest.skip(f'{browser} does not run here: {done.stderr[-300:]}')
    return json.loads(html.unescape(told[1])), done.stderr


def test_nothing_is_wider_than_the_window(seen):
    for page, width in zip(seen[0], WIDTHS, strict=True):
        assert width - 20 <= page['width'] <= width  # less a scroll bar
        assert page['content'] <= page['width'], page['wide']
        assert not page['outside']
        assert page['font'] >= 15


def test_every_picture_is_seen_and_has_words(seen):
    for page in seen[0]:
        assert page['pictures'] >= 2 and not page['broken'] and not page['dumb']


def test_the_console_stays_empty(seen):
    assert not [line for line in seen[1].splitlines() if 'CONSOLE' in line]
