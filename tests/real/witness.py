"""Looks at the systems as anybody could, and changes them as somebody else would. Answers one line of JSON.

    witness.py topics KAFKA PREFIX              names of the topics that begin so
    witness.py topic KAFKA NAME                 null, or partitions, replicas and the configs set on the topic
    witness.py make-topic KAFKA NAME PARTITIONS CONFIG-JSON
    witness.py delete-topic KAFKA NAME
    witness.py set-config KAFKA NAME KEY VALUE  without VALUE: takes it away
    witness.py acls KAFKA PRINCIPAL             its access control bindings
    witness.py make-acl KAFKA PRINCIPAL OPERATION RESOURCE PATTERN NAME     lets it do so
    witness.py make-user KAFKA NAME PASSWORD    somebody who can log in by SCRAM-SHA-256
    witness.py may-read KAFKA-SASL NAME PASSWORD TOPIC GROUP    "yes", or the code of the refusal
    witness.py write KAFKA REGISTRY SUBJECT TOPIC RECORD-JSON   as a serializer does that knows the subject's latest schema
    witness.py read KAFKA REGISTRY SUBJECT TOPIC    the first record, as a reader sees it that knows that schema
    witness.py http METHOD URL [BODY]           status and JSON of the answer
    witness.py tables CATALOG-PROPERTIES-JSON CATALOG-NAME NAMESPACE    null where there is no such namespace
    witness.py complaints SCHEMA-JSON DOCUMENTS-JSON    what a validator of JSON Schema says of each of a list
    witness.py add-column CATALOG-PROPERTIES-JSON CATALOG-NAME TABLE COLUMN    and a property of that name
"""

import json
import sys


def admin(servers):
    from confluent_kafka.admin import AdminClient

    return AdminClient({"bootstrap.servers": servers})


def complaints(schema, documents):
    from jsonschema import Draft202012Validator

    schema = json.loads(schema)
    Draft202012Validator.check_schema(schema)
    validator = Draft202012Validator(schema)
    return [error.message for document in json.loads(documents) for error in validator.iter_errors(document)]


def wait(futures):
    # The caller keeps the client: without it the calls are cut off.
    return {key: future.result(30) for key, future in futures.items()}


def topics(servers, prefix):
    found = admin(servers).list_topics(timeout=30).topics
    return sorted(name for name in found if name.startswith(prefix))


def topic(servers, name):
    from confluent_kafka.admin import ConfigResource, ConfigSource

    client = admin(servers)
    found = client.list_topics(timeout=30).topics.get(name)
    if found is None:
        return None
    configs = wait(client.describe_configs([ConfigResource(ConfigResource.Type.TOPIC, name)]))
    own = ConfigSource.DYNAMIC_TOPIC_CONFIG.value
    return {
        "partitions": len(found.partitions),
        "replicas": sorted({len(partition.replicas) for partition in found.partitions.values()}),
        "config": {
            key: entry.value
            for config in configs.values()
            for key, entry in config.items()
            if entry.source == own
        },
    }


def make_topic(servers, name, partitions, config):
    from confluent_kafka.admin import NewTopic

    new = NewTopic(name, num_partitions=int(partitions), replication_factor=1, config=json.loads(config))
    client = admin(servers)
    wait(client.create_topics([new]))


def delete_topic(servers, name):
    client = admin(servers)
    wait(client.delete_topics([name]))


def set_config(servers, name, key, value=None):
    from confluent_kafka.admin import AlterConfigOpType, ConfigEntry, ConfigResource

    kind = AlterConfigOpType.DELETE if value is None else AlterConfigOpType.SET
    entry = ConfigEntry(key, value, incremental_operation=kind)
    resource = ConfigResource(ConfigResource.Type.TOPIC, name, incremental_configs=[entry])
    client = admin(servers)
    wait(client.incremental_alter_configs([resource]))


def acls(servers, principal):
    from confluent_kafka.admin import (
        AclBindingFilter,
        AclOperation,
        AclPermissionType,
        ResourcePatternType,
        ResourceType,
    )

    all_of_them = AclBindingFilter(
        ResourceType.ANY, None, ResourcePatternType.ANY, principal, None, AclOperation.ANY, AclPermissionType.ANY
    )
    client = admin(servers)
    found = client.describe_acls(all_of_them).result(30)
    return sorted(
        f"{b.permission_type.name} {b.operation.name} {b.restype.name} {b.resource_pattern_type.name} {b.name} {b.host}"
        for b in found
    )


def make_acl(servers, principal, operation, resource, pattern, name):
    from confluent_kafka.admin import (
        AclBinding,
        AclOperation,
        AclPermissionType,
        ResourcePatternType,
        ResourceType,
    )

    binding = AclBinding(
        ResourceType[resource],
        name,
        ResourcePatternType[pattern],
        principal,
        "*",
        AclOperation[operation],
        AclPermissionType.ALLOW,
    )
    client = admin(servers)
    wait(client.create_acls([binding]))


def make_user(servers, name, password):
    from confluent_kafka.admin import ScramCredentialInfo, ScramMechanism, UserScramCredentialUpsertion

    info = ScramCredentialInfo(ScramMechanism.SCRAM_SHA_256, 4096)
    client = admin(servers)
    wait(client.alter_user_scram_credentials([UserScramCredentialUpsertion(name, info, password.encode())]))


def may_read(servers, name, password, topic, group):
    from confluent_kafka import Consumer, KafkaException, Producer

    writer = Producer({"bootstrap.servers": servers.split("|")[0]})
    writer.produce(topic, b"x")
    assert writer.flush(30) == 0
    consumer = Consumer(
        {
            "bootstrap.servers": servers.split("|")[1],
            "security.protocol": "SASL_PLAINTEXT",
            "sasl.mechanism": "SCRAM-SHA-256",
            "sasl.username": name,
            "sasl.password": password,
            "group.id": group,
            "auto.offset.reset": "earliest",
        }
    )
    consumer.subscribe([topic])
    try:
        for _ in range(60):
            message = consumer.poll(1)
            if message is None:
                continue
            if message.error() is None:
                return "yes"
            return message.error().name()
    except KafkaException as error:
        return error.args[0].name()
    finally:
        consumer.close()
    return "nothing came"


def latest(registry, subject):
    from fastavro import parse_schema

    found = http("GET", f"{registry}/subjects/{subject}/versions/latest")["body"]
    return found["id"], parse_schema(json.loads(found["schema"]))


def write(servers, registry, subject, topic, record):
    from io import BytesIO

    from confluent_kafka import Producer
    from fastavro import schemaless_writer

    number, schema = latest(registry, subject)
    out = BytesIO()
    schemaless_writer(out, schema, json.loads(record))
    producer = Producer({"bootstrap.servers": servers})
    # The wire format of Confluent's serializers: a zero, the schema's id, the record.
    producer.produce(topic, b"\0" + number.to_bytes(4, "big") + out.getvalue())
    assert producer.flush(30) == 0


def read(servers, registry, subject, topic):
    from io import BytesIO

    from confluent_kafka import Consumer
    from fastavro import parse_schema, schemaless_reader

    settings = {"bootstrap.servers": servers, "group.id": f"witness-{topic}", "auto.offset.reset": "earliest"}
    consumer = Consumer({**settings, "enable.auto.commit": False})
    consumer.subscribe([topic])
    try:
        message = consumer.poll(60)
        assert message is not None and message.error() is None, message
        number = int.from_bytes(message.value()[1:5], "big")
        written = parse_schema(json.loads(http("GET", f"{registry}/schemas/ids/{number}")["body"]["schema"]))
        record = schemaless_reader(BytesIO(message.value()[5:]), written, latest(registry, subject)[1])
        return {key: value if value is None else str(value) for key, value in record.items()}
    finally:
        consumer.close()


def add_records(servers, topic, count, days_old):
    import time

    from confluent_kafka import Producer

    producer = Producer({"bootstrap.servers": servers})
    at = int((time.time() - int(days_old) * 86_400) * 1000)
    for number in range(int(count)):
        producer.produce(topic, str(number).encode(), partition=0, timestamp=at)
    assert producer.flush(30) == 0


def stay(servers, topic, group):
    """Reads a topic as a member of a group until whoever started this ends its input."""
    from confluent_kafka import Consumer

    consumer = Consumer({"bootstrap.servers": servers, "group.id": group})
    member = []
    consumer.subscribe([topic], on_assign=lambda _, partitions: member.extend(partitions))
    while not member:
        consumer.poll(1)
    print("there", flush=True)
    sys.stdin.read()
    consumer.close()
    sys.exit()


def http(method, url, body=None):
    from urllib.error import HTTPError
    from urllib.request import Request, urlopen

    kind = {"Content-Type": "application/vnd.schemaregistry.v1+json"}
    request = Request(url, method=method, data=body and body.encode(), headers=kind)
    try:
        answer = urlopen(request, timeout=30)
    except HTTPError as error:
        answer = error
    with answer:
        return {"status": answer.status, "body": json.loads(answer.read() or "null")}


def catalog(properties, name):
    from pyiceberg.catalog import load_catalog

    return load_catalog(name, **json.loads(properties))


def tables(properties, name, namespace):
    from pyiceberg.exceptions import NoSuchNamespaceError

    found = catalog(properties, name)
    if tuple(namespace.split(".")) not in found.list_namespaces():
        return None
    try:
        return [".".join(table) for table in found.list_tables(namespace)]
    except NoSuchNamespaceError:
        return None


def add_column(properties, name, table, column):
    from pyiceberg.types import StringType

    table = catalog(properties, name).load_table(table)
    with table.update_schema() as update:
        update.add_column(column, StringType())
    with table.transaction() as transaction:
        transaction.set_properties({column: "theirs"})


action, *arguments = sys.argv[1:]
actions = {
    "topics": topics,
    "topic": topic,
    "make-topic": make_topic,
    "delete-topic": delete_topic,
    "set-config": set_config,
    "acls": acls,
    "make-acl": make_acl,
    "make-user": make_user,
    "may-read": may_read,
    "add-records": add_records,
    "stay": stay,
    "write": write,
    "read": read,
    "http": http,
    "complaints": complaints,
    "tables": tables,
    "add-column": add_column,
}
print(json.dumps(actions[action](*arguments)))
