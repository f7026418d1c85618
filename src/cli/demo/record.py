#!/usr/bin/env python3
"""Records what `datamesh demo` shows: applies the example mesh on a sandbox, changes things behind its back, and
keeps the state and the snapshot with the names of a made-up company in place of this machine's.

    datamesh sandbox up --with iceberg-rest --dir /tmp/recording
    python3 src/cli/demo/record.py DATAMESH_BINARY /tmp/recording      (needs confluent-kafka)
"""
import hashlib, json, os, pathlib, re, shutil, subprocess, sys, tempfile

binary, sandbox = os.path.abspath(sys.argv[1]), sys.argv[2]
here = pathlib.Path(__file__).parent
example = here.parent.parent.parent / "examples" / "acme-mesh"
status = json.loads(subprocess.check_output([binary, "sandbox", "status", "--json", "--dir", sandbox]))
servers = {server["name"]: server for server in status["servers"]}
kafka, registry, rest = (servers[name]["endpoint"] for name in ("kafka", "registry", "iceberg-rest"))

root = pathlib.Path(tempfile.mkdtemp())
shutil.copytree(example, root, dirs_exist_ok=True)
mesh = (here / "mesh" / "datamesh.yaml").read_text()
oauth = servers["iceberg-rest"]
os.environ["DEMO_SECRET"] = oauth["client_secret"]
auth = ('auth: { oauth2: { client_id: "%s", client_secret: "${env:DEMO_SECRET}" } }, ' % oauth["client_id"])
live = (mesh.replace("kafka.acme.example:9092", kafka)
            .replace("https://registry.acme.example/apis/ccompat/v7", registry)
            .replace('uri: "https://iceberg.acme.example"', auth + f'uri: "{rest}"'))
(root / "datamesh.yaml").write_text(live)


def run(*args):
    subprocess.run([binary, "-C", str(root), *args], check=True)


run("apply", "--auto-approve")

# What happens behind the mesh's back.
from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, NewTopic, ResourceType

admin = AdminClient({"bootstrap.servers": kafka})
entry = ConfigEntry("retention.ms", "3600000", incremental_operation=AlterConfigOpType.SET)
changes = admin.incremental_alter_configs(
    [ConfigResource(ResourceType.TOPIC, "payments.payment-events.v1", incremental_configs=[entry])])
for future in changes.values():
    future.result()
for future in admin.create_topics(
        [NewTopic("orders.returns.v1", 3, 1, config={"retention.ms": "2592000000"})]).values():
    future.result()

# What was merged since: the demo's own manifests lie over the example's, and one is gone.
(root / "domains" / "orders" / "shipments.yaml").unlink()
shutil.copytree(here / "mesh" / "domains", root / "domains", dirs_exist_ok=True)
run("plan", "--snapshot-out", str(root / "snapshot.json"))


def renamed(text):
    for mine, theirs in ((registry, "https://registry.acme.example/apis/ccompat/v7"),
                         (rest, "https://iceberg.acme.example"),
                         (kafka, "kafka.acme.example:9092"),
                         (str(root), "/srv/acme")):
        text = text.replace(mine, theirs)
    assert "127.0.0.1" not in text and str(root) not in text, re.findall(r".{60}127\.0\.0\.1.{40}", text)
    return text


out = here / "recording"
shutil.rmtree(out)
out.mkdir()
snapshot = json.loads(renamed((root / "snapshot.json").read_text()))
(out / "snapshot.json").write_text(json.dumps(snapshot, indent=1, sort_keys=True) + "\n")
for folder in sorted((root / ".datamesh" / "state" / "production").iterdir()):
    newest = max(folder.glob("*.json"), key=lambda path: int(path.stem))
    body = "{" + renamed(newest.read_text()).split('",', 1)[1].rstrip("\n")
    digest = hashlib.sha256(body.encode()).hexdigest()
    (out / f"{folder.name}.json").write_text('{"checksum":"sha256:%s",%s\n' % (digest, body[1:]))
run("destroy", "--all", "--auto-approve")
shutil.rmtree(root)
