#!/usr/bin/env python3
"""Joins source files into groups that clang-tidy reads as one, so that what they include is read and checked once.

usage: tidy_groups.py FOLDER FILE...
Writes FOLDER/group_N.cpp, which includes up to twelve files of one folder and the same flags, and FOLDER's
compile_commands.json, from build/cpu's. Files that do not compile together (two of them name something alike in an
anonymous namespace) are split until they do. Prints the groups' names.
"""
import concurrent.futures
import json
import os
import pathlib
import shlex
import subprocess
import sys

MOST = 12
# Warnings are g++'s business; clang 14 cannot parse a lambda's captures within an OpenMP loop within a lambda.
FLAGS = ["-w", "-fno-openmp"]


def flags_of(entry):
    """The compiler's words without the file and the object."""
    words = shlex.split(entry["command"])
    output = words.index("-o")
    return tuple(words[1:output] + [word for word in words[output + 2:] if word not in ("-c", entry["file"])])


def split_by_flags(files):
    entries = {entry["file"]: entry for entry in json.loads(pathlib.Path("build/cpu/compile_commands.json").read_text())}
    groups = {}
    for file in files:
        entry = entries[os.path.abspath(file)]
        groups.setdefault((os.path.dirname(file), flags_of(entry)), []).append(os.path.abspath(file))
    for (_, flags), members in groups.items():
        parts = -(-len(members) // MOST)
        yield from ((flags, members[part::parts]) for part in range(parts))


def includes(members):
    return "".join(f'#include "{file}"\n' for file in members)


def that_compile(group):
    """The group, or the halves of it that compile."""
    flags, members = group
    if len(members) > 1:
        command = ["clang++-14", "-x", "c++", "-fsyntax-only", "-ferror-limit=1", *flags, *FLAGS, "-"]
        done = subprocess.run(command, input=includes(members), capture_output=True, text=True, check=False)
        if done.returncode != 0:
            half = len(members) // 2
            return that_compile((flags, members[:half])) + that_compile((flags, members[half:]))
    return [group]


def main():
    folder = pathlib.Path(sys.argv[1]).absolute()
    folder.mkdir(parents=True, exist_ok=True)
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        groups = [group for groups in pool.map(that_compile, split_by_flags(sys.argv[2:])) for group in groups]
    groups.sort(key=lambda group: -len(group[1]))  # the longest first, so that no core waits at the end
    database = []
    for number, (flags, members) in enumerate(groups):
        file = folder / f"group_{number}.cpp"
        file.write_text(includes(members), encoding="utf-8")
        words = ["clang++-14", *flags, *FLAGS, "-c", str(file)]
        database.append({"directory": str(folder), "file": str(file), "command": shlex.join(words)})
        print(file)
    (folder / "compile_commands.json").write_text(json.dumps(database), encoding="utf-8")


if __name__ == "__main__":
    main()
