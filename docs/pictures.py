"""The pictures of README.md: the page of `check --output-format html` (report.png), and a review on a terminal (review.svg).

    python3 dev.py pictures          runs this with what it needs: pytest and pyte; Chromium has to be on PATH

Both are made of the suite in tests/suites/m2, by the real program: the page after `measure`, `fix`, `measure`, as the suite
slims; the review at a real pseudo-terminal, a frame a key. The suite really sleeps, so this takes three minutes.
"""

import fcntl
import html
import os
import pty
import select
import shutil
import struct
import subprocess
import sys
import tempfile
import termios
import time
from pathlib import Path

import pyte

DOCS = Path(__file__).resolve().parent
SUITE = DOCS.parent / "tests" / "suites" / "m2"

# ---- the page ---------------------------------------------------------------------------------------------------------


def page(testdiet, folder):
    """A suite that was measured, fixed, measured again, and rid of its leaked threads."""
    measure = [testdiet, "measure", "--quiet", "--python", sys.executable]
    fix = [testdiet, "fix", "--unsafe-fixes", "--silent"]
    for command in (measure, fix, measure, [*fix, "--extend-select", "leaked-thread"], measure):
        subprocess.run([str(part) for part in command], cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    written = folder / "report.html"
    subprocess.run([testdiet, "check", "--output-format", "html", "-o", written], cwd=folder, stdin=subprocess.DEVNULL)
    return written


def photograph(written, to, width, height, dark):
    """A picture of a page, taken by Chromium without a screen."""
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if chromium is None:
        sys.exit("Chromium is not on PATH")
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--force-device-scale-factor=1"]
    scheme = f"--blink-settings=preferredColorScheme={0 if dark else 1}"
    command = [chromium, *options, scheme, f"--window-size={width},{height}", f"--screenshot={to}", written.as_uri()]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=120)


# ---- the terminal -----------------------------------------------------------------------------------------------------

COLUMNS, ROWS = 100, 24
# What is typed, and for how many seconds the screen after it is shown.
KEYS = [("", 4.0), ("y", 3.5), ("y", 3.5), ("n", 3.0), ("A", 3.0), ("u", 2.5), ("?", 4.0), ("?", 2.0), ("q", 5.0)]
# Of xterm, a little softer; what stands for none is the page's.
COLORS = {"red": "#e06c75", "green": "#98c379", "brown": "#d7ae6a", "blue": "#61afef", "magenta": "#c678dd", "cyan": "#56b6c2"}
PAPER, INK = "#1d2125", "#dfe3e6"


class Terminal:
    """A program at a pseudo-terminal, and its screen."""

    def __init__(self, command, folder):
        self.screen = pyte.Screen(COLUMNS, ROWS)
        self.stream = pyte.ByteStream(self.screen)
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
            os.chdir(folder)
            environment = {k: v for k, v in os.environ.items() if k not in ("NO_COLOR", "VISUAL", "EDITOR")}
            os.execve(command[0], command, {**environment, "TERM": "xterm-256color", "COLUMNS": str(COLUMNS)})

    def settle(self, quiet=0.7, patience=30):
        """Reads until nothing has come for a while. Whether the program is still there."""
        deadline, heard = time.monotonic() + patience, False
        while time.monotonic() < deadline:
            if not select.select([self.fd], [], [], quiet)[0]:
                if heard:
                    return True
                continue
            try:
                data = os.read(self.fd, 65536)
            except OSError:
                return False
            if not data:
                return False
            heard = True
            self.stream.feed(data)
        return True

    def type(self, keys):
        os.write(self.fd, keys.encode())


def drawn(screen):
    """The rows of a screen as SVG."""
    out = []
    for y in range(ROWS):
        row, x = screen.buffer[y], 0
        while x < COLUMNS:
            cell = row[x]
            run = x
            while run < COLUMNS and row[run]._replace(data="") == cell._replace(data=""):
                run += 1
            text = "".join(row[i].data for i in range(x, run))
            ink, paper = (cell.bg, cell.fg) if cell.reverse else (cell.fg, cell.bg)
            ink = COLORS.get(ink, PAPER if cell.reverse else INK) if not is_rgb(ink) else f"#{ink}"
            behind = cell.reverse or paper != "default"
            if behind:
                fill = f"#{paper}" if is_rgb(paper) else COLORS.get(paper, INK)
                out.append(f'<rect x="{x}ch" y="{y * 1.3:.2f}em" width="{run - x}ch" height="1.3em" fill="{fill}"/>')
            if text.strip():
                style = ' font-weight="bold"' if cell.bold else ""
                style += ' opacity=".65"' if getattr(cell, "dim", False) else ""
                at = x + len(text) - len(text.lstrip())
                shown = html.escape(text.strip(), quote=False)
                length = f'textLength="{len(text.strip())}ch" '
                out.append(f'<text x="{at}ch" y="{y * 1.3 + 1:.2f}em" {length}fill="{ink}"{style}>{shown}</text>')
            x = run
    return "".join(out)


def is_rgb(color):
    return len(color) == 6 and all(c in "0123456789abcdef" for c in color)


def film(frames, to):
    """Screens one after the other, each for its time, for ever. No script: a style sheet turns the pages."""
    total = sum(seconds for _, seconds in frames)
    size, wide, high = 14, 8.43, 14 * 1.3
    width, height = COLUMNS * wide + 24, ROWS * high + 24
    rules, groups, at = [], [], 0.0
    for number, (picture, seconds) in enumerate(frames):
        start, end = at / total * 100, (at + seconds) / total * 100
        rules.append(
            f"@keyframes f{number}{{0%{{visibility:{'visible' if start == 0 else 'hidden'}}}"
            f"{start:.3f}%{{visibility:visible}}{end:.3f}%{{visibility:{'hidden' if end < 100 else 'visible'}}}100%{{visibility:hidden}}}}"
            f".f{number}{{animation:f{number} {total:.1f}s step-end infinite;visibility:{'visible' if number == 0 else 'hidden'}}}"
        )
        groups.append(f'<g class="f{number}">{picture}</g>')
        at += seconds
    # A viewer that asks for no motion sees the first screen.
    rules.append("@media(prefers-reduced-motion:reduce){g{animation:none!important}}")
    svg = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}" role="img" '
        f'aria-label="A review: one fix after the other is shown, taken or rejected"><style>{"".join(rules)}'
        f"text{{white-space:pre}}</style>"
        f'<rect width="100%" height="100%" rx="8" fill="{PAPER}"/>'
        f'<svg x="12" y="12" font-family="ui-monospace,Menlo,Consolas,\'DejaVu Sans Mono\',monospace" font-size="{size}">'
        f'{"".join(groups)}</svg></svg>\n'
    )
    # `ch` depends on the font that is there; what is drawn must not.
    svg = in_pixels(svg, wide, size)
    to.write_text(svg, encoding="utf-8")


def in_pixels(svg, wide, size):
    import re

    svg = re.sub(r'="(\d+)ch"', lambda m: f'="{int(m[1]) * wide:.1f}"', svg)
    return re.sub(r'="([\d.]+)em"', lambda m: f'="{float(m[1]) * size:.1f}"', svg)


def review(testdiet, folder, to):
    terminal = Terminal([str(testdiet), "review", "tests/test_event_detector.py", "tests/test_file_watcher.py"], folder)
    frames = []
    for keys, seconds in KEYS:
        if keys:
            terminal.type(keys)
        going = terminal.settle()
        frames.append((drawn(terminal.screen), seconds))
        if not going:
            break
    os.waitpid(terminal.pid, 0)
    film(frames, to)


def main(testdiet):
    testdiet = Path(testdiet).resolve()
    with tempfile.TemporaryDirectory() as scratch:
        suites = [Path(scratch) / name / "m2" for name in ("page", "review")]
        for suite in suites:
            shutil.copytree(SUITE, suite, ignore=shutil.ignore_patterns("__pycache__", ".pytest_cache", ".testdiet*"))
        review(testdiet, suites[1], DOCS / "review.svg")
        photograph(page(testdiet, suites[0]), DOCS / "report.png", 1000, 900, dark=False)
    print("docs/review.svg and docs/report.png are made")


if __name__ == "__main__":
    main(sys.argv[1])
