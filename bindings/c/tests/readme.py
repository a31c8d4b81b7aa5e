"""Prints the one C program of a Markdown file.

readme.py <README.md> > readme.c
"""

import re
import sys

programs = [
    code
    for code in re.findall(r"^```c\n(.*?)^```$", open(sys.argv[1], encoding="utf-8").read(), re.M | re.S)
    if "int main" in code
]
if len(programs) != 1:
    sys.exit(f"expected one program in {sys.argv[1]}, found {len(programs)}")
print(programs[0], end="")
