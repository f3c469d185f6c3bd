"""Pictures of handwriting: what each step does, and what no picture may do to the reader."""

import dataclasses
import io
import sys
import tracemalloc
import types

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image
from scipy import ndimage

from mnist_tutorial.further import pictures
from mnist_tutorial.further.handwriting import SCENES, Scene, encoded, picture
from mnist_tutorial.further.pictures import (
    PictureError,
    find_digits,
    flatten,
    group_parts,
    light_on_dark,
    mnist_form,
    on_paper,
    open_picture,
    otsu,
    reading_order,
    stroke_width,
    thicken,
    without_edges,
    without_lines,
)

TEXT = "0123 456"


def shape(rows):
    return [len(row) for row in rows]


@pytest.fixture(scope="module")
def clean():
    """The digits of `TEXT` on white paper, as they are found there."""
    return find_digits(picture(TEXT)[0])


@pytest.mark.parametrize("name", SCENES)
def test_digits_are_found_on_every_kind_of_paper(name):
    page, boxes = picture(TEXT, SCENES[name])
    rows = find_digits(page)
    assert shape(rows) == [4, 3]
    if not (SCENES[name].turn or SCENES[name].tilt or SCENES[name].table):
        found = np.array([digit.box for row in rows for digit in row])
        assert np.abs(found - np.array(boxes)).max() < 0.08 * SCENES[name].height + SCENES[name].pen


@pytest.mark.parametrize(
    "change",
    [
        {"paper": (190, 190, 186), "noise": 6},
        {"paper": (215, 212, 205), "shade": 0.9},
        {"ink": (40, 60, 170)},
        {"lines": "squared", "paper": (244, 243, 238)},
        {"paper": (0, 0, 0), "ink": (255, 255, 255)},
    ],
    ids=["grey", "shade", "blue pen", "squared", "light on black"],
)
def test_paper_and_pen_change_little_of_what_the_network_gets(clean, change):
    rows = find_digits(picture(TEXT, Scene(**change))[0])
    assert shape(rows) == shape(clean)
    shares = [
        np.abs(digit.image.astype(float) - same.image).mean() / same.image.mean()
        for row, clean_row in zip(rows, clean, strict=True)
        for digit, same in zip(row, clean_row, strict=True)
    ]
    assert np.median(shares) < 0.3 and len(shares) == 7


@pytest.mark.parametrize("pen", [2, 5, 9])
def test_a_thin_pen_writes_as_wide_as_mnists(pen):
    for row in find_digits(picture(TEXT, Scene(height=200, pen=pen))[0]):
        for digit in row:
            ink = digit.image.repeat(8, axis=0).repeat(8, axis=1) / 255
            assert 1.6 < stroke_width(ink, ink > 0.5) / 8 < 2.9


@pytest.mark.parametrize("size", [(4032, 3024), (3024, 4032), (60, 50), (28, 28)])
def test_boxes_are_in_pixels_of_the_whole_picture(size):
    height = min(size) * 0.6
    page, boxes = picture("5", Scene(height=int(height), pen=height / 12, size=size))
    ((digit,),) = find_digits(page)
    assert np.abs(np.array(digit.box) - boxes[0]).max() < 0.12 * height + 1
    left, top, right, bottom = digit.box
    assert 0 <= left < right <= size[0] and 0 <= top < bottom <= size[1]


@pytest.mark.parametrize("note", [1, 3, 6, 8])
def test_a_picture_is_turned_as_the_camera_noted(note, clean):
    turns = {1: 0, 3: 180, 6: 90, 8: 270}  # what undoes the note
    page = picture(TEXT)[0].rotate(turns[note], expand=True)
    exif = Image.Exif()
    exif[0x0112] = note
    rows = find_digits(open_picture(encoded(page, "JPEG", exif=exif, quality=95)))
    assert shape(rows) == shape(clean)
    assert np.abs(np.subtract(rows[0][0].box, clean[0][0].box)).max() <= 2


def saved_as(kind, page):
    if kind == "16 bit":
        wide = Image.fromarray(np.asarray(page.convert("L")).astype(np.uint16) * 257)
        return encoded(wide, "PNG")
    if kind == "RGBA":
        ink = page.convert("L").point(lambda value: 255 - value)
        black = Image.new("L", page.size)
        return encoded(Image.merge("RGBA", (black, black, black, ink)))
    modes = {"palette": "P", "CMYK": "CMYK", "grey": "L", "one bit": "1", "WEBP": "RGB"}
    file = {"CMYK": "JPEG", "WEBP": "WEBP", "palette": "GIF"}.get(kind, "PNG")
    return encoded(page.convert(modes.get(kind, "RGB"), dither=Image.Dither.NONE), file)


@pytest.mark.parametrize(
    "kind", ["16 bit", "RGBA", "palette", "CMYK", "grey", "one bit", "WEBP", "RGB"]
)
def test_every_kind_of_file_gives_the_same_digits(kind, clean):
    rows = find_digits(open_picture(saved_as(kind, picture(TEXT)[0])))
    assert shape(rows) == shape(clean)
    for digit, same in zip(rows[0], clean[0], strict=True):
        assert np.abs(digit.image.astype(float) - same.image).mean() < 12


@pytest.mark.parametrize(
    "content, message",
    [
        (b"", "it isn't a picture of a kind that is known"),
        (b"GIF89a and no more", "it is damaged|isn't a picture"),
        (encoded(Image.new("RGB", (40, 40)))[:60], "it is damaged"),
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "HEIC .*pip install pillow-heif"),
    ],
)
def test_what_is_no_picture_is_named(content, message, monkeypatch):
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    with pytest.raises(PictureError, match=message):
        open_picture(content)


def test_heic_is_read_where_its_library_is_installed(monkeypatch):
    library = types.SimpleNamespace(
        register_heif_opener=lambda: Image.register_open(
            "HEIF", lambda file, name: Image.new("RGB", (3, 2)), lambda start: start[4:8] == b"ftyp"
        )
    )
    monkeypatch.setitem(sys.modules, "pillow_heif", library)
    assert open_picture(b"\0\0\0\x18ftypheic").size == (3, 2)


@pytest.fixture
def peak_memory():
    """The most bytes that Python's own objects, NumPy's arrays among them, have taken since."""
    tracemalloc.start()

    def peak():
        return tracemalloc.get_traced_memory()[1]

    yield peak
    tracemalloc.stop()


@pytest.mark.parametrize("side", [9_000, 30_000])
def test_too_large_a_picture_is_refused_before_it_is_unpacked(side, peak_memory):
    huge = encoded(Image.new("1", (side, side)))
    with pytest.raises(PictureError, match="more than 64 million pixels: make it smaller"):
        open_picture(huge)
    assert peak_memory() < 10_000_000


def test_twelve_megapixels_need_little_memory(peak_memory):
    page, _ = picture("01234 56789", Scene(height=420, pen=20, size=(4000, 3000)))
    tracemalloc.clear_traces()
    tracemalloc.reset_peak()
    assert shape(find_digits(page)) == [5, 5]
    assert peak_memory() < 150_000_000


@pytest.mark.parametrize("colour", ["white", "black", (120, 130, 90)])
@pytest.mark.parametrize("size", [(1, 1), (28, 28), (300, 200), (1, 3000)])
def test_blank_paper_has_no_digit(colour, size):
    with pytest.raises(PictureError, match="it looks blank"):
        find_digits(Image.new("RGB", size, colour))


def test_noise_has_no_digit():
    noise = np.random.default_rng(0).normal(200, 8, (600, 800, 3)).clip(0, 255)
    with pytest.raises(PictureError):
        find_digits(Image.fromarray(noise.astype(np.uint8)))


def test_a_pattern_is_no_sheet_of_digits():
    y, x = np.mgrid[:600, :600]
    rings = np.hypot(x % 30 - 15, y % 30 - 15)
    with pytest.raises(PictureError, match="more than 200 pieces of ink"):
        find_digits(Image.fromarray(np.uint8(255 * (np.abs(rings - 10) > 2))))


@example(1, 5, 1, 99999998, 2)  # enlarged, a digit is a fifth of a pixel wide
@settings(max_examples=60, deadline=None)
@given(
    st.integers(1, 90),
    st.integers(1, 90),
    st.sampled_from([1, 3, 4]),
    st.integers(0, 2**32 - 1),
    st.integers(0, 8),
)
def test_any_picture_gives_digits_or_one_clear_error(rows, columns, channels, seed, smooth):
    pixels = np.random.default_rng(seed).integers(0, 256, (rows, columns, channels), np.uint8)
    pixels = ndimage.uniform_filter(pixels, (smooth + 1, smooth + 1, 1))
    page = Image.fromarray(pixels.squeeze(2) if channels == 1 else pixels)
    try:
        found = find_digits(page.convert("RGBA" if channels == 4 else "RGB"))
    except PictureError as error:
        assert str(error)
        return
    assert found and all(row for row in found)
    for row in found:
        for digit in row:
            left, top, right, bottom = digit.box
            assert 0 <= left < right <= columns and 0 <= top < bottom <= rows
            assert digit.image.shape == (28, 28) and digit.image.dtype == np.uint8
            assert digit.image.any()


@settings(max_examples=40, deadline=None)
@given(st.binary(max_size=400), st.sampled_from(["PNG", "JPEG", "WEBP", "BMP", "GIF"]))
def test_damaged_files_give_one_clear_error(noise, kind):
    content = bytearray(encoded(Image.new("RGB", (9, 7), "red"), kind))
    content[30 : 30 + len(noise)] = noise
    try:
        open_picture(bytes(content))
    except PictureError as error:
        assert str(error)


# The steps, one by one.


def test_ink_is_what_there_is_less_of():
    page = np.full((80, 80, 3), 200, np.float32)
    page[30:50, 38:42] = 60
    assert not light_on_dark(page) and light_on_dark(255 - page)


def test_flattened_paper_is_zero_whatever_its_light():
    y, x = np.mgrid[:200, :300]
    light = 240 - 0.5 * x
    page = np.repeat(light[..., None], 3, axis=2).astype(np.float32)
    page[90:110, 140:146] *= 0.3
    ink = flatten(page)
    assert abs(np.median(ink[90:110, 141:145]) - 0.7) < 0.05
    assert ink[:80, :250].max() < 0.05 and ink[120:, :250].max() < 0.05


def test_a_blue_pen_is_ink_in_the_red():
    page = np.full((60, 60, 3), 230, np.float32)
    page[20:40, 28:32] = (30, 60, 220)
    assert flatten(page)[30, 30] > 0.8


@pytest.mark.parametrize("ink, paper", [((0, 0, 0), 255), ((255, 255, 255), 0)])
def test_a_drawing_on_nothing_gets_the_paper_that_shows_it(ink, paper):
    pixels = np.zeros((20, 20, 4), np.float32)
    pixels[5:15, 9:11] = (*ink, 255)
    colours = on_paper(pixels)
    assert (colours[0, 0] == paper).all() and (colours[10, 10] == ink).all()


def test_round_corners_get_the_colour_of_the_paper():
    pixels = np.full((20, 20, 4), 255, np.float32)
    pixels[..., :3] = 180
    pixels[:3, :3, 3] = 0
    assert (on_paper(pixels) == 180).all()


def test_otsu_parts_two_heaps():
    values = np.concatenate([np.full(900, 0.2), np.full(50, 0.9)])
    assert 0.2 < otsu(values) < 0.9


def grid(step, height=300, width=400):
    mask = np.zeros((height, width), bool)
    mask[step // 2 :: step] = True
    return mask


def test_ruled_lines_go_and_the_pen_across_them_stays():
    mask = grid(40)
    mask[50:250, 100:112] = True
    left = without_lines(mask)
    assert left[50:250, 100:112].all() and left.sum() <= 200 * 12 + 20


def test_one_long_bar_is_no_ruled_paper():
    mask = np.zeros((300, 300), bool)
    mask[150:153, 30:280] = mask[50:250, 150:153] = True  # a thin 4, or a plus
    assert (without_lines(mask) == mask).all()


def parts_in(mask):
    return pictures.find_parts(mask.astype(np.float32), 0.5, mask)[1]


def test_what_touches_an_edge_is_table_unless_it_is_like_the_digits():
    mask = np.zeros((200, 300), bool)
    mask[60:120, 50:60] = mask[70:130, 100:110] = True  # two strokes
    mask[:, :8] = True  # the table
    mask[140:200, 200:210] = True  # a stroke that is cut off
    kept = without_edges(parts_in(mask), mask.shape)
    assert sorted(part.left for part in kept) == [50, 100, 200]


def test_a_digit_that_fills_the_picture_is_no_table():
    mask = np.zeros((28, 28), bool)
    mask[:, 12:16] = mask[13:15] = True
    assert len(without_edges(parts_in(mask), mask.shape)) == 1


def test_the_bar_of_a_five_belongs_to_it_and_the_next_digit_does_not():
    mask = np.zeros((200, 300), bool)
    mask[60:140, 50:60] = mask[130:140, 50:90] = True
    mask[48:54, 55:100] = True  # its bar, apart by six pixels
    mask[60:140, 150:160] = True
    mask[20:23, 20:23] = True  # a speck
    groups = group_parts(parts_in(mask), smallest=5)
    assert sorted(len(group) for group in groups) == [1, 2]


def test_rows_are_read_from_the_top_also_where_they_climb():
    boxes = [(100 - 4 * i, 60 * i, 140 - 4 * i, 60 * i + 30) for i in range(6)]
    boxes += [(180 - 4 * i, 60 * i + 5, 220 - 4 * i, 60 * i + 35) for i in range(6)]
    assert reading_order(boxes) == [[0, 1, 2, 3, 4, 5], [6, 7, 8, 9, 10, 11]]
    assert reading_order(boxes[::-1]) == [[11, 10, 9, 8, 7, 6], [5, 4, 3, 2, 1, 0]]


def test_strokes_are_measured_and_thickened():
    ink = np.zeros((200, 100), np.float32)
    ink[:, 48:52] = 1
    ink = ink[:, 48:52]
    assert abs(stroke_width(ink, ink > 0.5) - 4 * 4 / np.pi) < 0.6
    thick = thicken(ink, ink > 0.5)
    longer, shorter = max(thick.shape), (thick.max(axis=0) > 0.5).sum()
    assert abs(20 * shorter / (thick.max(axis=1) > 0.5).sum() - pictures.STROKE) < 0.5 and longer
    bold = np.ones((200, 60), np.float32)
    assert (thicken(bold, bold > 0.5) == bold).all()


def test_a_bar_becomes_twenty_pixels_long_around_the_middle():
    ink = np.zeros((90, 70))
    ink[20:60, 10:16] = 1
    bar = mnist_form(ink)
    rows, columns = np.flatnonzero(bar.any(axis=1)), np.flatnonzero(bar.any(axis=0))
    assert len(rows) == 20 and rows[0] in (4, 5) and bar.max() == 255
    assert columns.tolist() == [13, 14, 15]
    assert not mnist_form(np.zeros((28, 28))).any()


def test_mnists_own_digits_come_back(mnist):
    for image in mnist.test.images[:40]:
        apart = np.abs(mnist_form(image / 255).astype(float) - image).mean()
        moved = np.abs(np.roll(image, 1, axis=1).astype(float) - image).mean()
        assert apart < moved


@pytest.mark.parametrize("step", pictures.STEPS)
def test_each_step_can_be_left_out_and_does_something(step):
    needs = {
        "flatten": SCENES["shade"],
        "lines": SCENES["squared"],
        "edges": dataclasses.replace(SCENES["table"], tilt=0),
        "thicken": SCENES["thin pen"],
    }
    page = picture(TEXT, needs[step])[0]

    def forms(skip):
        try:
            return [digit.image for row in find_digits(page, skip=skip) for digit in row]
        except PictureError:
            return []

    with_it, without_it = forms(()), forms((step,))
    same = len(with_it) == len(without_it) and np.array_equal(with_it, without_it)
    assert len(with_it) == 7 and not same


def test_a_generated_picture_repeats_itself():
    first, second = (picture("42", SCENES["noisy"], seed=3)[0] for _ in range(2))
    assert np.array_equal(np.asarray(first), np.asarray(second))
    assert Image.open(io.BytesIO(encoded(first))).size == first.size
