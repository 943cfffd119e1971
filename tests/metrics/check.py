"""Reads what the tests scraped with the parsers of Prometheus' Python client, and makes rules of the dashboard.

check.py SCRAPED DASHBOARD RULES: in the folder SCRAPED, each NAME.prom (text 0.0.4) and NAME.openmetrics must parse and
tell the same; every query of DASHBOARD becomes a recording rule in the file RULES, for promtool to read.
"""

import json
import pathlib
import sys

from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics
from prometheus_client.parser import text_string_to_metric_families as plain


def samples(parse, path):
    """Name and labels of each figure with its value."""
    families = list(parse(path.read_text()))
    assert families, f"{path}: no family"
    for family in families:
        assert family.documentation, f"{path}: {family.name} has no help"
        assert family.type != "unknown", f"{path}: {family.name} has no type"
    found = [sample for family in families for sample in family.samples]
    return {(sample.name, tuple(sorted(sample.labels.items()))): sample.value for sample in found}


def compare(folder):
    """Reads both formats of every scrape."""
    texts = sorted(folder.glob("*.prom"))
    assert texts, f"{folder}: nothing was scraped"
    for text in texts:
        one, other = samples(plain, text), samples(openmetrics, text.with_suffix(".openmetrics"))
        assert one.keys() == other.keys(), one.keys() ^ other.keys()
        print(f"{text.name}: {len(one)} figures, the same by both parsers")


def queries(node):
    """Every query of a dashboard, as deep as it lies."""
    if isinstance(node, dict):
        yield from (node[key] for key in ("expr",) if key in node)
        node = list(node.values())
    if isinstance(node, list):
        for child in node:
            yield from queries(child)


def rules(dashboard, path):
    """Prometheus knows nothing of the dashboard's variables."""
    found = [query.replace("$__rate_interval", "5m") for query in queries(json.loads(dashboard.read_text()))]
    assert found, f"{dashboard}: no query"
    named = [{"record": f"dashboard:query{at}", "expr": query} for at, query in enumerate(found)]
    # JSON is YAML.
    path.write_text(json.dumps({"groups": [{"name": "dashboard", "rules": named}]}))
    print(f"{dashboard.name}: {len(found)} queries")


if __name__ == "__main__":
    scraped, dashboard, made = map(pathlib.Path, sys.argv[1:])
    compare(scraped)
    rules(dashboard, made)
