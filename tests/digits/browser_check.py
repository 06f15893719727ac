"""Check the page of predict.py in a headless Chromium: python tests/digits/browser_check.py [--model RUN]

200 test digits put on its canvas must get the label that Python gives the same picture, in 99 % at least; a digit drawn
with the mouse and one drawn with the keyboard must be read as what they are. Exit codes: 0 done or no browser here
(it says so), 5 a check failed. Trains a small network if no run is given. Uses file:// alone: no network.
"""

import argparse
import base64
import io
import shutil
import sys
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from small_run import ROOT, train_small

from digits.page import page
from digits.prepare import mnist_like, read_ink
from load_data import load_dataset
from predict import Trained, load

FLAGS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --window-size=1100,800"
)
DIGITS = 200
SETTLED = "requestAnimationFrame(() => requestAnimationFrame(() => arguments[0](output.textContent)))"
PUT = """
const [numbers, size] = arguments, data = new ImageData(size, size);
numbers.forEach((ink, at) => { data.data[4 * at + 3] = ink; });
pen.putImageData(data, 0, 0);
return {...show(), png: paper.toDataURL(), said: output.textContent, shown: seen.toDataURL(),
  bars: [...$("bars").children].map((part) => part.textContent || parseFloat(part.style.width))};
"""


def browser(folder: str):
    """A headless Chromium driven by selenium, or the reason why there is none."""
    programs = [
        next(filter(None, map(shutil.which, names)), None)
        for names in (("chromium", "chromium-browser", "google-chrome"), ("chromedriver", "chromium.chromedriver"))
    ]
    if None in programs:
        return "chromium and chromedriver are not installed"
    try:
        from selenium import webdriver
    except ImportError as error:
        return str(error)
    options = webdriver.ChromeOptions()
    options.binary_location = programs[0]
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    for flag in [*FLAGS.split(), f"--user-data-dir={folder}"]:
        options.add_argument(flag)
    return webdriver.Chrome(options=options, service=webdriver.ChromeService(programs[1]))


def same_labels(driver, run: Trained, images: np.ndarray) -> tuple[int, int, float]:
    """How many of the images get Python's label, bars and text; the largest difference of a pixel and of a score."""
    same, pixels, scores = 0, 0, 0.0
    for image in images:
        big = np.asarray(Image.fromarray(image).resize((280, 280), Image.Resampling.BILINEAR))
        found = driver.execute_script(PUT, big.ravel().tolist(), 280)
        canvas, shown = (
            Image.open(io.BytesIO(base64.b64decode(found[name].split(",")[1]))).convert("RGBA")
            for name in ("png", "shown")
        )
        prepared = mnist_like(read_ink(canvas), run.side)
        (expected,) = run.scores(prepared[None])
        best, bars = int(expected.argmax()), found["bars"]
        low, high = (0, 1) if run.probabilities else (expected.min(), expected.max())
        same += (
            found["label"] == run.labels[best]
            and found["said"] == f"It is {run.labels[best]} ({run.text(expected[best])})"
            and bars[::3] == [str(label) for label in run.labels]
            and np.allclose(bars[1::3], 100 * (expected - low) / (high - low), atol=0.1)
            and bars[2::3] == [run.text(score) for score in expected]
            and np.array_equal(np.asarray(shown.convert("L")).ravel(), found["image"])
        )
        pixels = max(pixels, int(np.abs(np.array(found["image"]) - prepared.ravel()).max()))
        (alike,) = run.scores(np.array(found["image"], np.uint8)[None])
        scores = max(scores, float(np.abs(alike - found["scores"]).max()))
    return same, pixels, scores


def drawn(driver, picture: Path | None) -> list[str]:
    """What the page says of a 7 drawn with the mouse in two strokes, and of a 1 drawn with the keyboard."""
    from selenium.webdriver.common.action_chains import ActionChains
    from selenium.webdriver.common.keys import Keys

    paper = driver.find_element("id", "paper")
    driver.find_element("id", "clear").click()
    mouse = ActionChains(driver, duration=30)
    for start, steps in (((-70, -110), ((130, 0), (-40, 100), (-30, 100))), ((-30, 0), ((90, 0),))):
        mouse.move_to_element_with_offset(paper, *start).click_and_hold()
        for step in steps:
            mouse.move_by_offset(*step)
        mouse.release()
    mouse.perform()
    labels = [driver.execute_async_script(SETTLED)]
    if picture is not None:
        picture.write_bytes(driver.get_screenshot_as_png())
    driver.find_element("id", "clear").click()
    ActionChains(driver).key_down(Keys.SHIFT).send_keys(Keys.TAB).key_up(Keys.SHIFT).perform()
    ActionChains(driver).send_keys(
        Keys.ARROW_UP * 11 + " " + Keys.ARROW_DOWN * 22 + " " + Keys.ARROW_LEFT * 3
    ).perform()
    labels.append(driver.execute_async_script(SETTLED))
    ActionChains(driver).send_keys(Keys.BACKSPACE).perform()
    return [*labels, driver.execute_async_script(SETTLED)]


def on_a_phone(driver) -> tuple[str, int]:
    """What the page says of a 1 drawn with a finger on a screen 390 pixels wide, and how wide the page is there."""
    driver.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride", {"width": 390, "height": 844, "deviceScaleFactor": 1, "mobile": True}
    )
    driver.execute_cdp_cmd("Emulation.setTouchEmulationEnabled", {"enabled": True})
    driver.refresh()
    left, top, width = driver.execute_script(
        "const box = paper.getBoundingClientRect(); return [box.left, box.top, box.width]"
    )
    for kind, share in (("touchStart", 0.2), *(("touchMove", step / 10) for step in range(3, 9)), ("touchEnd", None)):
        points = [] if share is None else [{"x": left + width / 2, "y": top + width * share}]
        driver.execute_cdp_cmd("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
    return driver.execute_async_script(SETTLED), driver.execute_script("return document.documentElement.scrollWidth")


def check(driver, folder: Path, model: Path | None, picture: Path | None) -> bool:
    """Print what each check counted; return whether all passed."""
    passed = True

    def report(good: bool, message: str) -> None:
        nonlocal passed
        passed &= bool(good)
        print(f"{'ok    ' if good else 'FAILED'} {message}")

    def opened(run: Trained) -> None:
        path = folder / "digit.html"
        path.write_text(page(run.name, run.model, run.labels, run.side, run.probabilities), encoding="utf-8")
        driver.get(path.as_uri())

    others = [
        train_small(folder / name, "-n", "2", "-a", name, *more)
        for name, more in (
            ("Gelu", ("-l", "Hinge")),
            ("Sigmoid", ("--init-std", "0.1")),
            ("Relu", ("--dropout", "0.1", "--batch-norm", "--residual")),
        )
    ]
    main = model or train_small(folder / "main")
    for path, count in (*((other, 20) for other in others), (main, DIGITS)):
        run = load(path)
        if path != main:
            run = run._replace(labels=list("abcdefghij"))
        images = load_dataset(ROOT / run.settings["data_dir"]).test_images[:count].reshape(-1, run.side, run.side)
        opened(run)
        same, pixels, scores = same_labels(driver, run, images)
        report(
            same >= 0.99 * count and pixels <= 1 and scores < 1e-3,
            f"{run.name}: {same} of {count} labels as in Python; pixels differ by at most {pixels} of 255, "
            f"scores of one image by {scores:.1e}",
        )
        report(run.name in driver.find_element("id", "about").text, "the page says which run it is")
    labels = drawn(driver, picture)
    report(
        [text[:7] for text in labels] == ["It is 7", "It is 1", "Nothing"],
        f"a 7 drawn with the mouse, a 1 with the keyboard, taken back: {', '.join(labels)}",
    )
    text, width = on_a_phone(driver)
    report(
        text[:7] == "It is 1" and width <= 390,
        f"a 1 drawn with a finger: {text}; the page is {width} pixels wide of 390",
    )
    if picture is not None:
        picture.with_stem(f"{picture.stem}_phone").write_bytes(driver.get_screenshot_as_png())
    asked = driver.execute_script("return performance.getEntriesByType('resource').length")
    report(asked == 0, f"the page asked for {asked} other files")
    log = driver.get_log("browser")
    report(not log, f"the console holds {len(log)} messages {[entry['message'] for entry in log][:3]}")
    return passed


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, metavar="RUN", help="a run's folder (default: a small one is trained)")
    parser.add_argument("--picture", type=Path, metavar="PNG", help="keep a screenshot of the drawn 7 here")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        driver = browser(str(Path(folder) / "profile"))
        if isinstance(driver, str):
            print(f"no browser here ({driver}): not run")
            return 0
        try:
            return 0 if check(driver, Path(folder), options.model, options.picture) else 5
        finally:
            driver.quit()


if __name__ == "__main__":
    sys.exit(main())
