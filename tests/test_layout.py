"""The layout of the package: allowed imports, read from the source."""

import ast
import re
from pathlib import Path

import pytest

import gog_pose

PACKAGE = Path(gog_pose.__file__).parent
# A part imports only from parts of lower ranks, or from itself.
RANKS = (
    ("errors", "geometry", ""),
    ("system",),
    ("skeleton", "imaging"),
    ("maps", "media"),
    ("drawing",),
    ("poses",),
    ("assembly", "tracking", "predictor"),
    ("methods",),
    ("runtime",),
    ("encoding", "decoding", "networks", "data"),
    ("checkpoints",),
    ("export",),
    ("estimator",),
    ("evaluation", "prediction"),
    ("training",),
    ("benchmarks",),
    ("cli",),
)
RANK = {part: rank for rank, parts in enumerate(RANKS) for part in parts}
NAMED = {
    "encoding.py",
    "decoding.py",
    "cli/import_weights.py",
    "checkpoints/public.py",
    "checkpoints/public_names.py",
    "checkpoints/simple_pose_names.py",
    "checkpoints/registry.py",
    "checkpoints/older_formats.py",
}


def modules():
    return sorted(PACKAGE.rglob("*.py"))


def name_of(file):
    parts = file.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports(file):
    """Yield the modules of the package that a file imports; names that are modules count as such."""
    known = {name_of(other) for other in modules()}
    tree = ast.parse(file.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                full = f"{node.module}.{alias.name}"
                yield full if full in known else node.module


def part_of(module):
    """``gog_pose.maps.peaks`` -> ``maps``."""
    return [*module.split("."), ""][1]


@pytest.mark.parametrize("file", modules(), ids=lambda file: str(file.relative_to(PACKAGE)))
def test_a_part_imports_only_from_parts_before_it(file):
    own = part_of(name_of(file))
    for module in imports(file):
        if module.split(".")[0] == "gog_pose" and name_of(file) != "gog_pose":
            part = part_of(module)
            assert part == own or RANK[part] < RANK[own], f"{name_of(file)} imports {module}"


def test_methods_never_import_each_other():
    for file in (PACKAGE / "methods").rglob("*/*.py"):
        own = file.parent.name
        for module in imports(file):
            folder = module.split(".")[2:3] if module.startswith("gog_pose.methods.") else []
            is_method = bool(folder) and (PACKAGE / "methods" / folder[0]).is_dir()
            assert not is_method or folder[0] == own, f"{file} imports {module}"


def test_only_the_commands_know_hydra_and_omegaconf():
    for file in modules():
        if part_of(name_of(file)) != "cli":
            foreign = {module.split(".")[0] for module in imports(file)} & {"hydra", "omegaconf"}
            assert not foreign, f"{file} imports {foreign}"


def test_there_are_no_import_circles():
    graph = {name_of(file): set(imports(file)) for file in modules()}
    graph = {name: edges & graph.keys() - {name} for name, edges in graph.items()}
    while free := {name for name, edges in graph.items() if not edges}:
        graph = {name: edges - free for name, edges in graph.items() if name not in free}
    assert not graph, f"modules on or behind a circle: {sorted(graph)}"


def test_at_most_ten_modules_lie_at_the_top():
    assert len(list(PACKAGE.glob("*.py"))) <= 10


def test_no_method_is_named_outside_its_folder():
    names = "|".join(folder.name for folder in (PACKAGE / "methods").iterdir() if (folder / "__init__.py").is_file())
    pattern = re.compile(rf"methods\.(?:{names})\b|[\"'](?:{names})[\"']")
    for file in modules():
        path = file.relative_to(PACKAGE)
        if path.as_posix() not in NAMED and path.parts[:1] != ("methods",):
            named = pattern.findall(_without_docstrings(file))
            assert not named, f"{path} names {named}"


def test_no_part_of_a_method_is_asked_for_its_type_outside_its_folder():
    classes = set()
    for folder in (PACKAGE / "methods").iterdir():
        if folder.is_dir():
            for file in folder.glob("*.py"):
                classes |= {
                    node.name for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.ClassDef)
                }
    for file in modules():
        if file.relative_to(PACKAGE).parts[0] == "methods":
            continue
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "isinstance":
                asked = {one.id for one in ast.walk(node.args[1]) if isinstance(one, ast.Name)}
                assert not asked & classes, f"{file}: isinstance of {asked & classes}"


def test_tests_mirror_the_package():
    tests = Path(__file__).parent
    folders = {folder.relative_to(PACKAGE) for folder in PACKAGE.rglob("*") if any(folder.glob("*.py"))}
    for folder in tests.rglob("*"):
        if any(folder.glob("test_*.py")) and folder.name not in ("experiments", "fuzz"):
            assert folder.relative_to(tests) in folders, f"{folder} mirrors no folder of the package"


def _without_docstrings(file):
    tree = ast.parse(file.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(node) is not None:
            node.body = node.body[1:] or [ast.Pass()]
    return ast.unparse(tree)
