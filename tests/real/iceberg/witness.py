"""Says what pyiceberg sees of a table, and changes it as somebody else would.

    witness.py CATALOG-PROPERTIES-JSON CATALOG-NAME TABLE show|write|write_again|write_narrow|write_made|make|append
"""

import json
import re
import sys

from pyiceberg.catalog import load_catalog
from pyiceberg.types import StringType

properties, name, identifier, action = sys.argv[1:]
catalog = load_catalog(name, **json.loads(properties))

if action == "make":
    import pyarrow

    fields = [pyarrow.field("id", pyarrow.int64(), nullable=False), pyarrow.field("name", pyarrow.string())]
    catalog.create_namespace(tuple(identifier.split("."))[:-1])
    catalog.create_table(identifier, pyarrow.schema(fields), properties={"theirs": "1"}).append(
        pyarrow.Table.from_pylist([{"id": 1, "name": "one"}], schema=pyarrow.schema(fields))
    )

table = catalog.load_table(identifier)

if action == "write":
    import datetime

    import pyarrow

    with table.update_schema() as update:
        update.add_column("theirs", StringType())
    with table.transaction() as transaction:
        transaction.set_properties(theirs="1")
    rows = [{"order_id": "o-1", "created_at": datetime.datetime(2025, 1, 2, tzinfo=datetime.timezone.utc)}]
    arrow = table.schema().as_arrow()
    missing = {field.name: None for field in arrow}
    table.append(pyarrow.Table.from_pylist([{**missing, **row} for row in rows], schema=arrow))

if action == "write_again":
    import pyarrow

    arrow = table.schema().as_arrow()
    row = {field.name: "o-2" if field.name == "number" else None for field in arrow}
    table.append(pyarrow.Table.from_pylist([row], schema=arrow))

if action == "write_made":
    import pyarrow

    rows = [{**{field.name: None for field in table.schema().as_arrow()}, "id": 2}]
    table.append(pyarrow.Table.from_pylist(rows, schema=table.schema().as_arrow()))

if action == "write_narrow":
    import decimal

    import pyarrow

    row = {"a": 7, "f": 0.5, "d": decimal.Decimal("1.25"), "l": [1, 2]}
    table.append(pyarrow.Table.from_pylist([row], schema=table.schema().as_arrow()))

if action == "append":
    import pyarrow

    # As an engine does that has never heard of us: it takes the table as it is, and tries again when it was too late.
    from pyiceberg.exceptions import CommitFailedException

    for number in range(20):
        while True:
            table = catalog.load_table(identifier)
            try:
                row = {field.name: number if field.name == "a" else None for field in table.schema().as_arrow()}
                table.append(pyarrow.Table.from_pylist([row], schema=table.schema().as_arrow()))
                break
            except CommitFailedException:
                pass

schema, spec, order = table.schema(), table.spec(), table.sort_order()
rows = table.scan().to_arrow()
namespace = tuple(identifier.split("."))[:-1]
print(
    json.dumps(
        {
            "tables": [".".join(found) for found in catalog.list_tables(namespace)],
            "namespace": catalog.load_namespace_properties(namespace),
            "columns": [
                # Numbers are the catalog's own affair.
                [f.name, re.sub(r"\d+: ", "", str(f.field_type)), f.required, f.doc]
                for f in schema.fields
            ],
            "identifiers": sorted(schema.identifier_field_names()),
            "partitions": [
                [f.field_id, f.name, str(f.transform), schema.find_column_name(f.source_id)] for f in spec.fields
            ],
            "sort": [
                [str(f.transform), schema.find_column_name(f.source_id), f.direction.value, f.null_order.value]
                for f in order.fields
            ],
            "properties": table.properties,
            "location": table.location(),
            "version": table.format_version,
            "uuid": str(table.metadata.table_uuid),
            "rows": rows.num_rows,
            "row": {key: str(value) for key, value in (rows.to_pylist() or [{}])[0].items()},
            "ids": {schema.find_column_name(number): number for number in schema.field_ids},
            "schemas": len(table.metadata.schemas),
            "spec": table.metadata.default_spec_id,
            "specs": [
                [past.spec_id, [[f.field_id, str(f.transform), f.name] for f in past.fields]]
                for past in table.metadata.partition_specs
            ],
            "snapshots": len(table.metadata.snapshots),
        }
    )
)
