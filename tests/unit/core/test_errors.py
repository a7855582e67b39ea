"""Is the tree of errors the one that is drawn at the top of its module?"""

import inspect

from observatory.core import errors


def drawn_parents() -> dict[str, str]:
    """Each class of the drawing with the class it hangs from."""
    parents: dict[str, str] = {}
    path: list[tuple[int, str]] = []
    for line in inspect.getdoc(errors).splitlines():
        words = line.replace("│", " ").replace("├──", "   ").replace("└──", "   ")
        name = words.split()[0] if words.split() else ""
        depth = len(words) - len(words.lstrip())
        if not path and name != "ObservatoryError":
            continue
        if not name:
            break
        while path and path[-1][0] >= depth:
            path.pop()
        parents[name] = path[-1][1] if path else "Exception"
        path.append((depth, name))
    return parents


def test_the_drawing_is_the_tree():
    real = {
        name: one.__bases__[0].__name__
        for name, one in vars(errors).items()
        if inspect.isclass(one) and issubclass(one, Exception)
    }

    assert drawn_parents() == real


def test_every_error_has_a_code_of_its_own():
    classes = [one for one in vars(errors).values() if inspect.isclass(one) and issubclass(one, Exception)]
    codes = [one.code for one in classes if "code" in vars(one)]

    assert len(codes) == len(set(codes))
    assert [one.__name__ for one in classes if "code" not in vars(one)] == ["BadJson"]  # each instance has its own
