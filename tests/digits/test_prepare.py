"""Any picture of a digit becomes what MNIST holds: MNIST's images, changed as people's pictures are, and drawn ones."""

import io
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageOps
from small_run import ROOT, STROKES, drawn

sys.path.insert(0, str(ROOT))  # for the figures, without pytest

from digits.prepare import averages, connected, mnist_like, open_picture, read_as_is, read_ink
from load_data import load_dataset
from predict import load

COUNT = 1000


@pytest.fixture(scope="module")
def data():
    return load_dataset(ROOT / "data")


@pytest.fixture(scope="module")
def run(small_run):
    return load(small_run)


def larger(image, rng):
    return image.resize((int(rng.integers(60, 170)),) * 2, Image.Resampling.BILINEAR)


def shifted(image, rng):
    paper = Image.new("L", (image.width + 90, image.height + 60), image.getpixel((0, 0)))
    paper.paste(image, (int(rng.integers(0, 90)), int(rng.integers(0, 60))))
    return paper


def framed(image, rng):
    colour = (image.getpixel((0, 0)) + int(rng.integers(60, 196))) % 256
    return ImageOps.expand(image, tuple(int(width) for width in rng.integers(1, 20, 4)), colour)


def photographed(image, rng):
    """Pale, lit from one side, noisy, as a JPEG."""
    return as_photograph(np.linspace(0.6, 0.95, image.width) * (0.5 * np.asarray(image) + 60), rng)


def in_shadow(image, rng):
    """Half in shadow, its edge through the digit."""
    across = np.arange(image.width) - rng.uniform(0.3, 0.7) * image.width
    return as_photograph((1 - 0.4 / (1 + np.exp(-across / 4))) * (0.7 * np.asarray(image) + 40), rng)


def on_a_table(image, rng):
    """On a sheet that lies aslant on a darker table."""
    sheet = ImageOps.expand(Image.fromarray((0.65 * np.asarray(image) + 50).astype(np.uint8)), 30, 215)
    mask, slant = Image.new("L", sheet.size, 255), rng.uniform(-8, 8)
    sheet, mask = (each.rotate(slant, Image.Resampling.BICUBIC, expand=True) for each in (sheet, mask))
    table = Image.new("L", (sheet.width + 40, sheet.height + 24), 90)
    table.paste(sheet, tuple(int(place) for place in rng.integers(4, 20, 2)), mask)
    return as_photograph(np.linspace(0.8, 1, table.width) * np.asarray(table), rng)


def as_photograph(light: np.ndarray, rng):
    file = io.BytesIO()
    Image.fromarray((light + rng.normal(0, 4, light.shape)).clip(0, 255).astype(np.uint8)).save(
        file, "JPEG", quality=70
    )
    return Image.open(file)


def inverted(image, rng):
    return ImageOps.invert(image)


WAYS = {
    "larger": [larger],
    "larger, shifted": [larger, shifted],
    "larger, shifted, inverted": [larger, shifted, inverted],
    "larger, framed": [larger, framed],
    "larger, shifted, inverted, framed": [larger, shifted, inverted, framed],
    "photographed": [larger, shifted, inverted, photographed],
    "photographed on a blackboard": [larger, shifted, photographed],
    "photographed, half in shadow": [larger, shifted, inverted, in_shadow],
    "photographed on a table": [larger, shifted, inverted, on_a_table],
}


def changed(pixels: np.ndarray, changes: list, rng) -> Image.Image:
    image = Image.fromarray(pixels.reshape(28, 28))
    for change in changes:
        image = change(image, rng)
    return image.convert("RGBA")


def accuracy(run, images, labels) -> float:
    return float((run.scores(np.array(images)).argmax(axis=1) == labels).mean())


def accuracy_changed(run, data, changes: list, count: int = COUNT) -> float:
    """The accuracy over the first images of the test set, changed."""
    rng = np.random.default_rng(3)
    images = [mnist_like(read_ink(changed(pixels, changes, rng))) for pixels in data.test_images[:count]]
    return accuracy(run, images, data.test_labels[:count])


@pytest.mark.parametrize("way", WAYS)
def test_changed_test_images_are_recognised_as_well_as_the_plain_ones(run, data, way):
    # The others are part of it, or photographs, which take time: one of 50 more may be wrong.
    count, worse = (400, 0.015) if way == "larger, shifted, inverted, framed" else (50, 0.02)
    plain = accuracy(run, data.test_images[:count], data.test_labels[:count])
    assert plain > 0.93
    assert accuracy_changed(run, data, WAYS[way], count) >= plain - worse - 1e-9


def test_a_test_image_itself_hardly_changes(data):
    images = data.test_images[:200].reshape(-1, 28, 28)
    prepared = np.array([mnist_like(read_ink(Image.fromarray(image).convert("RGBA"))) for image in images])
    assert np.abs(prepared - images.astype(float)).mean() < 1


@pytest.mark.parametrize("paper, ink", [("white", "black"), ("black", "white"), ("white", "yellow"), ("navy", "red")])
@pytest.mark.parametrize("digit", STROKES)
def test_a_drawn_digit_is_recognised_in_any_colours(run, digit, paper, ink):
    image = mnist_like(read_ink(drawn(digit, paper=paper, ink=ink)))
    black_on_white = mnist_like(read_ink(drawn(digit)))
    assert np.abs(image.astype(int) - black_on_white).max() <= 2
    assert run.labels[run.scores(image[None]).argmax()] == digit


@pytest.mark.parametrize("ink", ["black", "white", "yellow"])
def test_ink_on_a_transparent_ground_is_seen(ink):
    image = mnist_like(read_ink(drawn(5, paper=(0, 0, 0, 0), ink=ink)))
    assert np.abs(image.astype(int) - mnist_like(read_ink(drawn(5)))).max() <= 2


@pytest.mark.parametrize("shades", [(0, 90), (165, 255)])
def test_ink_of_several_shades_on_a_transparent_ground_is_seen_whole(shades):
    ink = drawn(5, paper=(0, 0, 0, 0))
    ramp = Image.fromarray(np.tile(np.linspace(*shades, ink.width).astype(np.uint8), (ink.height, 1)))
    shaded = Image.merge("RGBA", [ramp, ramp, ramp, ink.getchannel("A")])
    seen, black = (mnist_like(read_ink(image)) for image in (shaded, drawn(5)))
    assert np.array_equal(seen > 0, black > 0) and seen[black > 0].mean() > 0.7 * black[black > 0].mean()


def test_ink_that_touches_the_edge_of_a_transparent_ground_is_read_by_its_alpha(data):
    for pixels in data.test_images[:20]:
        ink = Image.fromarray(pixels.reshape(28, 28)).resize((280, 280), Image.Resampling.BILINEAR)
        ink = ink.crop(ink.getbbox())
        canvas = Image.merge("RGBA", [*[Image.new("L", ink.size)] * 3, ink])
        assert np.array_equal(mnist_like(read_ink(canvas)), mnist_like(np.asarray(ink) / 255))
    bar = Image.new("RGBA", (30, 100))
    ImageDraw.Draw(bar).rounded_rectangle((0, 0, 29, 99), 5, fill="black")
    assert mnist_like(read_ink(bar))[14, 14] == 255


@pytest.mark.parametrize("paper", ["white", (0, 0, 0, 0)])
@pytest.mark.parametrize("digit", STROKES)
def test_a_hair_thin_pen_is_not_faint(digit, paper):
    hair, thin, pen = (mnist_like(read_ink(drawn(digit, 400, paper, pen=part))).sum() for part in (0.0025, 0.01, 0.03))
    assert hair > 0.6 * pen and thin > 0.8 * pen


def test_a_thin_stroke_at_the_edge_is_widened_to_both_sides():
    thin = drawn(8, 400, (0, 0, 0, 0), pen=0.01)
    cut = mnist_like(read_ink(thin.crop(thin.getbbox()))).astype(int)
    assert np.abs(cut - mnist_like(read_ink(thin))).max() <= 2


@pytest.mark.parametrize("size", [(500, 200), (150, 450)])
@pytest.mark.parametrize("digit", [0, 1, 8])
def test_the_shape_of_the_picture_does_not_matter(digit, size):
    paper = Image.new("RGBA", size, "white")
    paper.paste(drawn(digit, 140), (5, 40))
    assert np.abs(mnist_like(read_ink(paper)).astype(int) - mnist_like(read_ink(drawn(digit, 140)))).max() <= 1


def test_a_piece_is_what_neighbours_connect_however_it_winds():
    mask = np.zeros((40, 60), bool)
    mask[2:30, 5] = mask[30, 5:50] = mask[8:30, 49] = mask[8, 20:50] = True  # a spiral, one piece
    mask[20, 20:30] = mask[21, 30] = True  # diagonal neighbours belong together
    pieces = connected(mask)
    assert len(np.unique(pieces[mask])) == 2 and not pieces[~mask].any()
    assert pieces[2, 5] == pieces[8, 20] != pieces[20, 20] == pieces[21, 30]


def test_a_transparent_margin_is_a_frame():
    sticker = ImageOps.expand(drawn(5), 40, (0, 0, 0, 0))
    assert np.abs(mnist_like(read_ink(sticker)).astype(int) - mnist_like(read_ink(drawn(5)))).max() <= 2


def test_a_photograph_with_a_white_border_is_read_inside_it(run, data):
    def bordered(image, rng):
        return ImageOps.expand(image.convert("L"), 9, 255)

    assert accuracy_changed(run, data, [*WAYS["photographed"], bordered], 50) > 0.93


@pytest.mark.parametrize(
    "strokes, narrowest, widest",
    [([(60, 0, 66, 120), (130, 40, 133, 43)], 1, 5), ([(40, 30, 50, 120), (110, 60, 120, 120)], 15, 20)],
    ids=["cut at the edge, and dust", "two strokes"],
)
def test_a_photograph_keeps_strokes_at_its_edge_and_apart_but_no_dust(strokes, narrowest, widest):
    paper = Image.new("L", (160, 150), 255)
    for stroke in strokes:
        ImageDraw.Draw(paper).rectangle(stroke, fill=0)
    photograph = photographed(paper, np.random.default_rng(0)).convert("RGBA")
    columns = np.flatnonzero(mnist_like(read_ink(photograph)).max(axis=0) > 60)
    assert narrowest <= np.ptp(columns) + 1 <= widest


def test_a_pen_that_presses_unevenly_leaves_an_even_stroke_in_a_photograph():
    paper = Image.new("L", (160, 150), 255)
    for left, grey in ((40, 0), (110, 100)):
        ImageDraw.Draw(paper).rectangle((left, 30, left + 12, 120), fill=grey)
    seen = mnist_like(read_ink(photographed(paper, np.random.default_rng(0)).convert("RGBA")))
    assert seen[:, 14:].max() > 0.8 * seen[:, :14].max()


@pytest.mark.parametrize("side", [28, 14, 8, 40, 3])
def test_the_digit_fills_its_box_and_its_centre_of_mass_is_in_the_middle(side):
    image = mnist_like(read_ink(drawn(3)), side)
    rows, columns = np.flatnonzero(image.any(axis=1)), np.flatnonzero(image.any(axis=0))
    assert max(np.ptp(rows), np.ptp(columns)) + 1 == round(side * 20 / 28)
    places, mass = np.indices(image.shape), image / image.sum()
    assert all(abs((places[axis] * mass).sum() - side // 2) <= 0.5 for axis in (0, 1))
    assert image.max() == 255


def test_an_upright_bar_and_an_angular_0_keep_their_shape():
    bar, zero = np.zeros((90, 70), np.uint8), np.zeros((90, 70), np.uint8)
    bar[20:70, 30:38] = 255
    zero[20:70, 20:50] = 255
    zero[28:62, 28:42] = 0
    bar, zero = (mnist_like(read_ink(Image.fromarray(array).convert("RGBA"))) for array in (bar, zero))
    assert (bar.any(axis=0).sum(), bar.any(axis=1).sum()) == (3, 20)
    assert (zero.any(axis=0).sum(), zero[14, 14]) == (12, 0)


def test_averages_are_areas_downwards_and_interpolate_upwards():
    assert averages(2, 3) == pytest.approx(np.array([[2, 1, 0], [0, 1, 2]]) / 3)
    assert averages(4, 2) @ [0.0, 1.0] == pytest.approx([0, 0.25, 0.75, 1])
    assert averages(7, 31).sum(axis=1) == pytest.approx(np.ones(7))


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I;16", "I", "F"])
def test_every_kind_of_picture_file_is_read(tmp_path, mode):
    digit = drawn(2, size=120)
    if mode == "I;16":
        image = Image.fromarray(np.asarray(digit.convert("L"), np.uint16) * 200 + 3000)
    else:
        image = digit.convert("RGB").convert(mode)
    path = tmp_path / ("a.tif" if mode in ("CMYK", "F", "I") else "a.png")
    image.save(path)
    seen = mnist_like(read_ink(open_picture(path))).astype(int)
    assert np.abs(seen - mnist_like(read_ink(digit))).max() <= (40 if mode == "1" else 3)


@pytest.mark.parametrize("number", [np.nan, np.inf])
def test_a_picture_with_pixels_that_are_no_numbers_is_refused_in_words(tmp_path, number):
    pixels = np.asarray(drawn(7).convert("L"), np.float32).copy()
    pixels[0, 0] = number
    Image.fromarray(pixels).save(tmp_path / "a.tif")
    with pytest.raises(ValueError, match=r"cannot be read .*no finite numbers"):
        open_picture(tmp_path / "a.tif")


def test_a_photograph_is_turned_upright_as_its_camera_was_held(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees clockwise
    drawn(7).convert("RGB").rotate(90).save(tmp_path / "a.png", exif=exif)
    assert np.array_equal(mnist_like(read_ink(open_picture(tmp_path / "a.png"))), mnist_like(read_ink(drawn(7))))


@pytest.mark.parametrize("size, colour", [((4, 4), 0), ((50, 40), 255), ((300, 4), 128), ((4, 900), (0, 0, 0, 0))])
def test_a_picture_of_one_colour_is_refused_in_words(size, colour):
    paper = Image.new("RGBA" if isinstance(colour, tuple) else "L", size, colour).convert("RGBA")
    with pytest.raises(ValueError, match="shows nothing"):
        read_ink(paper)


@pytest.mark.parametrize("size", [(4, 4), (5, 4), (4, 500), (900, 5)])
def test_odd_sizes_are_prepared_all_the_same(size):
    pixels = np.random.default_rng(0).integers(0, 256, (size[1], size[0]), np.uint8)
    assert mnist_like(read_ink(Image.fromarray(pixels).convert("RGBA"))).shape == (28, 28)


@pytest.mark.parametrize("size", [(1, 1), (3, 200), (9, 2)])
def test_a_picture_too_small_for_a_digit_is_refused_in_words(size):
    with pytest.raises(ValueError, match=f"is too small: {size[0]} x {size[1]} pixels"):
        read_ink(Image.new("RGBA", size))


def test_as_is_takes_the_pixels_and_refuses_other_sizes(data):
    pixels = data.test_images[0].reshape(28, 28)
    assert np.array_equal(read_as_is(Image.fromarray(pixels).convert("RGBA"), 28), pixels)
    with pytest.raises(ValueError, match=r"has 30 x 28 pixels, --as-is needs 28 x 28"):
        read_as_is(Image.new("RGBA", (30, 28)), 28)


if __name__ == "__main__":  # python tests/digits/test_prepare.py RUN prints accuracies
    trained, mnist = load(Path(sys.argv[1])), load_dataset(ROOT / "data")
    for name, each in {"plain": None, **WAYS}.items():
        for count in (200, COUNT) if name == "plain" else (200,) if name.startswith("photo") else (COUNT,):
            images, labels = mnist.test_images[:count], mnist.test_labels[:count]
            right = accuracy_changed(trained, mnist, each, count) if each else accuracy(trained, images, labels)
            print(f"{name:36}{right:.1%} of {count:,}", flush=True)
