"""The alert rules for Prometheus, as Prometheus itself reads and plays them: which fire, and which
do not, when this or that has been so for two hours.
"""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import yaml

from lib.process import REPOSITORY

RULES = REPOSITORY / "config" / "prometheus" / "doorbell.rules.yaml"
STEPS = 240  # of 30 s
OF = 'job="doorbell",instance="a"'
WELL = {
    "up": 1,
    'doorbell_accounts{state="up"}': 3,
    'doorbell_accounts{state="connecting"}': 0,
    'doorbell_accounts{state="backing-off"}': 0,
    'doorbell_accounts{state="contested"}': 0,
    'doorbell_accounts{state="refused"}': 0,
    'doorbell_accounts{state="disabled"}': 1,
    'doorbell_endpoints{state="ok"}': 3,
    'doorbell_endpoints{state="failing"}': 0,
    'doorbell_endpoints{state="suspect"}': 0,
    'doorbell_endpoints{state="gone"}': 0,
    "doorbell_server_frame_age_seconds": 20,
    'doorbell_disconnects_total{reason="client_refused"}': 0,
    'doorbell_disconnects_total{reason="silent"}': 2,
    'doorbell_disconnects_total{reason="lost"}': "0+1",
    'doorbell_push_answers_total{origin="other",status="200"}': "1+1",
    "doorbell_owed_ring_age_seconds": 2,
    'doorbell_push_server_down{origin="https://ntfy.example.org"}': 0,
    'doorbell_push_servers{breaker="closed",endpoints="proven"}': 2,
    'doorbell_push_servers{breaker="open",endpoints="proven"}': 0,
    "doorbell_store_failing": 0,
    "doorbell_clock_wrong": 0,
    "doorbell_certificate_end_time_seconds": 90 * 86400,
    "doorbell_alerts_failing": 0,
    "doorbell_process_open_fds": 50,
    "doorbell_process_max_fds": 1024,
    "doorbell_process_start_time_seconds": 1,
}
SILENT = {"doorbell_server_frame_age_seconds": "0+30"}


def accounts(**states: int) -> dict[str, int]:
    counts = {"up": 0, "backing-off": 0, "contested": 0, "refused": 0}
    counts.update({state.replace("_", "-"): count for state, count in states.items()})
    return {f'doorbell_accounts{{state="{state}"}}': count for state, count in counts.items()}


CASES: dict[str, tuple[dict[str, Any], set[str]]] = {
    "all is well": ({}, set()),
    "it does not run": ({"up": 0}, {"Down"}),
    "a certificate there is none": ({"doorbell_certificate_end_time_seconds": 0}, set()),
    "nobody is connected": ({**accounts(backing_off=3), **SILENT}, {"AllLinksDown"}),
    "links are up and nothing comes": (SILENT, {"ServerSilent"}),
    "the only account is contested and waits": (
        {**accounts(contested=1), **SILENT},
        {"AccountContested"},
    ),
    "one is contested, the others are down": (
        {**accounts(contested=1, backing_off=2), **SILENT},
        {"AccountContested", "ServerSilent"},
    ),
    "the only account is refused": ({**accounts(refused=1), **SILENT}, {"AccountRefused"}),
    "there is no account": ({**accounts(), **SILENT}, set()),
    "Signal refuses our client": (
        {'doorbell_disconnects_total{reason="client_refused"}': "0+0.05"},
        {"ClientRefused"},
    ),
    "a proxy swallows the login": (
        {'doorbell_disconnects_total{reason="silent"}': "0+1"},
        {"LinksSilent"},
    ),
    "an endpoint fails": ({'doorbell_endpoints{state="failing"}': 1}, {"EndpointFailing"}),
    "an endpoint is unknown": ({'doorbell_endpoints{state="suspect"}': 1}, {"EndpointFailing"}),
    "an endpoint is gone": ({'doorbell_endpoints{state="gone"}': 1}, {"EndpointGone"}),
    "a ring was forbidden": (
        {'doorbell_push_answers_total{origin="other",status="denied"}': "0+1"},
        {"EndpointDenied"},
    ),
    "a ring is owed": ({"doorbell_owed_ring_age_seconds": "0+30"}, {"RingOwed"}),
    "a push server is down": (
        {'doorbell_push_server_down{origin="https://ntfy.example.org"}': 1},
        {"PushServerDown"},
    ),
    "many push servers are down": (
        {'doorbell_push_servers{breaker="open",endpoints="proven"}': 3},
        {"PushServersDown"},
    ),
    "the disk is full": ({"doorbell_store_failing": 1}, {"StoreFailing"}),
    "the clock is wrong": ({"doorbell_clock_wrong": 1}, {"ClockWrong"}),
    "the certificate ends": (
        {"doorbell_certificate_end_time_seconds": 13 * 86400},
        {"CertificateEnds"},
    ),
    "the certificate has ended": (
        {"doorbell_certificate_end_time_seconds": 1},
        {"CertificateEnds"},
    ),
    "alerts do not arrive": ({"doorbell_alerts_failing": 1}, {"AlertsFailing"}),
    "descriptors are used up": (
        {"doorbell_process_open_fds": 1000},
        {"DescriptorsNearlyUsedUp"},
    ),
    "it starts again and again": (
        {"doorbell_process_start_time_seconds": "0+30"},
        {"Restarts"},
    ),
}


def promtool(*words: str) -> None:
    program = shutil.which("promtool")
    assert program, "promtool is missing: install the package prometheus"
    done = subprocess.run([program, *words], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr


def series_of(name: str, value: Any) -> dict[str, str]:
    metric, _, labels = name.rstrip("}").partition("{")
    whole = f"{metric}{{{OF}{',' if labels else ''}{labels}}}"
    return {"series": whole, "values": f"{value}x{STEPS}"}


def played(name: str, changes: dict[str, Any], alerts: set[str]) -> dict[str, Any]:
    return {
        "name": name,
        "interval": "30s",
        "input_series": [series_of(*item) for item in {**WELL, **changes}.items()],
        "promql_expr_test": [
            {
                "expr": 'count by (alertname) (ALERTS{alertstate="firing"})',
                "eval_time": "2h",
                "exp_samples": [
                    {"labels": f'{{alertname="Doorbell{alert}"}}', "value": 1}
                    for alert in sorted(alerts)
                ],
            }
        ],
    }


def test_prometheus_reads_the_rules() -> None:
    promtool("check", "rules", str(RULES))


def test_one_cause_fires_the_alerts_that_are_about_it_and_no_others(tmp_path: Path) -> None:
    file = tmp_path / "test.yaml"
    file.write_text(
        json.dumps(
            {
                "rule_files": [str(RULES)],
                "evaluation_interval": "30s",
                "tests": [played(name, *case) for name, case in CASES.items()],
            }
        )
    )
    promtool("test", "rules", str(file))


def test_every_alert_is_played() -> None:
    rules = yaml.safe_load(RULES.read_text())["groups"][0]["rules"]
    fired = {f"Doorbell{alert}" for _, alerts in CASES.values() for alert in alerts}
    assert {rule["alert"] for rule in rules} - fired == {"DoorbellRingsSlow"}
