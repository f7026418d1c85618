"""Looks at the systems as anybody could, and changes them as somebody else would. Answers one line of JSON.

    witness.py topics KAFKA PREFIX              names of the topics that begin so
    witness.py topic KAFKA NAME                 null, or partitions, replicas and the configs set on the topic
    witness.py make-topic KAFKA NAME PARTITIONS CONFIG-JSON
    witness.py delete-topic KAFKA NAME
    witness.py set-config KAFKA NAME KEY VALUE  without VALUE: takes it away
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
    "http": http,
    "complaints": complaints,
    "tables": tables,
    "add-column": add_column,
}
print(json.dumps(actions[action](*arguments)))
