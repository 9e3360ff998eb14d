"""Fifty pictures of coloured shapes, a table of the items, and a log of who took what: python catalogue.py FOLDER"""

import csv
import random
import sys
from pathlib import Path

from PIL import Image, ImageDraw

COLOURS = {"red": (200, 40, 40), "blue": (40, 60, 200), "green": (40, 160, 70), "yellow": (230, 200, 50), "grey": (120, 120, 120)}
KINDS = ["ball", "block", "ring", "kite", "cushion"]


def main(folder):
    random.seed(0)
    (folder / "images").mkdir(parents=True)
    items = []
    for i in range(50):
        name, kind = list(COLOURS)[i % 5], KINDS[i // 10]
        picture = Image.new("RGB", (160 + 4 * i, 120), (250, 250, 250))
        box = [random.randrange(10, 40), random.randrange(5, 30), random.randrange(80, 150), random.randrange(60, 115)]
        draw = ImageDraw.Draw(picture)
        (draw.rectangle if kind in ("block", "cushion") else draw.ellipse)(box, fill=COLOURS[name])
        picture.save(folder / "images" / f"toy-{i:02}.{['jpg', 'png', 'webp'][i % 3]}")
        items.append((f"toy-{i:02}", f"A {name} {kind}, no. {i}", kind, name, kind))
    with open(folder / "items.csv", "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("sku", "name", "kind"), *((sku, title, kind) for sku, title, kind, *_ in items)])
    # Sixty customers, each of whom likes one colour and one kind; the first fifty see to it that every toy is taken.
    with open(folder / "log.csv", "w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(("customer", "sku"))
        for customer in range(60):
            colour, kind = random.choice(list(COLOURS)), random.choice(KINDS)
            weights = [1 + 8 * (name == colour) + 8 * (shape == kind) for *_, name, shape in items]
            taken = {item[0] for item in random.choices(items, weights, k=16)}
            rows.writerows((f"customer-{customer:02}", sku) for sku in sorted(taken | {items[customer % 50][0]}))


main(Path(sys.argv[1]))
