"""How fast pictures are read, which libraries could do it, and what unsure answers are good for.

    python -m benchmarks.pictures

scikit-image and OpenCV are compared where they are installed: the book doesn't need them. Every
time is the median of interleaved runs on one picture of 12 million pixels.
"""

import importlib.util
import itertools
import statistics
import time
from collections.abc import Callable

import numpy as np
from scipy import ndimage

from mnist_tutorial.data import Examples, load_mnist
from mnist_tutorial.further import pictures
from mnist_tutorial.further.handwriting import SCENES, Scene, picture
from mnist_tutorial.further.pictures import mnist_form
from mnist_tutorial.further.read import FAR, NOT_SURE, TURNED, UNSURE, distances
from mnist_tutorial.further.recipes import RECIPES, fit_recipe
from mnist_tutorial.model import MLP, predict

ROUNDS = 7
PHOTO = Scene(height=420, pen=20, size=(4000, 3000), paper=(210, 208, 202), shade=0.5, noise=6)


def medians(runs: dict[str, Callable[[], object]]) -> dict[str, float]:
    """Median seconds of each run, all of them in turn."""
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(ROUNDS):
        for name, run in runs.items():
            start = time.perf_counter()
            run()
            seconds[name].append(time.perf_counter() - start)
    return {name: statistics.median(values) for name, values in seconds.items()}


def libraries(ink: np.ndarray, small: np.ndarray, side: int) -> dict[str, Callable[[], object]]:
    """The three steps that libraries have too: closing, Otsu's threshold, connected parts."""
    mask = ink > 0.2
    runs: dict[str, Callable[[], object]] = {
        "closing, SciPy": lambda: ndimage.grey_closing(small, (side, side), mode="nearest"),
        "Otsu, ours": lambda: pictures.otsu(ink.ravel()),
        "parts, SciPy": lambda: ndimage.label(mask, pictures.TOUCHING),
    }
    if importlib.util.find_spec("skimage"):
        from skimage import filters, measure, morphology

        square = morphology.footprint_rectangle((side, side), decomposition="separable")
        runs["closing, scikit-image"] = lambda: morphology.closing(small, square)
        runs["Otsu, scikit-image"] = lambda: filters.threshold_otsu(ink)
        runs["parts, scikit-image"] = lambda: measure.label(mask, connectivity=2)
    if importlib.util.find_spec("cv2"):
        import cv2

        kernel, bytes_ = np.ones((side, side), np.uint8), np.uint8(255 * ink)
        runs["closing, OpenCV"] = lambda: cv2.morphologyEx(small, cv2.MORPH_CLOSE, kernel)
        runs["Otsu, OpenCV"] = lambda: cv2.threshold(bytes_, 0, 255, cv2.THRESH_OTSU)
        runs["parts, OpenCV"] = lambda: cv2.connectedComponents(mask.view(np.uint8))
    return runs


def turned_back(by_turn: list[np.ndarray], held: int, unsure: float, turned: float) -> np.ndarray:
    """What is read, (n,) int, from images that are `held` turned by so many quarters."""
    as_held, left, right = (by_turn[(held + turn) % 4] for turn in (0, 1, 3))
    back = np.where((left.max(axis=1) >= right.max(axis=1))[:, None], left, right)
    sure = (as_held.max(axis=1) < unsure) & (back.max(axis=1) >= turned)
    return np.where(sure[:, None], back, as_held).argmax(axis=1)


def main() -> None:
    photo, _ = picture("01234 56789", PHOTO)
    pixels, _ = pictures.working_size(photo)
    ink = pictures.flatten(pictures.on_paper(pixels))
    small = np.ascontiguousarray(pixels[::4, ::4, 0])
    runs = {"12 million pixels, all steps": lambda: pictures.find_digits(photo)}
    for name, seconds in medians(runs | libraries(ink, small, 75)).items():
        print(f"{name:30} {1000 * seconds:8.1f} ms")

    data = load_mnist()
    model = fit_recipe(RECIPES["fast"], data)[0].model
    pages = [picture("01234 56789", scene, seed)[0] for scene in SCENES.values() for seed in (0, 1)]
    rows = [row for page in pages for row in pictures.find_digits(page)]
    own = np.stack([digit.image for row in rows for digit in row])
    known = data.train.images[::10]
    sets = {
        "MNIST's validation images": data.validation,
        "digits on paper": (own, np.tile(np.arange(10), len(own) // 10)),
    }
    for name, (images, labels) in sets.items():
        probabilities = np.asarray(predict(model, images))
        right = probabilities.argmax(axis=1) == labels
        sure = probabilities.max(axis=1)
        far = distances(images, known)
        print(f"\n{name}: {right.mean():.1%} correct; further than {FAR}: {(far > FAR).mean():.1%}")
        print("not sure below   of the correct   of the wrong")
        for limit in (0.5, 0.6, NOT_SURE, 0.8, 0.9):
            wrong = f"{(sure[~right] < limit).mean():.1%}" if (~right).any() else "none"
            print(f"{limit:14} {(sure[right] < limit).mean():15.1%} {wrong:>14}")

    compare_turns("fast", model, data.validation)
    compare_turns("better", fit_recipe(RECIPES["better"], data)[0].model, data.validation)


def compare_turns(recipe: str, model: MLP, validation: Examples) -> None:
    """Prints what each rule of turning costs upright digits, and what it gains lying ones."""
    images, labels = validation
    print(f"\n{recipe}: right as they are; lying on one side; if one in forty lies")
    print("unsure below  sure from")
    by_turn = [
        np.asarray(predict(model, np.stack([mnist_form(np.rot90(i, turn) / 255) for i in images])))
        for turn in range(4)
    ]
    for unsure, turned in itertools.product((0.7, UNSURE, 0.9), (TURNED, 0.95, 0.97)):
        upright, lying = (
            np.mean(turned_back(by_turn, held, unsure, turned) == labels) for held in (0, 1)
        )
        both = (39 * upright + lying) / 40
        print(f"{unsure:12} {turned:10} {upright:8.2%} {lying:8.1%} {both:8.2%}")


if __name__ == "__main__":
    main()
