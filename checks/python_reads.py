"""Which environment variables a Python handler reads, by following its imports."""

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property

ENDINGS = ("Environment", "EnvVars", "EnvironmentVariables", "BaseSettings")
_NAMES = ("id", "name", "value")
Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


@dataclass
class Module:
    """A module of the archive: what it defines, what it imports."""

    name: str
    tree: ast.Module
    is_package: bool

    @cached_property
    def definitions(self) -> dict[str, list[ast.stmt]]:
        """Top-level statements by the names that they bind."""
        found: dict[str, list[ast.stmt]] = {}
        for statement in self.tree.body:
            for name in _bound(statement):
                found.setdefault(name, []).append(statement)
        return found

    @cached_property
    def imports(self) -> dict[str, list[tuple[str, str]]]:
        """Modules and names behind each imported name; no name stands for the whole module."""
        found: dict[str, list[tuple[str, str]]] = {}
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                for alias in node.names:
                    name = alias.asname or alias.name.partition(".")[0]
                    found.setdefault(name, []).append((alias.name, ""))
            elif isinstance(node, ast.ImportFrom):
                origin = self._origin(node)
                for alias in node.names:
                    found.setdefault(alias.asname or alias.name, []).append((origin, alias.name))
        return found

    def _origin(self, node: ast.ImportFrom) -> str:
        if not node.level:
            return node.module or ""
        parts = self.name.split(".")
        package = parts[: len(parts) - node.level + self.is_package]
        return ".".join([*package, *([node.module] if node.module else [])])


def _bound(statement: ast.stmt) -> Iterator[str]:
    if isinstance(statement, Definition):
        yield statement.name
    for node in ast.walk(statement) if not isinstance(statement, Definition) else ():
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id


def _named(tree: ast.AST) -> set[str]:
    """Return every name that a tree defines, assigns, uses or has as a text."""
    members = [getattr(node, each, None) for node in ast.walk(tree) for each in _NAMES]
    return {member for member in members if isinstance(member, str)}


@dataclass
class Reads:
    """What a handler's code, and all that it uses of other modules, says of its environment."""

    sources: Mapping[str, str]
    texts: set[str] = field(default_factory=set)
    fields: set[str] = field(default_factory=set)
    _subscripted: set[str] = field(default_factory=set)
    _classes: dict[str, tuple[list[str], set[str]]] = field(default_factory=dict)
    _modules: dict[str, Module | None] = field(default_factory=dict)
    _seen: set[tuple[str, str]] = field(default_factory=set)

    def follow(self, module: str, name: str = "") -> None:
        """Read a name of a module, or all of it, and whatever that uses."""
        if (module, name) in self._seen or not (found := self._module(module)):
            return
        self._seen.add((module, name))
        whole = not name or name == "*"
        for statement in found.tree.body if whole else found.definitions.get(name, []):
            self._read(statement, found)
        if not whole and name not in found.definitions:
            self.follow(f"{module}.{name}")
            self._follow_import(name, found)

    def _follow_import(self, name: str, module: Module) -> None:
        for origin, imported in module.imports.get(name, []):
            self._import(origin, imported)
        for origin, _ in module.imports.get("*", []):
            self._import(origin, name)

    def _module(self, name: str) -> Module | None:
        if name not in self._modules:
            place = self._place(name)
            self._modules[name] = (
                Module(name, ast.parse(self.sources[place]), place.endswith("__init__.py"))
                if place
                else None
            )
        return self._modules[name]

    def has(self, module: str) -> bool:
        """Tell whether the code has a module."""
        return self._place(module) is not None

    def defines(self, module: str, name: str) -> bool:
        """Tell whether a module binds a name, however deep, or may do so while it runs."""
        found = self._module(module)
        known = _named(found.tree) | found.imports.keys() if found else set()
        return not {name, "*", "__getattr__", "globals"}.isdisjoint(known)

    def _place(self, module: str) -> str | None:
        path = module.replace(".", "/")
        known = (f"{path}.py", f"{path}/__init__.py")
        return next((each for each in known if each in self.sources), None)

    def _import(self, module: str, name: str) -> None:
        if name and self._module(f"{module}.{name}"):
            self.follow(f"{module}.{name}")
        else:
            self.follow(module, name)

    def _read(self, statement: ast.stmt, module: Module) -> None:
        for node in ast.walk(statement):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                self.texts.add(node.value)
            elif isinstance(node, ast.Subscript) and _is_environment(node.value):
                self._subscript(node)
            elif isinstance(node, ast.ClassDef):
                self._class(node)
            elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
                if node.id in module.definitions and node.id not in module.imports:
                    self.follow(module.name, node.id)
                else:
                    self._follow_import(node.id, module)

    def _subscript(self, node: ast.Subscript) -> None:
        if isinstance(node.ctx, ast.Load) and isinstance(node.slice, ast.Constant):
            self._subscripted.add(str(node.slice.value))

    def _class(self, node: ast.ClassDef) -> None:
        """Remember a class's bases, its fields, and those of them that have no default."""
        fields = [
            part
            for part in node.body
            if isinstance(part, ast.AnnAssign) and isinstance(part.target, ast.Name)
        ]
        self.fields |= {_variable(part) for part in fields}
        without = {
            _variable(part)
            for part in fields
            if part.value is None and "ClassVar" not in ast.unparse(part.annotation)
        }
        bases = [ast.unparse(base).rpartition(".")[2] for base in node.bases]
        self._classes[node.name] = (bases, without)

    @property
    def required(self) -> set[str]:
        """What has to be set: an environment's fields without default, own or inherited."""
        found = set(self._subscripted)
        for name, (bases, without) in self._classes.items():
            if any(each.endswith(ENDINGS) for each in (name, *bases)):
                found |= without
                for base in bases:
                    found |= self._classes.get(base, ([], set()))[1]
        return found

    def reads(self, key: str) -> bool:
        """Tell whether a variable is read."""
        return key.upper() in self.fields or key in self.texts


def _variable(field: ast.AnnAssign) -> str:
    return ast.unparse(field.target).upper()


def _is_environment(node: ast.expr) -> bool:
    return ast.unparse(node) in {"os.environ", "environ"}
