"""Writes the C programs of a Markdown file into a folder: 1.c, 2.c, and so on.

readme.py <README.md> <folder>

A program that includes nothing begins as the first one does, up to its main.
"""

import re
import sys
from pathlib import Path

page, folder = map(Path, sys.argv[1:])
programs = [
    code
    for code in re.findall(r"^```c\n(.*?)^```$", page.read_text(encoding="utf-8"), re.M | re.S)
    if "int main" in code
]
if not programs:
    sys.exit(f"expected a program in {page}, found none")
folder.mkdir()
beginning = programs[0].partition("int main")[0]
for number, program in enumerate(programs, 1):
    whole = program if "#include" in program else beginning + program
    (folder / f"{number}.c").write_text(whole, encoding="utf-8")
