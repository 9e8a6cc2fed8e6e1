"""The HTML report: what stands in it, that nothing leaves it, and how it lies in a real browser."""

from __future__ import annotations

import base64
import json
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from mertool.evaluation.metrics import hits_by_subject
from mertool.evaluation.predictions import Predictions
from mertool.files import file_sha256, write_json
from mertool.network.training_files import LOG_COLUMNS
from mertool.pack import load_pack
from mertool.regions import GRID, REGIONS, region_squares
from mertool.report.blocks import Gallery, Picture
from mertool.report.charts import _shortened
from mertool.report.drawing import Scale, colour_bar, input_heat, on_face
from mertool.report.figures import choose_clips, draw_attention, draw_gallery
from mertool.report.html import RunExtras, render_html
from mertool.runs.attention import read_run_maps
from mertool.runs.config import RunConfig, open_samples
from mertool.runs.finished import load_run
from mertool.settings import Settings
from tests.support.command import TINY, run
from tests.support.reports import page_source
from tests.support.run_folders import CLASSES, FOLD_0, FOLD_1, PACK, make_run

NOTHING = RunExtras((), {}, Gallery((), (), ""))
EMPTY = {"area", "br", "circle", "col", "hr", "img", "input", "line", "link", "meta", "polygon", "polyline"}


class Reader(HTMLParser):
    """Text, tags and attributes of a page; fails where tags do not close in order."""

    def __init__(self, page):
        super().__init__()
        self.open, self.tags, self.texts = [], [], []
        self.feed(page)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in EMPTY:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] not in ("style", "title"):
            self.texts.append(data)

    def all(self, tag, **wanted):
        return [a for name, a in self.tags if name == tag and all(a.get(k) == v for k, v in wanted.items())]

    @property
    def text(self):
        return " ".join(" ".join(self.texts).split())


def write_logs(folder, folds, epochs, attention=True):
    for fold in range(folds):
        part = folder / f"fold_{fold}"
        part.mkdir(exist_ok=True)
        lines = ["epoch,loss,loss_perception,loss_attention,accuracy,accuracy_attention,lr,seconds,images_per_s"]
        for epoch in range(1, epochs + 1):
            branch = (f"{1.5 / epoch}", f"{0.2 * fold}") if attention else ("", "")
            lines.append(f"{epoch},2,{(1 + fold) / epoch},{branch[0]},{0.1 * fold},{branch[1]},0.001,1,10")
        (part / "log.csv").write_text("\n".join(lines) + "\n")


@pytest.fixture
def two_runs(tmp_path):
    folders = [make_run(tmp_path / "a"), make_run(tmp_path / "b", abn=True, epochs=3)]
    write_logs(folders[0], 2, 4, attention=False)
    write_logs(folders[1], 2, 3)
    return [load_run(folder) for folder in folders]


# What stands in it


def test_it_is_whole_and_reaches_for_nothing(two_runs):
    picture = cv2.imencode(".png", np.zeros((4, 4), np.uint8))[1].tobytes()
    found = RunExtras(
        (("a", (("subjects", "note", "4 of 4"), ("epoch", "fail", "2 of 3"))),),
        {"torch": "2.13.0", "started": "2026-11-28T11:42:27Z"},
        Gallery((Picture(picture, "anger, mean"),), (("Most confident, correct", (Picture(picture, "c"),)),), "Note."),
    )
    page = render_html(two_runs, [found, found])
    reader = Reader(page)
    assert page.startswith("<!doctype html>\n")
    assert not reader.all("script")
    assert not reader.all("link")
    assert all(image["src"].startswith("data:image/png;base64,") and image["alt"] for image in reader.all("img"))
    assert all(link["href"].startswith("#") for link in reader.all("a"))
    assert {link["href"][1:] for link in reader.all("a")} == {section["id"] for section in reader.all("section")}
    assert "default-src 'none'" in reader.all("meta")[2]["content"]
    assert "2026-11-28T" not in page  # as a setting that differs; each run's own section has the date
    assert "url(" not in page
    assert "@import" not in page
    for words in ("Note.", "anger, mean", "Most confident, correct", "4 of 4", "2.13.0", "5 / 7", "Audit"):
        assert words in reader.text, words
    assert page == render_html(two_runs, [found, found])


def test_what_a_reader_looks_for_is_there(two_runs):
    reader = Reader(render_html(two_runs, [NOTHING, NOTHING]))
    for words in (
        "Settings that differ",
        "Per subject",
        "Confusion matrix: rows = truth",
        "Per class",
        "Learning curves",
        "majority baseline",
        "Subject-dependent: 1 of 3 subjects",
        "Epoch rule: last epoch",
        "Compared with ",
    ):
        assert words in reader.text, words
    headers = reader.text[reader.text.index("Settings that differ", 200) :]
    assert re.search(r"run abn epochs ", headers)
    assert "seed" not in headers[: headers.index("hits / N")]


def test_one_run_needs_no_summary(two_runs):
    reader = Reader(render_html(two_runs[:1], [NOTHING]))
    assert "Summary" not in reader.text
    assert "Settings that differ" not in reader.text


def test_the_heat_table_is_shaded_by_the_share_of_the_row(two_runs):
    page = render_html(two_runs[:1], [NOTHING])
    table = page[page.index("class='heat'") :]
    table = table[: table.index("</table>")]
    cells = re.findall(
        r"<td( class='dark')? style='background:rgb\(28 100 170 / ([0-9.]+)\)'>(\d+)<small>(\d+) %</small></td>", table
    )
    assert [int(count) for _, _, count, _ in cells] == [2, 1, 0, 1, 1, 0, 0, 0, 2]
    assert [int(percent) for _, _, _, percent in cells] == [67, 33, 0, 50, 50, 0, 0, 0, 100]
    assert [float(share) for _, share, _, _ in cells] == pytest.approx(
        [2 / 3, 1 / 3, 0, 0.5, 0.5, 0, 0, 0, 1], abs=1e-3
    )
    assert [bool(dark) for dark, *_ in cells] == [False] * 8 + [True]


def test_curves_show_both_branches_and_the_spread_of_the_folds(two_runs):
    reader = Reader(render_html(two_runs[1:], [NOTHING]))
    lines = [line for line in reader.all("polyline") if line["class"].startswith("line")]
    bands = reader.all("polygon")
    assert [len(line["points"].split()) for line in lines] == [3, 3, 3, 3]
    assert [len(band["points"].split()) for band in bands] == [6, 6, 6, 6]
    heights = [float(point.split(",")[1]) for point in lines[0]["points"].split()]
    # losses of the perception branch: mean of 1 / e and 2 / e; the axis ends at 2
    assert heights == pytest.approx([226 - 216 * value / 2 for value in (1.5, 0.75, 0.5)], abs=0.06)
    upper = [float(point.split(",")[1]) for point in bands[0]["points"].split()[:3]]
    assert upper == pytest.approx([226 - 216 * value / 2 for value in (2, 1, 2 / 3)], abs=0.06)


def test_curves_without_a_branch_and_of_a_single_epoch(two_runs, tmp_path):
    reader = Reader(render_html(two_runs[:1], [NOTHING]))
    assert len(reader.all("polyline")) == 2
    write_logs(two_runs[0].folder, 2, 1, attention=False)
    reader = Reader(render_html(two_runs[:1], [NOTHING]))
    assert len([dot for dot in reader.all("circle") if "dot" in dot["class"]]) == 2


@pytest.mark.parametrize(
    "damage",
    [
        "",
        "epoch,loss\n1\n",
        "no,columns\n",
        "epoch,loss_perception,accuracy\n1,x,y\n",
        "\0",
        "epoch,loss_perception,accuracy\n1,nan,0.5\n",
        "epoch,loss_perception,accuracy\n1,inf,0.5\n",
    ],
)
def test_a_damaged_log_is_said_not_a_crash(two_runs, damage):
    (two_runs[0].folder / "fold_1" / "log.csv").write_text(damage)
    assert "Not every fold has a complete log.csv." in Reader(render_html(two_runs[:1], [NOTHING])).text


def test_names_are_text_whatever_they_hold(tmp_path):
    evil = "<img src=x onerror=alert(1)>'\"&"
    parts = [[(f"d/{evil}/{k}{evil}", evil, evil) for k in range(2)], [("d/b/x", "joy", evil)]]
    folder = make_run(tmp_path / "a&<b>", parts, (evil, "joy"))
    page = render_html(
        [load_run(folder)], [RunExtras((("p<", (("n<", "pass", evil),)),), {evil: evil}, NOTHING.gallery)]
    )
    reader = Reader(page)
    assert not reader.all("img")
    assert reader.text.count(evil) >= 6
    assert all(not name.startswith("on") for _, attributes in reader.tags for name in attributes)


def test_people_are_counted_by_their_clips(two_runs):
    assert hits_by_subject(two_runs[0].predictions) == {"samm/001": (2, 3), "samm/002": (2, 2), "samm/003": (1, 2)}
    text = Reader(render_html(two_runs[:1], [NOTHING])).text
    assert "samm/003 1/2 50 % samm/001 2/3 67 % samm/002 2/2 100 %" in text
    assert "hits / N 5 / 7 71.4 %, 3 subjects" in text
    assert "<details>" not in render_html(two_runs[:1], [NOTHING])


def test_many_folds_and_subjects_are_folded_away(tmp_path):
    parts = [[(f"samm/{f:03d}/{k}", CLASSES[k], CLASSES[k]) for k in range(3)] for f in range(21)]
    parts[3][0] = ("samm/003/0", "anger", "joy")
    page = render_html([load_run(make_run(tmp_path / "a", parts))], [NOTHING])
    Reader(page)
    folded = re.findall(r"<details><summary>(.*?)</summary>(.*?)</details>", page)
    assert [summary for summary, _ in folded] == ["Per fold: 21 folds, from 66.7 to 100.0 %", "All 21 subjects"]
    for _, content in folded:
        assert all(f"samm/{f:03d}" in content for f in range(21))
    assert page.count("samm/007") == 2  # nowhere else
    page = render_html([load_run(make_run(tmp_path / "b", parts[:11]))], [NOTHING])
    assert "<summary>Per fold: 11 folds" in page
    assert page.count("<details>") == 1


def test_seeds_are_in_the_summary(tmp_path):
    folder = make_run(tmp_path / "a", repeats=2)
    make_run(folder / "repeat_1", [FOLD_0[:2] + FOLD_0[2:], FOLD_1], seed=1)
    other = make_run(tmp_path / "b")
    page = render_html([load_run(folder), load_run(other)], [NOTHING, NOTHING])
    assert "Rings: other seeds." in page
    assert len([dot for dot in Reader(page).all("circle") if dot["class"] == "seed"]) == 1


def test_labels_of_the_interval_chart_are_beside_their_points(tmp_path):
    none, some, every = (
        [(f"d/{s}/{k}", "anger", "anger" if k < n else "joy") for k in range(8)]
        for s, n in (("a", 0), ("b", 4), ("c", 8))
    )
    parts = {"none": none, "some": some, "every": every}
    runs = [load_run(make_run(tmp_path / name, [part[:4], part[4:]])) for name, part in parts.items()]
    svg = Reader(render_html(runs, [NOTHING] * 3))
    values = svg.all("text", **{"class": "value"})
    names = svg.all("text", **{"class": "name"})
    points = svg.all("circle", **{"class": "dot s0"})
    lines = [line for line in svg.all("line") if line["class"] in ("line s0", "base")]
    assert re.findall(r"\d+\.\d %", svg.text)[:3]
    for value, name, point in zip(values, names, points, strict=True):
        assert abs(float(value["x"]) - float(point["cx"])) <= 36  # over its point, moved only at the ends
        assert 36 <= float(value["x"]) <= 640 - 36
        assert 8 < float(point["cy"]) - float(value["y"]) < 20
        assert float(value["y"]) - float(name["y"]) >= 18  # a line of its own
        for line in lines:
            top, bottom = float(value["y"]) - 14, float(value["y"])
            assert float(line["y2"]) < top or float(line["y1"]) > bottom


@pytest.mark.parametrize(
    ("names", "shown"),
    [
        (["a", "b"], ["a", "b"]),
        (["runs/" + "x" * 60 + "-abn", "runs/" + "x" * 60 + "-arc"], ["…-abn", "…-arc"]),
        (["runs/" + "x" * 60, "runs/" + "x" * 60 + "-abn"], None),
        (["a-" + "x" * 60 + "/fold", "b-" + "x" * 60 + "/fold"], ["a-…", "b-…"]),
        (["r/" + "x" * 30 + "1-" + "y" * 40, "r/" + "x" * 30 + "2-" + "y" * 40], None),
        (["x" * 70] * 2, None),
    ],
)
def test_long_names_keep_what_distinguishes_them(names, shown):
    found = _shortened(names)
    assert max(map(len, found)) <= 60
    assert len(set(found)) == len(set(names))
    if shown is not None:
        assert found == shown


# Pictures


def test_the_surest_and_least_sure_clips_are_chosen_once():
    sure = [0.9, 0.8, 0.7, 0.6, 0.55, 0.95, 0.51]
    probabilities = np.array([(p, 1 - p) for p in sure])
    truths = ("a",) * 5 + ("b",) * 2
    rows = Predictions(tuple(f"d/s/{k}" for k in range(7)), (0,) * 7, truths, probabilities, ("a", "b"))
    assert choose_clips(rows) == {
        "Most confident, correct": [0, 1, 2, 3],
        "Least confident, correct": [4],
        "Most confident, wrong": [5, 6],
    }


@pytest.mark.parametrize("region", range(len(REGIONS)))
def test_attention_to_a_region_lies_on_that_region_of_the_face(pack_path, region):
    landmarks = 2 * load_pack(pack_path).landmarks[0, 0].astype(np.float64)  # a crop of 128 pixels
    attention = np.zeros((12, 20), np.float32)
    row, column = divmod(region, GRID[1])
    attention[row * 4 + 1 : row * 4 + 3, column * 4 + 1 : column * 4 + 3] = 1
    found, weight = on_face(landmarks, attention, 32, 256)
    means = []
    for square in region_squares(landmarks):
        mask = np.zeros((256, 256), np.uint8)
        cv2.fillConvexPoly(mask, square.round().astype(np.int32), 1)
        assert weight[mask > 0].mean() > 0.9
        means.append(found[mask > 0].mean())
    assert int(np.argmax(means)) == region
    assert (found[weight == 0] == 0).all()


def test_equal_values_have_equal_colours_in_all_maps_of_a_run():
    """A weak map under a scale of all maps stays dull; each by itself would reach from violet to yellow."""
    strong = np.linspace(0, 1, 16, dtype=np.float32).reshape(4, 4)
    weak = 0.5 + 0.1 * strong
    scale = Scale.of([weak, strong])
    assert scale == (0, 1)
    settings = Settings(region="face")
    grey = np.full((160, 160), 128, np.uint8)
    drawn = [input_heat(grey, one, scale, settings).astype(int) for one in (weak, strong)]
    assert np.ptp(drawn[0], (0, 1)).max() < 40 < np.ptp(drawn[1], (0, 1)).max()
    flat = [input_heat(grey, np.full((4, 4), 0.5, np.float32), scale, settings) for _ in range(2)]
    assert abs(flat[0][80, 80].astype(int) - (0.5 * 128 + 0.5 * colour_bar(255, 1)[0, 127])).max() <= 2


def test_a_scale_never_fails_and_tells_its_ends_apart():
    assert Scale(0.48, 0.55).texts() == ("0.480", "0.550")
    assert Scale(0.1, 0.9).texts() == ("0.10", "0.90")
    assert Scale(0.0, 25.3).texts() == ("0.00", "25.30")
    same = Scale(0.5, 0.5)
    assert same.texts() == ("0.50", "0.50")
    assert same.relative(np.full(3, 0.5, np.float32)).tolist() == [0, 0, 0]
    assert Scale(0.2, 0.4).relative(np.array([0, 0.2, 0.3, 0.4, 1], np.float32)).tolist() == pytest.approx(
        [0, 0, 0.5, 1, 1]
    )
    for low, high in ((0.5, 0.5 + 1e-7), (0.123456, 0.123457)):
        assert len(Scale(low, high).texts()[0]) <= 8


def test_a_page_shows_the_scale_of_its_maps(finished_run):
    gallery = draw_gallery(load_run(finished_run), faces=False)
    ids, maps = read_run_maps(finished_run)
    samples = open_samples(finished_run, RunConfig.read(finished_run))
    labels = samples.labels[samples.rows_of(ids)]
    scale = Scale.of([maps[labels == label].mean(0) for label in range(len(samples.classes))])
    assert gallery.scale is not None
    assert (gallery.scale.low, gallery.scale.high) == scale.texts()
    assert float(gallery.scale.low) < float(gallery.scale.high)
    page = page_source(finished_run.parent, finished_run)
    assert f"<b>{gallery.scale.low}</b><img src='data:image/png;base64," in page
    assert "One colour scale for all maps of this run" in page


def test_the_sheet_of_maps_begins_with_its_scale(finished_run, tmp_path):
    draw_attention(finished_run, tmp_path / "maps.png")
    sheet = cv2.imread(str(tmp_path / "maps.png"))
    bar = colour_bar(320, 1)
    rows = [row for row in range(40) if (sheet[row, :320] == bar[0]).all()]
    assert len(rows) == 18
    assert (sheet[: rows[0], :320] < 128).any()  # its caption with both values


def test_a_page_of_a_real_run_with_and_without_faces(finished_run, tmp_path):
    done = run("report", finished_run, "--format", "html", "--faces", "-o", tmp_path / "with faces é", cwd=tmp_path)
    assert (done.stdout, done.stderr) == ("", f"mertool: report: {tmp_path}/with faces é/report.html\n")
    page = (tmp_path / "with faces é" / "report.html").read_text(encoding="utf-8")
    reader = Reader(page)
    assert "This page shows faces. The licences of SAMM, CASME II and others restrict publishing their" in reader.text
    assert "Most confident, " in reader.text
    assert "pass files" in reader.text
    assert "pass epoch last of 2" in reader.text
    assert "torch_cpu_capability" in reader.text
    assert len(reader.all("img")) > 6
    for image in reader.all("img"):
        data = base64.b64decode(image["src"].partition(",")[2])
        assert cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR) is not None
    without = run("report", finished_run, "--format", "html", "-q", cwd=tmp_path)
    reader = Reader((tmp_path / "report.html").read_text(encoding="utf-8"))
    assert (without.stdout, without.stderr) == ("", "")
    assert len(reader.all("img")) == 7  # a map of each class over a drawing, and the colour bar
    assert re.search(r"Least confident, wrong .*samm/\d+/\S+: [a-z]+ \d\d\.\d %, truth [a-z]+ ", reader.text)
    assert "Faces are left out, and maps are drawn over a line drawing; report --faces shows them." in reader.text


def test_no_face_is_in_a_page_without_faces(finished_run, tmp_path):
    """Every recording painted black: the page must not change."""
    place = tmp_path / "copy"
    shutil.copytree(finished_run.parent, place, ignore=shutil.ignore_patterns("SAMM*"))
    before = page_source(tmp_path, place / "finished")
    pack = place / "made up.npz"
    with np.load(pack) as members:
        arrays = {name: members[name] for name in members.files}
    arrays["frames"] = np.zeros_like(arrays["frames"])
    np.savez(pack, **arrays)
    config = json.loads((place / "finished" / "config.json").read_text())
    config["packs"][0]["sha256"] = file_sha256(pack)
    write_json(place / "finished" / "config.json", config)
    after = page_source(tmp_path, place / "finished")
    images = [re.findall(r"base64,([^']*)'", page) for page in (before, after)]
    assert len(images[0]) == 7
    assert images[0] == images[1]


def test_without_its_pack_a_page_says_why_it_has_no_pictures(finished_run, tmp_path):
    shutil.copytree(finished_run, tmp_path / "moved")
    text = Reader(page_source(tmp_path, "moved")).text
    assert "No pictures: " in text
    assert "made up.npz: cannot be read" in text or "no such file" in text
    assert "note pack" in text


def test_the_audit_of_a_changed_run_is_in_its_page(finished_run, tmp_path):
    place = tmp_path / "home"
    shutil.copytree(finished_run.parent, place, ignore=shutil.ignore_patterns("SAMM*"))
    path = place / "finished" / "folds.json"
    path.write_text(path.read_text() + " ")
    text = Reader(page_source(tmp_path, place / "finished")).text
    assert "fail files changed since they were written" in text


# The command


@pytest.mark.parametrize(
    ("style", "name"),
    [
        ("text", "report.txt"),
        ("md", "report.md"),
        ("latex", "report.tex"),
        ("csv", "report.csv"),
        ("json", "report.json"),
        ("html", "report.html"),
    ],
)
def test_a_folder_takes_the_report_in_every_format(finished_run, tmp_path, style, name):
    printed = run("report", finished_run, "--format", style, cwd=tmp_path).stdout
    if style == "html":
        printed = (tmp_path / name).read_text(encoding="utf-8")
    done = run("report", finished_run, "--format", style, "-o", "new/out", "-q", cwd=tmp_path)
    assert (done.stdout, done.stderr) == ("", "")
    assert [path.name for path in (tmp_path / "new" / "out").iterdir()] == [name]
    assert (tmp_path / "new" / "out" / name).read_text(encoding="utf-8").rstrip("\n") == printed.rstrip("\n")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--faces",), "--faces: only works with --format html"),
        (("--faces", "--format", "md"), "--faces: only works with --format html"),
        (("--audit", "-o", "x"), "--audit: prints text or json and nothing else; leave out -o"),
        (("--audit", "--format", "html"), "--audit: prints text or json and nothing else; leave out --format html"),
        (("--command", "--format", "html"), "--command: prints a command and nothing else; leave out --format html"),
        (("--command", "--audit"), "--command: prints a command and nothing else; leave out --audit"),
        (("--tables", "paper", "--format", "megc"), "--tables: prints tables; leave out --format megc"),
        (("--tables", "paper", "--maps", "x.png"), "--tables: prints tables; leave out --maps"),
    ],
)
def test_options_that_contradict_each_other(tmp_path, options, message):
    done = run("report", "nowhere", *options, cwd=tmp_path, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"Error: {message}\n"


def test_a_file_in_place_of_the_folder_is_refused(finished_run, tmp_path):
    (tmp_path / "taken").write_text("")
    done = run("report", finished_run, "-o", "taken", cwd=tmp_path, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "Error: taken: cannot make this folder: file exists\n"


@pytest.mark.parametrize("tables", [(), ("--tables", "paper")])
def test_a_page_without_a_folder_goes_to_report_html_and_replaces_an_older_one(finished_run, tmp_path, tables):
    (tmp_path / "report.html").write_text("older")
    done = run("report", finished_run, "--format", "html", *tables, cwd=tmp_path)
    assert (done.stdout, done.stderr) == ("", "mertool: report: report.html\n")
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]
    assert (tmp_path / "report.html").read_text(encoding="utf-8").startswith("<!doctype html>\n")


def test_a_page_that_cannot_be_written_is_one_line(finished_run, tmp_path):
    (tmp_path / "report.html").mkdir()
    done = run("report", finished_run, "--format", "html", cwd=tmp_path, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "Error: report.html: cannot be written: is a directory\n"


# In a browser

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
MEASURE = """<!doctype html><meta charset="utf-8"><body>
<iframe id="page" style="width:{width}px;height:4000px;border:0" src="{page}"></iframe><script>
document.getElementById("page").addEventListener("load", event => {{
  const page = event.target.contentWindow, root = page.document.documentElement;
  const images = [...page.document.images];
  const spill = [...page.document.querySelectorAll("body *")].filter(e => !e.closest(".wide") &&
    e.getBoundingClientRect().right > {width} + 1).map(e => e.tagName + "." + e.className);
  const svg = [...page.document.querySelectorAll("svg text")].map(e => e.getBoundingClientRect().height);
  document.body.textContent = "MEASURED" + JSON.stringify({{ across: root.scrollWidth, images: images.length,
    broken: images.filter(i => !i.naturalWidth).length, fetched: page.performance.getEntriesByType("resource")
    .filter(r => !r.name.startsWith("data:")).length, ink: page.getComputedStyle(page.document.body).color,
    spill: spill.slice(0, 5), letters: Math.min(...svg), height: root.scrollHeight }}) + "MEASURED";
}});
</script>"""


def browse(page: Path, width: int, *options: str) -> dict[str, Any]:
    """Open a page in a frame of this width; what the browser made of it."""
    wrapper = page.with_name(f"measure-{width}.html")
    wrapper.write_text(MEASURE.format(width=width, page=page.name), encoding="utf-8")
    done = subprocess.run(
        [
            BROWSER,
            *("--headless", "--no-sandbox", "--disable-gpu", "--allow-file-access-from-files", "--dump-dom"),
            *("--virtual-time-budget=10000", f"--window-size={max(width, 600)},1000", *options),
            f"--user-data-dir={page.parent / 'profile'}",
            wrapper.as_uri(),
        ],
        capture_output=True,
        text=True,
        timeout=120,
    )
    found = re.search("MEASURED(.*)MEASURED", done.stdout)
    assert found, done.stderr[-2000:]
    return json.loads(found[1].replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&"))


@pytest.mark.skipif(BROWSER is None, reason="no Chromium here")
def test_a_browser_shows_it_on_a_phone_and_on_a_screen(finished_run, pack_path, tmp_path):
    run("cv", pack_path, "--roi", "--abn", *TINY[:-2], "--tile", "16", "-o", tmp_path / "roi", "-q", cwd=tmp_path)
    run("report", finished_run, tmp_path / "roi", "--format", "html", "--faces", cwd=tmp_path)
    inks = set()
    for width in (400, 1400):
        seen = browse(tmp_path / "report.html", width)
        assert seen["across"] <= width, seen
        assert seen["spill"] == [], seen
        assert seen["images"] > 20
        assert (seen["broken"], seen["fetched"]) == (0, 0)
        assert seen["letters"] > 9, seen
        assert seen["height"] > 3000
        inks.add(seen["ink"])
    assert inks == {"rgb(28, 33, 38)"}
    dark = browse(tmp_path / "report.html", 400, "--blink-settings=preferredColorScheme=0")
    assert dark["ink"] == "rgb(228, 232, 236)"


# Beside the page's numbers


def test_a_failed_audit_stands_at_the_top(two_runs):
    found = RunExtras((("a", (("files", "fail", "changed"), ("epoch", "pass", "last"))),), {}, NOTHING.gallery)
    text = Reader(render_html(two_runs, [found, NOTHING])).text
    assert "Audit failed a: files: changed" in text[: text.index("Summary")]
    text = Reader(render_html(two_runs, [NOTHING, NOTHING])).text
    assert "Audit failed" not in text


def test_runs_that_differ_in_their_packs_or_folds_are_told_apart(tmp_path):
    packs = [{**PACK, "name": "SAMM", "path": "x/SAMM.npz", "sha256": "1" * 64, "jitter": 3}]
    runs = [load_run(make_run(tmp_path / "a")), load_run(make_run(tmp_path / "b", config={"packs": packs}))]
    text = Reader(render_html(runs, [NOTHING, NOTHING])).text
    assert "SAMM 11111111 3" in text
    assert re.search(r"run packs jitter ", text)
    other = [[FOLD_0[0], FOLD_1[1]], FOLD_0[1:] + FOLD_1[:1] + FOLD_1[2:]]
    runs = [runs[0], load_run(make_run(tmp_path / "c", other))]
    assert "run clips tested " in Reader(render_html(runs, [NOTHING, NOTHING])).text
    assert "None: all runs have the same settings" in Reader(render_html(runs[:1] * 2, [NOTHING, NOTHING])).text


def test_the_chosen_epoch_of_each_fold_is_marked(tmp_path):
    folder = make_run(tmp_path / "a", epoch_selection="inner", epochs=4)
    for fold, epoch in enumerate((2, 4)):
        part = folder / f"fold_{fold}"
        rows = [f"{k},1,1,,0.5,,0,0,0,{2 / k},0.{k}" for k in range(1, 5)]
        (part / "log.csv").write_text("\n".join([",".join(LOG_COLUMNS), *rows]) + "\n")
        (part / "done.json").write_text(json.dumps({"sha256": {}, "run": "", "epoch": epoch}))
    page = render_html([load_run(folder)], [NOTHING])
    tips = [mark["points"].split(",")[0] for mark in Reader(page).all("polygon") if mark["class"] == "chosen"]
    assert tips == ["200.0", "508.0"] * 2
    assert "inner validation (UF1)" in page


def test_without_an_env_json_the_page_says_so(two_runs):
    text = Reader(render_html(two_runs[:1], [NOTHING])).text
    assert f"No env.json: {two_runs[0].name}." in text
