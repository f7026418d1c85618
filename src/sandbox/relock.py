#!/usr/bin/env python3
"""Prints the entry of one artifact for lock.json, from files that were just fetched and looked at.

    relock.py KEY TITLE FETCH FOLDER [ARCHIVE]

KEY and TITLE as in lock.json, FETCH the JSON of its "fetch", FOLDER the files as they are used, ARCHIVE what they were
unpacked from. For a new version: change the version in the server's own file and in lock.json's "fetch", fetch with
the commands of artifacts.rs into an empty folder, and replace the entry with what this prints.
"""

import hashlib
import json
import pathlib
import sys


def pin(path, name):
    with open(path, "rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return json.dumps({"path": name, "size": path.stat().st_size, "sha256": digest})


def main(key, title, fetch, folder, archive=None):
    folder = pathlib.Path(folder)
    parts = [f'"title": {json.dumps(title)}', f'"fetch": {json.dumps(json.loads(fetch))}']
    if archive:
        archive = pathlib.Path(archive)
        parts.append(f'"archive": {pin(archive, archive.name)}')
    names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    files = ",\n      ".join(pin(folder / name, name) for name in names)
    parts.append(f'"files": [\n      {files}\n    ]')
    body = ",\n    ".join(parts)
    print(f"  {json.dumps(key)}: {{\n    {body}\n  }}")


if __name__ == "__main__":
    if len(sys.argv) not in (5, 6):
        sys.exit(__doc__)
    main(*sys.argv[1:])
