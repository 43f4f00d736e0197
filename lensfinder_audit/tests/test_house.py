# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""The rules that keep the package one house; each failure says what to change."""
import ast
import importlib
import inspect
import re
import subprocess
from pathlib import Path

import pytest

import lensfinder_audit
from lensfinder_audit.exceptions import MissingDependencyError
from lensfinder_audit.plugins import KINDS, find_plugin, load_plugin, plugin_names
from lensfinder_audit.tests.house import FLOORS, floor_of, is_shared, public_modules

PACKAGE = Path(lensfinder_audit.__file__).parent
ROOT = PACKAGE.parent
LICENSE = '# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst'
OPTIONAL = {'torch', 'torchvision', 'timm', 'lightning', 'astroquery', 'pyvo', 'lenscat', 'dask',
            'distributed', 'cloudpickle', 'pyspark', 'py4j', 'lenstronomy', 'pandas',
            'fsspec', 's3fs'}
PLUGIN_FOLDERS = ('surveys', 'sources', 'normalizers', 'classifiers', 'simulators', 'engines',
                  'training')


def module_name(path):
    parts = path.relative_to(ROOT).with_suffix('').parts
    return '.'.join(parts[:-1] if parts[-1] == '__init__' else parts)


def sources():
    return sorted(path for path in PACKAGE.rglob('*.py')
                  if 'tests' not in path.parts and path.name not in ('conftest.py', '_version.py'))


SOURCES = sources()
IDS = [module_name(path) for path in SOURCES]


def imports(path):
    """Yield each import of a file, absolute, and whether it is at the top level."""
    tree = ast.parse(path.read_text())
    here = module_name(path).split('.')
    package = here if path.name == '__init__.py' else here[:-1]
    for node in ast.walk(tree):
        at_top = node in tree.body
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, at_top
        elif isinstance(node, ast.ImportFrom):
            base = '.'.join(package[:len(package) - node.level + 1]) if node.level else ''
            module = '.'.join(part for part in (base, node.module) if part)
            yield module, at_top
            for alias in node.names:
                yield f'{module}.{alias.name}', at_top


# Floors

def test_every_module_has_a_floor():
    homeless = [name for name in IDS if floor_of(name) is None]
    assert not homeless, f'give these a floor in lensfinder_audit/tests/house.py: {homeless}'


@pytest.mark.parametrize('path', SOURCES, ids=IDS)
def test_imports_point_down_only(path):
    name = module_name(path)
    if name == 'lensfinder_audit':  # its public names are imported on first use
        return
    floor = floor_of(name)
    above = sorted({f'{found} (floor {floor_of(found)})' for found, _ in imports(path)
                    if found.startswith('lensfinder_audit.') and (floor_of(found) or 0) > floor})
    assert not above, f'{name} is on floor {floor} and imports {above}'


@pytest.mark.parametrize('path', [path for path in SOURCES if 'measure' in path.parts],
                         ids=lambda path: module_name(path))
def test_measurements_import_floor_0_only_and_no_torch(path):
    found = {name for name, _ in imports(path)}
    house = {name for name in found if name.startswith('lensfinder_audit.')
             and floor_of(name) not in (0, 3)}
    assert not house
    assert not {name.partition('.')[0] for name in found} & (OPTIONAL | {'matplotlib', 'click'})


@pytest.mark.parametrize('path', SOURCES, ids=IDS)
def test_only_plugins_import_optional_packages_at_the_top(path):
    if path.relative_to(PACKAGE).parts[0] in PLUGIN_FOLDERS:
        return
    found = {name.partition('.')[0] for name, at_top in imports(path) if at_top}
    assert not found & OPTIONAL


def test_plugin_packages_import_nothing():
    """Their modules are loaded one by one; the package must not load them all."""
    for folder in PLUGIN_FOLDERS:
        path = PACKAGE / folder / '__init__.py'
        if path.exists():
            found = {name for name, _ in imports(path)}
            assert not {name.partition('.')[0] for name in found} & OPTIONAL, folder


# Files

@pytest.mark.parametrize('path', sorted(path for path in PACKAGE.rglob('*.py')
                                        if path.name != '_version.py'),
                         ids=lambda path: str(path.relative_to(PACKAGE)))
def test_file_begins_with_the_license(path):
    assert LICENSE in path.read_text().splitlines()[:2]


def tree_files():
    """Files under version control, or all but what builds leave behind."""
    done = subprocess.run(['git', '-c', f'safe.directory={ROOT}', 'ls-files', '-z'], cwd=ROOT,
                          capture_output=True, text=True, check=False) if (
        ROOT / '.git').exists() else None
    if done is not None and done.returncode == 0:
        return [ROOT / name for name in done.stdout.split('\0') if name]
    skipped = re.compile(r'(^|/)(\.git|\.venv[^/]*|\.tox|\.tmp|_build|api|generated|build|dist|'
                         r'__pycache__|\.hypothesis|\.pytest_cache|example-audit|demo|'
                         r'[^/]*egg-info)/')
    found = (path for path in ROOT.rglob('*') if path.is_file())
    return [path for path in found if not skipped.search(f'{path.relative_to(ROOT)}')]


@pytest.mark.skipif(not (ROOT / 'setup.cfg').exists(), reason='installed without its repository')
def test_no_file_names_the_machine_it_was_written_on():
    # Put together here, so that this file does not hold what it looks for.
    folders = '|'.join(['/wo' 'rk/', '/ro' 'ot/', '/ho' r'me/\w+/', '/Us' r'ers/\w+/', '/op' 't/'])
    hosts = '|'.join([r'files\.python' 'hosted', r'pypi\.' r'org/sim' 'ple', 'arti' 'factory',
                      'dev' 'pi', r'local' r'host:\d', r'\.inter' r'nal\b'])
    banned = re.compile(f'(?<![\\w.~-])({folders})|({hosts})')
    found = []
    for path in tree_files():
        try:
            text = path.read_text()
        except (UnicodeDecodeError, FileNotFoundError):
            continue
        found += [f'{path.relative_to(ROOT)}:{text.count(chr(10), 0, hit.start()) + 1}: {hit[0]}'
                  for hit in banned.finditer(text)]
    assert not found


@pytest.mark.skipif(not (ROOT / '.ci' / 'run').exists(), reason='installed without its repository')
@pytest.mark.parametrize('folder', ['.venv', '.venv-test'])
def test_ci_runs_the_commands_of_the_readme(folder):
    """.ci/run takes them from the README; here, that it finds each exactly once."""
    script = (ROOT / '.ci' / 'run').read_text()
    readme = (ROOT / 'README.rst').read_text()
    assert re.search(rf'^\w+_COMMAND=\$\(readme_command {re.escape(folder)}\)$', script, re.M)
    assert len(re.findall(rf'^    python3 -m venv {re.escape(folder)} && .*$', readme, re.M)) == 1


# Docstrings

def public_objects(module_path):
    """Yield what a module makes public and itself defines."""
    try:
        module = importlib.import_module(module_path)
    except ImportError as error:
        if (error.name or '').partition('.')[0] in OPTIONAL:
            return
        raise
    for name in getattr(module, '__all__', ()):
        thing = getattr(module, name)
        own = getattr(thing, '__module__', None) == module_path
        if own and (inspect.isfunction(thing) or inspect.isclass(thing)):  # no click command
            yield name, thing


@pytest.mark.parametrize('name', public_modules())
def test_public_module_has_a_docstring(name):
    path = PACKAGE.joinpath(*name.split('.')[1:])
    path = path / '__init__.py' if path.is_dir() else path.with_suffix('.py')
    body = ast.parse(path.read_text()).body
    if body:  # a package may be empty
        assert ast.get_docstring(ast.Module(body, [])), f'{name} says nothing of what it holds'


@pytest.mark.parametrize('module', public_modules())
def test_public_objects_have_numpydoc_docstrings(module):
    problems = []
    for name, thing in public_objects(module):
        if is_shared(module):  # a summary is enough
            problems += [f'{name}: it has no docstring'] * (not inspect.getdoc(thing))
            continue
        brief = inspect.isclass(thing)
        problems += [f'{name}: {text}' for text in
                     problems_of(thing, inspect.getdoc(thing), brief=brief)]
        if inspect.isclass(thing):
            for method, function in vars(thing).items():
                if inspect.isfunction(function) and not method.startswith('_'):
                    text = inspect.getdoc(getattr(thing, method))
                    problems += [f'{name}.{method}: {problem}' for problem in
                                 problems_of(function, text, brief=True)]
    assert not problems


def problems_of(thing, text, *, brief):
    """Yield what a docstring lacks: a summary, its arguments, what it returns or yields."""
    if not text:
        yield 'it has no docstring'
        return
    summary = text.partition('\n\n')[0]
    if not re.search(r'[.?]$', summary):
        yield f'its summary does not end with a full stop: {summary!r}'
    if brief and len(text.splitlines()) == 1:
        return
    yield from undocumented(thing, text)


def undocumented(thing, text):
    wanted = [name for name in argument_names(thing) if name not in ('self', 'cls')]
    listed = section(text, 'Parameters')
    names = {name.strip().lstrip('*') for line in re.findall(r'^([*\w][*\w, ]*?)(?: :|$)', listed,
                                                             re.M) for name in line.split(',')}
    missing = [name for name in wanted if name not in names]
    if missing:
        yield f'Parameters does not list {missing}'
    gone = sorted(name for name in names if wanted and name and name not in wanted)
    if gone and not takes_anything(thing):
        yield f'Parameters lists {gone}, which it does not take'
    if not inspect.isclass(thing) and returns_a_value(thing):
        if not section(text, 'Returns') and not section(text, 'Yields'):
            yield 'it lacks a section on what it returns'


def argument_names(thing):
    if inspect.isclass(thing) and thing.__init__ is object.__init__:
        return []
    if inspect.isclass(thing) and '__init__' not in vars(thing):
        return []  # documented where it is inherited from
    found = inspect.signature(thing).parameters.values()
    return [item.name for item in found if not item.name.startswith('_')]


def takes_anything(thing):
    found = inspect.signature(thing).parameters.values()
    return any(item.kind is item.VAR_KEYWORD for item in found)


def returns_a_value(function):
    function = inspect.unwrap(function)
    try:
        tree = ast.parse(inspect.cleandoc('\n' + inspect.getsource(function)))
    except (OSError, TypeError, SyntaxError):
        return False
    inner = {id(node) for outer in ast.walk(tree) if isinstance(outer, ast.FunctionDef | ast.Lambda)
             and outer is not tree.body[0] for node in ast.walk(outer)}
    return any(isinstance(node, ast.Return) and node.value is not None or
               isinstance(node, ast.Yield) for node in ast.walk(tree) if id(node) not in inner)


def section(text, title):
    found = re.search(rf'^{title}\n-+\n(.*?)(?=^\w[\w ]*\n-+\n|\Z)', text, re.M | re.S)
    return found[1] if found else ''


# Plugins

@pytest.mark.parametrize('kind', KINDS)
def test_builtin_plugins_can_be_loaded(kind):
    for name in plugin_names(kind):
        if find_plugin(kind, name).value.startswith('lensfinder_audit.'):
            try:
                load_plugin(kind, name)
            except MissingDependencyError as error:
                assert re.search(r"pip install 'lensfinder_audit\[\w+\]'", str(error))


def test_floors_are_numbered_without_gaps():
    assert list(FLOORS) == list(range(len(FLOORS)))
