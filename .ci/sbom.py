"""Checks a CycloneDX document: against its schema, and that it names crates of Cargo.lock, each with a licence.

    sbom.py DOCUMENT CARGO_LOCK
"""

import json
import sys
import tomllib

from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator


def problems(text, lock):
    error = JsonStrictValidator(SchemaVersion.V1_5).validate_str(text)
    if error:
        yield str(error)
    locked = {(package["name"], package["version"]) for package in lock["package"]}
    components = json.loads(text)["components"]
    if len(components) < 100:
        yield f"only {len(components)} components"
    for component in components:
        name, version = component["name"], component["version"]
        if (name, version) not in locked:
            yield f"{name} {version} is not in the lock file"
        if not component.get("licenses"):
            yield f"{name} {version} has no licence"


def main(document, lock_file):
    with open(document, encoding="utf-8") as file:
        text = file.read()
    with open(lock_file, "rb") as file:
        lock = tomllib.load(file)
    found = list(problems(text, lock))
    print("\n".join(found) or f"{len(json.loads(text)['components'])} components, all with a licence")
    return bool(found)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
