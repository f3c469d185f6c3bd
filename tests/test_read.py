"""`mnist-tutorial read`: what it prints, what it writes, and what it says where it can't read."""

import json

import numpy as np
import pytest
from PIL import Image

from mnist_tutorial.__main__ import main
from mnist_tutorial.checkpoints import save_model
from mnist_tutorial.config import Config
from mnist_tutorial.further import read
from mnist_tutorial.further.handwriting import Scene, encoded, picture
from mnist_tutorial.further.pictures import find_digits
from mnist_tutorial.further.recipes import RECIPES, fit_recipe
from mnist_tutorial.model import create_model

PAPER = Scene(paper=(205, 202, 196), shade=0.4, noise=4)


@pytest.fixture(scope="module")
def trained(mnist):
    """A network that reads, and its configuration, after two seconds of training."""
    recipe = RECIPES["fast"]
    return fit_recipe(recipe, mnist)[0].model, recipe.config


@pytest.fixture
def at_home(tmp_path, monkeypatch, trained):
    """A folder with two sheets, and weights where the tutorial saves its own."""
    monkeypatch.chdir(tmp_path)
    save_model("mnist.safetensors", *trained)
    sheets = tmp_path / "sheets"
    sheets.mkdir()
    picture("40 7", PAPER, seed=1)[0].save(sheets / "a.jpg", quality=92)
    picture("25", PAPER, seed=2)[0].save(sheets / "b.png")
    (sheets / ".DS_Store").write_bytes(b"unseen")
    return sheets


def test_a_folder_is_read_one_json_object_a_line(at_home, capsys):
    assert main(["read", "sheets", "--json"]) == 0
    out, err = capsys.readouterr()
    first, second = map(json.loads, out.splitlines())
    assert first["picture"] == "sheets/a.jpg" and set(first) == {"picture", "text", "digits"}
    assert first["text"] == "40 7" and second["text"] == "25"
    _, boxes = picture("40 7", PAPER, seed=1)
    for digit, said, box in zip(first["digits"], "407", boxes, strict=True):
        assert set(digit) == {"digit", "confidence", "box"} and digit["digit"] == int(said)
        assert 0.1 < digit["confidence"] <= 1
        assert np.abs(np.array(digit["box"]) - box).max() < 20
    assert "Reading with the weights in mnist.safetensors" in err


def test_people_get_rows_with_confidence_and_runner_up(at_home, capsys):
    assert main(["read", "sheets/a.jpg"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "sheets/a.jpg: 40 7" and len(lines) == 3
    assert lines[1].startswith("  4 (") and "%, then " in lines[1]


@pytest.mark.parametrize(
    "name, content, reason",
    [
        ("absent.png", None, "there is no such file"),
        ("notes.txt", b"no picture", "it isn't a picture of a kind that is known"),
        ("blank.png", encoded(Image.new("RGB", (400, 300), "white")), "it looks blank"),
        ("square.png", "square", "far from any digit"),
        ("empty", "folder", "the folder has no files"),
    ],
)
@pytest.mark.parametrize("as_json", [True, False])
def test_what_cannot_be_read_gets_one_clear_line(at_home, capsys, name, content, reason, as_json):
    if content == "folder":
        (at_home.parent / name).mkdir()
    elif content == "square":
        page = np.full((300, 300), 255, np.uint8)
        page[60:240, 60:240] = 0
        page[72:228, 72:228] = 255
        Image.fromarray(page).save(name)
    elif content is not None:
        (at_home.parent / name).write_bytes(content)
    assert main(["read", name, "sheets/b.png", *["--json"][: int(as_json)]]) == 1
    out, err = capsys.readouterr()
    if as_json:
        failed, fine = map(json.loads, out.splitlines())
        assert set(failed) == {"picture", "error"} and failed["picture"] == name
        assert reason in failed["error"] and fine["text"] == "25"
    else:
        assert [line for line in err.splitlines() if line.startswith(f"{name}: ")][0].count(reason)
        assert out.startswith("sheets/b.png: 25")


def test_the_picture_is_shown_with_what_the_network_saw(at_home, capsys):
    assert main(["read", "sheets/a.jpg", "--show", "seen.png"]) == 0
    page, seen = Image.open("sheets/a.jpg"), Image.open("seen.png")
    assert seen.width >= page.width and seen.height > page.height + 2 * 56
    assert np.asarray(seen)[: page.height, : page.width].std(axis=2).max() > 40  # coloured boxes


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["sheets", "--show", "seen.png"], "--show needs one picture, got 2"),
        (["sheets/a.jpg", "--show", "none/seen.png"], "--show: none/seen.png is not a file in"),
        ([], "the following arguments are required: PICTURE"),
    ],
)
def test_bad_arguments_are_named(at_home, capsys, arguments, message):
    with pytest.raises(SystemExit) as ended:
        main(["read", *arguments])
    assert ended.value.code == 2 and message in capsys.readouterr().err


def test_weights_of_another_network_are_named(at_home, capsys):
    config = Config(num_classes=3, hidden_units=8)
    save_model("three.safetensors", create_model(config), config)
    assert main(["read", "sheets", "--weights", "three.safetensors"]) == 1
    assert "three.safetensors is a network for 3 classes" in capsys.readouterr().err
    assert main(["read", "sheets", "--weights", "absent.safetensors"]) == 1
    assert "absent.safetensors doesn't exist" in capsys.readouterr().err


def test_without_weights_a_network_is_trained_and_named(at_home, capsys):
    (at_home.parent / "mnist.safetensors").unlink()
    assert main(["read", "sheets", "--json"]) == 0
    out, err = capsys.readouterr()
    assert (
        "a network that is trained now" in err and json.loads(out.splitlines()[1])["text"] == "25"
    )
    assert not (at_home.parent / "mnist.safetensors").exists()


def test_distance_is_nought_for_what_is_known_and_one_for_what_has_nothing_in_common():
    known = np.zeros((2, 28, 28), np.uint8)
    known[0, 5:20, 10:14] = 255
    other = np.zeros((1, 28, 28), np.uint8)
    other[0, 22:26] = 255
    near, far = read.distances(np.concatenate([known[:1], other]), known)
    assert near == 0 and far == 1


def test_doubt_is_said_below_the_threshold():
    digit = read.Digit((0, 0, 5, 5), np.zeros((28, 28), np.uint8))
    sure, unsure = (np.full(10, (1 - p) / 9, np.float32) for p in (0.9, 0.6))
    sure[3], unsure[3] = 0.9, 0.6
    said = read.describe([[read.Answer(digit, sure), read.Answer(digit, unsure)]])
    assert said.startswith("  3 (90%, then ") and said.count("not sure") == 1


def sideways(shown, turn):
    """A picture that was turned away, and back only if the network is asked as `read` asks it."""
    page = picture("40 7", PAPER, seed=1)[0]
    known = np.stack([found.image for row in find_digits(page) for found in row])
    asked = []

    def network(images):
        """Gives `shown[0]` to what it knows, and `shown[1]` to all else."""
        asked.append(len(images))
        knows = [float(read.distances(image[None], known)[0]) < 0.5 for image in images]
        sure = np.where(knows, *shown)[:, None]
        return np.where(np.arange(10) == 4, sure, (1 - sure) / 9).astype(np.float32)

    lying = page.transpose(turn)
    near = [found.image for row in find_digits(lying) for found in row]
    return page, read.read_picture(lying, network, np.stack([*known, *near])), asked


@pytest.mark.parametrize("turn", [Image.Transpose.ROTATE_90, Image.Transpose.ROTATE_270])
def test_a_picture_on_its_side_is_turned_if_the_network_is_sure_of_that(turn):
    page, reading, asked = sideways((0.95, 0.4), turn)
    assert reading.picture.size == page.size and len(asked) == 3
    assert np.array_equal(reading.picture, page)
    boxes = [answer.found.box for row in reading.rows for answer in row]
    assert boxes == [found.box for row in find_digits(page) for found in row]


@pytest.mark.parametrize("shown, tries", [((0.85, 0.4), 3), ((0.95, 0.82), 1)])
def test_a_picture_stays_where_turning_it_convinces_nobody(shown, tries):
    page, reading, asked = sideways(shown, Image.Transpose.ROTATE_90)
    assert reading.picture.size == page.size[::-1] and len(asked) == tries
