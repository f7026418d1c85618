use super::*;
use crate::manifest::model::{Field, Rare};
use crate::manifest::values::{ElementType, Node, OneOrMany, PartitionBy, Scalar, Values};
use datamesh_provider::{Diagnostics, Located, Spanned, canonical_json};
use serde_json::{Value, json};
use snapbox::assert_data_eq;

fn text(value: &str) -> Spanned<String> {
    Spanned::implied(value.to_owned())
}

fn rare<T>(value: T) -> Rare<T> {
    Some(Box::new(Spanned::implied(value)))
}

fn symbols(all: &[&str]) -> Rare<Values> {
    let all = all.iter().map(|s| Spanned::implied(Scalar((*s).to_owned()))).collect();
    rare(Values::Symbols(all))
}

fn element(ty: &str) -> ElementType {
    ElementType { ty: text(ty), required: None, values: None, items: None, keys: None, fields: Vec::new() }
}

/// A field, changed by the closure.
fn field(name: &str, ty: &str, change: impl FnOnce(&mut Field)) -> Spanned<Field> {
    let mut field = Field {
        name: text(name),
        ty: text(ty),
        description: None,
        required: None,
        optional: None,
        default: None,
        values: None,
        items: None,
        keys: None,
        fields: Vec::new(),
        pii: None,
        pii_type: None,
        pii_reason: None,
        governance: None,
        renamed_from: None,
    };
    change(&mut field);
    Spanned::implied(field)
}

fn plain(name: &str, ty: &str) -> Spanned<Field> {
    field(name, ty, |_| {})
}

fn with_default(name: &str, ty: &str, required: bool, default: Value) -> Spanned<Field> {
    field(name, ty, |f| {
        f.required = Some(Spanned::implied(required));
        f.default = rare(Node(Located { value: default, ..Located::default() }));
    })
}

fn build(fields: &[Spanned<Field>], key: &[&str]) -> (Contract, Diagnostics) {
    let key: Vec<_> = key.iter().map(|k| text(k)).collect();
    Contract::build(fields, &key, ContractLimits::default())
}

fn good(fields: &[Spanned<Field>], key: &[&str]) -> Contract {
    let (contract, diagnostics) = build(fields, key);
    assert_eq!(diagnostics.errors().collect::<Vec<_>>(), Vec::<&datamesh_provider::Diagnostic>::new());
    contract
}

/// The text of the schema, after an independent parser took it.
fn avro(contract: &Contract, name: &str, doc: Option<&str>) -> String {
    let text = contract.avro(&RecordName::parse(name).expect("a record name"), doc);
    // The parser refuses every default of a decimal, also the encoding the specification asks for; as plain bytes
    // it judges the same default.
    let parsed = text.replace(r#""logicalType":"decimal","#, "");
    apache_avro::Schema::parse_str(&parsed).unwrap_or_else(|error| panic!("{error}: {text}"));
    text
}

fn codes_of(fields: &[Spanned<Field>], key: &[&str]) -> Vec<&'static str> {
    build(fields, key).1.errors().map(|d| d.code.id).collect()
}

fn orders() -> Contract {
    good(
        &[
            field("order_id", "string", |f| {
                f.description = Some(text("Unique order identifier"));
                f.pii = Some(Spanned::implied(false));
            }),
            field("customer_id", "string", |f| {
                f.description = Some(text("Customer identifier (hashed)"));
                f.pii = Some(Spanned::implied(true));
                f.governance = Some(Spanned::implied(Protection::HashBeforePublish));
            }),
            field("total_amount", "decimal", |f| f.description = Some(text("Order total in USD"))),
            field("status", "enum", |f| f.values = symbols(&["placed", "confirmed", "shipped"])),
            field("created_at", "timestamp", |f| {
                f.description = Some(text("Order creation timestamp (UTC)"))
            }),
        ],
        &[],
    )
}

fn everything() -> Contract {
    let scalars = [
        "boolean",
        "int",
        "long",
        "float",
        "double",
        "date",
        "time",
        "timestamp",
        "timestamp_ntz",
        "string",
        "uuid",
        "binary",
        "decimal(12,2)",
    ];
    let mut fields: Vec<_> =
        scalars.iter().map(|ty| plain(&format!("a_{}", ty.replace(['(', ')', ','], "_")), ty)).collect();
    let line =
        || vec![plain("sku", "string"), field("kind", "enum", |f| f.values = symbols(&["GOOD", "SERVICE"]))];
    fields.extend([
        field("id", "uuid", |f| f.pii_type = Some(Spanned::implied(PiiType::Other))),
        field("segment", "enum", |f| f.values = symbols(&["enterprise", "mid-market"])),
        field("tags", "array", |f| f.items = rare(element("string"))),
        field("lines", "array", |f| {
            let lines =
                ElementType { required: Some(Spanned::implied(true)), fields: line(), ..element("struct") };
            f.items = rare(lines);
        }),
        field("attributes", "map", |f| f.values = rare(Values::Type(element("string")))),
        field("per_day", "map", |f| {
            f.keys = rare(element("date"));
            let value = ElementType { fields: line(), ..element("struct") };
            f.values = rare(Values::Type(value));
        }),
        field("ship_to", "struct", |f| {
            f.fields = vec![
                field("email", "text", |f| {
                    f.pii = Some(Spanned::implied(true));
                    f.pii_type = Some(Spanned::implied(PiiType::Email));
                }),
                field("geo", "struct", |f| f.fields = vec![plain("lat", "double"), plain("lon", "double")]),
            ];
        }),
    ]);
    good(&fields, &["id"])
}

fn defaults() -> Contract {
    good(
        &[
            with_default("active", "boolean", true, json!(true)),
            with_default("retries", "int", false, json!(3)),
            with_default("ratio", "double", true, json!(0.5)),
            with_default("price", "decimal(10,2)", true, json!("12.5")),
            with_default("debt", "decimal(10,2)", true, json!(-1)),
            with_default("zero", "decimal(10,2)", true, json!(0)),
            with_default("day", "date", true, json!("2026-01-31")),
            with_default("at", "timestamp", true, json!("2026-01-31T13:30:00+02:00")),
            with_default("local", "timestamp_ntz", true, json!("2026-01-31T13:30:00.25")),
            with_default("clock", "time", true, json!("00:00:01")),
            with_default("note", "string", false, json!(null)),
            with_default("quote", "string", true, json!("say \"hi\"\n\u{1b}ü")),
            with_default("raw", "binary", true, json!("0x00ff7f")),
            with_default("tags", "array<string>", true, json!([])),
            with_default("labels", "map<string, int>", true, json!({})),
        ],
        &[],
    )
}

#[test]
fn the_seeds_schema_is_frozen() {
    let doc = "Order lifecycle facts including creation, fulfillment,\nand revenue metrics.\n";
    let name = RecordName::of_product("order-management", "orders-facts").to_string();
    assert_data_eq!(
        avro(&orders(), &name, Some(doc)),
        snapbox::file!["../../tests/golden/contract/orders.avsc"].raw()
    );
    let columns = canonical_json(&orders().columns());
    assert_data_eq!(columns, snapbox::file!["../../tests/golden/contract/orders.columns.json"].raw());
}

#[test]
fn every_type_is_frozen() {
    let all = everything();
    assert_data_eq!(
        avro(&all, "shop.Everything", None),
        snapbox::file!["../../tests/golden/contract/everything.avsc"].raw()
    );
    let columns = canonical_json(&all.columns());
    assert_data_eq!(columns, snapbox::file!["../../tests/golden/contract/everything.columns.json"].raw());
    assert_eq!(all.primary_key, ["id"]);
    assert!(all.field("id").is_some_and(|f| f.required));
    let shown: Vec<_> =
        ["lines", "per_day", "attributes"].map(|f| all.field(f).map(|f| f.ty.to_string())).into();
    let line = "struct<sku: string, kind: enum>";
    let expected = [format!("array<{line}>"), format!("map<date, {line}>"), "map<string, string>".to_owned()];
    assert_eq!(shown, expected.map(Some));
}

#[test]
fn defaults_are_frozen() {
    assert_data_eq!(
        avro(&defaults(), "Bare", None),
        snapbox::file!["../../tests/golden/contract/defaults.avsc"].raw()
    );
}

#[test]
fn a_default_that_does_not_fit_is_an_error() {
    let cases = [
        ("boolean", json!("true")),
        ("int", json!(3_000_000_000_u64)),
        ("int", json!(1.5)),
        ("long", json!("1")),
        ("decimal(4,2)", json!("123.45")),
        ("decimal(4,2)", json!("1.234")),
        ("decimal(4,2)", json!("1e2")),
        ("date", json!("2026-02-30")),
        ("timestamp", json!("2026-01-31T13:30:00")),
        ("timestamp_ntz", json!("2026-01-31T13:30:00Z")),
        ("time", json!("25:00")),
        ("uuid", json!("not-a-uuid")),
        ("string", json!(7)),
        ("binary", json!("0x0")),
        ("binary", json!("ff")),
        ("array<int>", json!([1])),
        ("map<int, int>", json!({"1": 2})),
        ("int", json!(null)),
    ];
    for (ty, default) in cases {
        let shown = default.to_string();
        assert_eq!(codes_of(&[with_default("f", ty, true, default)], &[]), ["DM0207"], "{ty} {shown}");
    }
}

#[test]
fn findings_name_what_is_wrong_and_what_helps() {
    let (_, diagnostics) = build(&[plain("a", "strng"), plain("b", "Intger"), plain("c", "zebra")], &[]);
    let help: Vec<_> = diagnostics.iter().map(|d| d.help.clone().unwrap_or_default()).collect();
    assert_eq!(help[..2], ["Did you mean `string`?", "Did you mean `integer`?"]);
    assert!(help[2].starts_with("The types are"), "{}", help[2]);

    assert_eq!(codes_of(&[plain("e", "enum")], &[]), ["DM0201"]);
    assert_eq!(codes_of(&[plain("e", "array"), plain("m", "map"), plain("s", "struct")], &[]), ["DM0201"; 3]);
    assert_eq!(codes_of(&[field("e", "enum", |f| f.values = symbols(&["a", "a"]))], &[]), ["DM0209"]);
    assert_eq!(codes_of(&[field("e", "enum", |f| f.values = symbols(&[]))], &[]), ["DM0209"]);
    assert_eq!(codes_of(&[field("s", "string", |f| f.values = symbols(&["a"]))], &[]), ["DM0202"]);
    assert_eq!(codes_of(&[field("s", "int", |f| f.fields = vec![plain("x", "int")])], &[]), ["DM0202"]);
    assert_eq!(codes_of(&[plain("d", "decimal(39,1)"), plain("t", "timestamp(9)")], &[]), ["DM0203"; 2]);
    assert_eq!(codes_of(&[plain("a", "int"), plain("a", "int")], &[]), ["DM0205"]);
    assert_eq!(codes_of(&[plain("a", "int"), plain("A", "int")], &[]), ["DM0205"]);
    assert_eq!(codes_of(&[plain("mid-market", "int"), plain("1st", "int")], &[]), ["DM0206"; 2]);
}

#[test]
fn a_bare_decimal_warns_and_an_odd_enum_is_noted() {
    let (contract, diagnostics) = build(
        &[plain("d", "NUMERIC"), field("e", "enum", |f| f.values = symbols(&["smb", "mid-market"]))],
        &[],
    );
    let found: Vec<_> = diagnostics.iter().map(|d| (d.code.id, d.severity)).collect();
    use datamesh_provider::Severity::{Note, Warning};
    assert_eq!(found, [("DM0204", Warning), ("DM0208", Note)]);
    assert_eq!(contract.fields[0].ty, ContractType::Decimal { precision: 38, scale: 9 });
}

#[test]
fn the_primary_key_is_checked() {
    let fields = [plain("id", "uuid"), plain("x", "double"), plain("t", "array<int>")];
    assert_eq!(codes_of(&fields, &["id"]), Vec::<&str>::new());
    assert_eq!(codes_of(&fields, &["idd"]), ["DM0210"]);
    assert_eq!(codes_of(&fields, &["id", "id"]), ["DM0210"]);
    assert_eq!(codes_of(&fields, &["x"]), ["DM0210"]);
    assert_eq!(codes_of(&fields, &["t"]), ["DM0210"]);
    let optional = field("id", "int", |f| f.required = Some(Spanned::implied(false)));
    assert_eq!(codes_of(&[optional], &["id"]), ["DM0210"]);
}

#[test]
fn nested_names_never_collide_silently() {
    let fields = [
        field("a_b", "struct", |f| f.fields = vec![plain("x", "int")]),
        field("a", "struct", |f| {
            f.fields = vec![field("b", "struct", |f| f.fields = vec![plain("y", "int")])];
        }),
    ];
    assert_eq!(codes_of(&fields, &[]), ["DM0214"]);
}

fn renamed(field: Spanned<Field>, earlier: &[&str]) -> Spanned<Field> {
    let mut field = field;
    field.value.renamed_from = rare(OneOrMany(earlier.iter().map(|name| text(name)).collect()));
    field
}

#[test]
fn readers_find_what_was_written_under_earlier_names() {
    let kind = field("kind", "enum", |f| f.values = symbols(&["a", "b"]));
    let inner = field("customer", "struct", |f| {
        f.fields = vec![renamed(kind, &["sort", "not-avro"]), renamed(plain("name", "string"), &[])];
    });
    let contract = good(&[renamed(plain("id", "int"), &["key", "number"]), renamed(inner, &["buyer"])], &[]);
    let schema: Value = serde_json::from_str(&avro(&contract, "shop.Orders", None)).expect("JSON");
    let (id, customer) = (&schema["fields"][0], &schema["fields"][1]);
    assert_eq!(id["aliases"], json!(["number", "key"]), "the newest first");
    assert_eq!(customer["aliases"], json!(["buyer"]));
    let record = &customer["type"][1];
    assert_eq!((&record["name"], &record["aliases"]), (&json!("OrdersCustomer"), &json!(["OrdersBuyer"])));
    let kind = &record["fields"][0];
    assert_eq!((&kind["aliases"], record["fields"][1].get("aliases")), (&json!(["sort"]), None));
    let all = json!(["OrdersCustomerSort", "OrdersBuyerKind", "OrdersBuyerSort"]);
    assert_eq!(kind["type"][1]["aliases"], all);
    apache_avro::Schema::parse_str(&schema.to_string()).expect("Avro");
    let columns = contract.columns();
    assert_eq!(columns[0]["renamed_from"], json!(["key", "number"]));
    assert_eq!(columns[1]["type"]["fields"][1]["renamed_from"], json!([]), "never had another");
}

#[test]
fn earlier_names_belong_to_one_field() {
    let codes = |a: &[&str], b: &[&str]| {
        codes_of(&[renamed(plain("a", "int"), a), renamed(plain("b", "int"), b)], &[])
    };
    assert_eq!(codes(&["x", "y"], &["z"]), Vec::<&str>::new());
    for (a, b) in [(&["b"][..], &[][..]), (&["a"], &[]), (&["x", "x"], &[]), (&["x"], &["x"])] {
        assert_eq!(codes(a, b), ["DM0216"], "{a:?} {b:?}");
    }
}

#[test]
fn earlier_names_of_nested_types_do_not_multiply_without_end() {
    let mut inner = plain("leaf", "int");
    for _ in 0..20 {
        inner = renamed(field("s", "struct", |f| f.fields = vec![inner.clone()]), &["a", "b", "c"]);
    }
    let text = avro(&good(&[inner], &[]), "Orders", None);
    assert!(text.len() < 100_000, "{}", text.len());
}

#[test]
fn limits_hold_exactly() {
    let limits = ContractLimits { fields: 3, nesting: 2 };
    let codes = |fields: &[Spanned<Field>]| -> Vec<&'static str> {
        Contract::build(fields, &[], limits).1.errors().map(|d| d.code.id).collect()
    };
    let plain_fields = |n: usize| (0..n).map(|i| plain(&format!("f{i}"), "int")).collect::<Vec<_>>();
    assert_eq!(codes(&plain_fields(3)), Vec::<&str>::new());
    assert_eq!(codes(&plain_fields(5)), ["DM0213"]);
    assert_eq!(codes(&[plain("a", "array<int>")]), Vec::<&str>::new());
    assert_eq!(codes(&[plain("a", "array<array<int>>")]), ["DM0213"]);
    let nested = |inner: Spanned<Field>| field("s", "struct", |f| f.fields = vec![inner]);
    assert_eq!(codes(&[nested(plain("x", "int"))]), Vec::<&str>::new());
    assert_eq!(codes(&[nested(nested(plain("x", "int")))]), ["DM0213"]);
}

fn entry(transform: &str, name: Option<&str>) -> Spanned<PartitionBy> {
    Spanned::implied(PartitionBy { transform: text(transform), name: name.map(text) })
}

#[test]
fn every_form_of_partition_by() {
    let contract = everything_flat();
    let one = |transform: &str, name: Option<&str>| {
        let (fields, diagnostics) = contract.partition_by(&[entry(transform, name)]);
        match fields.first() {
            Some(f) if diagnostics.is_empty() => format!("{} {} {}", f.source, f.transform, f.name),
            _ => diagnostics.iter().map(|d| d.code.id).collect(),
        }
    };
    let cases = [
        ("created_date", "created_at day created_date"),
        ("created_hour", "created_at hour created_hour"),
        ("created_month", "created_at month created_month"),
        ("created_year", "created_at year created_year"),
        ("day(created_at)", "created_at day created_at_day"),
        ("bucket(16, id)", "id bucket[16] id_bucket"),
        ("truncate(4,sku)", "sku truncate[4] sku_trunc"),
        ("sku", "sku identity sku"),
        // `order_date` is a field of its own, so it is not taken from `order_at`.
        ("order_date", "order_date identity order_date"),
        ("month(order_date)", "order_date month order_date_month"),
        ("skuu", "DM0211"),
        ("hour(order_date)", "DM0211"),
        ("bucket(0, id)", "DM0211"),
        ("bucket(id)", "DM0211"),
        ("dya(created_at)", "DM0211"),
        ("day(created_at", "DM0211"),
        ("nothing_date", "DM0211"),
        ("bucket(4, price)", "DM0211"),
    ];
    for (spelled, expected) in cases {
        assert_eq!(one(spelled, None), expected, "{spelled}");
    }
    assert_eq!(one("day(created_at)", Some("dt")), "created_at day dt");
    assert_eq!(one("day(created_at)", Some("sku")), "DM0211");
    let twice = contract.partition_by(&[entry("day(created_at)", None), entry("created_month", None)]).1;
    assert_eq!(twice.iter().map(|d| d.code.id).collect::<Vec<_>>(), ["DM0211"]);
}

fn everything_flat() -> Contract {
    good(
        &[
            plain("id", "uuid"),
            plain("sku", "string"),
            plain("created_at", "timestamp"),
            plain("order_at", "timestamp"),
            plain("order_date", "date"),
            plain("price", "double"),
        ],
        &[],
    )
}

#[test]
fn every_form_of_sort_by() {
    let contract = everything_flat();
    let one = |text: &str| {
        let (fields, diagnostics) = contract.sort_by(&[entry(text, None)]);
        match fields.first() {
            Some(f) if diagnostics.is_empty() => {
                format!("{} {} {} {}", f.source, f.transform, f.descending, f.nulls_last)
            }
            _ => diagnostics.iter().map(|d| d.code.id).collect(),
        }
    };
    assert_eq!(one("sku"), "sku identity false false");
    assert_eq!(one("sku desc"), "sku identity true true");
    assert_eq!(one("bucket(16, id) ASC nulls-last"), "id bucket[16] false true");
    assert_eq!(one("sku desc nulls first"), "sku identity true false");
    assert_eq!(one("sku sideways"), "DM0212");
    assert_eq!(one("nope"), "DM0212");
}

#[test]
fn names_are_derived_alike_everywhere() {
    assert_eq!(snake_case("order-management"), "order_management");
    assert_eq!(snake_case("OrdersFacts"), "orders_facts");
    assert_eq!(pascal_case("orders-facts"), "OrdersFacts");
    assert_eq!(pascal_case("_processed_at"), "ProcessedAt");
    assert_eq!(
        RecordName::of_product("order-management", "orders-facts").to_string(),
        "order_management.OrdersFacts"
    );
    assert_eq!(RecordName::of_product("360", "360-view").to_string(), "_360._360View");
    assert!(
        RecordName::parse("a..b").is_err()
            && RecordName::parse("a-b").is_err()
            && RecordName::parse("").is_err()
    );
}

proptest::proptest! {
    #[test]
    fn any_texts_give_findings_or_a_schema_that_parses(
        ty in "[a-z_ (),<>0-9]{0,20}|decimal\\([0-9]{1,2},[0-9]{1,2}\\)|array<(int|uuid|time)>|map<(int|string), ?date>",
        name in "[a-zA-Z_0-9-]{1,8}",
        partition in "[a-z_(), 0-9]{0,20}",
        required in proptest::bool::ANY,
    ) {
        let field = field(&name, &ty, |f| f.required = Some(Spanned::implied(required)));
        let (contract, found) = build(&[field], &[]);
        let _ = contract.partition_by(&[entry(&partition, None)]);
        let _ = contract.sort_by(&[entry(&partition, None)]);
        if !found.has_errors() {
            avro(&contract, "shop.Any", None);
        }
    }
}
