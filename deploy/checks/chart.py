"""Lints the Helm chart with Helm's own library, renders it with the values in `ci/`, and validates what comes out
against the schemas of Kubernetes. `deploy/kubernetes` is one of the renderings; `--update` writes it anew.
"""

import sys
from pathlib import Path

import kubernetes_validate
import yaml
from helm_python import HelmError, chart

DEPLOY = Path(__file__).resolve().parent.parent
CHART = DEPLOY / "helm/authtool"
PLAIN = DEPLOY / "kubernetes/authtool.yaml"
# The oldest version that the chart takes, and a new one.
KUBERNETES = ["1.27", "1.34"]
# Of the Prometheus operator, whose schemas are not among Kubernetes's own.
FOREIGN = {"monitoring.coreos.com/v1"}
HEADER = """\
# Made from the Helm chart (deploy/helm/authtool with ci/redis.yaml): edit that, or this, but know which.
# Replace the configuration in the ConfigMap, and make the Secret `authtool` that it names; see docs/operations/deployment.md.
"""


def rendered(values: dict) -> list[dict]:
    with chart.Chart.load(CHART) as loaded:
        files = loaded.render(values=values, name="authtool", namespace="default")
    texts = [text for path, text in files.items() if path.endswith(".yaml")]
    documents = [document for text in texts for document in yaml.safe_load_all(text) if document]
    return sorted(documents, key=lambda it: (it["kind"], it["metadata"]["name"]))


def validate(name: str, documents: list[dict]) -> None:
    for document in documents:
        if document["apiVersion"] in FOREIGN:
            continue
        for version in KUBERNETES:
            try:
                kubernetes_validate.validate(document, version, strict=True)
            except kubernetes_validate.ValidationError as error:
                place = "/".join(str(it) for it in error.path)
                sys.exit(f"{name}: {document['kind']} is not valid for Kubernetes {version}: {place}: {error.message}")


def refused(values: dict, words: str) -> None:
    """These values must not be rendered, and whoever gives them is told why."""
    try:
        rendered(values)
    except HelmError as error:
        if words not in str(error):
            sys.exit(f"the chart refuses {values} with the wrong words: {error}")
    else:
        sys.exit(f"the chart takes {values}, which it should refuse")


def main() -> None:
    plain = None
    for file in sorted((CHART / "ci").glob("*.yaml")):
        values = yaml.safe_load(file.read_text())
        report = chart.lint(CHART, values=values)
        # 1 is information, and an icon is a matter of taste.
        complaints = report["errors"] + [it["error"] for it in report["messages"] if it["severity"] > 1]
        if complaints:
            sys.exit(f"helm lint with {file.name}: {'; '.join(complaints)}")
        documents = rendered(values)
        validate(file.name, documents)
        print(f"render with {file.name}: {len(documents)} objects, valid for Kubernetes {' and '.join(KUBERNETES)}")
        if file.name == "redis.yaml":
            plain = HEADER + yaml.dump_all(without_helm(documents), Dumper=Dumper, sort_keys=False, width=120)

    refused({}, "config is empty")
    embedded = yaml.safe_load((CHART / "ci/everything.yaml").read_text())
    refused({**embedded, "replicaCount": 2}, "serves one process")
    refused({**embedded, "config": {**embedded["config"], "sesion": {}}}, "sesion")
    refused({**embedded, "replicas": 3}, "replicas")

    if "--update" in sys.argv:
        PLAIN.write_text(plain)
    elif not PLAIN.exists() or PLAIN.read_text() != plain:
        sys.exit(f"{PLAIN} is not what the chart makes: python3 deploy/checks/chart.py --update")


def without_helm(documents: list[dict]) -> list[dict]:
    """Helm's marks mean nothing where Helm is not used."""
    for document in documents:
        labels = document["metadata"]["labels"]
        del labels["helm.sh/chart"], labels["app.kubernetes.io/managed-by"]
        if document["kind"] == "Deployment":
            # Nobody would keep the sum true by hand: `kubectl rollout restart` it is.
            del document["spec"]["template"]["metadata"]["annotations"]
    return documents


class Dumper(yaml.SafeDumper):
    """Writes text of several lines as such."""


Dumper.add_representer(
    str,
    lambda dumper, text: dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None),
)

main()
