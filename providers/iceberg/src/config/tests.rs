use super::*;

fn read(value: Value) -> (Option<Settings>, Vec<String>) {
    let (settings, found) = decode(&Located { value, ..Located::default() });
    (settings, found.into_iter().map(|d| format!("{} {}", d.detail, d.help.unwrap_or_default())).collect())
}

fn sql() -> Value {
    json!({"catalog": "sql", "name": "mesh", "uri": "sqlite:.datamesh/iceberg.db", "warehouse": "file:.datamesh/warehouse/"})
}

fn rest() -> Value {
    json!({"catalog": "rest", "uri": "https://Catalog.Example.com:443/base/", "warehouse": "s3://lake"})
}

fn with(mut base: Value, key: &str, value: Value) -> Value {
    base[key] = value;
    base
}

#[test]
fn good_settings() {
    let (settings, found) = read(sql());
    assert!(found.is_empty(), "{found:?}");
    let Some(Settings::Sql(sql)) = settings else { panic!("{settings:?}") };
    assert_eq!(
        (sql.database.as_str(), sql.warehouse.as_str()),
        (".datamesh/iceberg.db", "file:.datamesh/warehouse")
    );

    let auth = json!({"oauth2": {"client_id": "mesh", "client_secret": "hunter2"}});
    let (settings, found) = read(with(rest(), "auth", auth));
    assert!(found.is_empty(), "{found:?}");
    assert!(!format!("{settings:?}").contains("hunter2"));
    let Some(Settings::Rest(rest)) = settings else { panic!("{settings:?}") };
    assert_eq!(rest.uri.as_str(), "https://catalog.example.com/base");
    assert!(matches!(rest.auth, Auth::OAuth2 { scope, token_uri: None, .. } if scope == "catalog"));
}

#[test]
fn this_machine_may_be_spoken_to_in_plain_and_others_only_when_said() {
    for uri in ["http://127.0.0.1:18181", "http://localhost/x", "http://[::1]:1"] {
        let (settings, found) = read(with(rest(), "uri", json!(uri)));
        assert!(settings.is_some() && found.is_empty(), "{uri}: {found:?}");
    }
    let far = with(rest(), "uri", json!("http://far.example"));
    assert!(read(far.clone()).0.is_none());
    let (settings, found) = read(with(far, "insecure", json!(true)));
    assert!(settings.is_some() && found.len() == 1 && found[0].contains("plain"), "{found:?}");
}

#[test]
fn bad_settings_are_all_told_and_never_repeat_a_secret() {
    let oauth2 = |value: Value| with(rest(), "auth", json!({"oauth2": value}));
    let cases = [
        (json!("x"), "must be a map"),
        (json!({}), "`sql` or `rest`"),
        (json!({"catalog": "hive"}), "`sql` or `rest`"),
        (json!({"catalog": "sql"}), "`name` is missing"),
        (with(sql(), "uri", json!("postgres://u:hunter2@x/y")), "SQLite"),
        (with(sql(), "uri", json!("sqlite:///abs/or/not.db")), "different ways"),
        (with(sql(), "uri", json!("sqlite::memory:")), "memory"),
        (with(sql(), "uri", json!("sqlite:a.db?mode=ro")), "`?`"),
        (with(sql(), "warehouse", json!("s3://bucket")), "local files"),
        (with(sql(), "warehouse", json!("file:../x")), "`..`"),
        (with(sql(), "auth", json!({})), "`auth` is no setting"),
        (with(sql(), "nmae", json!("x")), "Did you mean `name`"),
        (with(rest(), "uri", json!("https://u:hunter2@x")), "a user, a password"),
        (with(rest(), "uri", json!("ftp://x")), "absolute"),
        (with(rest(), "auth", json!({"bearer": "hunter2", "oauth2": {}})), "exactly one"),
        (oauth2(json!({"client_id": "x"})), "`client_secret` is missing"),
        (
            oauth2(json!({"client_id": "x", "client_secret": "hunter2", "token_uri": "http://far.example"})),
            "this machine",
        ),
        (with(rest(), "tls", json!({"cert_file": "c"})), "`key_file`"),
        (with(rest(), "insecure", json!("yes")), "`true` or `false`"),
        (with(rest(), "warehouse", json!("")), "not empty"),
        (with(rest(), "headers", json!("x")), "must be a map"),
        (with(rest(), "headers", json!({"x tenant": "a"})), "no name of a header"),
        (with(rest(), "headers", json!({"Authorization": "hunter2"})), "cannot be set"),
        (with(rest(), "headers", json!({"x-a": "hunter2\r\nx-b: c"})), "one line"),
        (with(rest(), "headers", json!({"x-a": 1})), "one line"),
    ];
    for (value, text) in cases {
        let (settings, found) = read(value.clone());
        assert!(settings.is_none(), "{value}");
        assert!(found.iter().any(|words| words.contains(text)), "{value}: {found:?}");
        assert!(!format!("{found:?}").contains("hunter2"), "{found:?}");
    }
    let (_, found) = read(json!({"catalog": "rest", "uri": 1, "insecure": 2, "x": 3, "tls": 4}));
    assert_eq!(found.len(), 4, "{found:?}");
}

#[test]
fn the_schema_knows_every_key() {
    let text = schema().to_string();
    for key in
        SQL_KEYS.iter().chain(REST_KEYS).chain(&["bearer", "oauth2", "client_secret", "token_uri", "ca_file"])
    {
        assert!(text.contains(&format!("\"{key}\"")), "{key}");
    }
}
