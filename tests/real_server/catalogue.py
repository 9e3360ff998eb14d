"""Fifty pictures of coloured shapes and their titles: python catalogue.py FOLDER"""

import json
import random
import sys
from pathlib import Path

from PIL import Image, ImageDraw

COLOURS = {"red": (200, 40, 40), "blue": (40, 60, 200), "green": (40, 160, 70), "yellow": (230, 200, 50), "grey": (120, 120, 120)}
KINDS = ["ball", "block", "ring", "kite", "cushion"]


def main(folder):
    random.seed(0)
    (folder / "images").mkdir(parents=True)
    with open(folder / "items.jsonl", "w", encoding="utf-8") as lines:
        for i in range(50):
            name, kind = list(COLOURS)[i % 5], KINDS[i // 10]
            picture = Image.new("RGB", (160 + 4 * i, 120), (250, 250, 250))
            box = [random.randrange(10, 40), random.randrange(5, 30), random.randrange(80, 150), random.randrange(60, 115)]
            draw = ImageDraw.Draw(picture)
            (draw.rectangle if kind in ("block", "cushion") else draw.ellipse)(box, fill=COLOURS[name])
            picture.save(folder / "images" / f"toy-{i:02}.{['jpg', 'png', 'webp'][i % 3]}")
            item = {"id": f"toy-{i:02}", "title": f"A {name} {kind}, no. {i}", "image": None}
            lines.write(json.dumps(item) + "\n")


main(Path(sys.argv[1]))
