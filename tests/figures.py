#!/usr/bin/env python3
"""Makes the figures of the README and of the chapter Results anew, as far as that takes minutes, and compares.

    python3 tests/figures.py [--keep FOLDER]

- the README's table and list, by its two example programs;
- the chapter's table of fusions on the built-in catalogue, by `viral train`;
- where VIRAL_DATA names the folder of data sets, the tables of `docs/results`, made from their lines, against both.

Times are not compared. Fails with every line that is no longer true. Takes some four minutes on two cores, once the programs are built.
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PROGRAM = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "release"
METRICS = ["R@10", "R@20", "N@10", "N@20"]
# Names of rows in the chapter and of the README's columns, beside those of experiments.
NAMES = {"profile-match": "ProfileMatch", "bpr-mf": "BPR-MF", "lightgcn": "LightGCN", "vbpr": "VBPR", "freedom": "FREEDOM", "viral": "VIRAL"}
NAMES |= {name: name.upper() for name in ["mmgcn", "grcn", "lattice", "dragon", "mentor", "cohesion"]} | {"slmrec": "SLMRec"}
# Tables of the chapter by the experiment that they come from, and rows of the README's.
EXPERIMENTS = {
    "table1_baby": ("Amazon Baby", "Amazon Baby, here"),
    "table1_sports": ("Amazon Sports", "Amazon Sports, here"),
    "table1_tiktok": ("TikTok", "TikTok, here"),
    "table1_lastfm": ("Last.fm", "Last.fm, here"),
}
FUSIONS = {
    "mean pooling": ["fusion=mean_pooling"],
    "concatenation": ["fusion=concatenation"],
    "weighted concatenation": ["fusion=weighted_concatenation"],
    "information-aware, redundancy left in": ["redundancy=false"],
    "information-aware": [],
}

wrong = []
compared = 0


def same(where, written, made):
    """Notes a line of a page that is not what was made."""
    global compared
    compared += 1
    if written != made:
        wrong.append(f"{where}\n  written: {written}\n  made:    {made}")


def run(*command, cwd):
    """What a program prints; its progress stays on the terminal."""
    print("$", *command, flush=True)
    done = subprocess.run([str(part) for part in command], cwd=cwd, stdout=subprocess.PIPE, text=True, check=True)
    return done.stdout


def tables(text):
    """The Markdown tables of a text, each a list of rows of cells without emphasis, the first row being the head."""
    found, rows = [], []
    for line in [*text.splitlines(), ""]:
        if line.startswith("|"):
            cells = [cell.strip().replace("*", "") for cell in line.strip("|").split("|")]
            if not re.fullmatch(r"[-: ]+", cells[0] or "-"):
                rows.append(cells)
        elif rows:
            found.append(rows)
            rows = []
    return found


def section(text, heading):
    """What stands below a heading, up to the next of its level."""
    level = re.search(rf"^(#+) {re.escape(heading)}$", text, re.M)
    if level is None:
        sys.exit(f"there is no heading {heading!r} any more")
    rest = text[level.end() :]
    end = re.search(rf"^#{{1,{len(level[1])}}} ", rest, re.M)
    return rest[: end.start()] if end else rest


def blocks(text):
    return re.findall(r"^```text\n(.*?)^```", text, re.M | re.S)


def readme_programs(readme, folder):
    """The table of train_baby without its last column, which is a time, and the list that recommend prints."""
    training, listed = blocks(readme)[:2]
    words = lambda line: line.split()[:6]
    made = run(PROGRAM / "examples" / "train_baby", cwd=folder).splitlines()
    for line in training.splitlines():
        key = line.split()[:1]
        if not key or key[0].startswith("──"):
            continue
        candidates = [other for other in made if other.split()[:1] == key]
        if line.startswith("R@20"):
            same("README, train_baby", line.strip(), candidates[0].strip() if candidates else None)
        else:
            same("README, train_baby", words(line), words(candidates[-1]) if candidates else None)
    model = "out/planted-viral-default-seed0"
    list_of = lambda text: [line.split() for line in text.splitlines() if re.match(r"\d", line)]
    made = run(PROGRAM / "examples" / "recommend", "--model", model, "--user", "u0000", "-k", "3", cwd=folder)
    for written, line in zip(list_of(listed), list_of(made), strict=True):
        same("README, recommend", written, line)


def metrics(numbers):
    return [f"{numbers[name]:.4f}" for name in ["recall@10", "recall@20", "ndcg@10", "ndcg@20"]]


def fusions(results, folder):
    [table] = [table for table in tables(section(results, "The built-in catalogue")) if table[0][0] == "fusion"]
    written = {row[0]: row[1:5] for row in table[1:]}
    same("Results, fusions", sorted(written), sorted(FUSIONS))
    for name, settings in FUSIONS.items():
        changes = [word for setting in settings for word in ("--set", setting)]
        file = folder / "run.json"
        out = folder / "fusion"
        run(PROGRAM / "viral", "train", "--seed", "0", *changes, "--out", out, "--overwrite", "--json", file, cwd=folder)
        report = json.loads(file.read_text())
        same(f"Results, {name}", written.get(name), metrics(report["test"]))


def experiments(readme, results, folder, data):
    """Tables from finished lines, without training."""
    head, *rows = next(table for table in tables(section(readme, "Results")) if "popularity" in table[0])
    row_of = {row[0]: dict(zip(head, row)) for row in rows}
    for name, (heading, of_readme) in EXPERIMENTS.items():
        if not (ROOT / "docs" / "results" / name).is_dir():
            continue
        out = folder / name
        shutil.copytree(ROOT / "docs" / "results" / name, out)
        file = ROOT / "examples" / "experiments" / f"{name}.toml"
        run(PROGRAM / "viral", "experiment", file, "--data-root", data, "--out", out, "--report", cwd=folder)
        made = {row[0]: row for row in tables((out / "report.md").read_text())[0][1:]}
        made = {NAMES.get(model, model): row for model, row in made.items() if row[1] != "not run"}
        written = [table for table in tables(section(results, heading)) if table[0][:6] == ["model", *METRICS, "seeds"]]
        if len(written) != 1:
            sys.exit(f"{heading}: {len(written)} tables of models with numbers of seeds")
        written = {row[0]: row for row in written[0][1:] if "," not in row[0]}
        for model, row in made.items():
            seeds = row[5].split()[0]
            same(f"Results, {heading}", written.get(model, [model])[:6], [model, *row[1:5], seeds])
            of_model = row_of.get(of_readme, {})
            if model in of_model:
                same(f"README, {of_readme}, {model}", of_model[model], row[2].split()[0])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--keep", type=Path, help="a folder for what is made, which stays")
    arguments = parser.parse_args()
    readme, results = [(ROOT / page).read_text() for page in ("README.md", "docs/results.md")]
    build = ["cargo", "build", "--release", "--workspace", "--all-targets"]
    subprocess.run(build, cwd=ROOT, check=True)
    with tempfile.TemporaryDirectory() as scratch:
        folder = (arguments.keep or Path(scratch)).resolve()
        folder.mkdir(parents=True, exist_ok=True)
        readme_programs(readme, folder)
        fusions(results, folder)
        data = os.environ.get("VIRAL_DATA")
        if data:
            experiments(readme, results, folder, Path(data).resolve())
        else:
            print("skipped: the tables of docs/results, for VIRAL_DATA names no folder")
    for line in wrong:
        print(line)
    print(f"{compared} lines compared, {len(wrong)} differ")
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
