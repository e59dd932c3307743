"""deploy/kubernetes: valid for Kubernetes, closed to the outside, and about this program.

Rendered by `kubectl kustomize` or `kustomize`, whichever is on PATH. Without either, the overlays
are not tested, and the files of the base are tested as they are.
"""

from __future__ import annotations

import re
import shutil
import tomllib
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any, Final

import kubernetes_validate
import pytest
import yaml
from typer.testing import CliRunner

from clickstream.commands.main import app
from core.settings import Settings
from docs.write_settings import variables
from tests.deploy.shell import ROOT, run

FOLDER: Final = ROOT / "deploy/kubernetes"
OVERLAYS: Final = sorted(path.name for path in (FOLDER / "overlays").iterdir())
# The oldest that has all that is used here, and the newest that the checker knows.
VERSIONS: Final = ("1.31", "1.37")
# Of the operators that README.md names: Kubernetes does not know them without those.
FOREIGN: Final = ("keda.sh/", "monitoring.coreos.com/")

KUSTOMIZE: Final = next(
    (
        [found, *more]
        for name, *more in (("kubectl", "kustomize"), ("kustomize", "build"))
        if (found := shutil.which(name))
    ),
    None,
)

Object = dict[str, Any]


def refusal(objects: Iterable[Object], version: str) -> str | None:
    """What the schemas of Kubernetes have against one of them; as `kubernetes-validate --strict`,
    which takes seconds to start."""
    for each in objects:
        try:
            kubernetes_validate.validate(each, version, strict=True)
        except kubernetes_validate.ValidationError as error:
            return f"{each['kind']} {each['metadata']['name']}: {error.message}"
    return None


def load(file: Path) -> list[Object]:
    return [each for each in yaml.safe_load_all(file.read_text("utf-8")) if each]


@cache
def rendered(overlay: str) -> tuple[Object, ...]:
    """All objects of an overlay; of the base as it is where nothing renders."""
    if KUSTOMIZE is None:
        if overlay != "base":
            pytest.skip("neither kubectl nor kustomize is on PATH: overlays are not tested")
        files = sorted((FOLDER / "base").glob("*.yaml"))
        return tuple(
            each for file in files if file.name != "kustomization.yaml" for each in load(file)
        )
    folder = FOLDER / ("base" if overlay == "base" else f"overlays/{overlay}")
    done = run(*KUSTOMIZE, folder)
    assert done.returncode == 0, done.stderr
    return tuple(yaml.safe_load_all(done.stdout))


@pytest.fixture(params=["base", *OVERLAYS])
def objects(request: pytest.FixtureRequest) -> tuple[Object, ...]:
    return rendered(request.param)


def of_kind(objects: tuple[Object, ...], *kinds: str) -> Iterator[Object]:
    return (each for each in objects if each["kind"] in kinds)


def workloads(objects: tuple[Object, ...]) -> list[Object]:
    return list(of_kind(objects, "Deployment", "StatefulSet", "Job"))


def container_of(workload: Object) -> Object:
    (container,) = workload["spec"]["template"]["spec"]["containers"]
    assert isinstance(container, dict)
    return container


def labels_of(workload: Object) -> dict[str, str]:
    labels = workload["spec"]["template"]["metadata"]["labels"]
    # Where nothing renders, kustomize has not added it.
    return {"app.kubernetes.io/part-of": "clickstream", **labels}


def selects(selector: Object, labels: dict[str, str]) -> bool:
    """Whether a label selector does."""
    matched = selector.get("matchLabels", {}).items() <= labels.items()
    return matched and all(
        labels.get(each["key"]) in each["values"] for each in selector.get("matchExpressions", ())
    )


@pytest.mark.parametrize("version", VERSIONS)
def test_kubernetes_takes_every_object(objects: tuple[Object, ...], version: str) -> None:
    own = [each for each in objects if not each["apiVersion"].startswith(FOREIGN)]
    assert len(own) > 10
    assert refusal(own, version) is None


@pytest.mark.parametrize(
    ("was", "becomes"),
    [
        ("  replicas: 2", "  replicas: two"),
        ("readOnlyRootFilesystem", "readonlyRootFilesystem"),
        ("periodSeconds: 5\n", "periodSeconds: 5\n            everySeconds: 5\n"),
        ("      containers:\n", "      container:\n"),
    ],
)
def test_a_broken_manifest_is_noticed(was: str, becomes: str) -> None:
    text = (FOLDER / "base/api.yaml").read_text("utf-8")
    assert was in text
    broken = yaml.safe_load_all(text.replace(was, becomes, 1))
    assert refusal(broken, VERSIONS[-1]) is not None


def test_an_object_that_kubernetes_does_not_know_is_noticed() -> None:
    unknown = {"apiVersion": "apps/v2", "kind": "Deployment", "metadata": {"name": "x"}}
    with pytest.raises(kubernetes_validate.SchemaNotFoundError):
        refusal([unknown], VERSIONS[-1])


def test_containers_have_no_rights_and_limits_of_memory(objects: tuple[Object, ...]) -> None:
    assert len(workloads(objects)) == 4
    for workload in workloads(objects):
        pod, container = workload["spec"]["template"]["spec"], container_of(workload)
        assert pod["automountServiceAccountToken"] is False
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert set(container["resources"]["requests"]) == {"cpu", "memory"}
        assert "memory" in container["resources"]["limits"]


def test_they_run_as_the_user_of_the_image(objects: tuple[Object, ...]) -> None:
    dockerfile = (ROOT / "deploy/Dockerfile").read_text("utf-8")
    user = re.search(r"^USER (\d+):(\d+)$", dockerfile, re.M)
    assert user is not None
    for workload in workloads(objects):
        security = workload["spec"]["template"]["spec"]["securityContext"]
        assert (security["runAsUser"], security["runAsGroup"]) == (int(user[1]), int(user[2]))


def test_probes_ask_ports_on_which_the_process_listens_beyond_loopback(
    objects: tuple[Object, ...],
) -> None:
    settings = settings_of(objects)
    listens = {
        "http": (settings["CLICKSTREAM_HTTP__HOST"], settings["CLICKSTREAM_HTTP__PORT"]),
        "metrics": (
            settings["CLICKSTREAM_WORKER__METRICS_HOST"],
            settings["CLICKSTREAM_WORKER__METRICS_PORT"],
        ),
    }
    for workload in of_kind(objects, "Deployment", "StatefulSet"):
        container = container_of(workload)
        ports = {port["name"]: port["containerPort"] for port in container["ports"]}
        for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
            asked = container[probe]["httpGet"]
            path = "/readyz" if probe == "readinessProbe" else "/livez"
            assert asked["path"] == path
            host, port = listens[asked["port"]]
            assert (host, int(port)) == ("0.0.0.0", ports[asked["port"]])  # noqa: S104 - compared


def settings_of(objects: tuple[Object, ...]) -> dict[str, str]:
    """What the config map has. Rendered in kustomization.yaml, so read there where it is not."""
    for each in of_kind(objects, "ConfigMap"):
        found: dict[str, str] = each["data"]
        return found
    (generated,) = load(FOLDER / "base/kustomization.yaml")[0]["configMapGenerator"]
    return dict(literal.split("=", 1) for literal in generated["literals"])


def test_every_variable_is_a_setting_and_no_secret_is_written_down(
    objects: tuple[Object, ...],
) -> None:
    known = {name for name, _ in variables(Settings, "CLICKSTREAM_")}
    secret = re.compile(r"KEYS$|_URL$|password|secret", re.I)
    plain = settings_of(objects)
    assert {name for name in plain if not name.startswith("CLICKSTREAM_KAFKA__")} <= known
    assert [name for name in plain if secret.search(name)] == ["CLICKSTREAM_SCHEMA_REGISTRY_URL"]
    assert not list(of_kind(objects, "Secret"))
    for workload in workloads(objects):
        for variable in container_of(workload)["env"]:
            assert variable["name"] in known
            assert "value" not in variable


def test_what_may_be_evicted_is_guarded_and_spread(objects: tuple[Object, ...]) -> None:
    budgets = [each["spec"]["selector"] for each in of_kind(objects, "PodDisruptionBudget")]
    for workload in of_kind(objects, "Deployment", "StatefulSet"):
        assert sum(selects(each, labels_of(workload)) for each in budgets) == 1
        spread = workload["spec"]["template"]["spec"]["topologySpreadConstraints"]
        assert [each["topologyKey"] for each in spread] == [
            "topology.kubernetes.io/zone",
            "kubernetes.io/hostname",
        ]
        assert all(selects(each["labelSelector"], labels_of(workload)) for each in spread)


def test_services_lead_to_the_ports_of_their_pods(objects: tuple[Object, ...]) -> None:
    for service in of_kind(objects, "Service"):
        chosen = [
            workload
            for workload in workloads(objects)
            if service["spec"]["selector"].items() <= labels_of(workload).items()
        ]
        (workload,) = chosen
        ports = {port["name"] for port in container_of(workload)["ports"]}
        assert {port["targetPort"] for port in service["spec"]["ports"]} <= ports


def test_every_pod_is_behind_a_policy_and_callers_reach_http_alone(
    objects: tuple[Object, ...],
) -> None:
    policies = {
        each["metadata"]["name"]: each["spec"] for each in of_kind(objects, "NetworkPolicy")
    }
    for workload in workloads(objects):
        closed = policies["clickstream"]
        assert selects(closed["podSelector"], labels_of(workload))
        assert set(closed["policyTypes"]) == {"Ingress", "Egress"}
        assert "ingress" not in closed
        is_http = workload["kind"] == "Deployment"
        assert selects(policies["clickstream-http"]["podSelector"], labels_of(workload)) is is_http


def test_what_scales_is_there_and_has_no_number_of_its_own(objects: tuple[Object, ...]) -> None:
    there = {(each["kind"], each["metadata"]["name"]): each for each in workloads(objects)}
    for scaler in of_kind(objects, "HorizontalPodAutoscaler", "ScaledObject"):
        target = scaler["spec"]["scaleTargetRef"]
        assert "replicas" not in there[target["kind"], target["name"]]["spec"]


def test_workers_are_scaled_by_the_group_and_topics_of_the_settings() -> None:
    objects = rendered("production")
    (scaled,) = of_kind(objects, "ScaledObject")
    settings = Settings(_env_file=None)
    plain = settings_of(objects)
    for trigger in scaled["spec"]["triggers"]:
        metadata = trigger["metadata"]
        assert metadata["consumerGroup"] == settings.worker.group
        assert metadata["topic"].startswith(settings.topics.prefix)
        assert metadata["bootstrapServers"] == plain["CLICKSTREAM_KAFKA_BOOTSTRAP_SERVERS"]
    assert scaled["spec"]["maxReplicaCount"] == int(plain["CLICKSTREAM_TOPICS__PARTITIONS"])


def test_the_commands_exist(objects: tuple[Object, ...]) -> None:
    for workload in workloads(objects):
        arguments = container_of(workload)["args"]
        lines = [line.split() for line in arguments[0].split(";")]
        for line in lines:
            argv = line[1:] if line[0] == "clickstream" else line
            assert CliRunner().invoke(app, [*argv, "--help"]).exit_code == 0


def test_images_have_the_version_of_this_release() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    for file in FOLDER.rglob("kustomization.yaml"):
        for image in load(file)[0].get("images", ()):
            assert image["newTag"] == project["version"]


def test_pod_monitors_give_the_jobs_that_the_alerts_know() -> None:
    monitors = load(FOLDER / "components/monitoring/pod-monitors.yaml")
    assert {each["spec"]["jobLabel"] for each in monitors} == {"app.kubernetes.io/name"}
    for workload in of_kind(rendered("base"), "Deployment", "StatefulSet"):
        (monitor,) = (m for m in monitors if selects(m["spec"]["selector"], labels_of(workload)))
        (endpoint,) = monitor["spec"]["podMetricsEndpoints"]
        assert endpoint["port"] in {port["name"] for port in container_of(workload)["ports"]}
