"""Where the pages of an atlas lie: safe names of files for layers, classes and questions, and links to them."""

from collections.abc import Sequence
from urllib.parse import quote

from marey.maximization.result_folder import folder_names


class Places:
    """The path of every page below the folder of the atlas, with `/` between its parts.

    Names that no file system takes are changed, and names that it would take for one are numbered.
    """

    def __init__(self, *, layers: Sequence[str], classes: Sequence[str], questions: Sequence[str]) -> None:
        self._layers = dict(zip(layers, folder_names(layers), strict=True))
        self._classes = dict(zip(classes, folder_names(classes), strict=True))
        self._questions = dict(zip(questions, folder_names(questions), strict=True))

    def layer(self, name: str) -> str:
        """The page of a layer."""
        return f"layer/{self._layers[name]}.html"

    def unit(self, layer: str, channel: int) -> str:
        """The page of a unit."""
        return f"unit/{self._layers[layer]}/{channel}.html"

    def class_page(self, name: str) -> str:
        """The page of a class."""
        return f"class/{self._classes[name]}.html"

    def finding(self, question: str) -> str:
        """The page of a finding."""
        return f"finding/{self._questions[question]}.html"

    def clip(self, number: int) -> str:
        """The page of a recorded clip."""
        return f"clip/{number}.html"


def link(path: str, page: str) -> str:
    """The relative address of a file from a page; both are paths below the folder of the atlas.

    >>> link("unit/fc6/0.html", "class/walk.html"), link("index.html", "index.html")
    ('../unit/fc6/0.html', 'index.html')
    """
    return "../" * page.count("/") + quote(path)
